"""One member's rows as the checks look at them: by version and by entry, each version's record read once.

The checks share this and what they find; each of them looks at one noun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from core.snapshot import Change
from core.verify.report import Finding, Kind
from core.verify.rows import EntryRow, MemberRows, PostingRow, VersionRow
from core.verify.rules import Rules
from core.verify.seen import Seen

Takings = list[tuple[int, int]]
"""(lot, points) in the order taken."""

_CHANGE = msgspec.json.Decoder(Change)
_TAKINGS = msgspec.json.Decoder(Takings)


class Book:
    def __init__(self, rows: MemberRows, rules: Mapping[int, Rules]) -> None:
        self.findings: list[Finding] = []
        self.rows = rows
        self._rules = rules
        self.postings: dict[tuple[int, int], list[PostingRow]] = defaultdict(list)
        """By (version, entry)."""
        for posting in rows.postings:
            self.postings[(posting.version, posting.entry)].append(posting)
        self.entries: dict[int, list[EntryRow]] = defaultdict(list)
        """By version."""
        for entry in rows.entries:
            self.entries[entry.version].append(entry)
        self.changes: dict[int, Change] = {}
        """Those that can be read, by version."""
        for row in rows.versions:
            self._read(row)

    def join(self, other: Book, seen: Seen) -> None:
        """Take a merged member's journal up, so that what came of it can be looked up like one's own."""
        for version, change in other.changes.items():
            self.changes[seen.no(version)] = seen.change(change)
        for version, entries in other.entries.items():
            self.entries[seen.no(version)] = [seen.entry(entry) for entry in entries]
        for (version, entry_no), postings in other.postings.items():
            self.postings[(seen.no(version), entry_no)] = [seen.posting(posting) for posting in postings]

    def say(self, kind: Kind, detail: str) -> None:
        self.findings.append(Finding(self.rows.id, kind, detail))

    def same(self, kind: Kind, what: str, stored: object, journal: object) -> None:
        if stored != journal:
            self.say(kind, f"{what} is {stored}, the journal makes it {journal}")

    def rules(self, change: Change) -> Rules:
        """By which it was decided."""
        return self._rules[change.programme]

    def rules_then(self, change: Change) -> Rules:
        """In force when it was recorded, which for a late event is not what it was decided by."""
        come = [number for number, rules in self._rules.items() if rules.in_force <= change.recorded_at]
        return self._rules[max(come)] if come else self.rules(change)

    def any_rules(self) -> Iterable[Rules]:
        return self._rules.values()

    def of(self, version: int, *kinds: str) -> Iterator[tuple[EntryRow, list[PostingRow]]]:
        """The version's entries of some kinds, each with its postings."""
        for entry in self.entries.get(version, ()):
            if entry.kind in kinds:
                yield entry, self.postings.get((version, entry.no), [])

    def moved(self, version: int, account: str, *kinds: str, currency: str | None = None) -> int:
        """What entries of some kinds put on `account` in all."""
        return sum(
            posting.amount
            for _, postings in self.of(version, *kinds)
            for posting in postings
            if posting.account == account and currency in (None, posting.currency)
        )

    def takings(self, version: int, *kinds: str) -> list[tuple[int | None, int]]:
        """(lot, points) that entries of some kinds took from what is available, in order; lot None is debt."""
        return [
            (posting.lot, -posting.amount)
            for _, postings in self.of(version, *kinds)
            for posting in postings
            if posting.account == "available"
        ]

    def stored_takings(self, kind: Kind, what: str, encoded: str) -> Takings:
        try:
            return _TAKINGS.decode(encoded)
        except msgspec.DecodeError as error:
            self.say(kind, f"{what}: takings cannot be read: {error}")
            return []

    def structure(self) -> None:
        """Versions, entries and postings that must stand beside one another."""
        rows = self.rows
        numbers = [row.version for row in rows.versions]
        if numbers != list(range(1, len(numbers) + 1)):
            gap = next((i for i, number in enumerate(numbers, 1) if number != i), 0)
            self.say("versions", f"version {gap} is missing from the journal")
        self.same("versions", "the member's version", rows.version, len(numbers))
        known = set(numbers)
        for row in rows.versions:
            nos = [entry.no for entry in self.entries.get(row.version, ())]
            if nos != list(range(row.entries)):
                self.say("entries", f"version {row.version} has entries {nos}, and says it has {row.entries}")
        for version in sorted(self.entries.keys() - known):
            self.say("entries", f"entries of version {version}, which does not exist")
        places = {(entry.version, entry.no) for entry in rows.entries}
        for version, no in sorted(self.postings.keys() - places):
            self.say("entries", f"postings of entry {version}/{no}, which does not exist")
        for entry in rows.entries:
            postings = self.postings.get((entry.version, entry.no), [])
            if not postings or [posting.no for posting in postings] != list(range(len(postings))):
                self.say("entries", f"entry {entry.version}/{entry.no} lacks postings")
        for later, earlier in zip(rows.versions[1:], rows.versions, strict=False):
            if later.recorded_at < earlier.recorded_at:
                self.say("versions", f"version {later.version} was recorded before the one before it")

    def _read(self, row: VersionRow) -> None:
        version = row.version
        try:
            change = _CHANGE.decode(row.change)
        except msgspec.DecodeError as error:
            self.say("change", f"version {version} cannot be read: {error}")
            return
        if change.programme not in self._rules:
            self.say("change", f"version {version} was decided by programme {change.programme}, which is not there")
            return
        said = (change.member, change.version, change.kind, change.recorded_at)
        self.same("change", f"version {version}", said, (self.rows.id, version, row.command, row.recorded_at))
        self.changes[version] = change
