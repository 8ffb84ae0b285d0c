"""A merge at the member that lives on: all of the other came, with its dates, and what either owed was paid from it.

The other's journal is played up to the version by which it left; what it had then is what has to be here afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.snapshot import Change
from core.verify.book import Book
from core.verify.ledger import Ledger
from core.verify.rows import MemberRows, MergeRow
from core.verify.seen import Seen

if TYPE_CHECKING:
    from core.verify.audit import Played

_Key = tuple[str, int]
"""A lot's currency and number."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def check_left(book: Book) -> None:
    """A member that left did so in its last version, and is where that says."""
    rows = book.rows
    last = book.changes.get(rows.version or 0)
    into = last.merged if last is not None and last.kind == "merged" else None
    left = [(one.absorbed_version, one.survivor) for one in rows.left]
    if into is None:
        if left or rows.merged_into is not None:
            book.say("merge", f"is said to have gone into {rows.merged_into or left}, and its journal does not say so")
    elif left != [(rows.version, into)] or rows.merged_into is None:
        book.say("merge", f"its journal says that it went into {into}, its rows {left} and {rows.merged_into}")


def came(book: Book, change: Change) -> tuple[MemberRows, Mapping[str, int]] | None:
    """The rows of the member that a version took in, and how far its lots' numbers lie above its own."""
    merge = next((one for one in book.rows.merges if one.survivor_version == change.version), None)
    rows = book.rows.absorbed.get(change.merged)
    if merge is None or rows is None or merge.absorbed != change.merged or merge.absorbed_version != rows.version:
        book.say("merge", f"version {change.version} takes {change.merged} in, and no merge says so")
        return None
    return rows, _lots(book, merge)


def _lots(book: Book, merge: MergeRow) -> Mapping[str, int]:
    try:
        return {str(currency): int(above) for currency, above in json.loads(merge.lots).items()}
    except (AttributeError, TypeError, ValueError) as error:
        book.say("merge", f"the merge of {merge.absorbed} cannot be read: {error}")
        return {}


def join(mine: Played, other: Played, change: Change, seen: Seen) -> None:
    """Go on with both, as of the version that takes the other in."""
    left = other.ledger.leaving
    if left is None:
        mine.book.say("merge", f"version {change.version} takes {change.merged} in, which never left")
        return
    mine.book.join(other.book, seen)
    mine.standing.join(other.standing)
    mine.uses.join(other.uses, seen)
    mine.purchases.join(other.purchases, seen)
    mine.vouchers.join(other.vouchers, seen)
    _same_days(mine.book, other.book, seen)
    mine.ledger.joining = Joining(mine.ledger, left, seen, change.version)


def _same_days(mine: Book, other: Book, seen: Seen) -> None:
    """Each lot that came was earned when it had been."""
    earned = {(lot.currency, lot.no): lot.earned_at for lot in mine.rows.lots}
    for lot in other.rows.lots:
        there = earned.get((lot.currency, seen.lot(lot.currency, lot.no)), lot.earned_at)
        mine.same("merge", f"when lot {lot.no} of {seen.member} was earned", there, lot.earned_at)


class Joining:
    """What another's points must make of a ledger. `expect` is called when all that came before them is posted."""

    def __init__(self, ledger: Ledger, left: Ledger, seen: Seen, version: int) -> None:
        self._ledger, self._left, self._seen, self._version = ledger, left, seen, version
        self._expected: dict[_Key, int] = {}
        self._debts: dict[str, int] = {}
        self._currencies = {currency for currency, _ in (*left.lots, *left.parts, *left.sums)}

    def expect(self) -> None:
        """Enter the lots, still empty, and reckon what will be in each lot."""
        ledger, left, seen = self._ledger, self._left, self._seen
        for currency in self._currencies:
            self._lapse(currency)
        for (currency, no), lot in left.lots.items():
            key: _Key = (currency, seen.lot(currency, no))
            if key in ledger.lots:
                ledger.say("merge", f"lot {key[1]} of {currency} came from {seen.member}, and was there before")
            ledger.lots[key] = lot._replace(origin=self._version, remaining=0, source=seen.no(lot.source))
        for (currency, no), part in left.parts.items():
            if part.remaining:
                ledger.parts[(currency, seen.no(no))] = part
        for no, taken in left.taken.items():
            ledger.taken[seen.no(no)] = {(currency, seen.lot(currency, lot)) for currency, lot in taken}
        for currency in self._currencies:
            self._expect(currency)
            ledger.sums[(currency, "expired")] += left.sums[(currency, "expired")]

    def _expect(self, currency: str) -> None:
        """Both lots and both debts together; what is owed is taken from the lots that end soonest."""
        ledger, left, seen = self._ledger, self._left, self._seen
        there = {key: lot.remaining for key, lot in ledger.lots.items() if key[0] == currency}
        for (of, no), lot in left.lots.items():
            if of == currency:
                there[(currency, seen.lot(currency, no))] = lot.remaining
        owed = ledger.debts[currency] + left.debts[currency]
        for name in sorted(there, key=lambda name: (ledger.lots[name].until or _NEVER, name[1])):
            paid = min(owed, there[name])
            there[name], owed = there[name] - paid, owed - paid
        self._expected |= there
        self._debts[currency] = owed

    def _lapse(self, currency: str) -> None:
        ends = [
            side.lapses.get(currency)
            for side in (self._ledger, self._left)
            if side.lapses.get(currency) or side.has_dateless(currency)
        ]
        known = [end for end in ends if end is not None]
        self._ledger.lapses[currency] = max(known) if known and len(known) == len(ends) else None

    def check(self) -> None:
        """After its entries are posted."""
        ledger, version = self._ledger, self._version
        for key, expected in self._expected.items():
            if (remaining := ledger.lots[key].remaining) != expected:
                what = f"lot {key[1]} of {key[0]} has {remaining} after the merge of version {version}"
                ledger.say("merge", f"{what}, it should have {expected}")
        for currency, owed in self._debts.items():
            if ledger.debts[currency] != owed:
                detail = f"{ledger.debts[currency]} {currency} are owed after version {version}, it should be {owed}"
                ledger.say("merge", detail)
