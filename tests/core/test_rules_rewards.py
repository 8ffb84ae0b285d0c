"""Rewards as tables: a hold, its end, and which lots it took and gives back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.earning.returns import ReturnPurchase
from core.engine.commands import Command
from core.rewards.decide import MAX_HOLDS, CaptureHold, HoldReward, VoidHold
from tests.core.life import Life
from tests.core.programmes import programme

# How a hold of 100 ends that took lots of 30 (good for 1 month) and 70 of 80 (bought 10 days later):
# days passed, the end -> what is left of each lot, available, held, kind of the last entries.
HOLDS: list[tuple[timedelta, Command, list[int], int, int, list[str]]] = [
    (timedelta(0), CaptureHold(4), [0, 10], 10, 0, ["capture"]),
    (timedelta(0), VoidHold(4), [30, 80], 110, 0, ["void"]),
    (timedelta(minutes=15) - timedelta(microseconds=1), VoidHold(4), [30, 80], 110, 0, ["void"]),
    (timedelta(minutes=15), SettleDue(), [30, 80], 110, 0, ["time_out"]),
    (timedelta(minutes=15), AdjustPoints(-1, "a reason"), [29, 80], 109, 0, ["time_out", "adjust"]),
    (timedelta(days=25), SettleDue(), [0, 80], 80, 0, ["time_out", "expire"]),
    (timedelta(days=90), SettleDue(), [0, 0], 0, 0, ["time_out", "expire", "expire"]),
]


@pytest.mark.parametrize(("wait", "end", "lots", "available", "held", "entries"), HOLDS)
def test_a_hold_gives_back_the_very_lots_it_took(
    wait: timedelta, end: Command, lots: list[int], available: int, held: int, entries: list[str]
) -> None:
    life = Life(programme(months=1))
    life.buy(3_000)
    life.now += timedelta(days=10)
    life.buy(8_000)
    taken = life.do(HoldReward("large"))
    assert (taken.available, life.lots(), life.state.holdings.account.held) == (10, [0, 10], 100)
    assert life.state.holdings.account.holds[0].takings == ((1, 30), (2, 70))
    life.now += wait
    change = life.do(end)
    assert (change.available, life.lots(), life.state.holdings.account.held) == (available, lots, held)
    assert [entry.kind for entry in life.last.entries] == entries
    assert life.refusal(CaptureHold(4)).code == "hold_not_open"
    assert life.refusal(VoidHold(4)).code == "hold_not_open"


@pytest.mark.parametrize(
    ("minutes_before_midnight", "wait", "end", "entries"),
    [
        (10, 14, VoidHold(3), ["expire", "void"]),
        (10, 10, VoidHold(3), ["expire", "void"]),  # at midnight itself their date has passed
        (10, 20, SettleDue(), ["expire", "time_out"]),
        (15, 15, SettleDue(), ["time_out", "expire"]),  # the hold runs out in the instant in which the lot does
    ],
)
def test_points_given_back_after_their_date_are_a_new_lot_with_the_grace(
    minutes_before_midnight: int, wait: int, end: Command, entries: list[str]
) -> None:
    """Held on the evening of their last good day, given back when it is over."""
    life = Life(programme(months=1, grace=3), now=datetime(2026, 2, 1, 12, tzinfo=UTC))
    life.buy(3_000)
    life.now = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(minutes=minutes_before_midnight)
    life.do(HoldReward("small"))
    life.now += timedelta(minutes=wait)
    change = life.do(end)
    assert (change.available, change.expired) == (10, 20)
    assert [entry.kind for entry in life.last.entries] == entries
    lot = life.state.holdings.account.lots[-1]
    assert (lot.no, lot.remaining, lot.amount, lot.origin) == (2, 10, 10, change.version)
    assert lot.expires_at == datetime(2026, 3, 6, tzinfo=UTC)
    assert lot.earned_at == datetime(2026, 2, 1, 12, tzinfo=UTC)


def test_points_given_back_pay_what_is_owed_first() -> None:
    life = Life()
    life.buy(10_000)
    life.do(HoldReward("large"))
    assert life.do(ReturnPurchase(2)).available == -100
    change = life.do(VoidHold(3))
    assert (change.available, change.points, life.lots(), life.state.holdings.account.debt) == (0, 100, [0], 0)


def test_a_spend_takes_what_expires_soonest_whenever_it_was_earned() -> None:
    life = Life(programme(months=1))
    life.buy(1_000)
    life.buy(1_500, ago=timedelta(days=5))
    life.do(AdjustPoints(-20, "a reason"))
    assert life.lots() == [5, 0]


def test_a_member_has_so_many_holds_at_once_and_no_more() -> None:
    life = Life()
    life.buy(100_000)
    for _ in range(MAX_HOLDS):
        life.do(HoldReward("small"))
    assert life.refusal(HoldReward("small")).code == "too_many_holds"
    life.do(VoidHold(3))
    assert life.do(HoldReward("small")).kind == "hold"
    life.now += timedelta(minutes=15)
    assert life.do(HoldReward("small")).released == 10 * MAX_HOLDS


@pytest.mark.parametrize(
    ("held", "balance", "code"),
    [("small", 9, "insufficient_points"), ("small", 10, ""), ("none", 99, "unknown_reward")],
)
def test_a_reward_needs_its_points(held: str, balance: int, code: str) -> None:
    life = Life()
    life.do(AdjustPoints(balance, "a gift"))
    if code:
        assert life.refusal(HoldReward(held)).code == code
    else:
        assert life.do(HoldReward(held)).available == 0
