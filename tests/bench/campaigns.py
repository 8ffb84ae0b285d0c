"""The programmes of row 12: the shop's own with a hundred campaigns in force at this hour, as a large retailer has them,
and with none.

Every one of the hundred holds today and now as far as dates, weekdays and hours go: what is measured is a programme
whose calendar excludes nothing. About a tenth of them give on each purchase of the benchmark's members; the others look
at the basket, the store or the member and do not hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.programme.earn import WEEKDAYS
from core.programme.validation import default_document
from tests.bench.shop import CATALOGUE, CATEGORIES

COUNT = 100
_WITHOUT = re.compile(r"^\[\[campaigns\]\]\n.*?(?=^\[)", re.MULTILINE | re.DOTALL)


def without() -> str:
    """The shop's programme, with no campaign."""
    return _WITHOUT.sub("", default_document())


def with_hundred(now: datetime) -> str:
    """The same with a hundred, all of them in force at `now` and for the hour after it."""
    parts = [without()]
    for n, conditions in enumerate(_conditions(), start=1):
        lines = [f'id = "campaign-{n}"', f'name = {{ en = "Campaign {n}" }}', *_calendar(n, now), *conditions]
        parts.append("\n".join(["[[campaigns]]", *lines]))
    assert len(parts) == COUNT + 1
    return "\n\n".join(parts) + "\n"


def _calendar(n: int, now: datetime) -> Iterator[str]:
    """Dates, weekdays and hours, each of them on two campaigns of three, so that some have all and none has nothing."""
    local = now.astimezone(ZoneInfo("Asia/Hong_Kong"))
    days = [local.date() + timedelta(days=by) for by in (-10 - n % 7, 3 + n % 20)]
    if n % 3 != 0:
        yield f"first_day = {days[0]}\nlast_day = {days[1]}"
    if n % 3 != 1:
        named = {WEEKDAYS[(local.weekday() + by) % 7] for by in (0, 1, 3 + n % 3)}
        yield f"weekdays = [{', '.join(repr(day) for day in WEEKDAYS if day in named)}]".replace("'", '"')
    if n % 3 != 2:
        yield f"hours = [{', '.join(_hours(local))}]"


def _hours(local: datetime) -> list[str]:
    """From this hour's start to the end of the third after it; a night through midnight is given as two."""
    start, end = local.hour, (local.hour + 4) % 24
    if end == 0 or start < end:
        return [f"{{ start = {start:02}:00:00, end = {end:02}:00:00 }}"]
    return [f"{{ start = {start:02}:00:00, end = 00:00:00 }}", f"{{ start = 00:00:00, end = {end:02}:00:00 }}"]


def _conditions() -> Iterator[list[str]]:
    """What each gives and what it asks for beside the calendar."""
    for n in range(4):
        yield [f'multiplier = "1.{n + 1}"', f"min_spend = {100 * n}"]
    yield ["bonus = 5", "limits = { per_member_day = 50, in_all = 900_000_000 }"]
    yield ["bonus = 6", 'channels = ["store"]', "min_spend = 100", "limits = { in_all = 900_000_000 }"]
    yield ['multiplier = "1.05"', "limits = { per_day = 9_000_000, in_all = 900_000_000 }"]
    for n, (sku, _) in enumerate(CATALOGUE):
        yield [f'skus = ["{sku}"]', ('multiplier = "2"' if n % 2 else "bonus = 20\nmin_spend = 300")]
    for category in CATEGORIES:
        yield [f'categories = ["{category}"]', 'multiplier = "1.5"', "limits = { per_member_day = 20 }"]
        yield [f'categories = ["{category}"]', "bonus = 15", "min_spend = 200", "limits = { per_member = 500 }"]
        yield [f'categories = ["{category}"]', 'multiplier = "3"', "min_spend = 20_000"]
        yield [f'categories = ["{category}"]', 'multiplier = "1.5"', 'tiers = ["silver", "gold"]']
    for store in ("harbour-street", "pier-road", "online"):
        yield [f'stores = ["{store}"]', 'multiplier = "1.2"', 'channels = ["store"]']
        yield [f'stores = ["{store}"]', "bonus = 10", "min_spend = 9_000"]
        for channel in ("web", "app", "marketplace"):
            yield [f'stores = ["{store}"]', 'multiplier = "2"', f'channels = ["{channel}"]']
    for n in range(10):
        yield [f'multiplier = "1.{n + 1}"', 'tiers = ["silver", "gold"]' if n % 2 else 'tiers = ["gold"]']
        yield [f"bonus = {50 + n}", 'segments = ["sleeping"]', "limits = { per_member = 1 }"]
    for n in range(6):
        yield [f'multiplier = "1.{n + 4}"', f'birthday = "{("day", "week", "month")[n % 3]}"']
    for n in range(4):
        yield [f"bonus = {100 + n}", "first_purchase = true", f"min_spend = {1_000 * (n + 1)}"]
    for n in range(8):
        yield [f"bonus = {200 + n}", f"min_spend = {8_000 + 1_000 * n}"]
