"""What of a programme's revision says how a version should look, read from the stored document and reckoned anew.

The document's defaults stand here once more, and so does the arithmetic of its dates, periods and tiers: were they
taken from `core.programme` and `core.tiers`, a slip there would be proved right.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from core.points import POINTS


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Of a document, only what `verify` looks at; the rest is passed over."""


class Limits(_Part, frozen=True, kw_only=True):
    per_member: int | None = None
    per_member_day: int | None = None
    per_day: int | None = None
    in_all: int | None = None


class Action(_Part, frozen=True, kw_only=True):
    points: int
    limits: Limits = Limits()


class Campaign(_Part, frozen=True, kw_only=True):
    id: str
    bonus: int = 0
    currency: str = POINTS
    qualifies: bool = False
    limits: Limits = Limits()


class _Channel(_Part, frozen=True, kw_only=True):
    vest_days: int = 0


class _Named(_Part, frozen=True, kw_only=True):
    id: str


class _Earn(_Part, frozen=True, kw_only=True):
    channels: dict[str, _Channel]
    rules: tuple[_Named, ...] = ()
    actions: dict[str, Action] = {}
    on_points_part: bool = False


class _Expiry(_Part, frozen=True, kw_only=True):
    mode: Literal["rolling", "fixed", "activity"] = "rolling"
    months: int
    on: str = "12-31"
    grace_days: int = 30


class _Currency(_Part, frozen=True, kw_only=True):
    code: str
    expiry: _Expiry


class _Tier(_Part, frozen=True, kw_only=True):
    key: str
    threshold: int
    lifetime: int = 0


class _Qualification(_Part, frozen=True, kw_only=True):
    measure: Literal["points", "spend", "visits"] = "points"
    months: int = 12
    starts: int = 1
    landing: Literal["drop", "one"] = "drop"
    min_visit: int = 1


class Reward(_Part, frozen=True, kw_only=True):
    id: str
    points: int
    kind: str = "goods"
    currency: str = POINTS
    value: int = 0
    money: int = 0
    stock: int | None = None
    uses: int = 1
    valid_days: int = 90
    collect_days: int = 0


class _Worth(_Part, frozen=True, kw_only=True):
    points: int
    amount: int


class _Returns(_Part, frozen=True, kw_only=True):
    negative: Literal["debt", "floor"] = "debt"


class _Clock(_Part, frozen=True, kw_only=True):
    hold_minutes: int = 15
    replay_window_days: int = 30


class Rules(_Part, frozen=True, kw_only=True, dict=True):
    """One revision."""

    in_force: datetime = datetime.min.replace(tzinfo=UTC)
    """From when on; it stands beside the document."""
    schema: int
    """1 is all that the release before could decide by."""
    zone: str
    earn: _Earn
    expiry: _Expiry
    tiers: tuple[_Tier, ...]
    currencies: tuple[_Currency, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    qualification: _Qualification = _Qualification()
    returns: _Returns = _Returns()
    worth: _Worth | None = None
    rewards: tuple[Reward, ...] = ()
    stores: tuple[_Named, ...] = ()
    limits: _Clock = _Clock()

    @cached_property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @cached_property
    def campaign(self) -> dict[str, Campaign]:
        return {one.id: one for one in self.campaigns}

    @cached_property
    def reward(self) -> dict[str, Reward]:
        return {one.id: one for one in self.rewards}

    @cached_property
    def rule_ids(self) -> frozenset[str]:
        return frozenset(one.id for one in self.earn.rules)

    @cached_property
    def tier_keys(self) -> frozenset[str]:
        return frozenset(one.key for one in self.tiers)

    @cached_property
    def store_ids(self) -> frozenset[str]:
        return frozenset(one.id for one in self.stores)

    # Days

    def day(self, instant: datetime) -> date:
        return instant.astimezone(self.tzinfo).date()

    def ends(self, instant: datetime, days: int) -> datetime:
        """The midnight after the day that is `days` after the one of `instant`."""
        return self._midnight_after(self.day(instant) + timedelta(days=days))

    def grace(self, instant: datetime, currency: str) -> datetime:
        return self.ends(instant, self._expiry(currency).grace_days)

    def good_until(self, instant: datetime, currency: str) -> datetime | None:
        """The date of points earned at `instant`; None: they have none of their own."""
        key = self.day(instant), currency
        if key not in self._dates:
            rule = self._expiry(currency)
            self._dates[key] = None if rule.mode == "activity" else self._months_after(instant, rule)
        return self._dates[key]

    def lapse(self, instant: datetime, currency: str) -> datetime | None:
        """When all points lapse after a member was active at `instant`; None where they do not lapse so."""
        if not self.any_activity:
            return None
        rule = self._expiry(currency)
        return self._months_after(instant, rule) if rule.mode == "activity" else None

    @cached_property
    def any_activity(self) -> bool:
        """Whether any currency lapses for want of activity."""
        return "activity" in {self.expiry.mode, *(one.expiry.mode for one in self.currencies)}

    @cached_property
    def _dates(self) -> dict[tuple[date, str], datetime | None]:
        """Those told already: all of a day's points have one."""
        return {}

    def _expiry(self, currency: str) -> _Expiry:
        return next((one.expiry for one in self.currencies if one.code == currency), self.expiry)

    def _months_after(self, instant: datetime, rule: _Expiry) -> datetime | None:
        if not rule.months:
            return None
        day = self.day(instant)
        year, month = day.year, day.month + rule.months
        while month > 12:
            year, month = year + 1, month - 12
        last = _clamped(year, month, day.day)
        if rule.mode == "fixed":
            number, of = int(rule.on[3:]), int(rule.on[:2])
            last = min(end for y in (year, year + 1) if (end := _clamped(y, of, number)) >= last)
        return self._midnight_after(last)

    def _midnight_after(self, day: date) -> datetime:
        # As UTC: two zones' times in the hour that comes twice never compare as equal.
        return datetime.combine(day + timedelta(days=1), time(), self.tzinfo).astimezone(UTC)

    # Tiers

    def period(self, instant: datetime) -> int:
        """The number of the qualification period of an instant: in whole years from January, the year."""
        local, rule = instant.astimezone(self.tzinfo), self.qualification
        return local.year * (12 // rule.months) + (local.month - rule.starts) // rule.months

    def tier(self, qualifying: Mapping[int, int], period: int) -> str:
        """The tier held in `period`, walked to from as long ago as can still tell."""
        rank, soft = 0, self.qualification.landing == "one"
        for now in range(period - len(self.tiers) if soft else period, period + 1):
            reached = max(qualifying.get(now, 0), qualifying.get(now - 1, 0))
            rank = max(bisect_right(self._thresholds, reached) - 1, rank - 1, 0)
        if self._lasting:
            total = sum(qualifying.values())
            rank = max([rank, *(i for i, lifetime in self._lasting if total >= lifetime)])
        return self.tiers[rank].key

    @cached_property
    def _thresholds(self) -> list[int]:
        return [tier.threshold for tier in self.tiers]

    @cached_property
    def _lasting(self) -> list[tuple[int, int]]:
        return [(i, tier.lifetime) for i, tier in enumerate(self.tiers) if tier.lifetime]


def _clamped(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


decode = msgspec.json.Decoder(Rules).decode
"""From a revision's document as JSON."""
