"""Pending points as tables: when they become good, and that a return takes them first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.earning.returns import ReturnLine, ReturnPurchase
from core.programme.validation import parse
from core.rewards.decide import CaptureHold, HoldReward
from tests.core.life import Life
from tests.core.naive import Channel, Dates, Rules
from tests.core.programmes import written

TICK = timedelta(microseconds=1)

# Bought at (UTC), zone, days of the return window -> the first instant at which the points are good.
VESTING = [
    ("2026-03-14T09:26", "UTC", 14, "2026-03-29T00:00"),
    ("2026-03-14T23:59:59.999999", "UTC", 1, "2026-03-16T00:00"),
    ("2026-03-14T16:00", "Asia/Hong_Kong", 1, "2026-03-16T16:00"),  # the 15th over there
    ("2026-03-07T12:00", "America/New_York", 1, "2026-03-09T04:00"),  # the clocks go forward on the 8th
    ("2026-10-31T12:00", "America/New_York", 1, "2026-11-02T05:00"),
    ("2028-02-28T12:00", "UTC", 1, "2028-03-01T00:00"),  # the 29th is the window
    ("2026-12-31T12:00", "UTC", 1, "2027-01-02T00:00"),
]


@pytest.mark.parametrize(("bought", "zone", "days", "good"), VESTING)
def test_points_are_pending_through_the_return_window(bought: str, zone: str, days: int, good: str) -> None:
    life = _life(days, zone=zone, now=_utc(bought))
    change = life.buy(10_000, channel="market")
    assert (change.available, change.points, change.pending) == (0, 0, 100)
    assert change.qualifying == 100  # a tier does not wait
    assert change.vests_at == _utc(good)
    life.now = _utc(good) - TICK
    assert life.try_to(SettleDue()) is None
    life.now += TICK
    vested = life.do(SettleDue())
    assert (vested.kind, vested.vested, vested.available, vested.pending) == ("vest", 100, 100, 0)


def test_pending_points_keep_the_date_they_had_from_the_start() -> None:
    life = _life(14, now=_utc("2026-01-31T12:00"), dates=Dates("rolling", 1))
    life.buy(10_000, channel="market")
    life.now = _utc("2026-02-15T00:00")
    life.do(SettleDue())
    assert [lot.expires_at for lot in life.state.holdings.account.lots] == [_utc("2026-03-01T00:00")]
    # The window of another is longer than its points are good: they vest and lapse in one instant of the record.
    slow = _life(40, now=_utc("2026-01-31T12:00"), dates=Dates("rolling", 1))
    slow.buy(10_000, channel="market")
    slow.now = _utc("2026-03-13T00:00")
    change = slow.do(SettleDue())
    assert (change.vested, change.expired, change.points, change.kind) == (100, 100, 0, "expire")


@pytest.mark.parametrize(("ago", "pending", "available"), [(14, 100, 0), (15, 0, 100), (20, 0, 100)])
def test_a_late_purchase_is_pending_only_while_its_own_window_lasts(ago: int, pending: int, available: int) -> None:
    life = _life(14)
    change = life.buy(10_000, channel="market", ago=timedelta(days=ago))
    assert (change.pending, change.available) == (pending, available)


# Returns of a purchase of 100.00 with 100 pending points, bought after one of 50 points good at once: how many were spent
# before, whether the window had ended, the money returned -> pending, good, debt, points the record took.
RETURNS = [
    (0, False, 3_000, 70, 50, 0, 30),
    (0, False, 10_000, 0, 50, 0, 100),
    (50, False, 10_000, 0, 0, 0, 100),  # nothing good is touched
    (0, True, 3_000, 0, 120, 0, 30),
    (150, True, 3_000, 0, 0, 30, 30),
    (100, True, 10_000, 0, 0, 50, 100),
]


@pytest.mark.parametrize(("spent", "vested", "money", "pending", "good", "debt", "taken"), RETURNS)
def test_a_return_takes_pending_points_first(
    spent: int, vested: bool, money: int, pending: int, good: int, debt: int, taken: int
) -> None:
    life = _life(14)
    life.buy(5_000)
    life.buy(10_000, channel="market")
    if vested:
        life.now += timedelta(days=20)
    if spent:
        life.do(AdjustPoints(-spent, "a reason"))
    change = life.do(ReturnPurchase(3, (ReturnLine("CD", 1, money),)))
    account = life.state.holdings.account
    assert (account.waiting, account.available + account.debt, account.debt) == (pending, good, debt)
    assert (change.base, change.pending) == (-taken, pending)


def test_returns_in_parts_before_and_after_the_window_add_up() -> None:
    life = _life(14)
    life.basket(("CD", "", 3_333), ("LP", "", 6_668), channel="market")
    assert life.do(ReturnPurchase(2, (ReturnLine("CD", 1, 3_333),))).base == -34
    life.now += timedelta(days=15)
    assert life.do(ReturnPurchase(2)).base == -66
    assert (life.state.holdings.account.available, life.state.holdings.account.debt) == (0, 0)


def test_pending_points_cannot_be_spent_and_pay_what_is_owed_once_they_vest() -> None:
    life = _life(14)
    life.buy(10_000)
    life.buy(10_000, channel="market")
    life.do(HoldReward("large"))
    life.do(CaptureHold(4))
    assert life.refusal(HoldReward("small")).code == "insufficient_points"
    assert life.do(ReturnPurchase(2)).available == -100
    life.now += timedelta(days=15)
    change = life.do(SettleDue())
    assert (change.vested, change.available, life.state.holdings.account.debt) == (125, 25, 0)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _life(
    days: int,
    *,
    zone: str = "UTC",
    now: datetime = datetime(2026, 3, 14, 9, tzinfo=UTC),
    dates: Dates = Dates("rolling", 24),  # noqa: B008 - never changed
) -> Life:
    channels = {"store": Channel(), "market": Channel("1", days)}
    return Life(parse(written(Rules(zone=zone, dates=dates, channels=channels))), now=now)
