"""The slate of campaigns against each condition asked one by one, over random programmes and baskets."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from core.earning.basket import Basket
from core.earning.slate import candidates
from core.programme.document import Programme
from core.programme.earn import WEEKDAYS, Campaign, Hours, UseLimits
from core.snapshot import Line
from tests.core.programmes import programme

MONDAY = date(2026, 11, 2)
HOURS = [time(0), time(9), time(12, 30), time(22)]


def some(*names: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)


DAYS = st.none() | st.sampled_from([MONDAY, MONDAY + timedelta(days=2)])
SPANS = st.sampled_from([(9, 12), (9, 22), (12, 22), (22, 0), (0, 9), (0, 0)])
CAMPAIGNS = st.builds(
    Campaign,
    id=st.just("one"),
    name=st.just({"en": "One"}),
    first_day=DAYS,
    last_day=DAYS,
    weekdays=some("mon", "wed", "sun"),
    hours=st.lists(st.builds(lambda a: Hours(start=time(a[0]), end=time(a[1])), SPANS), max_size=2).map(tuple),
    stores=some("north", "south"),
    channels=some("store", "market"),
    tiers=some("base", "gold"),
    skus=some("a", "b"),
    categories=some("x", "y"),
    limits=st.sampled_from([UseLimits(), UseLimits(per_member=1), UseLimits(in_all=5), UseLimits(per_day=5)]),
)
LINES = st.lists(
    st.builds(Line, st.sampled_from("abc"), st.just(1), st.just(5), st.just(""), st.sampled_from(["", "x"]))
)


@settings(max_examples=400, deadline=None)
@given(
    campaigns=st.lists(CAMPAIGNS, max_size=8),
    lines=LINES,
    store=st.sampled_from(["north", "south", "elsewhere", ""]),
    channel=st.sampled_from(["store", "market"]),
    tier=st.sampled_from(["base", "silver", "gold"]) | st.none(),
    at=st.tuples(st.sampled_from([MONDAY + timedelta(days=n) for n in range(-1, 5)]), st.sampled_from(HOURS)),
    beside=st.sampled_from([timedelta(microseconds=-1), timedelta(0), timedelta(minutes=7)]),
    shared=st.booleans(),
)
def test_the_slate_has_what_each_condition_leaves(
    campaigns: list[Campaign],
    lines: list[Line],
    store: str,
    channel: str,
    tier: str | None,
    at: tuple[date, time],
    beside: timedelta,
    shared: bool,
) -> None:
    rules = msgspec.structs.replace(programme(zone="Asia/Hong_Kong"), campaigns=tuple(campaigns))
    occurred_at = (datetime.combine(*at, tzinfo=rules.tzinfo) + beside).astimezone(UTC)
    basket = Basket(tuple(lines), (), channel, store, occurred_at)
    expected = [
        (one, found)
        for one in campaigns
        if (found := _lines(one, basket)) is not None
        and _holds(one, basket, tier, rules)
        and (not shared or one.limits.per_day or one.limits.in_all)
    ]
    local = basket.occurred_at.astimezone(rules.tzinfo)
    assert candidates(basket, local, rules, tier, shared=shared) == expected


def _holds(one: Campaign, basket: Basket, tier: str | None, rules: Programme) -> bool:
    local = basket.occurred_at.astimezone(rules.tzinfo)
    conditions = [
        one.first_day is None or one.first_day <= local.date(),
        one.last_day is None or local.date() <= one.last_day,
        not one.weekdays or WEEKDAYS[local.weekday()] in one.weekdays,
        not one.hours or any(_within(local.time(), span) for span in one.hours),
        not one.stores or basket.store in one.stores,
        not one.channels or basket.channel in one.channels,
        tier is None or not one.tiers or tier in one.tiers,
    ]
    return all(conditions)


def _within(now: time, span: Hours) -> bool:
    return span.start <= now and (now < span.end or span.end == time(0))


def _lines(one: Campaign, basket: Basket) -> tuple[int, ...] | None:
    if not one.skus and not one.categories:
        return ()
    found = [i for i, line in enumerate(basket.lines) if line.sku in one.skus or line.category in one.categories]
    return tuple(found) or None
