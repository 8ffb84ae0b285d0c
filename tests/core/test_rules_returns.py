"""Returns as tables: whole or in parts, of points still there or spent long ago."""

from __future__ import annotations

import pytest

from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.rewards.decide import CaptureHold, HoldReward
from core.snapshot import Line
from tests.conftest import START
from tests.core.life import Life

# Returns of a purchase of 10.01 (a: 2 for 3.33, b: 1 for 6.68) that earned 10: the parts, and the points each takes.
A, B = ("a", 2, 333), ("b", 1, 668)
RETURNS = [
    ([None], [10]),
    ([[A], [B]], [4, 6]),  # 6 of 6.67 points stay, then none
    ([[B], [A]], [7, 3]),
    ([[A, B]], [10]),
    ([[A], None], [4, 6]),
    ([[("a", 1, 166)], [("a", 1, 167)], [B]], [2, 2, 6]),
    ([[("a", 1, 1)], [("a", 1, 1)], None], [1, 0, 9]),
    ([[("a", 1, 0)], None], [0, 10]),
]


@pytest.mark.parametrize(("parts", "points"), RETURNS)
def test_returns_in_parts_take_what_was_earned_and_never_more(
    parts: list[list[tuple[str, int, int]] | None], points: list[int]
) -> None:
    life = Life()
    life.do(RecordPurchase("till-1", START, "store", "USD", 1_001, (Line("a", 2, 333), Line("b", 1, 668))))
    taken = []
    for part in parts:
        lines = None if part is None else tuple(ReturnLine(*line) for line in part)
        taken.append(-life.do(ReturnPurchase(2, lines)).points)
    assert taken == points
    purchase = life.state.purchases[2]
    assert (purchase.taken_back, purchase.qualifying_taken_back) == (10, 10)
    assert purchase.returned == ((2, 333), (1, 668))
    assert life.state.holdings.account.qualifying == {2026: 0}
    assert life.refusal(ReturnPurchase(2)).code == "already_returned"


# What a return may not name: its lines, the code, where.
WRONG_RETURNS = [
    ([("a", 3, 10)], "return_exceeds_purchase", ["/lines/0/quantity"]),
    ([("a", 2, 334)], "return_exceeds_purchase", ["/lines/0/amount"]),
    ([("a", 1, 10), ("a", 2, 10)], "return_exceeds_purchase", ["/lines/1/quantity"]),
    ([("a", 1, 10), ("a", 1, 324)], "return_exceeds_purchase", ["/lines/1/amount"]),
    ([("c", 1, 10)], "invalid_input", ["/lines/0/sku"]),
    ([("a", 0, 10)], "invalid_input", ["/lines/0/quantity"]),
    ([("a", 1, -1)], "invalid_input", ["/lines/0/amount"]),
    ([("c", 0, -1)], "invalid_input", ["/lines/0/quantity", "/lines/0/amount", "/lines/0/sku"]),
    ([], "already_returned", []),
]


@pytest.mark.parametrize(("lines", "code", "pointers"), WRONG_RETURNS)
def test_a_return_beyond_the_purchase_is_refused(
    lines: list[tuple[str, int, int]], code: str, pointers: list[str]
) -> None:
    life = Life()
    life.do(RecordPurchase("till-1", START, "store", "USD", 1_001, (Line("a", 2, 333), Line("b", 1, 668))))
    refused = life.refusal(ReturnPurchase(2, tuple(ReturnLine(*line) for line in lines)))
    assert (refused.code, [error.pointer for error in refused.errors]) == (code, pointers)


def test_a_return_is_laid_over_the_lines_of_its_sku_in_order() -> None:
    life = Life()
    life.do(RecordPurchase("till-1", START, "store", "USD", 1_000, (Line("a", 1, 400), Line("a", 2, 600))))
    life.do(ReturnPurchase(2, (ReturnLine("a", 2, 500),)))
    assert life.state.purchases[2].returned == ((1, 400), (1, 100))


def test_a_return_takes_its_own_lot_first_and_the_bonus_with_it() -> None:
    life = Life()
    life.buy(10_000)
    life.buy(10_000)
    assert life.lots() == [100, 125]
    assert life.do(ReturnPurchase(3)).base == -125
    assert life.lots() == [100, 0]


def test_points_spent_before_their_return_are_owed_and_the_next_earning_pays() -> None:
    life = Life()
    life.buy(10_000)
    life.do(HoldReward("large"))
    life.do(CaptureHold(3))
    back = life.do(ReturnPurchase(2))
    assert (back.available, back.points, back.flags) == (-100, -100, ("debt",))
    assert life.state.holdings.account.debt == 100
    assert life.refusal(HoldReward("small")).code == "insufficient_points"
    part = life.buy(3_000)
    assert (part.available, part.points, part.base) == (-70, 30, 30)
    assert (life.state.holdings.account.debt, life.state.purchases[part.version].lot) == (70, 0)
    rest = life.buy(10_000)
    assert (rest.available, life.state.holdings.account.debt) == (30, 0)
    assert [(p.account, p.amount, p.lot) for p in life.last.entries[-1].postings] == [
        ("issued", -100, None), ("available", 70, None), ("available", 30, 2)
    ]  # fmt: skip
    # What paid a debt has no lot left of its own: its return is owed again.
    assert life.do(ReturnPurchase(part.version)).available == 0
    assert life.do(ReturnPurchase(rest.version)).available == -100
