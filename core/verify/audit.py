"""One member's journal played again, with arithmetic of its own.

Nothing here calls what the deciders call: a slip in `core.ledger` or `core.tiers` would otherwise be made twice and
never seen. Whatever can be said from the immutable journal alone (versions, entries, postings) is said from it; the
rows that may be updated (account, lots, holds, purchases) are then compared with what it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from core.snapshot import Change, Purchase
from core.verify.report import Finding, Kind
from core.verify.rows import AccountRow, EntryRow, HoldRow, LotRow, MemberRows, PostingRow, Rules

Places = dict[tuple[int, int], list[PostingRow]]
"""Postings by (version, entry)."""

_CHANGE = msgspec.json.Decoder(Change)
_PURCHASE = msgspec.json.Decoder(Purchase)
_QUALIFYING = msgspec.json.Decoder(dict[int, int])
_TAKINGS = msgspec.json.Decoder(list[tuple[int, int]])
_ENDS = {"captured": "capture", "voided": "void", "timed_out": "time_out"}


def audit(rows: MemberRows, rules: Mapping[int, Rules], currency: str) -> list[Finding]:
    """What does not hold of this member. `currency` is the one that changes speak of."""
    if rows.version is None:
        return [Finding(rows.id, "orphan", "has rows in the ledger but is not a member")]
    member = _Audit(rows, rules, currency)
    member.structure()
    member.replay()
    member.lots()
    member.holds()
    member.accounts()
    member.purchases()
    return member.findings


class _Audit:
    def __init__(self, rows: MemberRows, rules: Mapping[int, Rules], currency: str) -> None:
        self.findings: list[Finding] = []
        self._rows = rows
        self._rules = rules
        self._currency = currency
        self._postings: Places = defaultdict(list)
        for posting in rows.postings:
            self._postings[(posting.version, posting.entry)].append(posting)
        self._entries: dict[int, list[EntryRow]] = defaultdict(list)
        for entry in rows.entries:
            self._entries[entry.version].append(entry)
        self._changes: dict[int, Change] = {}
        self._sums: dict[tuple[str, str], int] = defaultdict(int)
        """By (currency, account)."""
        self._debts: dict[str, int] = defaultdict(int)
        self._lots: dict[tuple[str, int], LotRow] = {}
        """What the journal makes of each lot."""
        self._qualifying: dict[int, int] = defaultdict(int)
        self._returned: dict[int, int] = defaultdict(int)
        """Money given back, by the purchase's version."""
        self._taken_back: dict[int, int] = defaultdict(int)

    def _say(self, kind: Kind, detail: str) -> None:
        self.findings.append(Finding(self._rows.id, kind, detail))

    def _same(self, kind: Kind, what: str, stored: object, journal: object) -> None:
        if stored != journal:
            self._say(kind, f"{what} is {stored}, the journal makes it {journal}")

    # Rows that must stand beside one another

    def structure(self) -> None:
        rows = self._rows
        numbers = [row.version for row in rows.versions]
        if numbers != list(range(1, len(numbers) + 1)):
            gap = next((i for i, number in enumerate(numbers, 1) if number != i), 0)
            self._say("versions", f"version {gap} is missing from the journal")
        self._same("versions", "the member's version", rows.version, len(numbers))
        known = set(numbers)
        for row in rows.versions:
            nos = [entry.no for entry in self._entries.get(row.version, ())]
            if nos != list(range(row.entries)):
                self._say("entries", f"version {row.version} has entries {nos}, and says it has {row.entries}")
        for version in sorted({entry.version for entry in rows.entries} - known):
            self._say("entries", f"entries of version {version}, which does not exist")
        places = {(entry.version, entry.no) for entry in rows.entries}
        for version, no in sorted(self._postings.keys() - places):
            self._say("entries", f"postings of entry {version}/{no}, which does not exist")
        for entry in rows.entries:
            postings = self._postings.get((entry.version, entry.no), [])
            if not postings or [posting.no for posting in postings] != list(range(len(postings))):
                self._say("entries", f"entry {entry.version}/{entry.no} lacks postings")

    # The journal, in order

    def replay(self) -> None:
        last_balance, last_recorded = 0, None
        for row in self._rows.versions:
            change = self._change(row.version, row.command, row.recorded_at, row.change)
            if last_recorded is not None and row.recorded_at < last_recorded:
                self._say("versions", f"version {row.version} was recorded before the one before it")
            last_recorded = row.recorded_at
            expired = released = 0
            for entry in self._entries.get(row.version, ()):
                self._same("entries", f"entry {row.version}/{entry.no}: recorded_at", entry.recorded_at, last_recorded)
                postings = self._postings.get((entry.version, entry.no), [])
                self._post(entry, postings)
                expired += sum(posting.amount for posting in postings if posting.account == "expired")
                if entry.kind == "time_out":
                    released -= sum(posting.amount for posting in postings if posting.account == "held")
            balance = self._sums[(self._currency, "available")]
            if change is not None:
                self._qualify(change)
                at = f"at version {row.version}"
                self._same("change", f"the balance {at}", change.available, balance)
                self._same("change", f"the points {at}", change.points, balance - last_balance)
                self._same("change", f"expired {at}", change.expired, expired)
                self._same("change", f"released {at}", change.released, released)
                self._stands(change)
            last_balance = balance

    def _change(self, version: int, command: str, recorded_at: datetime, encoded: str) -> Change | None:
        try:
            change = _CHANGE.decode(encoded)
        except msgspec.DecodeError as error:
            self._say("change", f"version {version} cannot be read: {error}")
            return None
        if change.programme not in self._rules:
            self._say("change", f"version {version} was decided by programme {change.programme}, which is not there")
            return None
        said = (change.member, change.version, change.kind, change.recorded_at)
        self._same("change", f"version {version}", said, (self._rows.id, version, command, recorded_at))
        self._changes[version] = change
        return change

    def _post(self, entry: EntryRow, postings: list[PostingRow]) -> None:
        totals: dict[str, int] = defaultdict(int)
        for posting in postings:
            totals[posting.currency] += posting.amount
            self._sums[(posting.currency, posting.account)] += posting.amount
            if posting.account == "issued" and entry.kind == "return":
                self._taken_back[entry.reverses] += posting.amount
            if posting.account != "available":
                continue
            if posting.lot is None:
                self._debts[posting.currency] -= posting.amount
            else:
                self._fill(entry, posting, posting.lot)
        where = f"entry {entry.version}/{entry.no}"
        for currency, total in totals.items():
            if total:
                self._say("zero_sum", f"{where} sums to {total} {currency}")
            if self._debts[currency] < 0:
                self._say("debt", f"after {where} the debt is {self._debts[currency]}")
            if self._sums[(currency, "held")] < 0:
                self._say("held", f"after {where} {self._sums[(currency, 'held')]} points are held")

    def _fill(self, entry: EntryRow, posting: PostingRow, no: int) -> None:
        key = (posting.currency, no)
        before = self._lots.get(key)
        if before is None:
            after = LotRow(posting.currency, no, entry.version, posting.amount, posting.amount)
        else:
            after = before._replace(remaining=before.remaining + posting.amount)
        self._lots[key] = after
        if not 0 <= after.remaining <= after.amount:
            where = f"entry {entry.version}/{entry.no}"
            self._say("lot", f"after {where} lot {no} of {after.amount} points has {after.remaining}")

    def _qualify(self, change: Change) -> None:
        """Base points count in the year of the purchase; a return takes back what its share of the money had given,
        so that what stays is rounded down."""
        if change.kind == "purchase":
            self._qualifying[self._year(change.occurred_at, change)] += change.base
        elif change.kind == "return":
            bought = self._changes.get(change.purchase)
            if bought is None or bought.kind != "purchase" or change.purchase >= change.version:
                self._say("purchase", f"version {change.version} returns {change.purchase}, which is no purchase")
                return
            year = self._year(bought.occurred_at, bought)
            self._qualifying[year] += _lost(bought.base, bought, self._returned[bought.version])
            self._returned[bought.version] += change.amount
            if self._returned[bought.version] > bought.amount:
                self._say("purchase", f"purchase {bought.version}: more money was returned than paid")
                self._returned[bought.version] = bought.amount
            self._qualifying[year] -= _lost(bought.base, bought, self._returned[bought.version])

    def _stands(self, change: Change) -> None:
        year = self._year(change.recorded_at, change)
        this, last = self._qualifying[year], self._qualifying[year - 1]
        self._same("qualifying", f"qualifying points at version {change.version}", change.qualifying, this)
        reached = [key for key, threshold in self._rules[change.programme].tiers if threshold <= max(this, last, 0)]
        self._same("tier", f"the tier at version {change.version}", change.tier, reached[-1])

    def _year(self, instant: datetime, change: Change) -> int:
        return instant.astimezone(self._rules[change.programme].zone).year

    # What is derived, against the journal

    def lots(self) -> None:
        stored = {(lot.currency, lot.no): lot for lot in self._rows.lots}
        for key in sorted(stored.keys() | self._lots.keys()):
            there, made = stored.get(key), self._lots.get(key)
            if there is None or made is None:
                missing = "is in the journal only" if there is None else "is not in the journal"
                self._say("lot", f"lot {key[1]} {missing}")
                continue
            self._same("lot", f"lot {key[1]}: remaining", there.remaining, made.remaining)
            self._same("lot", f"lot {key[1]}: amount", there.amount, made.amount)
            self._same("lot", f"lot {key[1]}: origin", there.origin, made.origin)

    def holds(self) -> None:
        by_version = {hold.no: hold for hold in self._rows.holds}
        for entry in self._rows.entries:
            if entry.kind == "hold" and entry.version not in by_version:
                self._say("hold", f"the hold of version {entry.version} has no row")
        ends: dict[int, list[EntryRow]] = defaultdict(list)
        for entry in self._rows.entries:
            if entry.kind in _ENDS.values():
                ends[entry.reverses].append(entry)
        for no in sorted(ends.keys() - by_version.keys()):
            self._say("hold", f"version {ends[no][0].version} ends hold {no}, which has no row")
        for hold in self._rows.holds:
            self._hold(hold, ends.get(hold.no, []))

    def _hold(self, hold: HoldRow, ends: list[EntryRow]) -> None:
        postings = [
            posting
            for entry in self._entries.get(hold.no, ())
            if entry.kind == "hold"
            for posting in self._postings.get((entry.version, entry.no), ())
        ]
        held = sum(posting.amount for posting in postings if posting.account == "held")
        self._same("hold", f"hold {hold.no}: points", hold.points, held)
        taken = [(posting.lot, -posting.amount) for posting in postings if posting.account == "available"]
        try:
            self._same("hold", f"hold {hold.no}: takings", _TAKINGS.decode(hold.takings), taken)
        except msgspec.DecodeError as error:
            self._say("hold", f"hold {hold.no}: takings cannot be read: {error}")
        if len(ends) > 1:
            self._say("hold", f"hold {hold.no} ends {len(ends)} times")
            return
        state, resolved = ("open", None) if not ends else (ends[0].kind, ends[0].version)
        stored = _ENDS.get(hold.state, hold.state)
        self._same("hold", f"hold {hold.no}: its end", (stored, hold.resolved), (state, resolved))
        if ends:
            back = -sum(p.amount for p in self._postings.get((ends[0].version, ends[0].no), ()) if p.account == "held")
            self._same("hold", f"hold {hold.no}: what its end released", back, hold.points)

    def accounts(self) -> None:
        stored = {account.currency: account for account in self._rows.accounts}
        if self._currency not in stored:
            self._say("balance", f"there is no account in {self._currency}")
        for currency in sorted({key[0] for key in self._sums} - stored.keys() - {self._currency}):
            self._say("balance", f"the journal has {currency}, and there is no account of it")
        for currency, account in stored.items():
            lots = [lot for lot in self._lots.values() if lot.currency == currency]
            remaining = sum(lot.remaining for lot in self._rows.lots if lot.currency == currency)
            opened = sum(h.points for h in self._rows.holds if h.currency == currency and h.state == "open")
            self._same("balance", "the balance", account.available, self._sums[(currency, "available")])
            if account.available != remaining - account.debt:
                detail = f"the balance is {account.available}, lots less debt are {remaining - account.debt}"
                self._say("balance", detail)
            self._same("debt", "the debt", account.debt, self._debts[currency])
            self._same("lot", "the number of lots made", account.lots_made, max((lot.no for lot in lots), default=0))
            self._same("lot", "the number of lots", len(lots), account.lots_made)
            self._same("held", "held", account.held, self._sums[(currency, "held")])
            if account.held != opened:
                self._say("held", f"held is {account.held}, the open holds are {opened}")
            self._due(account)
            if currency == self._currency:
                self._account_qualifying(account.qualifying)

    def _due(self, account: AccountRow) -> None:
        """A credit is decided without reading the lots when nothing is due yet: it must not overlook one."""
        dates = [lot.expires_at for lot in self._rows.lots if lot.currency == account.currency and lot.remaining]
        dates += [h.expires_at for h in self._rows.holds if h.currency == account.currency and h.state == "open"]
        first = min((date for date in dates if date is not None), default=None)
        if first is not None and (account.next_due is None or account.next_due > first):
            self._say("due", f"next_due is {account.next_due}, something is due {first}")

    def _account_qualifying(self, encoded: str) -> None:
        try:
            stored = {year: points for year, points in _QUALIFYING.decode(encoded).items() if points}
        except msgspec.DecodeError as error:
            self._say("qualifying", f"qualifying points cannot be read: {error}")
            return
        journal = {year: points for year, points in self._qualifying.items() if points}
        self._same("qualifying", "qualifying points", stored, journal)

    def purchases(self) -> None:
        bought = {version for version, change in self._changes.items() if change.kind == "purchase"}
        for version in sorted(bought - {row.version for row in self._rows.purchases}):
            self._say("purchase", f"the purchase of version {version} has no row")
        for row in self._rows.purchases:
            if row.version not in bought:
                self._say("purchase", f"purchase {row.version} is no purchase's version")
                continue
            try:
                purchase = _PURCHASE.decode(row.record)
            except msgspec.DecodeError as error:
                self._say("purchase", f"purchase {row.version} cannot be read: {error}")
                continue
            self._purchase(purchase, self._changes[row.version])

    def _purchase(self, purchase: Purchase, change: Change) -> None:
        returned = self._returned[change.version]
        made = [
            posting.lot
            for entry in self._entries.get(change.version, ())
            if entry.kind == "earn"
            for posting in self._postings.get((entry.version, entry.no), ())
            if posting.lot is not None
        ]
        earned = change.base + change.bonus
        issued = -sum(
            posting.amount
            for entry in self._entries.get(change.version, ())
            for posting in self._postings.get((entry.version, entry.no), ())
            if posting.account == "issued"
        )
        self._same("purchase", f"purchase {change.version}: the points it says it earned", earned, issued)
        taken = self._taken_back[change.version]
        self._same("purchase", f"purchase {change.version}: what returns took", taken, _lost(earned, change, returned))
        for what, stored, journal in (
            ("member and version", (purchase.member, purchase.version), (change.member, change.version)),
            ("base and bonus", (purchase.base, purchase.bonus), (change.base, change.bonus)),
            ("total", purchase.total, change.amount),
            ("occurred_at", purchase.occurred_at, change.occurred_at),
            ("period", purchase.period, self._year(change.occurred_at, change)),
            ("lot", purchase.lot, made[0] if made else 0),
            ("balance after it", purchase.available, change.available),
            ("money returned", sum(amount for _, amount in purchase.returned), returned),
            ("taken back", purchase.taken_back, taken),
            ("qualifying taken back", purchase.qualifying_taken_back, _lost(change.base, change, returned)),
        ):
            self._same("purchase", f"purchase {change.version}: {what}", stored, journal)


def _lost(points: int, bought: Change, returned: int) -> int:
    """Of `points` earned by a purchase, those gone once `returned` of its money was given back; a part of a point is
    gone with the first cent."""
    return -(-points * returned // bought.amount) if bought.amount else 0
