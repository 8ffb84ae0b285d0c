"""Two members that turn out to be one person."""

from __future__ import annotations

from datetime import datetime

from tests.core.naive.base import Base, Said
from tests.core.naive.purse import Part, Purse
from tests.core.naive.spending import Spending

ROOM = 2**20
"""So many numbers every member has for itself; from there on one says whose it was."""


def numbered(member: int, no: int) -> int:
    """A number of `member` once it is part of another. One that came to it from elsewhere has its name already."""
    return member * ROOM + no if 0 < no < ROOM else no


class Merging(Spending):
    def merge(self, now: datetime, other: int) -> Said | None:
        """This one keeps its birthday; the one with more versions, or else the older one, lives on."""
        second = self.world.whoever(other)
        if second is self:
            return None
        lives_on: Merging = self
        leaves: Merging = second
        if second.version > self.version or (second.version == self.version and second.id < self.id):
            lives_on, leaves = second, self
        lives_on.begin(now)
        leaves.begin(now)
        for currency in self.rules.currencies:
            _pour(leaves.purse(currency), lives_on.purse(currency), leaves.id)
        _take_rights(lives_on, leaves)
        _take_past(lives_on, leaves)
        lives_on.birthday = self.birthday or second.birthday
        self.world.gone[leaves.id] = lives_on.id
        gone = leaves.end(now, kind="merged", member=leaves.id, merged=lives_on.id)
        self.world.ended[leaves.id] = leaves.version
        said = lives_on.end(now, kind="merge", member=lives_on.id, merged=leaves.id)
        said.gone = gone
        return said


def _pour(source: Purse, into: Purse, member: int) -> None:
    """Every lot and part as it is, with its own date; then what is owed is paid from all that is there."""
    for lot in source.lots:
        lot.bought, lot.made = numbered(member, lot.bought), 0
        into.lots.append(lot)
    for part in source.waiting:
        into.waiting.append(Part(numbered(member, part.bought), part.vests, part.expires, part.left))
    owed, into.debt = into.debt + source.debt, 0
    into.take(owed)
    if into.lapses is None or (source.lapses is not None and source.lapses > into.lapses):
        into.lapses = source.lapses
    into.lost += source.lost
    source.lots, source.waiting, source.debt, source.lapses, source.lost = [], [], 0, None, 0


def _take_rights(lives_on: Base, leaves: Base) -> None:
    """Holds and vouchers stay open, and purchases can be returned, by their numbers of before with a name to them."""
    for no, hold in leaves.holds.items():
        lives_on.holds[numbered(leaves.id, no)] = hold
    for no, voucher in leaves.vouchers.items():
        lives_on.vouchers[numbered(leaves.id, no)] = voucher
    for no, purchase in leaves.purchases.items():
        purchase.vouchers = [(numbered(leaves.id, used), off) for used, off in purchase.vouchers]
        lives_on.purchases[numbered(leaves.id, no)] = purchase
    leaves.holds, leaves.vouchers, leaves.purchases = {}, {}, {}


def _take_past(lives_on: Base, leaves: Base) -> None:
    for period, figure in leaves.figures.items():
        lives_on.figures[period] = lives_on.figures.get(period, 0) + figure
    lives_on.given += leaves.given
    lives_on.days += leaves.days
    lives_on.had += leaves.had
    lives_on.bought = lives_on.bought or leaves.bought
    lives_on.segments = tuple(sorted(set(lives_on.segments) | set(leaves.segments)))
