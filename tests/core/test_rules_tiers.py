"""Tiers as a table: points by year, the clock and the zone in, the tier and what is left to the next out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.earning.returns import ReturnPurchase
from core.rewards.decide import HoldReward
from core.tiers.ladder import standing
from tests.core.life import Life
from tests.core.programmes import programme

# Tiers at 100 and 300: points of last year, of this year, now (UTC), zone -> tier, qualifying, next tier.
TIERS = [
    (0, 0, "2026-06-01T00:00", "UTC", "base", 0, "silver"),
    (0, 99, "2026-06-01T00:00", "UTC", "base", 99, "silver"),
    (0, 100, "2026-06-01T00:00", "UTC", "silver", 100, "gold"),
    (0, 299, "2026-06-01T00:00", "UTC", "silver", 299, "gold"),
    (0, 300, "2026-06-01T00:00", "UTC", "gold", 300, None),
    (300, 0, "2026-12-31T23:59", "UTC", "gold", 0, None),  # kept to the end of the year after
    (300, 0, "2027-01-01T00:00", "UTC", "base", 0, "silver"),  # and no longer
    (300, 100, "2027-01-01T00:00", "UTC", "silver", 0, "gold"),
    (100, 300, "2026-06-01T00:00", "UTC", "gold", 300, None),
    (60, 60, "2026-06-01T00:00", "UTC", "base", 60, "silver"),  # two years do not add up
    (300, 0, "2026-12-31T16:00", "Asia/Hong_Kong", "base", 0, "silver"),  # the new year over there
    (300, 0, "2026-12-31T15:59", "Asia/Hong_Kong", "gold", 0, None),
    (0, 100, "2026-01-01T04:59", "America/New_York", "base", 0, "silver"),  # still 2025 over there
]


@pytest.mark.parametrize(("last", "this", "now", "zone", "tier", "qualifying", "upper"), TIERS)
def test_a_tier_is_a_band_of_a_year(
    last: int, this: int, now: str, zone: str, tier: str, qualifying: int, upper: str | None
) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    stands = standing({2025: last, 2026: this}, programme(zone=zone), instant)
    assert (stands.tier.key, stands.qualifying) == (tier, qualifying)
    assert (stands.next.key if stands.next else None) == upper


def test_a_purchase_earns_at_the_tier_before_it_and_bonus_does_not_qualify() -> None:
    life = Life()
    first, second, third = life.buy(10_000), life.buy(10_000), life.buy(10_000)
    assert [(c.base, c.bonus, c.bonus_tier) for c in (first, second, third)] == [
        (100, 0, ""), (100, 25, "silver"), (100, 25, "silver")
    ]  # fmt: skip
    assert [(c.qualifying, c.tier) for c in (first, second, third)] == [
        (100, "silver"), (200, "silver"), (300, "gold")
    ]  # fmt: skip
    assert third.available == 350


def test_spending_does_not_lower_the_tier_and_returning_does() -> None:
    life = Life()
    life.buy(10_000)
    assert life.do(HoldReward("large")).tier == "silver"
    back = life.do(ReturnPurchase(2))
    assert (back.tier, back.qualifying) == ("base", 0)


def test_a_late_purchase_qualifies_in_its_own_year_and_may_raise_the_tier_kept() -> None:
    life = Life(now=datetime(2026, 1, 10, tzinfo=UTC))
    change = life.buy(10_000, ago=timedelta(days=20))
    assert (change.qualifying, change.tier) == (0, "silver")
    assert life.state.holdings.account.qualifying == {2025: 100}
