"""A second ledger, written from the words of the design and nothing else: slow, mutable, one list of lots.

It imports nothing of `core`, so it cannot share a slip with it. Every number of a rule (rate, months, thresholds) is
an argument; every rule is worked out the long way: dates day by day, rounding in decimals, shares by search.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

ROUNDINGS = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


class Refused(Exception):
    """The ledger's answer is no; the argument is the refusal's code."""


@dataclass
class Rules:
    zone: str
    rate: str
    rounding: str
    months: int
    grace_days: int
    channels: dict[str, str]
    tiers: list[tuple[str, int, str]]
    """(key, threshold, bonus), rising."""
    rewards: dict[str, int]
    hold_minutes: int = 15
    replay_days: int = 30
    minor_digits: int = 2


@dataclass
class NaiveLot:
    expires: datetime | None
    left: int


@dataclass
class NaiveHold:
    points: int
    ends: datetime
    taken: list[tuple[NaiveLot, int]]
    """In the order taken."""


@dataclass
class NaivePurchase:
    base: int
    bonus: int
    total: int
    year: int
    lot: NaiveLot | None
    left: list[tuple[int, int]]
    """(pieces, money) not yet returned of each line."""
    points_back: int = 0
    qualified_back: int = 0


@dataclass
class Said:
    """What a version says of itself. Expired and released are what the clock did in the same command."""

    points: int
    expired: int
    released: int
    base: int = 0
    bonus: int = 0


@dataclass
class Naive:
    """One member. Every method is a command: it either raises `Refused` and changes nothing, or makes a version (and
    says so), or returns None when there was nothing to do."""

    rules: Rules
    version: int = 1
    lots: list[NaiveLot] = field(default_factory=list)
    holds: dict[int, NaiveHold] = field(default_factory=dict)
    purchases: dict[int, NaivePurchase] = field(default_factory=dict)
    debt: int = 0
    qualified: dict[int, int] = field(default_factory=dict)

    # What can be seen

    def balance(self) -> int:
        return sum(lot.left for lot in self.lots) - self.debt

    def held(self) -> int:
        return sum(hold.points for hold in self.holds.values())

    def open_lots(self) -> list[tuple[datetime | None, int]]:
        return [(lot.expires, lot.left) for lot in self.lots if lot.left]

    def qualifying(self, now: datetime) -> int:
        return self.qualified.get(self._year(now), 0)

    def tier(self, now: datetime) -> str:
        year = self._year(now)
        best = max(self.qualified.get(year, 0), self.qualified.get(year - 1, 0))
        return [key for key, threshold, _ in self.rules.tiers if best >= threshold][-1]

    def next_due(self) -> datetime | None:
        """When the clock alone will next change something."""
        dates = [hold.ends for hold in self.holds.values()]
        dates += [lot.expires for lot in self.lots if lot.left and lot.expires is not None]
        return min(dates, default=None)

    def at(self, now: datetime) -> Naive:
        """This member once everything due by now has happened; itself it stays as it is."""
        later = copy.deepcopy(self)
        later._pass_time(now)
        return later

    # Commands

    def buy(
        self, now: datetime, occurred: datetime, lines: list[tuple[int, int]], channel: str, *, staff: bool
    ) -> Said:
        """`lines` are (pieces, money)."""
        if occurred > now + timedelta(minutes=5):
            raise Refused("invalid_input")
        if occurred < now - timedelta(days=self.rules.replay_days) and not staff:
            raise Refused("invalid_input")
        total = sum(money for _, money in lines)
        before, (expired, released) = self.balance(), self._pass_time(now)
        units = Decimal(total).scaleb(-self.rules.minor_digits)
        base = self._round(units * Decimal(self.rules.rate) * Decimal(self.rules.channels[channel]))
        share = next(bonus for key, _, bonus in self.rules.tiers if key == self.tier(now))
        bonus = self._round(Decimal(base) * Decimal(share))
        lot = self._give(base + bonus, self._good_through(occurred)) if base + bonus else None
        if lot is not None and lot.expires is not None and lot.expires <= now:
            expired += lot.left
            lot.left = 0
        year = self._year(occurred)
        self.qualified[year] = self.qualified.get(year, 0) + base
        self.version += 1
        self.purchases[self.version] = NaivePurchase(base, bonus, total, year, lot, list(lines))
        return Said(self.balance() - before, expired, released, base, bonus)

    def give_back(self, now: datetime, purchase: int, parts: list[tuple[int, int, int]] | None) -> Said:
        """Return (line, pieces, money) of a purchase; None: whatever is left of it."""
        bought = self.purchases[purchase]
        left = list(bought.left)
        if parts is None:
            if not any(pieces or money for pieces, money in left):
                raise Refused("already_returned")
            left = [(0, 0) for _ in left]
        for line, pieces, money in parts or ():
            if pieces > left[line][0] or money > left[line][1]:
                raise Refused("return_exceeds_purchase")
            left[line] = (left[line][0] - pieces, left[line][1] - money)
        before, (expired, released) = self.balance(), self._pass_time(now)
        bought.left = left
        kept = sum(money for _, money in left)
        points = bought.base + bought.bonus
        points_back = points - self._share(points, bought.total, kept)
        qualified_back = bought.base - self._share(bought.base, bought.total, kept)
        take = points_back - bought.points_back
        self._take(take, bought.lot)
        self.qualified[bought.year] -= qualified_back - bought.qualified_back
        bought.points_back, bought.qualified_back = points_back, qualified_back
        self.version += 1
        return Said(self.balance() - before, expired, released, -take)

    def hold(self, now: datetime, reward: str) -> Said:
        points = self.rules.rewards[reward]
        before = self.balance()
        if self.at(now).balance() < points:
            raise Refused("insufficient_points")
        if len(self.at(now).holds) >= 20:
            raise Refused("too_many_holds")
        expired, released = self._pass_time(now)
        taken = self._take(points, None)
        self.version += 1
        self.holds[self.version] = NaiveHold(points, now + timedelta(minutes=self.rules.hold_minutes), taken)
        return Said(self.balance() - before, expired, released)

    def capture(self, now: datetime, no: int) -> Said:
        if no not in self.holds or self.holds[no].ends <= now:
            raise Refused("hold_not_open")
        before, (expired, released) = self.balance(), self._pass_time(now)
        points = self.holds.pop(no).points
        self.version += 1
        return Said(self.balance() - before, expired, released, points)

    def void(self, now: datetime, no: int) -> Said:
        if no not in self.holds or self.holds[no].ends <= now:
            raise Refused("hold_not_open")
        before, (expired, released) = self.balance(), self._pass_time(now)
        self._release(self.holds.pop(no), now)
        self.version += 1
        return Said(self.balance() - before, expired, released)

    def adjust(self, now: datetime, points: int) -> Said:
        before = self.balance()
        if points < 0 and self.at(now).balance() < -points:
            raise Refused("insufficient_points")
        expired, released = self._pass_time(now)
        if points > 0:
            self._give(points, self._good_through(now))
        else:
            self._take(-points, None)
        self.version += 1
        return Said(self.balance() - before, expired, released)

    def link(self, now: datetime) -> Said:
        before, (expired, released) = self.balance(), self._pass_time(now)
        self.version += 1
        return Said(self.balance() - before, expired, released)

    def sweep(self, now: datetime) -> Said | None:
        due = self.next_due()
        if due is None or due > now:
            return None
        before, (expired, released) = self.balance(), self._pass_time(now)
        self.version += 1
        return Said(self.balance() - before, expired, released)

    # The rules

    def _pass_time(self, now: datetime) -> tuple[int, int]:
        """Let everything due by now happen, in order; returns the points that expired and those released."""
        expired = released = 0
        while (due := self.next_due()) is not None and due <= now:
            for no, hold in sorted(self.holds.items()):
                if hold.ends == due:
                    del self.holds[no]
                    released += hold.points
                    self._release(hold, due)
            for lot in list(self.lots):
                if lot.expires == due:
                    expired += lot.left
                    lot.left = 0
        return expired, released

    def _give(self, points: int, expires: datetime | None) -> NaiveLot | None:
        """What is owed is paid first; the rest is a lot."""
        paid = min(self.debt, points)
        self.debt -= paid
        if points == paid:
            return None
        lot = NaiveLot(expires, points - paid)
        self.lots.append(lot)
        return lot

    def _take(self, points: int, first: NaiveLot | None) -> list[tuple[NaiveLot, int]]:
        """Point by point from `first`, then from the lot that expires soonest; what is not there is owed."""
        taken: list[tuple[NaiveLot, int]] = []
        for _ in range(points):
            if first is not None and first.left:
                lot = first
            else:
                dated = [lot for lot in self.lots if lot.left and lot.expires is not None]
                undated = [lot for lot in self.lots if lot.left and lot.expires is None]
                if dated:
                    soonest = min(lot.expires for lot in dated if lot.expires)
                    lot = next(lot for lot in dated if lot.expires == soonest)
                elif undated:
                    lot = undated[0]
                else:
                    self.debt += 1
                    continue
            lot.left -= 1
            if taken and taken[-1][0] is lot:
                taken[-1] = (lot, taken[-1][1] + 1)
            else:
                taken.append((lot, 1))
        return taken

    def _release(self, hold: NaiveHold, now: datetime) -> None:
        """Each point back to its own lot, the last one taken first; what is owed is paid first; a lot whose date has
        passed comes back as a new one with the grace."""
        paid = min(self.debt, hold.points)
        self.debt -= paid
        left = hold.points - paid
        for lot, points in reversed(hold.taken):
            back = min(points, left)
            left -= back
            if back and lot.expires is not None and lot.expires <= now:
                grace = self._day(now) + timedelta(days=self.rules.grace_days)
                self.lots.append(NaiveLot(self._midnight_after(grace), back))
            else:
                lot.left += back

    def _good_through(self, earned: datetime) -> datetime | None:
        if not self.rules.months:
            return None
        day = self._day(earned)
        year, month = day.year, day.month
        for _ in range(self.rules.months):
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        for last in (day.day, 30, 29, 28):
            if last <= day.day and self._exists(year, month, last):
                return self._midnight_after(date(year, month, last))
        raise AssertionError("every month has 28 days")

    def _midnight_after(self, last_good: date) -> datetime:
        local = datetime.combine(last_good + timedelta(days=1), time(), ZoneInfo(self.rules.zone))
        return local.astimezone(UTC)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(ZoneInfo(self.rules.zone)).date()

    def _year(self, instant: datetime) -> int:
        return self._day(instant).year

    def _round(self, value: Decimal) -> int:
        return int(value.quantize(Decimal(1), rounding=ROUNDINGS[self.rules.rounding]))

    @staticmethod
    def _exists(year: int, month: int, day: int) -> bool:
        try:
            date(year, month, day)
        except ValueError:
            return False
        return True

    @staticmethod
    def _share(points: int, whole: int, part: int) -> int:
        """The most whole points that are not more than the part's share."""
        share = points
        while share * whole > points * part:
            share -= 1
        return share
