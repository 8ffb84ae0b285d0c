"""When points start and stop being good: always a local midnight, as an exclusive instant in UTC."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.points import POINTS
from core.programme.document import Programme


def expiry_of(earned_at: datetime, programme: Programme, currency: str = POINTS) -> datetime | None:
    """When the lot of points earned at `earned_at` stops being good; None: it has no date of its own.

    Rolling: good through the same day `months` later; a month without that day (31 January and one month) ends on its
    last. Fixed: through the first day `on` that is not before that.
    """
    rule = programme.expiry_in(currency)
    if rule.months == 0 or rule.mode == "activity":
        return None
    day = earned_at.astimezone(programme.tzinfo).date()
    return _end_of(day, rule.months, rule.on if rule.mode == "fixed" else "", programme.tzinfo)


def lapse_of(active_at: datetime, programme: Programme, currency: str = POINTS) -> datetime | None:
    """Where points expire by activity: when all of them do if the member's last is at `active_at`. Elsewhere None."""
    rule = programme.expiry_in(currency)
    if rule.months == 0 or rule.mode != "activity":
        return None
    return _end_of(active_at.astimezone(programme.tzinfo).date(), rule.months, "", programme.tzinfo)


def vesting_of(earned_at: datetime, days: int, programme: Programme) -> datetime:
    """The midnight that ends the `days`th day after the one of `earned_at`."""
    return _midnight_of(earned_at.astimezone(programme.tzinfo).date() + timedelta(days=days), programme.tzinfo)


def grace_of(now: datetime, programme: Programme, currency: str = POINTS) -> datetime:
    """The date of a lot given back after its own had passed."""
    days = timedelta(days=programme.expiry_in(currency).grace_days)
    return midnight_after(now.astimezone(programme.tzinfo) + days)


def midnight_after(local: datetime) -> datetime:
    """The midnight that ends the local day of `local`, as UTC."""
    zone = local.tzinfo
    assert isinstance(zone, ZoneInfo)
    return _midnight_of(local.date(), zone)


@lru_cache(maxsize=4096)
def _end_of(day: date, months: int, on: str, zone: ZoneInfo) -> datetime:
    """Cached: all of a day's purchases share one date."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = _day_of(year, month0 + 1, day.day)
    if on:
        month, number = int(on[:2]), int(on[3:])
        named = _day_of(year, month, number)
        last = named if named >= last else _day_of(year + 1, month, number)
    return _midnight_of(last, zone)


def _day_of(year: int, month: int, day: int) -> date:
    """That day, or the month's last."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _midnight_of(day: date, zone: ZoneInfo) -> datetime:
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(UTC)
