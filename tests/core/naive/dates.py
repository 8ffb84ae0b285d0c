"""Days the long way: month by month, day by day, never by a formula."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.core.naive.rules import Dates

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Month = tuple[int, int]
"""(year, month)."""


def day_of(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def midnight_after(day: date, zone: str) -> datetime:
    """The end of that day."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def instant_of(local: str, zone: str) -> datetime:
    """Of a local date-time."""
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def next_month(month: Month) -> Month:
    return (month[0], month[1] + 1) if month[1] < 12 else (month[0] + 1, 1)


def month_before(month: Month) -> Month:
    return (month[0], month[1] - 1) if month[1] > 1 else (month[0] - 1, 12)


def same_day_later(day: date, months: int) -> date:
    """The same day so many months on; a month without it ends on its last."""
    month = (day.year, day.month)
    for _ in range(months):
        month = next_month(month)
    for last in (day.day, 30, 29, 28):
        if last <= day.day and exists(*month, last):
            return date(*month, last)
    raise AssertionError("every month has 28 days")


def good_through(day: date, rule: Dates) -> date | None:
    """The last good day of points earned on `day`; None where they have no date of their own."""
    if not rule.months or rule.mode == "activity":
        return None
    last = same_day_later(day, rule.months)
    while rule.mode == "fixed" and not _is_named(last, rule.on):
        last += timedelta(days=1)
    return last


def _is_named(day: date, on: str) -> bool:
    if on == "02-29" and not exists(day.year, 2, 29):
        on = "02-28"
    return f"{day:%m-%d}" == on


def exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_birthday(born: str, span: str, day: date) -> bool:
    """`born` is month and day. Around it: the day, three days on either side, or its month."""
    if not born:
        return False
    if span == "month":
        return f"{day:%m}" == born[:2]
    around = [day + timedelta(days=n) for n in range(-3, 4)] if span == "week" else [day]
    return any(_is_named(one, born) for one in around)


def within_hours(local: time, hours: tuple[str, str]) -> bool:
    start, end = time.fromisoformat(hours[0]), time.fromisoformat(hours[1])
    return local >= start and (end == time() or local < end)


def period_of(day: date, starts: int, months: int) -> Month:
    """The month in which the period of `day` began."""
    month = (day.year, day.month)
    while True:
        # Does a period start here? Count on from the month of the year in which one does.
        year = [(starts - 1 + k * months) % 12 + 1 for k in range(12)]
        if month[1] in year:
            return month
        month = month_before(month)


def period_after(period: Month, months: int) -> Month:
    for _ in range(months):
        period = next_month(period)
    return period


def period_before(period: Month, months: int) -> Month:
    for _ in range(months):
        period = month_before(period)
    return period


def midnight_of(month: Month, zone: str) -> datetime:
    return midnight_after(date(*month, 1) - timedelta(days=1), zone)
