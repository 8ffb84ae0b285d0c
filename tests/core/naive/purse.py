"""One member's points of one currency, point by point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Lot:
    expires: datetime | None
    left: int
    bought: int = 0
    """The purchase that earned it, or 0."""
    made: int = 0
    """The version that made it."""


@dataclass
class Part:
    """Points that wait for their return window to end."""

    bought: int
    vests: datetime
    expires: datetime | None
    left: int


@dataclass
class Hold:
    currency: str
    reward: str
    points: int
    ends: datetime
    taken: list[Lot]
    """The lot of each point, in the order taken."""
    stocked: bool = False


@dataclass
class Done:
    """What the clock did."""

    expired: int = 0
    released: int = 0
    vested: int = 0


@dataclass
class Purse:
    currency: str
    lots: list[Lot] = field(default_factory=list)
    waiting: list[Part] = field(default_factory=list)
    debt: int = 0
    lapses: datetime | None = None
    """Where points expire by activity: when all of them do."""
    lost: int = 0
    """Points that expired and were not given back."""
    clock: Done = field(default_factory=Done)
    """Since the command began."""
    at_start: int = 0

    def balance(self) -> int:
        return sum(lot.left for lot in self.lots) - self.debt

    def pending(self) -> int:
        return sum(part.left for part in self.waiting)

    def end_of(self, lot: Lot) -> datetime | None:
        """A lot without a date of its own ends for want of activity."""
        return self.lapses if lot.expires is None else lot.expires

    def ends(self) -> Iterable[datetime]:
        for lot in self.lots:
            end = self.end_of(lot)
            if lot.left and end is not None:
                yield end

    def lots_by_date(self) -> list[tuple[datetime | None, int, int]]:
        """(end, purchase, points): all that is good, without a word about which lot is which."""
        sums: dict[tuple[datetime | None, int], int] = {}
        for lot in self.lots:
            if lot.left:
                key = (self.end_of(lot), lot.bought)
                sums[key] = sums.get(key, 0) + lot.left
        return sorted(((end, bought, n) for (end, bought), n in sums.items()), key=lambda one: (str(one[0]), one[1:]))

    def give(self, points: int, expires: datetime | None, bought: int = 0, made: int = 0) -> Lot | None:
        """What is owed is paid first; the rest is a lot."""
        paid = min(self.debt, points)
        self.debt -= paid
        if points == paid:
            return None
        lot = Lot(expires, points - paid, bought, made)
        self.lots.append(lot)
        return lot

    def take(self, points: int, bought: int = 0) -> list[Lot]:
        """Point by point from the lots of a purchase, then from the lot whose own date is soonest; what is not there is
        owed."""
        taken = []
        for _ in range(points):
            lot = self._next(bought)
            if lot is None:
                self.debt += 1
            else:
                lot.left -= 1
                taken.append(lot)
        return taken

    def _next(self, bought: int) -> Lot | None:
        there = [lot for lot in self.lots if lot.left]
        own = [lot for lot in there if bought and lot.bought == bought]
        dated = [lot for lot in own or there if lot.expires is not None]
        if dated:
            soonest = min(lot.expires for lot in dated if lot.expires is not None)
            return next(lot for lot in dated if lot.expires == soonest)
        return next(iter(own or there), None)

    def put_back(self, taken: list[Lot], now: datetime, grace: datetime) -> None:
        """Each point to its own lot, the last one taken first; what is owed is paid by those that were taken first. A
        lot that is past its date comes back as a new one with the grace."""
        paid = min(self.debt, len(taken))
        self.debt -= paid
        back = list(reversed(taken[paid:]))
        while back:
            lot = back[0]
            points = len([one for one in back if one is lot])
            back = [one for one in back if one is not lot]
            end = self.end_of(lot)
            if end is None or now < end:
                lot.left += points
            else:
                self.lots.append(Lot(grace, points))

    def expire(self, lot: Lot) -> None:
        self.lost += lot.left
        self.clock.expired += lot.left
        lot.left = 0

    def vest(self, part: Part, made: int) -> None:
        self.clock.vested += part.left
        self.give(part.left, part.expires, part.bought, made)
        part.left = 0
