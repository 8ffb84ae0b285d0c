"""When points stop being good: the exclusive instant of local midnight after the last good day."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.programme.document import Programme


def expiry_of(earned_at: datetime, programme: Programme) -> datetime | None:
    """Points earned at `earned_at` are good through the same day `months` later; None never expires.

    A month without that day (31 January and one month) ends on its last day.
    """
    months = programme.expiry.months
    if months == 0:
        return None
    return _months_later(earned_at.astimezone(programme.tzinfo).date(), months, programme.tzinfo)


@lru_cache(maxsize=4096)
def _months_later(day: date, months: int, zone: ZoneInfo) -> datetime:
    """Cached: all of a day's purchases share one date."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = min(day.day, calendar.monthrange(year, month0 + 1)[1])
    return midnight_after(datetime(year, month0 + 1, last, tzinfo=zone))


def grace_of(now: datetime, programme: Programme) -> datetime:
    """The date of a lot given back after its own had passed."""
    return midnight_after(now.astimezone(programme.tzinfo) + timedelta(days=programme.expiry.grace_days))


def midnight_after(local: datetime) -> datetime:
    """The midnight that ends the local day of `local`, as UTC."""
    following = local.date() + timedelta(days=1)
    midnight = datetime(following.year, following.month, following.day, tzinfo=local.tzinfo)
    return midnight.astimezone(UTC)
