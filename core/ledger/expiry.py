"""When points stop being good: the exclusive instant of local midnight after the last good day."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from core.programme.document import Programme


def expiry_of(earned_at: datetime, programme: Programme) -> datetime | None:
    """Points earned at `earned_at` are good through the same day `months` later; None never expires.

    A month without that day (31 January and one month) ends on its last day.
    """
    months = programme.expiry.months
    if months == 0:
        return None
    local = earned_at.astimezone(programme.tzinfo)
    year, month0 = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month0 + 1)[1])
    return midnight_after(datetime(year, month0 + 1, day, tzinfo=programme.tzinfo))


def grace_of(now: datetime, programme: Programme) -> datetime:
    """The date of a lot given back after its own had passed."""
    return midnight_after(now.astimezone(programme.tzinfo) + timedelta(days=programme.expiry.grace_days))


def midnight_after(local: datetime) -> datetime:
    """The midnight that ends the local day of `local`, as UTC."""
    following = local.date() + timedelta(days=1)
    midnight = datetime(following.year, following.month, following.day, tzinfo=local.tzinfo)
    return midnight.astimezone(UTC)
