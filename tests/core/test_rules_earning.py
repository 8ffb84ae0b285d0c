"""What a purchase earns and how long it lasts, as tables: one case a row, each ending in the numbers it must give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.earning.basket import Basket
from core.earning.earn import earn
from core.earning.returns import ReturnPurchase
from core.earning.slip import RecordPurchase
from core.errors import InvalidInput
from core.holdings import Progress
from core.ledger.expiry import expiry_of, grace_of
from core.money import MAX_AMOUNT
from core.snapshot import Line
from tests.conftest import START
from tests.core.life import Life
from tests.core.programmes import programme

# Earning: amount in minor units, money, rate, channel, rounding, tier -> base, bonus.
EARN = [
    (12_900, "USD", "1", "store", "down", 0, 129, 0),
    (12_999, "USD", "1", "store", "down", 0, 129, 0),
    (12_999, "USD", "1", "store", "up", 0, 130, 0),
    (12_950, "USD", "1", "store", "half_up", 0, 130, 0),
    (12_949, "USD", "1", "store", "half_up", 0, 129, 0),
    (12_950, "USD", "1", "store", "half_even", 0, 130, 0),
    (12_850, "USD", "1", "store", "half_even", 0, 128, 0),
    (12_851, "USD", "1", "store", "half_even", 0, 129, 0),
    (1, "USD", "1", "store", "up", 0, 1, 0),
    (0, "USD", "1", "store", "up", 0, 0, 0),
    (12_900, "JPY", "1", "store", "down", 0, 12_900, 0),  # a yen has no smaller unit
    (12_900, "KWD", "1", "store", "down", 0, 12, 0),  # a dinar has a thousand
    (10_000, "USD", "10", "store", "down", 0, 1_000, 0),
    (10_000, "USD", "0", "store", "up", 0, 0, 0),
    (10_000, "USD", "1", "market", "down", 0, 80, 0),
    (10_199, "USD", "1", "market", "down", 0, 81, 0),  # rounded once: not 101, and then 80
    (10_199, "USD", "1.5", "market", "half_up", 0, 122, 0),
    (333, "USD", "0.1", "store", "half_up", 0, 0, 0),  # 0.333, exactly
    (10_100, "USD", "1", "store", "down", 1, 101, 25),
    (10_200, "USD", "1", "store", "half_even", 1, 102, 26),  # 25.5
    (10_100, "USD", "1", "store", "up", 1, 101, 26),
    (10_100, "USD", "1", "store", "down", 2, 101, 50),
    (199, "USD", "1", "store", "up", 2, 2, 1),  # the bonus is a share of the points, not of the money
]


@pytest.mark.parametrize(("amount", "money", "rate", "channel", "rounding", "tier", "base", "bonus"), EARN)
def test_what_money_earns(
    amount: int, money: str, rate: str, channel: str, rounding: str, tier: int, base: int, bonus: int
) -> None:
    rules = programme(money=money, rate=rate, rounding=rounding)
    basket = Basket((Line("CD", 1, amount),), (amount,), channel, "", START)
    earned = earn(basket, rules.tiers[tier], Progress(), {}, rules)
    assert (earned.base, earned.bonus) == (base, bonus)
    assert [award.id for award in earned.awards if award.rule == "tier"] == ([rules.tiers[tier].key] if bonus else [])


# Expiry: earned at (UTC), zone, months -> the exclusive instant (UTC).
EXPIRY = [
    ("2026-01-15T12:00", "UTC", 1, "2026-02-16T00:00"),
    ("2026-01-31T12:00", "UTC", 1, "2026-03-01T00:00"),  # 28 February is the last good day
    ("2024-01-31T12:00", "UTC", 1, "2024-03-01T00:00"),  # 29 February
    ("2024-02-29T12:00", "UTC", 12, "2025-03-01T00:00"),
    ("2024-02-29T12:00", "UTC", 48, "2028-03-01T00:00"),
    ("2026-02-28T12:00", "UTC", 1, "2026-03-29T00:00"),  # the same day, not the month's end
    ("2026-03-31T12:00", "UTC", 1, "2026-05-01T00:00"),
    ("2026-12-31T23:59", "UTC", 24, "2029-01-01T00:00"),
    ("2026-01-15T15:59", "Asia/Hong_Kong", 1, "2026-02-15T16:00"),
    ("2026-01-15T16:00", "Asia/Hong_Kong", 1, "2026-02-16T16:00"),  # the 16th over there
    ("2026-01-31T04:59", "America/New_York", 1, "2026-03-01T05:00"),  # the 30th over there
    ("2026-02-08T12:00", "America/New_York", 1, "2026-03-09T04:00"),  # the clocks go forward on 8 March
    ("2026-02-07T12:00", "America/New_York", 1, "2026-03-08T05:00"),  # midnight before they do
    ("2026-10-01T12:00", "America/New_York", 1, "2026-11-02T05:00"),  # and back on 1 November
    ("2026-09-30T12:00", "America/New_York", 1, "2026-10-31T04:00"),
    ("2026-01-15T12:00", "UTC", 0, None),
]


@pytest.mark.parametrize(("earned", "zone", "months", "until"), EXPIRY)
def test_points_are_good_through_the_same_day(earned: str, zone: str, months: int, until: str | None) -> None:
    expected = None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC)
    found = expiry_of(datetime.fromisoformat(earned).replace(tzinfo=UTC), programme(zone=zone, months=months))
    assert found == expected
    assert found is None or found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("now", "zone", "days", "until"),
    [
        ("2026-03-14T09:00", "UTC", 30, "2026-04-14T00:00"),
        ("2026-03-14T00:00", "UTC", 1, "2026-03-16T00:00"),
        ("2026-03-14T17:00", "Asia/Hong_Kong", 1, "2026-03-16T16:00"),
        ("2026-03-07T17:00", "America/New_York", 1, "2026-03-09T04:00"),
        ("2028-02-28T12:00", "UTC", 1, "2028-03-01T00:00"),
    ],
)
def test_grace_is_whole_days_after_the_day_of_the_return(now: str, zone: str, days: int, until: str) -> None:
    rules = programme(zone=zone, grace=days)
    found = grace_of(datetime.fromisoformat(now).replace(tzinfo=UTC), rules)
    assert found == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        (datetime(2026, 3, 13, 23, 59, 59, 999_999, tzinfo=UTC), 0),
        (datetime(2026, 3, 14, tzinfo=UTC), 50),
        (datetime(2026, 4, 1, tzinfo=UTC), 50),
    ],
)
def test_a_purchase_so_late_that_its_points_are_past_their_date_earns_and_expires_at_once(
    now: datetime, expired: int
) -> None:
    life = Life(programme(months=1), now=now)
    change = life.buy(5_000, ago=now - datetime(2026, 2, 13, 12, tzinfo=UTC))
    assert (change.base, change.expired, change.points) == (50, expired, 50 - expired)
    assert [entry.kind for entry in life.last.entries] == ["earn", "expire"][: 1 + bool(expired)]
    assert life.state.holdings.account.qualifying == {2026: 50}
    # Returned, it takes what it gave: points that lapsed are owed.
    assert life.do(ReturnPurchase(2)).available == -expired


# When a purchase is too old or from the future: how long ago, sent by staff -> accepted.
WINDOW = [
    (timedelta(days=30), False, True),
    (timedelta(days=30, microseconds=1), False, False),
    (timedelta(days=30, microseconds=1), True, True),
    (timedelta(minutes=-5), False, True),
    (timedelta(minutes=-5, microseconds=-1), False, False),
    (timedelta(minutes=-5, microseconds=-1), True, False),
]


@pytest.mark.parametrize(("ago", "staff", "accepted"), WINDOW)
def test_the_replay_window(ago: timedelta, staff: bool, accepted: bool) -> None:
    life = Life()
    command = RecordPurchase("till-1", START - ago, "store", "USD", 100, (Line("CD", 1, 100),))
    if accepted:
        assert life.do(command, staff=staff).base == 1
    else:
        refused = life.refusal(command, staff=staff)
        assert [error.pointer for error in refused.errors] == ["/occurred_at"]


# What is wrong with a purchase: the field and its value -> where.
WRONG_PURCHASES = [
    ({"currency": "EUR"}, ["/currency"]),
    ({"channel": "fax"}, ["/channel"]),
    ({"total": -1}, ["/total"]),
    ({"total": MAX_AMOUNT + 1}, ["/total"]),
    ({"total": 99}, ["/total"]),
    ({"lines": ()}, ["/lines"]),
    ({"lines": (Line("CD", 1, 1),) * 501}, ["/lines"]),
    ({"lines": (Line("CD", 1, 60), Line("CD", 0, 40))}, ["/lines/1/quantity"]),
    ({"lines": (Line("CD", 1, 140), Line("CD", 1, -40))}, ["/lines/1/amount"]),
    ({"lines": (Line("CD", 1_000_001, 100),)}, ["/lines/0/quantity"]),
    ({"currency": "EUR", "channel": "fax", "total": -1}, ["/currency", "/channel", "/total"]),
]


@pytest.mark.parametrize(("wrong", "pointers"), WRONG_PURCHASES)
def test_a_wrong_purchase_is_refused_where_it_is_wrong(wrong: dict[str, object], pointers: list[str]) -> None:
    life = Life()
    command = RecordPurchase("till-1", START, "store", "USD", 100, (Line("CD", 1, 100),))
    refused = life.refusal(msgspec.structs.replace(command, **wrong))
    assert isinstance(refused, InvalidInput)
    assert [error.pointer for error in refused.errors] == pointers


def test_the_largest_purchase_of_the_most_lines_is_recorded() -> None:
    life = Life()
    lines = (Line("CD", 1_000_000, MAX_AMOUNT), *(Line("CD", 1, 0),) * 499)
    assert life.do(RecordPurchase("till-1", START, "store", "USD", MAX_AMOUNT, lines)).base == MAX_AMOUNT // 100
