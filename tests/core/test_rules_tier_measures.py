"""Tiers by points, by money, by visits; in periods of any length; soft landing; for life; and what keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.earning.returns import ReturnLine, ReturnPurchase
from core.programme.validation import parse
from core.tiers.ladder import notice_from, period_of, standing
from tests.core.life import Life
from tests.core.naive import Rules, Tier, Worth
from tests.core.programmes import written

TICK = timedelta(microseconds=1)
LADDER = [Tier("base", 0), Tier("silver", 100), Tier("gold", 300), Tier("black", 1_000)]

# What a purchase of 100.00 of which 3.00 were paid with points counts for, then a return of half of it, then of the rest.
MEASURES = [
    ("points", [97, 48, 0]),
    ("spend", [9_700, 4_850, 0]),
    ("visits", [1, 1, 0]),
]


@pytest.mark.parametrize(("measure", "figures"), MEASURES)
def test_a_tier_stands_on_points_or_money_or_visits(measure: str, figures: list[int]) -> None:
    life = Life(parse(written(Rules(measure=measure, worth=Worth(20, 300, "0.5"), tiers=[Tier("base", 0)]))))
    life.buy(2_000)
    before = life.state.holdings.account.qualifying[2026]
    version = life.basket(("CD", "", 10_000), points=20).version
    found = [life.state.holdings.account.qualifying[2026] - before]
    life.do(ReturnPurchase(version, (ReturnLine("CD", 1, 5_000),)))
    found.append(life.state.holdings.account.qualifying[2026] - before)
    # The last piece is back; its money is not.
    assert life.try_to(ReturnPurchase(version)) is not None
    found.append(life.state.holdings.account.qualifying[2026] - before)
    assert found == figures


@pytest.mark.parametrize(("amount", "visits"), [(999, 0), (1_000, 1), (50_000, 1), (0, 0)])
def test_a_purchase_below_the_least_is_no_visit(amount: int, visits: int) -> None:
    life = Life(parse(written(Rules(measure="visits", min_visit=1_000))))
    assert life.buy(amount).qualified == visits


# Periods of so many months from a month of the year: an instant (UTC) in Hong Kong -> the local day it ends before.
PERIODS = [
    (12, 1, "2026-12-31T15:59:59.999999", "2027-01-01"),
    (12, 1, "2026-12-31T16:00", "2028-01-01"),
    (12, 4, "2026-03-31T15:59:59.999999", "2026-04-01"),
    (12, 4, "2026-03-31T16:00", "2027-04-01"),
    (6, 12, "2026-11-30T15:59", "2026-12-01"),
    (6, 12, "2026-11-30T16:00", "2027-06-01"),
    (3, 2, "2026-01-31T16:00", "2026-05-01"),
    (3, 2, "2026-01-31T15:59", "2026-02-01"),
    (1, 5, "2028-02-28T16:00", "2028-03-01"),
    (4, 3, "2026-12-31T16:00", "2027-03-01"),  # a period across the turn of the year
    (2, 12, "2026-12-31T16:00", "2027-02-01"),
]


@pytest.mark.parametrize(("months", "starts", "now", "end"), PERIODS)
def test_a_period_ends_with_a_local_month(months: int, starts: int, now: str, end: str) -> None:
    rules = parse(written(Rules(zone="Asia/Hong_Kong", months=months, starts=starts, tiers=LADDER)))
    instant = _utc(now)
    period = period_of(instant, rules)
    keep = standing({period - 1: 100}, rules, instant).keep
    assert keep is not None
    assert keep.until == _utc(f"{end}T00:00") - timedelta(hours=8)
    assert period_of(keep.until - TICK, rules) == period
    assert period_of(keep.until, rules) == period + 1


# Figures of the periods before and of this one, the landing -> the tier in this period and in the four after it, if
# nothing more is bought.
LANDINGS = [
    ([1_000], "drop", ["black", "black", "base", "base", "base"]),
    ([1_000], "one", ["black", "black", "gold", "silver", "base"]),
    ([1_000, 0], "one", ["black", "gold", "silver", "base", "base"]),
    ([1_000, 0, 0], "drop", ["base", "base", "base", "base", "base"]),
    ([1_000, 0, 0], "one", ["gold", "silver", "base", "base", "base"]),
    ([1_000, 150], "drop", ["black", "silver", "base", "base", "base"]),
    ([1_000, 150], "one", ["black", "gold", "silver", "base", "base"]),
    ([1_000, 0, 300], "one", ["gold", "gold", "silver", "base", "base"]),
    ([1_000, 0, 100], "one", ["gold", "silver", "base", "base", "base"]),
    ([300, 300, 300], "drop", ["gold", "gold", "base", "base", "base"]),
    ([60, 60], "one", ["base", "base", "base", "base", "base"]),
]


@pytest.mark.parametrize(("figures", "landing", "tiers"), LANDINGS)
def test_a_tier_is_kept_through_the_next_period_and_lands(figures: list[int], landing: str, tiers: list[str]) -> None:
    rules = parse(written(Rules(landing=landing, tiers=LADDER)))
    first = 2027 - len(figures)
    qualifying = {first + i: figure for i, figure in enumerate(figures)}
    found = [standing(qualifying, rules, datetime(2026 + n, 6, 1, tzinfo=UTC)).tier.key for n in range(5)]
    assert found == tiers


# What keeps a tier: figures of last year and of this one, the landing -> needed, falls to; None where it is sure.
FORECASTS = [
    (300, 0, "drop", (300, "base")),
    (300, 120, "drop", (180, "silver")),
    (300, 299, "drop", (1, "silver")),
    (300, 300, "drop", None),
    (1_000, 0, "one", (1_000, "gold")),
    (1_000, 999, "one", (1, "gold")),
    (0, 0, "drop", None),
    (0, 100, "drop", None),  # reached this year: sure through the next
]


@pytest.mark.parametrize(("last", "this", "landing", "forecast"), FORECASTS)
def test_what_keeps_a_tier_and_until_when(last: int, this: int, landing: str, forecast: tuple[int, str] | None) -> None:
    rules = parse(written(Rules(zone="America/New_York", landing=landing, tiers=LADDER)))
    stands = standing({2025: last, 2026: this}, rules, datetime(2026, 6, 1, tzinfo=UTC))
    if forecast is None:
        assert stands.keep is None
        return
    assert stands.keep is not None
    assert (stands.keep.needed, stands.keep.falls_to.key) == forecast
    assert stands.keep.until == datetime(2027, 1, 1, 5, tzinfo=UTC)
    assert notice_from(stands.keep, rules) == datetime(2026, 11, 2, 5, tzinfo=UTC)
    # The forecast holds what it says: so much keeps it, and one less does not.
    later = datetime(2027, 6, 1, tzinfo=UTC)
    kept = standing({2025: last, 2026: this + forecast[0]}, rules, later)
    lost = standing({2025: last, 2026: this + forecast[0] - 1}, rules, later)
    assert kept.tier.key == stands.tier.key
    assert lost.tier.key != stands.tier.key


# For life: gold from 500 in all, black from 2,000; figures by year -> the tier in 2026, through when it is sure, what
# keeps it.
LIVES = [
    ({2020: 250, 2021: 249}, "base", None, None),
    ({2020: 250, 2021: 250}, "gold", None, None),
    ({2020: 250, 2025: 250}, "gold", None, None),
    ({2019: 499}, "base", None, None),
    ({2024: 150, 2025: 300}, "gold", 0, 50),  # 50 more in all keep it, though this year's threshold is 300
    ({2025: 300, 2026: 290}, "gold", None, None),
    ({2020: 1_000, 2021: 990, 2025: 1_000}, "black", None, None),
    ({2020: 700, 2025: 1_000}, "black", 0, 300),
]


@pytest.mark.parametrize(("figures", "tier", "through", "needed"), LIVES)
def test_a_tier_for_life_stands_on_all_periods_together(
    figures: dict[int, int], tier: str, through: int | None, needed: int | None
) -> None:
    ladder = [
        Tier("base", 0),
        Tier("silver", 100),
        Tier("gold", 300, lifetime=500),
        Tier("black", 1_000, lifetime=2_000),
    ]
    rules = parse(written(Rules(tiers=ladder)))
    stands = standing(figures, rules, datetime(2026, 6, 1, tzinfo=UTC))
    sure = None if stands.kept_through is None else stands.kept_through - 2026
    assert (stands.tier.key, sure) == (tier, through)
    assert (stands.keep.needed if stands.keep else None) == needed


def test_a_tier_is_lost_at_the_very_midnight_and_regained_by_a_late_purchase() -> None:
    life = Life(parse(written(Rules(months=3, tiers=LADDER))), now=_utc("2026-02-10T12:00"))
    assert life.buy(30_000).tier == "gold"
    life.now = _utc("2026-06-30T23:59:59.999999")
    assert life.buy(100).tier == "gold"
    life.now += TICK
    assert life.buy(100).tier == "base"
    assert life.buy(29_900, ago=timedelta(days=1)).tier == "gold"


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
