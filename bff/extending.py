"""Points given longer, from days as people say them: one member's at the desk, all members' by a campaign."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bff.reasons import reason_of
from core.adjustments.decide import ExtendPoints
from core.errors import InvalidInput
from core.points import POINTS


def extension(
    first_day: date, last_day: date, until: date, *, reason: str, zone: ZoneInfo, currency: str = POINTS
) -> ExtendPoints:
    """Points whose last good day lies from `first_day` to `last_day`, both within, are good through `until`. Raises
    `InvalidInput`."""
    return ExtendPoints(
        ending_from=end_of(first_day, zone),
        ending_before=end_of(last_day, zone) + timedelta(microseconds=1),
        until=end_of(until, zone),
        reason=reason_of(reason),
        currency=currency,
    )


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The exclusive instant at which a day of `zone` ends."""
    try:
        following = day + timedelta(days=1)
        return datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        raise InvalidInput.at("/until", "is beyond the calendar") from None
