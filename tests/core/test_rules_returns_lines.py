"""Returns of purchases whose lines share a sku or cost nothing: which line is meant, and when a voucher comes back."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime

import pytest

from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.programme.validation import parse
from core.rewards.vouchers import GrantVoucher, UseVoucher
from core.snapshot import Line
from tests.conftest import START
from tests.core.life import Life
from tests.core.naive import Reward, Rules
from tests.core.programmes import programme, written

# The lines of one sku (pieces, money); returns one after another, each of (pieces, money); what is back of each line.
ONE_SKU = [
    # Two prices: whichever is returned first.
    ([(1, 100), (1, 50)], [[(1, 50)]], [(0, 0), (1, 50)]),
    ([(1, 100), (1, 50)], [[(1, 50)], [(1, 100)]], [(1, 100), (1, 50)]),
    ([(1, 100), (1, 50)], [[(1, 100)], [(1, 50)]], [(1, 100), (1, 50)]),
    ([(1, 50), (1, 100)], [[(1, 100)], [(1, 50)]], [(1, 50), (1, 100)]),
    # Both in one return, in both orders, and as one line.
    ([(1, 100), (1, 50)], [[(1, 50), (1, 100)]], [(1, 100), (1, 50)]),
    ([(1, 100), (1, 50)], [[(1, 100), (1, 50)]], [(1, 100), (1, 50)]),
    ([(1, 100), (1, 50)], [[(2, 150)]], [(1, 100), (1, 50)]),
    # At the price per piece of a line with more of it.
    ([(1, 100), (3, 150)], [[(2, 100)]], [(0, 0), (2, 100)]),
    ([(1, 100), (3, 150)], [[(1, 50)], [(1, 100)], [(2, 100)]], [(1, 100), (3, 150)]),
    ([(3, 100), (1, 40)], [[(1, 34)]], [(1, 34), (0, 0)]),
    ([(3, 100), (1, 40)], [[(1, 34)], [(1, 33)], [(1, 40)], [(1, 33)]], [(3, 100), (1, 40)]),
    # What is just left of a line goes before what is only priced like one, for all lines of the return.
    ([(2, 100), (1, 50)], [[(1, 50)]], [(0, 0), (1, 50)]),
    ([(2, 100), (1, 50)], [[(1, 50), (1, 50), (1, 50)]], [(2, 100), (1, 50)]),
    ([(2, 100), (2, 90)], [[(1, 45), (2, 100)]], [(2, 100), (1, 45)]),
    ([(1, 100), (1, 50)], [[(1, 45), (1, 100)]], [(1, 100), (1, 45)]),
    # Three pieces over two lines, in order and dearest first.
    ([(1, 400), (2, 600)], [[(3, 1_000)]], [(1, 400), (2, 600)]),
    ([(1, 400), (2, 600)], [[(2, 500)]], [(1, 400), (1, 100)]),
    ([(2, 100), (2, 200)], [[(3, 250)]], [(1, 50), (2, 200)]),
    ([(2, 100), (1, 100)], [[(2, 150)]], [(1, 50), (1, 100)]),
    # For less than its price: laid in order, and the dearer one can still be returned.
    ([(1, 100), (1, 50)], [[(1, 45)], [(1, 100)]], [(1, 95), (1, 50)]),
    ([(1, 50), (1, 100)], [[(1, 95)], [(1, 50)]], [(1, 50), (1, 95)]),
    ([(5, 50), (1, 100)], [[(1, 95)]], [(0, 0), (1, 95)]),
    ([(3, 254), (3, 254)], [[(3, 255)], [(3, 253)]], [(3, 254), (3, 254)]),
    ([(1, 0), (1, 100), (1, 50), (1, 50)], [[(2, 100)], [(1, 100)], [(1, 0)]], [(1, 0), (1, 100), (1, 50), (1, 50)]),
    # For more than its price, where so much is left of the line: as one line alone allows.
    ([(2, 100)], [[(1, 100)]], [(1, 100)]),
    ([(1, 10), (2, 100)], [[(2, 110)]], [(1, 10), (1, 100)]),
    # Free pieces.
    ([(1, 0), (1, 50)], [[(1, 50)], [(1, 0)]], [(1, 0), (1, 50)]),
    ([(1, 50), (1, 0)], [[(1, 0)], [(1, 50)]], [(1, 50), (1, 0)]),
]


@pytest.mark.parametrize(("lines", "returns", "back"), ONE_SKU)
def test_a_return_finds_its_line_among_several_of_its_sku(
    lines: list[tuple[int, int]], returns: list[list[tuple[int, int]]], back: list[tuple[int, int]]
) -> None:
    life = _bought(lines)
    for parts in returns:
        change = life.do(_back(*parts))
        assert sum(pieces for _, pieces, _ in change.parts) == change.quantity == sum(p for p, _ in parts)
        assert sum(money for _, _, money in change.parts) == change.amount == sum(m for _, m in parts)
    assert life.state.purchases[2].returned == tuple(back)


# The lines, what was returned before, a return that is more than is left, and where it says so.
TOO_MUCH = [
    ([(1, 100), (1, 50)], [], [(1, 101)], "/lines/0/amount"),
    ([(1, 100), (1, 50)], [], [(2, 151)], "/lines/0/amount"),
    ([(1, 100), (1, 50)], [], [(3, 150)], "/lines/0/quantity"),
    ([(1, 100), (1, 50)], [], [(1, 100), (1, 100)], "/lines/1/amount"),
    ([(1, 100), (1, 50)], [], [(1, 50), (1, 50), (1, 50)], "/lines/2/quantity"),
    ([(1, 100), (1, 50)], [(1, 100)], [(1, 51)], "/lines/0/amount"),
    ([(1, 100), (1, 50)], [(1, 100)], [(2, 50)], "/lines/0/quantity"),
    ([(2, 100), (1, 50)], [(1, 60)], [(2, 91)], "/lines/0/amount"),
    ([(3, 100), (3, 100)], [], [(6, 201)], "/lines/0/amount"),
]


@pytest.mark.parametrize(("lines", "before", "parts", "pointer"), TOO_MUCH)
def test_a_return_beyond_what_the_lines_of_its_sku_cost_is_refused(
    lines: list[tuple[int, int]], before: list[tuple[int, int]], parts: list[tuple[int, int]], pointer: str
) -> None:
    life = _bought(lines)
    if before:
        life.do(_back(*before))
    refused = life.refusal(_back(*parts))
    assert (refused.code, [error.pointer for error in refused.errors]) == ("return_exceeds_purchase", [pointer])


def test_whatever_was_bought_can_be_returned_in_any_order_at_its_price_or_below() -> None:
    chance = random.Random(7)
    for _ in range(400):
        prices = [chance.choice([0, 10, 25, 50, 99, 100]) for _ in range(chance.randint(1, 4))]
        lines = [(pieces, pieces * price) for price in prices for pieces in [chance.randint(1, 3)]]
        pieces = [price for price, (quantity, _) in zip(prices, lines, strict=True) for _ in range(quantity)]
        chance.shuffle(pieces)
        below = chance.random() < 0.5
        life = _bought(lines)
        while pieces:
            parts = []
            for _ in range(min(len(pieces), chance.randint(1, 2))):
                these = [pieces.pop() for _ in range(min(len(pieces), chance.randint(1, 3)))]
                parts.append((len(these), sum(chance.randint(0, one) if below else one for one in these)))
            life.do(_back(*[part for part in parts if part[0]]))
        for (quantity, amount), (back, money) in zip(lines, life.state.purchases[2].returned, strict=True):
            assert back == quantity
            assert money <= amount
            assert below or money == amount


def test_each_of_two_prices_takes_back_what_it_had_earned_in_every_order() -> None:
    """10.00 and 5.00 of one sku, at a point a unit: 10 points and 5."""
    for order in itertools.permutations([1_000, 500]):
        life = _bought([(1, 1_000), (1, 500)])
        assert [-life.do(_back((1, money))).base for money in order] == [money // 100 for money in order]


# The lines of a purchase with a voucher of 5.00; what is returned one after another; how often it is used after each.
WITH_VOUCHER = [
    ([("CD", 2_000), ("BAG", 0)], [["CD"], ["BAG"]], [0, 0]),
    ([("CD", 2_000), ("BAG", 0)], [["BAG"], ["CD"]], [1, 0]),
    ([("CD", 2_000), ("BAG", 0)], [["CD", "BAG"]], [0]),
    ([("CD", 2_000), ("BAG", 0)], [["CD"], []], [0, 0]),
    ([("CD", 2_000), ("LP", 1_000), ("BAG", 0)], [["CD"], ["LP"], ["BAG"]], [1, 0, 0]),
    ([("CD", 300), ("BAG", 0)], [["CD"], ["BAG"]], [0, 0]),
]


@pytest.mark.parametrize(("lines", "returns", "used"), WITH_VOUCHER)
def test_a_voucher_is_back_once_the_money_is_though_what_was_free_is_kept(
    lines: list[tuple[str, int]], returns: list[list[str]], used: list[int]
) -> None:
    life, costs = _with_voucher(), dict(lines)
    bought = life.basket(*[(sku, "", amount) for sku, amount in lines], vouchers=("V",))
    found, due = [], bought.amount - bought.paid_amount
    for skus in returns:
        parts = tuple(ReturnLine(sku, 1, costs[sku]) for sku in skus) or None
        change = life.do(ReturnPurchase(bought.version, parts))
        due -= change.amount - change.paid_amount
        found.append(_used(life))
    assert (found, due) == (used, 0)


def test_a_voucher_used_again_stays_used_when_what_was_free_is_back_too() -> None:
    life = _with_voucher()
    bought = life.basket(("CD", "", 2_000), ("BAG", "", 0), vouchers=("V",)).version
    life.do(ReturnPurchase(bought, (ReturnLine("CD", 1, 2_000),)))
    life.do(UseVoucher("V"))
    life.do(ReturnPurchase(bought, (ReturnLine("BAG", 1, 0),)))
    assert _used(life) == 1
    assert life.refusal(UseVoucher("V")).code == "voucher_not_good"


def test_money_back_by_half_of_the_pieces_is_all_the_money_back() -> None:
    """One line, returned piece by piece: all its money with the first."""
    life = _with_voucher()
    life.do(RecordPurchase("till-1", life.now, "store", "USD", 1_000, (Line("CD", 2, 1_000),), vouchers=("V",)))
    change = life.do(ReturnPurchase(3, (ReturnLine("CD", 1, 1_000),)))
    assert (change.paid_amount, change.base, _used(life)) == (500, -5, 0)
    assert (life.do(ReturnPurchase(3)).base, _used(life)) == (0, 0)


def test_the_voucher_of_a_purchase_for_nothing_is_back_with_the_last_of_it() -> None:
    life = _with_voucher()
    life.do(GrantVoucher("wrap", "W", "a gift"))
    bought = life.basket(("BAG", "", 0), ("CARD", "", 0), vouchers=("W",)).version
    life.do(ReturnPurchase(bought, (ReturnLine("BAG", 1, 0),)))
    assert _used(life, "W") == 1
    life.do(ReturnPurchase(bought))
    assert _used(life, "W") == 0


def _bought(lines: list[tuple[int, int]]) -> Life:
    life, total = Life(programme()), sum(money for _, money in lines)
    bought = tuple(Line("CD", pieces, money) for pieces, money in lines)
    life.do(RecordPurchase("till-1", START, "store", "USD", total, bought))
    return life


def _back(*parts: tuple[int, int]) -> ReturnPurchase:
    return ReturnPurchase(2, tuple(ReturnLine("CD", pieces, money) for pieces, money in parts))


def _with_voucher() -> Life:
    rewards = [Reward("five", 50, kind="voucher", value=500, per_member=9), Reward("wrap", 5, kind="voucher")]
    life = Life(parse(written(Rules(rewards=rewards))), now=datetime(2026, 3, 14, 9, tzinfo=UTC))
    life.do(GrantVoucher("five", "V", "a gift"))
    return life


def _used(life: Life, code: str = "V") -> int:
    return next(one.used for one in life.state.holdings.vouchers or () if one.code == code)
