"""What a member of the naive ledger has, what time does to it, and what a version says of itself."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tests.core.naive.dates import Month, day_of, good_through, midnight_after, same_day_later
from tests.core.naive.earning import Award, Line
from tests.core.naive.purse import Done, Hold, Lot, Purse
from tests.core.naive.rules import Campaign, Caps, Refused, Rules
from tests.core.naive.standing import Stands, stands

if TYPE_CHECKING:
    from tests.core.naive.member import World

KEPT_DAYS = 3
"""A day's counts are dropped so many days after the replay window."""

SelfT = TypeVar("SelfT", bound="Base")


@dataclass
class Voucher:
    code: str
    reward: str
    until: datetime
    uses: int
    cost: int
    currency: str
    taken: list[Lot]
    stocked: bool
    counted: bool
    """Whether it counts among those the member had: a granted one does not."""
    used: int = 0
    void: bool = False
    over_the_counter: int = 0
    """Uses that paid for no basket."""


@dataclass
class Purchase:
    lines: list[Line]
    total: int
    period: Month
    awards: list[Award]
    measured: int
    left: list[tuple[int, int]]
    """(pieces, money) not yet returned of each line."""
    paid: list[Lot]
    """The lot of each point that paid and was not given back."""
    paid_points: int
    paid_amount: int
    vouchers: list[tuple[int, int]]
    lost: list[int]
    """Of each award, what returns called back so far."""
    measured_back: int = 0
    paid_back: int = 0
    amount_back: int = 0


@dataclass
class Said:
    """What a version says: by currency the change of the balance, what expired, was released and vested, the balance
    and the pending points after it; then facts by their name in the record."""

    moved: dict[str, tuple[int, int, int, int, int, int]]
    facts: dict[str, object]
    awards: list[Award] = field(default_factory=list)
    gone: Said | None = None
    """Of a merge: what the last version of the one that is no more says."""


@dataclass
class Base:
    world: World
    id: int
    version: int = 1
    purses: dict[str, Purse] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    vouchers: dict[int, Voucher] = field(default_factory=dict)
    purchases: dict[int, Purchase] = field(default_factory=dict)
    figures: dict[Month, int] = field(default_factory=dict)
    given: list[tuple[str, date]] = field(default_factory=list)
    """What has a limit for one member, each time it was given, and its day."""
    days: list[tuple[str, date]] = field(default_factory=list)
    """The same for limits of a day."""
    had: list[str] = field(default_factory=list)
    """Rewards."""
    bought: bool = False
    segments: tuple[str, ...] = ()
    birthday: str = ""

    @property
    def rules(self) -> Rules:
        return self.world.rules

    @property
    def following(self) -> int:
        """The version that a command is about to make."""
        return self.version + 1

    # What can be seen

    def purse(self, currency: str) -> Purse:
        return self.purses.setdefault(currency, Purse(currency))

    def held(self, currency: str) -> int:
        return sum(hold.points for hold in self.holds.values() if hold.currency == currency)

    def stands(self, now: datetime) -> Stands:
        return stands(self.rules, self.figures, now)

    def counters(self) -> dict[str, int]:
        """The member's own counts, under the names that limits have."""
        counts: dict[str, int] = {}
        names = [subject for subject, _ in self.given] + [f"{subject}/{day}" for subject, day in self.days]
        for name in names + [f"reward/{reward}" for reward in self.had]:
            counts[name] = counts.get(name, 0) + 1
        return counts

    def next_due(self) -> datetime | None:
        """When the clock alone will next change something."""
        dates = [hold.ends for hold in self.holds.values()]
        for purse in self.purses.values():
            dates += [part.vests for part in purse.waiting if part.left]
            dates += purse.ends()
        return min(dates, default=None)

    def at(self: SelfT, now: datetime) -> SelfT:
        """This member once everything due by now has happened; itself it stays as it is."""
        due = self.next_due()
        if due is None or due > now:
            return self
        later: SelfT = pickle.loads(pickle.dumps(self))
        later.pass_time(now)
        return later

    # A command's beginning and end

    def begin(self, now: datetime) -> None:
        for currency in self.rules.currencies:
            purse = self.purse(currency)
            purse.clock, purse.at_start = Done(), purse.balance()
        self.pass_time(now)

    def end(self, now: datetime, awards: list[Award] | None = None, **facts: object) -> Said:
        self.version += 1
        moved = {}
        for currency, purse in self.purses.items():
            clock = purse.clock
            moved[currency] = (
                purse.balance() - purse.at_start,
                clock.expired,
                clock.released,
                clock.vested,
                purse.balance(),
                purse.pending(),
            )
        here = self.stands(now)
        common = {"version": self.version, "tier": here.tier, "qualifying": here.qualifying}
        return Said(moved, {**common, **facts}, awards or [])

    def pass_time(self, now: datetime) -> None:
        """Let everything due by now happen, in order: at one instant holds end first, then points vest, each by their
        numbers; then lots go."""
        while (due := self.next_due()) is not None and due <= now:
            for no, hold in sorted(self.holds.items()):
                if hold.ends == due:
                    del self.holds[no]
                    self.purse(hold.currency).clock.released += hold.points
                    self.release(hold, due)
            for purse in self.purses.values():
                for part in sorted(purse.waiting, key=lambda one: one.bought):
                    if part.left and part.vests == due:
                        purse.vest(part, self.following)
                for lot in list(purse.lots):
                    if lot.left and purse.end_of(lot) == due:
                        purse.expire(lot)

    def release(self, hold: Hold, now: datetime) -> None:
        """A hold that came to nothing: its points, its piece, and it does not count as had."""
        self.purse(hold.currency).put_back(hold.taken, now, self.grace(now, hold.currency))
        if hold.reward:
            self.not_had(hold.reward, hold.stocked)

    def not_had(self, reward: str, stocked: bool) -> None:
        if reward in self.had:
            self.had.remove(reward)
        if stocked:
            self.world.stock[reward] -= 1

    # Dates

    def day(self, instant: datetime) -> date:
        return day_of(instant, self.rules.zone)

    def grace(self, now: datetime, currency: str) -> datetime:
        days = timedelta(days=self.rules.dates_of(currency).grace_days)
        return midnight_after(self.day(now) + days, self.rules.zone)

    def good_until(self, earned: datetime, currency: str) -> datetime | None:
        last = good_through(self.day(earned), self.rules.dates_of(currency))
        return None if last is None else midnight_after(last, self.rules.zone)

    def days_later(self, instant: datetime, days: int) -> datetime:
        """The end of the day so many days later."""
        return midnight_after(self.day(instant) + timedelta(days=days), self.rules.zone)

    def active(self, currency: str, at: datetime) -> None:
        """The member earned or spent: where points expire by activity, all of them are good for longer."""
        rule, purse = self.rules.dates_of(currency), self.purse(currency)
        if rule.mode == "activity":
            lapses = midnight_after(same_day_later(self.day(at), rule.months), self.rules.zone)
            purse.lapses = lapses if purse.lapses is None else max(purse.lapses, lapses)

    # Limits

    def room(self, subject: str, day: date, caps: Caps) -> bool:
        mine = [one for one, _ in self.given].count(subject)
        today = self.days.count((subject, day))
        return not any(
            cap is not None and count >= cap
            for cap, count in (
                (caps.per_member, mine),
                (caps.per_member_day, today),
                (caps.per_day, self.world.given.count((subject, day))),
                (caps.in_all, [one for one, _ in self.world.given].count(subject)),
            )
        )

    def campaign_room(self, campaign: Campaign, day: date) -> bool:
        return self.room(f"campaign/{campaign.id}", day, campaign.caps)

    def count(self, now: datetime, subject: str, day: date, caps: Caps) -> None:
        if caps.per_member is not None:
            self.given.append((subject, day))
        if caps.per_member_day is not None:
            self.days.append((subject, day))
        if caps.per_member is not None or caps.per_member_day is not None:
            oldest = self.day(now) - timedelta(days=self.rules.replay_days + KEPT_DAYS)
            self.days = [one for one in self.days if one[1] >= oldest]
        self.world.given.append((subject, day))

    def need(self, points: int, currency: str) -> None:
        if self.purse(currency).balance() < points:
            raise Refused("insufficient_points")
