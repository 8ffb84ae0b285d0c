"""Returns of purchases that were paid and earned in every mixture: each part takes and gives what is its share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints
from core.earning.returns import ReturnLine, ReturnPurchase
from core.programme.validation import parse
from core.rewards.decide import HoldPoints
from core.rewards.vouchers import GrantVoucher
from tests.core.life import Life
from tests.core.naive import Campaign, Dates, Rate, Reward, Rules, Tier, Worth
from tests.core.programmes import written

A, B = ("A", "", 6_000), ("B", "vinyl", 4_000)

# A purchase of A (60.00) and B (40.00), paid with 100 points worth 15.00 and a voucher of 5.00, or without; the lines
# returned one after another -> for each: points taken, points given back, money that was not money, balance.
# Base is 1 a unit, of vinyl 2; 20.00 spread over both leave 48.00 and 32.00 that earn: 48 and 64.
MIXTURES = [
    ("", ["A", "B"], [(60, 0, 0, 80), (80, 0, 0, 0)]),
    ("", ["B", "A"], [(80, 0, 0, 60), (60, 0, 0, 0)]),
    ("points", ["A", "B"], [(51, 60, 900, 77), (68, 40, 600, 49)]),
    ("points", ["B", "A"], [(68, 40, 600, 40), (51, 60, 900, 49)]),
    ("points", ["AB"], [(119, 100, 1_500, 49)]),
    ("hold", ["A", "B"], [(51, 60, 900, 77), (68, 40, 600, 49)]),
    ("voucher", ["A", "B"], [(57, 0, 300, 76), (76, 0, 200, 0)]),
    ("both", ["A", "B"], [(48, 60, 1_200, 76), (64, 40, 800, 52)]),
]


@pytest.mark.parametrize(("pay", "parts", "expected"), MIXTURES)
def test_each_part_takes_back_and_gives_back_its_share(
    pay: str, parts: list[str], expected: list[tuple[int, int, int, int]]
) -> None:
    life = _life()
    if pay in ("points", "hold", "both"):
        life.do(AdjustPoints(100, "a gift"))
    version = _bought(life, pay)
    start = life.state.holdings.account.available
    found, balance = [], []
    for part in parts:
        lines = tuple(ReturnLine(sku, 1, amount) for sku, _, amount in (A, B) if sku in part)
        change = life.do(ReturnPurchase(version, lines))
        found.append((-change.base, change.paid_points, change.paid_amount))
        balance.append(change.available)
    assert found == [one[:3] for one in expected]
    moved = [given - taken for taken, given, _ in found]
    assert balance == [start + sum(moved[: n + 1]) for n in range(len(moved))]
    purchase = life.state.purchases[version]
    assert (purchase.taken_back, purchase.paid_back) == (purchase.earned, purchase.paid_points)
    assert life.state.holdings.account.available == (100 if purchase.paid_points else 0)
    assert life.state.holdings.account.qualifying == {2026: 0}
    assert life.refusal(ReturnPurchase(version)).code == "already_returned"


def test_points_that_paid_go_back_to_their_very_lots_the_last_taken_first() -> None:
    life = _life()
    for points in (30, 30, 60):
        life.do(AdjustPoints(points, "a gift"))
        life.now += timedelta(days=1)
    version = _bought(life, "points")
    assert life.lots()[:3] == [0, 0, 20]
    life.do(ReturnPurchase(version, (ReturnLine("B", 1, 4_000),)))
    assert life.lots()[:3] == [0, 0, 60]
    life.do(ReturnPurchase(version))
    assert life.lots() == [30, 30, 60, 0]


def test_points_that_paid_and_are_past_their_date_come_back_with_the_grace() -> None:
    life = _life(dates=Dates("rolling", 1, grace_days=3))
    life.do(AdjustPoints(100, "a gift"))
    version = _bought(life, "points")
    life.now = datetime(2026, 4, 20, 9, tzinfo=UTC)
    change = life.do(ReturnPurchase(version))
    # What it had earned (119) is gone too, and is owed first by what comes back, then by what is left of it.
    assert (change.expired, change.paid_points, change.base, change.available) == (119, 100, -119, -19)
    other = _life(dates=Dates("rolling", 1, grace_days=3), negative="floor")
    other.do(AdjustPoints(100, "a gift"))
    version = _bought(other, "points")
    other.now = datetime(2026, 4, 20, 9, tzinfo=UTC)
    change = other.do(ReturnPurchase(version, (ReturnLine("A", 1, 6_000),)))
    assert (change.paid_points, change.base, change.available) == (60, -51, 9)
    lots = [lot for lot in other.state.holdings.account.lots if lot.remaining]
    assert [(lot.remaining, lot.expires_at) for lot in lots] == [(9, datetime(2026, 4, 24, tzinfo=UTC))]


# Earned 140, of which so many were spent; the policy; the lines returned one after another -> taken by each, balance.
SPENT = [
    ("debt", 140, ["A", "B"], [60, 80], -140),
    ("floor", 140, ["A", "B"], [0, 0], 0),
    ("floor", 100, ["A", "B"], [40, 0], 0),
    ("floor", 70, ["B", "A"], [70, 0], 0),
    ("floor", 0, ["B", "A"], [80, 60], 0),
    ("debt", 100, ["B", "A"], [80, 60], -100),
]


@pytest.mark.parametrize(("policy", "spent", "parts", "taken", "balance"), SPENT)
def test_what_was_spent_is_owed_or_let_go(
    policy: str, spent: int, parts: list[str], taken: list[int], balance: int
) -> None:
    life = _life(negative=policy)
    version = _bought(life, "")
    if spent:
        life.do(AdjustPoints(-spent, "a reason"))
    changes = [
        life.do(ReturnPurchase(version, tuple(ReturnLine(s, 1, m) for s, _, m in (A, B) if s == part)))
        for part in parts
    ]
    assert [-change.base for change in changes] == taken
    assert life.state.holdings.account.available == balance
    assert any("debt" in change.flags for change in changes) == (balance < 0)
    # What was let go is let go for good: what is earned later is not taken for it.
    assert life.buy(1_000).available == balance + 10


def test_a_campaign_for_a_line_goes_back_with_that_line_alone() -> None:
    campaigns = [Campaign("vinyl2", multiplier="2", categories=("vinyl",)), Campaign("gift", bonus=9, min_spend=1_000)]
    life = _life(campaigns=campaigns)
    version = _bought(life, "")
    assert life.state.holdings.account.available == 60 + 80 + 80 + 9
    # Of the 9 for the whole basket, 40 % stay.
    assert life.do(ReturnPurchase(version, (ReturnLine("A", 1, 6_000),))).base == -60 - 6
    assert life.do(ReturnPurchase(version)).base == -80 - 80 - 3


def test_a_return_takes_each_currency_from_its_own_lots() -> None:
    """Lots are numbered in each currency: the purchase's lot 1 of points says nothing of stars."""
    life = _life(others={"stars": ("0.1", Dates())})
    life.do(AdjustPoints(5, "a gift", "stars"))
    version = _bought(life, "")
    change = life.do(ReturnPurchase(version))
    assert [(moved.currency, moved.points) for moved in change.others] == [("stars", -10)]
    assert [lot.remaining for lot in life.state.holdings.of("stars").lots] == [5, 0]


def test_lines_that_cost_nothing_hold_nothing_back() -> None:
    life = _life()
    life.basket(("FREE", "", 0), ("A", "", 5_000))
    assert life.do(ReturnPurchase(2, (ReturnLine("A", 1, 5_000),))).base == -50
    assert life.do(ReturnPurchase(2)).base == 0


def _bought(life: Life, pay: str) -> int:
    points, hold, vouchers = 0, 0, tuple[str, ...]()
    if pay in ("points", "both"):
        points = 100
    if pay == "hold":
        hold = life.do(HoldPoints(100)).version
    if pay in ("voucher", "both"):
        life.do(GrantVoucher("five", "V", "a gift"))
        vouchers = ("V",)
    return life.basket(A, B, points=points, hold=hold, vouchers=vouchers).version


def _life(**rules: object) -> Life:
    document = written(
        Rules(
            worth=Worth(20, 300, "0.5"),
            rates=[Rate("vinyl", "2", category="vinyl")],
            tiers=[Tier("base", 0)],
            rewards=[Reward("five", 50, kind="voucher", value=500, per_member=9)],
            **rules,  # type: ignore[arg-type]
        )
    )
    return Life(parse(document), now=datetime(2026, 3, 14, 9, tzinfo=UTC))
