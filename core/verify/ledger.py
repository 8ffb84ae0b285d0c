"""A member's points played again, posting by posting: sums, debts, lots and pending parts as the journal makes them.

What each kind of entry may move is one table, and so is which entries a version may have. Dates are told too: nothing
vests or lapses before its time, and all of a currency that lapses for want of activity does so when it should.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from core.points import POINTS
from core.snapshot import Change, Moved
from core.verify.book import Book
from core.verify.kinds import BY_THE_CLOCK, ENTRIES, MOVES
from core.verify.report import Kind
from core.verify.rows import EntryRow, PendingRow, PostingRow

if TYPE_CHECKING:
    from core.verify.merges import Joining


class Lot(NamedTuple):
    """What the journal makes of a lot. `until`: its date."""

    origin: int
    amount: int
    remaining: int
    source: int
    until: datetime | None


class Part(NamedTuple):
    """What the journal makes of pending points."""

    amount: int
    remaining: int


class Before(NamedTuple):
    """What a return found: the purchase's pending points, and the balance."""

    waiting: int
    available: int


class Ledger:
    """Versions are posted in order; everything else tells how it stands after the last."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.sums: dict[tuple[str, str], int] = defaultdict(int)
        """By (currency, account)."""
        self.debts: dict[str, int] = defaultdict(int)
        self.lots: dict[tuple[str, int], Lot] = {}
        self.parts: dict[tuple[str, int], Part] = {}
        self.taken: dict[int, set[tuple[str, int]]] = {}
        """By open hold, the lots that its points are of."""
        self.lapses: dict[str, datetime | None] = {}
        """By currency, when all its lots lapse for want of activity."""
        self.made: dict[int, int] = {}
        """By version, the lot of points that it earned."""
        self.found: dict[str, Before] = {}
        """By currency, what the return of this version found."""
        self.leaving: Ledger | None = None
        """As it was when the member left for another."""
        self.joining: Joining | None = None
        """What is about to come from another."""
        self._by_activity = any(rules.any_activity for rules in book.any_rules())
        self._vesting: PendingRow | None = None
        """What the vest entry in hand makes good."""
        self._waiting = {(part.currency, part.no): part for part in book.rows.pending}
        self._moved: dict[str, _Sums] = {}
        self._turning = False

    def say(self, kind: Kind, detail: str) -> None:
        self._book.say(kind, detail)

    def post(self, version: int, change: Change | None) -> None:
        book = self._book
        self._moved, self.found, late = {}, {}, False
        allowed = ENTRIES.get(change.kind, set()) if change else None
        for entry in book.entries.get(version, ()):
            postings = book.postings.get((version, entry.no), [])
            if not postings:
                continue
            if allowed is not None and entry.kind not in BY_THE_CLOCK and entry.kind not in allowed:
                book.say("entries", f"entry {version}/{entry.no} is of kind {entry.kind}, in a version of another")
            if change is not None:
                said = (entry.recorded_at, entry.programme)
                journal = (change.recorded_at, change.programme)
                if said != journal:
                    book.same("entries", f"entry {version}/{entry.no}: recorded_at and programme", said, journal)
            if entry.kind == "merge":
                self._turn()
            if entry.kind not in BY_THE_CLOCK:
                late = True
            elif late and change is not None:
                # Lots that were past their date on arrival: they lapse after the version itself was an activity.
                self._active(change)
            self._entry(entry, postings, change)
        if change is not None and change.kind in ("merge", "merged"):
            self._turn()
            self._turned(left=change.kind == "merged")
        if change is not None:
            self._active(change)

    def _turn(self) -> None:
        """The clock's entries are posted, and those of a merge come: once in a version."""
        if self.joining is not None and not self._turning:
            self.joining.expect()
        elif self.joining is None and self.leaving is None:
            self.leaving = self._as_it_is()
        self._turning = True

    def _turned(self, *, left: bool) -> None:
        if self.joining is not None:
            self.joining.check()
        if left:
            self.lapses.clear()
        self.joining, self._turning = None, False

    def _as_it_is(self) -> Ledger:
        one = Ledger(self._book)
        one.sums, one.debts = self.sums.copy(), self.debts.copy()
        one.lots, one.parts, one.lapses = dict(self.lots), dict(self.parts), dict(self.lapses)
        one.taken = dict(self.taken)
        return one

    def compare(self, change: Change) -> None:
        """What a version says of the currencies it moved."""
        available, pending = self.sums[(POINTS, "available")], self.sums[(POINTS, "pending")]
        mine = self._moved.get(POINTS) or _Sums(available, pending)
        made = (available, available - mine.available, mine.expired, mine.released, mine.vested, pending)
        said = (change.available, change.points, change.expired, change.released, change.vested, change.pending)
        if said != made:
            names = ("the balance", "the points", "expired", "released", "vested", "pending")
            for name, stored, journal in zip(names, said, made, strict=True):
                self._book.same("change", f"{name} at version {change.version}", stored, journal)
        if change.others or len(self._moved) > (POINTS in self._moved):
            self._others(change)

    def _others(self, change: Change) -> None:
        said = {one.currency: one for one in change.others}
        for currency in sorted((said.keys() | self._moved.keys()) - {POINTS}):
            available, pending = self.sums[(currency, "available")], self.sums[(currency, "pending")]
            sums = self._moved.get(currency) or _Sums(available, pending)
            moved = Moved(
                currency, available - sums.available, available, pending, sums.expired, sums.released, sums.vested
            )
            # A version may be silent of a currency whose points only went from lot to lot, or to a hold and back.
            if currency in said or moved.points or moved.expired or pending != sums.pending:
                self._book.same("change", f"{currency} at version {change.version}", said.get(currency), moved)

    def fits(self, postings: list[PostingRow], left: dict[int | None, int]) -> bool:
        """Whether points went back to the lots they had been taken from, `left` of them to each, which is less by them
        afterwards; or to what is owed, or to a lot made for them."""
        fit = True
        for posting in postings:
            lot = self.lots.get((posting.currency, posting.lot or 0))
            if posting.account == "available" and lot is not None and lot.origin != posting.version:
                left[posting.lot] = left.get(posting.lot, 0) - posting.amount
                fit = fit and left[posting.lot] >= 0
        return fit

    def has_dateless(self, currency: str) -> bool:
        """Whether there are points without a date of their own: in lots, on hold from such, or pending."""
        lots = {no: lot for (of, no), lot in self.lots.items() if of == currency and lot.until is None}
        held = {no for taken in self.taken.values() for of, no in taken if of == currency}
        pending = [self._waiting.get(key) for key, part in self.parts.items() if key[0] == currency and part.remaining]
        return any(lot.remaining or no in held for no, lot in lots.items()) or any(
            part is not None and part.expires_at is None for part in pending
        )

    # One entry

    def _entry(self, entry: EntryRow, postings: list[PostingRow], change: Change | None) -> None:
        currency = postings[0].currency
        sums = self._moved.get(currency)
        if sums is None:
            sums = _Sums(self.sums[(currency, "available")], self.sums[(currency, "pending")])
            self._moved[currency] = sums
        if entry.kind == "return":
            part = self.parts.get((currency, entry.reverses))
            self.found[currency] = Before(part.remaining if part else 0, self.sums[(currency, "available")])
        elif entry.kind == "vest":
            self._vesting = self._due(entry, postings)
        elif entry.kind == "hold":
            self.taken[entry.version] = {(currency, posting.lot) for posting in postings if posting.lot is not None}
        elif entry.kind in ("capture", "void", "time_out"):
            self.taken.pop(entry.reverses, None)
        moves, total, misplaced, waits = MOVES.get(entry.kind, {}), 0, False, False
        for posting in postings:
            sign = moves.get(posting.account)
            misplaced = misplaced or sign is None or sign * posting.amount < 0 or posting.currency != currency
            total += posting.amount
            self.sums[(currency, posting.account)] += posting.amount
            if posting.account == "available":
                self._available(entry, postings, posting, change)
            waits = waits or posting.account == "pending"
        if entry.kind in BY_THE_CLOCK:
            sums.count(entry.kind, postings)
        if waits:
            self._pending(entry, postings)
        where = f"entry {entry.version}/{entry.no}"
        if misplaced:
            self._book.say("entries", f"{where} moves what an entry of kind {entry.kind} does not, or two currencies")
        if total:
            self._book.say("zero_sum", f"{where} sums to {total} {currency}")
        self._bounds(where, currency)

    def _bounds(self, where: str, currency: str) -> None:
        book = self._book
        if self.debts[currency] < 0:
            book.say("debt", f"after {where} the debt is {self.debts[currency]}")
        if (held := self.sums[(currency, "held")]) < 0:
            book.say("held", f"after {where} {held} points are held")
        if (pending := self.sums[(currency, "pending")]) < 0:
            book.say("pending", f"after {where} {pending} points are pending")
        if (expired := self.sums[(currency, "expired")]) < 0:
            book.say("entries", f"after {where} {-expired} points more were reinstated than ever expired")

    def _available(
        self, entry: EntryRow, postings: list[PostingRow], posting: PostingRow, change: Change | None
    ) -> None:
        if posting.lot is None:
            self.debts[posting.currency] -= posting.amount
            if entry.kind in ("extend", "expire"):
                self._book.say("lot", f"entry {entry.version}/{entry.no} names no lot")
            return
        key = (posting.currency, posting.lot)
        lot = self.lots.get(key)
        if lot is None:
            source, until = self._nature(entry, postings, posting, change)
            after = Lot(entry.version, posting.amount, posting.amount, source, until)
        else:
            after = lot._replace(remaining=lot.remaining + posting.amount)
        self.lots[key] = after
        where = f"{entry.version}/{entry.no}"
        if not 0 <= after.remaining <= after.amount:
            self._book.say(
                "lot", f"after entry {where} lot {posting.lot} of {after.amount} points has {after.remaining}"
            )
        if entry.kind == "expire":
            end = after.until or self.lapses.get(posting.currency)
            if end is None or entry.occurred_at < end:
                self._book.say(
                    "lot", f"entry {where} lets lot {posting.lot} lapse at {entry.occurred_at}, before {end}"
                )

    def _nature(
        self, entry: EntryRow, postings: list[PostingRow], posting: PostingRow, change: Change | None
    ) -> tuple[int, datetime | None]:
        """The source and the date of the lot that a posting makes."""
        currency, at = posting.currency, entry.occurred_at
        if change is None:
            return 0, None
        rules = self._book.rules(change)
        match entry.kind:
            case "earn":
                if currency == POINTS and posting.lot:
                    self.made.setdefault(entry.version, posting.lot)
                # The release before did not say by a lot which purchase it came from.
                source = entry.version if change.kind == "purchase" and change.period else 0
                return source, rules.good_until(at, currency)
            case "vest":
                return (self._vesting.no, self._vesting.expires_at) if self._vesting else (0, None)
            case "adjust":
                return 0, rules.good_until(at, currency)
            case "reinstate":
                return 0, rules.grace(at, currency)
            case "extend":
                emptied = self.lots.get((currency, postings[posting.no - 1].lot or 0))
                return (emptied.source if emptied else 0), change.until
            case _:
                # Given back after the date of the lot it was taken from.
                return 0, rules.grace(at, currency)

    # Pending points

    def _due(self, entry: EntryRow, postings: list[PostingRow]) -> PendingRow | None:
        """The part that a vest entry makes good. It is not named where all of it repays a debt, so it is found by when
        it vests: of several at one instant, the oldest first."""
        currency, where = postings[0].currency, f"entry {entry.version}/{entry.no}"
        due = [
            part
            for key, part in self._waiting.items()
            if part.vests_at == entry.occurred_at and key[0] == currency and self._left(key)
        ]
        part = min(due, key=lambda part: part.no, default=None)
        if part is None:
            self._book.say("pending", f"{where} vests points at {entry.occurred_at}, when none are due")
        elif entry.recorded_at < part.vests_at:
            self._book.say("pending", f"{where} vests the points of version {part.no} before {part.vests_at}")
        return part

    def _left(self, key: tuple[str, int]) -> int:
        part = self.parts.get(key)
        return part.remaining if part else 0

    def _pending(self, entry: EntryRow, postings: list[PostingRow]) -> None:
        """Made by an earn entry; taken by the return of it; or good, all at once."""
        currency, no = postings[0].currency, entry.reverses
        points = sum(posting.amount for posting in postings if posting.account == "pending")
        if entry.kind == "earn":
            self.parts[(currency, entry.version)] = Part(points, points)
            return
        if entry.kind == "merge":
            self._move(currency, points, f"entry {entry.version}/{entry.no}")
            return
        if entry.kind == "vest":
            if self._vesting is None:
                return
            no = self._vesting.no
        where, part = f"entry {entry.version}/{entry.no}", self.parts.get((currency, no)) or Part(0, 0)
        left = part.remaining + points
        if left < 0 or (left and entry.kind == "vest"):
            self._book.say("pending", f"after {where} {left} points of version {no} are pending")
        self.parts[(currency, no)] = part._replace(remaining=left)

    def _move(self, currency: str, points: int, where: str) -> None:
        """All that is pending leaves or has come with a merge, and it names no part."""
        left = self.leaving or self
        parts = {key: part for key, part in left.parts.items() if key[0] == currency}
        if points < 0:
            self.parts |= {key: part._replace(remaining=0) for key, part in parts.items()}
        waiting = sum(part.remaining for part in parts.values())
        if self.sums[(currency, "pending")] != (waiting if points > 0 else 0):
            self._book.say("pending", f"after {where} {self.sums[(currency, 'pending')]} are pending, of {waiting}")

    # Expiry by activity

    def _active(self, change: Change) -> None:
        if not self._by_activity:
            return
        rules, earned = self._book.rules_then(change), {award.currency for award in change.awards}
        at = min(change.occurred_at, change.recorded_at)
        match change.kind:
            case "purchase" | "action" | "grant":
                for currency in earned | ({POINTS} if change.paid_points else set()):
                    self._was_active(currency, rules.lapse(at, currency))
            case "capture":
                self._was_active(change.currency, rules.lapse(at, change.currency))
            case "claim" if change.base:
                self._was_active(change.currency, rules.lapse(at, change.currency))
            case "adjust" if _given(change) > 0:
                self._was_active(change.currency, rules.lapse(at, change.currency))

    def _was_active(self, currency: str, lapses_at: datetime | None) -> None:
        before = self.lapses.get(currency)
        self.lapses[currency] = lapses_at if lapses_at is None or before is None else max(before, lapses_at)


def _given(change: Change) -> int:
    """What an adjustment itself moved of its currency, without what the clock did by then."""
    if change.currency == POINTS:
        return change.points + change.expired - change.released - change.vested
    moved = next((one for one in change.others if one.currency == change.currency), None)
    return moved.points + moved.expired - moved.released - moved.vested if moved else 0


class _Sums:
    """What a version did in one currency: the balance and the pending points before it, and what the clock did."""

    __slots__ = ("available", "expired", "pending", "released", "vested")

    def __init__(self, available: int, pending: int) -> None:
        self.available, self.pending = available, pending
        self.expired = self.released = self.vested = 0

    def count(self, kind: str, postings: list[PostingRow]) -> None:
        if kind == "expire":
            self.expired += sum(posting.amount for posting in postings if posting.account == "expired")
        elif kind == "time_out":
            self.released -= sum(posting.amount for posting in postings if posting.account == "held")
        elif kind == "vest":
            self.vested -= sum(posting.amount for posting in postings if posting.account == "pending")
