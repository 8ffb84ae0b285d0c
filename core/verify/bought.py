"""A purchase as the journal has it after the returns so far."""

from __future__ import annotations

from typing import NamedTuple

from core.points import POINTS
from core.snapshot import Award, Change, Purchase
from core.verify.seen import Seen


class Payment(NamedTuple):
    """Points that paid for a part, and the lots they came from."""

    points: int
    takings: list[tuple[int | None, int]]


class Bought:
    """What was returned of it, and what that came to."""

    def __init__(self, change: Change, record: Purchase | None, period: int, measured: int, payment: Payment) -> None:
        self.change, self.record, self.period, self.payment = change, record, period, payment
        self.measured = measured
        self.returned = [(0, 0) for _ in record.lines] if record else []
        """Pieces and money by line; of returns that say by line."""
        self.pieces = self.money = 0
        self.by_line = True
        """Whether every return said by line."""
        self.due: dict[str, int] = {}
        """By currency, what returns took or let go."""
        self.due_back: tuple[int, ...] = ()
        self.taken = self.unqualified = self.paid_back = self.unpaid_back = 0
        self.left = dict(payment.takings)
        """What refunds may still give back to each lot."""

    @property
    def version(self) -> int:
        return self.change.version

    @property
    def whole(self) -> bool:
        """All of it is back."""
        return (self.pieces, self.money) == (self.change.quantity, self.change.amount)

    @property
    def paid_out(self) -> bool:
        """All its money is back, and of one that cost nothing all pieces."""
        return self.money == self.change.amount and (self.money > 0 or self.whole)

    @property
    def awards(self) -> tuple[Award, ...]:
        change = self.change
        if change.period:
            return change.awards
        both = (Award("base", "", change.base, qualifies=True), Award("tier", change.bonus_tier, change.bonus))
        return tuple(award for award in both if award.points)

    def lost(self, award: Award) -> int:
        """Of an award, what is gone with what is back: a part of a point goes with the first cent."""
        if not award.lines or self.record is None:
            return award.points if self.whole else rounded_up(award.points, self.money, self.change.amount)
        worth = back = 0
        complete = True
        for i in award.lines:
            line, (pieces, money) = self.record.lines[i], self.returned[i]
            worth, back = worth + line.amount, back + money
            complete = complete and (pieces, money) == (line.quantity, line.amount)
        return award.points if complete else rounded_up(award.points, back, worth)

    def part(self, figure: int) -> int:
        """The part of a figure that goes with what is back, in favour of the shop until all of it is."""
        if self.whole:
            return figure
        return figure * self.money // self.change.amount if self.change.amount else 0

    def seen(self, seen: Seen) -> Bought:
        """The same of a merged member, in the numbers of the one that lives on."""
        takings = [(seen.lot_or_debt(POINTS, lot), points) for lot, points in self.payment.takings]
        record = seen.purchase(self.record) if self.record else None
        payment = Payment(self.payment.points, takings)
        one = Bought(seen.change(self.change), record, self.period, self.measured, payment)
        one.returned, one.pieces, one.money, one.by_line = list(self.returned), self.pieces, self.money, self.by_line
        one.due, one.due_back, one.taken = dict(self.due), self.due_back, self.taken
        one.unqualified, one.paid_back, one.unpaid_back = self.unqualified, self.paid_back, self.unpaid_back
        one.left = {seen.lot_or_debt(POINTS, lot): points for lot, points in self.left.items()}
        return one


def rounded_up(figure: int, part: int, whole: int) -> int:
    """The share of `figure` that `part` is of `whole`, rounded up."""
    return -(-figure * part // whole) if whole else 0
