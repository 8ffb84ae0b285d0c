"""What a use of a voucher was for: by hand, in a basket, for nothing; and what comes back of it by which door."""

from __future__ import annotations

import pytest

from core.adjustments.decide import AdjustPoints
from core.earning.returns import ReturnPurchase
from core.errors import Rejected
from core.programme.validation import parse
from core.rewards.decide import CaptureHold, HoldReward
from core.rewards.vouchers import CancelVoucher, ClaimReward, UnuseVoucher, UseVoucher
from tests.core.life import Life
from tests.core.naive.rules import Reward, Rules
from tests.core.programmes import published, written

USE, UNUSE = UseVoucher("A"), UnuseVoucher("A", "a slip of the till")
REWARDS = [
    Reward("five", 10, kind="voucher", value=500, uses=3),
    Reward("hello", 0, kind="voucher", value=500, per_member=1, stock=1),
    Reward("mug", 10, money=900),
]

# Of a voucher for 3 uses at version 3: bought with it, used by hand, taken back by hand, returned -> uses, the refusal.
DEEDS = [
    (["buy", "unuse"], 1, "voucher_not_used"),
    (["use", "unuse"], 0, ""),
    (["buy", "use", "unuse"], 1, ""),
    (["buy", "use", "unuse", "unuse"], 1, "voucher_not_used"),
    (["buy", "use", "unuse", "return"], 0, ""),
    (["buy", "return", "unuse"], 0, "voucher_not_used"),
    (["use", "buy", "return", "unuse"], 0, ""),
    (["buy", "buy", "return"], 1, ""),
]


@pytest.mark.parametrize(("deeds", "used", "code"), DEEDS, ids=[" ".join(case[0]) for case in DEEDS])
def test_what_paid_a_basket_comes_back_by_a_return_alone(deeds: list[str], used: int, code: str) -> None:
    life = _life()
    life.do(ClaimReward("five", "A"))
    bought, refused = 0, ""
    for deed in deeds:
        match deed:
            case "buy":
                bought = life.do(life.slip(("CD", "", 2_000), vouchers=("A",))).version
            case "return":
                life.do(ReturnPurchase(bought))
            case "use":
                life.do(USE)
            case "unuse":
                try:
                    life.do(UNUSE)
                except Rejected as error:
                    refused = error.code
    assert ((life.state.holdings.vouchers or ())[0].used, refused) == (used, code)


def test_a_voucher_for_no_points_that_is_taken_back_makes_room_for_another() -> None:
    life = _life()
    life.do(ClaimReward("hello", "A"))
    assert life.refusal(ClaimReward("hello", "B")).code == "reward_limit"
    life.do(CancelVoucher(3))
    assert life.do(ClaimReward("hello", "B")).code == "B"


def test_no_voucher_is_used_up_for_nothing() -> None:
    life = _life()
    life.do(ClaimReward("five", "A"))
    life.do(ClaimReward("five", "B"))
    refused = life.refusal(life.slip(("CD", "", 300), vouchers=("A", "B")))
    assert (refused.code, [error.pointer for error in refused.errors]) == ("voucher_not_good", ["/vouchers/1"])
    assert life.do(life.slip(("CD", "", 501), vouchers=("A", "B"))).paid_amount == 501


def test_a_purchase_of_a_time_before_the_voucher_does_not_use_it_up() -> None:
    """A till whose clock is behind: the revision of its time does not know the reward, or knew it as something else."""
    for earlier in ([REWARDS[1]], [Reward("five", 10)]):
        life = _life()
        life.do(ClaimReward("five", "A"))
        life.published = published(parse(written(Rules(rewards=earlier))))
        refused = life.refusal(life.slip(("CD", "", 2_000), vouchers=("A",)))
        assert (refused.code, [error.pointer for error in refused.errors]) == ("voucher_not_good", ["/vouchers/0"])


@pytest.mark.parametrize("later", [[Reward("mug", 10, money=1_200)], [Reward("mug", 10)], [REWARDS[1]]])
def test_what_is_held_costs_what_it_did_when_it_was_set_aside(later: list[Reward]) -> None:
    life = _life()
    life.do(HoldReward("mug"))
    life.published = published(parse(written(Rules(rewards=later))))
    assert [life.refusal(CaptureHold(3, paid)).code for paid in (0, 1_200)] == ["money_due"] * 2
    assert life.do(CaptureHold(3, 900)).amount == 900


def _life() -> Life:
    life = Life(parse(written(Rules(rewards=REWARDS))))
    life.do(AdjustPoints(100, "a gift"))
    return life
