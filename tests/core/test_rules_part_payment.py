"""Part payment as tables: what points may pay, and that the part they paid does not earn."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.adjustments.decide import AdjustPoints
from core.earning.tender import most_points
from core.points import MAX_POINTS
from core.programme.validation import parse
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.vouchers import ClaimReward
from tests.core.life import Life
from tests.core.naive import Campaign, Rate, Reward, Rules, Tier, Worth
from tests.core.programmes import written

# 20 points are worth 3 minor units, up to half of a basket. A member with 1,000 points pays for a basket of `total` with
# `points` -> what they pay, or the refusal and where.
WORTH = Worth(20, 3, "0.5")
PAYING: list[tuple[Worth | None, int, int, int | str]] = [
    (WORTH, 1_000, 20, 3),
    (WORTH, 1_000, 1_000, 150),
    (WORTH, 300, 1_000, 150),  # just the cap
    (WORTH, 299, 1_000, "points_above_cap"),  # half of it is 149.5: 149
    (WORTH, 299, 980, 147),
    (WORTH, 10_000, 1_020, "insufficient_points"),
    (WORTH, 1_000, 19, "invalid_input"),  # no whole amount
    (WORTH, 1_000, 21, "invalid_input"),
    (WORTH, 1_000, -20, "invalid_input"),
    (WORTH, 1_000, 2**63, "invalid_input"),
    (WORTH, 1_000, MAX_POINTS, "points_above_cap"),
    (WORTH, 0, 20, "points_above_cap"),  # nothing to pay for
    (WORTH, 5, 20, "points_above_cap"),
    (WORTH, 6, 20, 3),
    (Worth(20, 3, "1"), 150, 1_000, 150),
    (Worth(20, 3, "0.333"), 450, 980, 147),  # 149.85
    (Worth(100, 1_000, "0.3"), 1_000, 30, 300),  # a point is ten minor units: any number
    (Worth(100, 1_000, "0.3"), 1_000, 31, "points_above_cap"),
    (None, 1_000, 20, "points_pay_nothing"),
]


@pytest.mark.parametrize(("worth", "total", "points", "result"), PAYING)
def test_points_pay_within_the_cap_in_whole_amounts(
    worth: Worth | None, total: int, points: int, result: int | str
) -> None:
    life = _life(worth)
    command = life.slip(("CD", "", total), points=points)
    if isinstance(result, str):
        refused = life.refusal(command)
        assert (refused.code, [error.pointer for error in refused.errors]) == (result, ["/points"])
        return
    change = life.do(command)
    assert (change.paid_points, change.paid_amount, change.amount) == (points, result, total)
    assert change.points == change.earned - points
    purchase = life.state.purchases[change.version]
    assert (purchase.unpaid, purchase.paid_points, purchase.paid_amount) == (total - result, points, result)


@pytest.mark.parametrize(
    ("worth", "total", "left", "available", "most"),
    [
        (WORTH, 1_000, 1_000, 1_000, 1_000),
        (WORTH, 299, 299, 1_000, 980),
        (WORTH, 1_000, 100, 1_000, 660),
        (WORTH, 1_000, 1_000, 39, 20),
        (WORTH, 1_000, 1_000, 19, 0),
        (WORTH, 1_000, 1_000, -50, 0),
        (WORTH, 1_000, 0, 1_000, 0),
        (None, 1_000, 1_000, 1_000, 0),
    ],
)
def test_the_most_that_points_may_pay_is_what_a_purchase_takes(
    worth: Worth | None, total: int, left: int, available: int, most: int
) -> None:
    assert most_points(total, left, available, parse(written(Rules(worth=worth)))) == most


# What the paid part does not earn: what points are worth, on_points_part, lines, points -> reasons.
RATES = [Rate("vinyl", "2", category="vinyl"), Rate("gift", "0", sku="GIFT")]
CD, LP, GIFT = ("CD", "", 10_000), ("LP", "vinyl", 10_000), ("GIFT", "", 10_000)
BIG, SMALL = Worth(20, 300, "1"), Worth(20, 30, "1")
EARNING = [
    (BIG, False, [CD], 400, ["base 40"]),
    (SMALL, True, [CD], 400, ["base 100"]),
    (SMALL, False, [CD], 400, ["base 94"]),
    (BIG, False, [CD, LP], 400, ["base 70", "rule vinyl 140"]),  # 6,000 spread over both lines
    (BIG, False, [CD, GIFT], 400, ["base 70"]),
    (BIG, False, [("CD", "", 1_000), ("LP", "vinyl", 11_000)], 400, ["base 5", "rule vinyl 110"]),
    (BIG, False, [CD], 0, ["base 100"]),
    (BIG, False, [("CD", "", 6_000)], 400, []),
]


@pytest.mark.parametrize(("worth", "on_points_part", "items", "points", "reasons"), EARNING)
def test_what_points_paid_earns_only_if_the_programme_says_so(
    worth: Worth, on_points_part: bool, items: list[tuple[str, str, int]], points: int, reasons: list[str]
) -> None:
    life = _life(worth, on_points_part=on_points_part, rates=RATES, tiers=[Tier("base", 0)])
    assert life.reasons(life.basket(*items, points=points)) == reasons


def test_a_minimum_spend_is_of_what_earns() -> None:
    bonus = Campaign("c", bonus=7, min_spend=10_000)
    life = _life(Worth(20, 3, "0.5"), campaigns=[bonus])
    assert "campaign c 7" in life.reasons(life.basket(("CD", "", 10_000)))
    assert "campaign c 7" not in life.reasons(life.basket(("CD", "", 10_002), points=20))
    assert "campaign c 7" in life.reasons(life.basket(("CD", "", 10_003), points=20))


def test_points_that_pay_are_taken_soonest_date_first_and_before_the_purchase_earns() -> None:
    life = _life(WORTH, given=20)
    life.buy(2_000)
    change = life.basket(("CD", "", 10_006), points=40)
    assert life.lots() == [0, 0, 100]
    assert [(entry.kind, entry.postings[0].lot) for entry in life.last.entries] == [("redeem", 1), ("earn", None)]
    assert change.available == 100
    # What this very purchase earns cannot pay for it.
    assert life.refusal(life.slip(("CD", "", 10_000), points=120)).code == "insufficient_points"


def test_points_on_hold_pay_and_are_captured_once() -> None:
    life = _life(WORTH)
    life.do(HoldPoints(100))
    assert life.refusal(CaptureHold(3)).code == "hold_not_open"  # its purchase spends it
    assert life.refusal(life.slip(("CD", "", 29), hold=3)).code == "points_above_cap"
    assert life.refusal(life.slip(("CD", "", 100), hold=3, points=20)).code == "invalid_input"
    change = life.basket(("CD", "", 30), hold=3)
    assert (change.paid_points, change.paid_amount, change.hold, change.available) == (100, 15, 3, 900)
    assert [(entry.kind, entry.reverses) for entry in life.last.entries] == [("capture", 3)]
    for command in (life.slip(("CD", "", 30), hold=3), VoidHold(3), CaptureHold(3)):
        assert life.refusal(command).code == "hold_not_open"


# Points put on hold for a basket: how many -> the refusal.
HOLDS = [(20, ""), (1_000, ""), (1_020, "insufficient_points"), (0, "invalid_input"), (-20, "invalid_input")]
HOLDS += [(30, "invalid_input"), (2**63, "invalid_input"), (MAX_POINTS, "insufficient_points")]


@pytest.mark.parametrize(("points", "code"), HOLDS)
def test_points_on_hold_are_whole_amounts_that_are_there(points: int, code: str) -> None:
    life = _life(WORTH)
    if code:
        assert life.refusal(HoldPoints(points)).code == code
    else:
        change = life.do(HoldPoints(points))
        assert (change.available, life.state.holdings.account.held) == (1_000 - points, points)
        life.now += timedelta(minutes=15)
        assert life.refusal(life.slip(("CD", "", 10_000), hold=3)).code == "hold_not_open"
        assert life.buy(0).released == points


def test_a_reward_on_hold_pays_for_no_basket() -> None:
    life = _life(WORTH)
    life.do(HoldReward("small"))
    assert life.refusal(life.slip(("CD", "", 10_000), hold=3)).code == "hold_not_open"


# A voucher of 5.00 and points together: total, points -> off by the voucher, by points, what earns; or the refusal.
TOGETHER = [
    (2_000, 20, 500, 3, 14),
    (500, 0, 500, 0, 0),
    (300, 0, 300, 0, 0),  # no more than the basket
    (300, 20, "points_above_cap", 0, 0),
    (503, 20, 500, 3, 0),
    (502, 20, "points_above_cap", 0, 0),  # 2 are left of it
    (0, 0, "voucher_not_good", 0, 0),  # it would take nothing off
]


@pytest.mark.parametrize(("total", "points", "off", "paid", "base"), TOGETHER)
def test_vouchers_come_off_before_points(total: int, points: int, off: int | str, paid: int, base: int) -> None:
    life = _life(WORTH)
    life.do(ClaimReward("five", "A"))
    command = life.slip(("CD", "", total), points=points, vouchers=("A",))
    if isinstance(off, str):
        assert life.refusal(command).code == off
        return
    change = life.do(command)
    assert (change.paid_amount, change.base, change.points) == (off + paid, base, base - points)
    purchase = life.state.purchases[change.version]
    assert (purchase.vouchers, purchase.paid_amount) == (((3, off),), paid)


def _life(worth: Worth | None, *, given: int = 1_000, **rules: object) -> Life:
    rewards = [Reward("small", 10), Reward("five", 0, kind="voucher", per_member=9, value=500)]
    life = Life(parse(written(Rules(worth=worth, rewards=rewards, **rules))))  # type: ignore[arg-type]
    life.do(AdjustPoints(given, "a gift"))
    return life
