"""A voucher's life as tables: issued, used so often, taken back, past its date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.commands import Command
from core.programme.validation import parse
from core.rewards.vouchers import CancelVoucher, ClaimReward, GrantVoucher, UnuseVoucher, UseVoucher
from tests.core.life import Life
from tests.core.naive import Dates, Reward, Rules
from tests.core.programmes import written

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)
USE, UNUSE, CANCEL = UseVoucher("A"), UnuseVoucher("A", "a slip of the till"), CancelVoucher(3)

# A voucher of 10 points for 3 uses, claimed at version 3 by a member with 100 points: what is done to it -> the last
# refusal, uses left, whether it is void, balance.
LIVES: list[tuple[list[Command], str, int, bool, int]] = [
    ([], "", 3, False, 90),
    ([USE, USE, USE], "", 0, False, 90),
    ([USE, USE, USE, USE], "voucher_not_good", 0, False, 90),
    ([UNUSE], "voucher_not_used", 3, False, 90),
    ([USE, UNUSE], "", 3, False, 90),
    ([USE, UNUSE, UNUSE], "voucher_not_used", 3, False, 90),
    ([USE, USE, USE, UNUSE], "", 1, False, 90),  # one that was used up is good again
    ([CANCEL], "", 3, True, 100),
    ([CANCEL, CANCEL], "voucher_not_good", 3, True, 100),
    ([CANCEL, USE], "voucher_not_good", 3, True, 100),
    ([CANCEL, UNUSE], "voucher_not_used", 3, True, 100),
    ([USE, CANCEL], "voucher_not_good", 2, False, 90),
    ([USE, UNUSE, CANCEL], "", 3, True, 100),
    ([UseVoucher("B")], "unknown_voucher", 3, False, 90),
    ([CancelVoucher(2)], "unknown_voucher", 3, False, 90),
    ([CancelVoucher(2**63)], "unknown_voucher", 3, False, 90),
    ([UnuseVoucher("A", " ")], "invalid_input", 3, False, 90),
]


@pytest.mark.parametrize(("commands", "code", "left", "void", "balance"), LIVES)
def test_a_voucher_is_used_so_often_and_taken_back_once(
    commands: list[Command], code: str, left: int, void: bool, balance: int
) -> None:
    life = _life()
    life.do(ClaimReward("triple", "A"))
    for command in commands[:-1]:
        life.do(command)
    if code:
        assert life.refusal(commands[-1]).code == code
    elif commands:
        life.do(commands[-1])
    (voucher,) = life.state.holdings.vouchers or ()
    assert (voucher.uses - voucher.used, voucher.void) == (left, void)
    assert life.state.holdings.account.available == balance


# Valid for so many days from (UTC) in a zone -> the exclusive instant.
DATES = [
    ("2026-03-14T09:00", "UTC", 0, "2026-03-15T00:00"),
    ("2026-03-14T23:59:59.999999", "UTC", 1, "2026-03-16T00:00"),
    ("2026-03-14T16:00", "Asia/Hong_Kong", 0, "2026-03-15T16:00"),
    ("2026-03-07T12:00", "America/New_York", 1, "2026-03-09T04:00"),
    ("2028-02-28T12:00", "UTC", 1, "2028-03-01T00:00"),
    ("2026-12-31T12:00", "UTC", 1, "2027-01-02T00:00"),
]


@pytest.mark.parametrize(("now", "zone", "days", "until"), DATES)
def test_a_voucher_is_good_through_its_last_day(now: str, zone: str, days: int, until: str) -> None:
    last = datetime.fromisoformat(until).replace(tzinfo=UTC)
    life = _life(zone=zone, valid_days=days, now=datetime.fromisoformat(now).replace(tzinfo=UTC))
    change = life.do(ClaimReward("triple", "A"))
    assert (change.until, change.code, change.voucher) == (last, "A", 3)
    life.now = last - timedelta(microseconds=1)
    assert life.do(USE).kind == "use"
    assert life.do(UNUSE).kind == "unuse"
    life.now = last
    for command in (USE, CANCEL, life.slip(("CD", "", 100), vouchers=("A",))):
        assert life.refusal(command).code == "voucher_not_good"
    # Its points were spent when it was issued: nothing is left to expire.
    assert life.try_to(SettleDue()) is None


def test_a_claim_spends_and_a_grant_does_not() -> None:
    life = _life()
    claimed = life.do(ClaimReward("triple", "A"))
    assert (claimed.kind, claimed.points, claimed.base, claimed.reward) == ("claim", -10, 10, "triple")
    assert [entry.kind for entry in life.last.entries] == ["redeem"]
    granted = life.do(GrantVoucher("triple", "B", " we are sorry "))
    assert (granted.kind, granted.points, granted.base, granted.reason) == ("grant", 0, 0, "we are sorry")
    assert life.last.entries == ()
    assert life.do(CancelVoucher(4)).points == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ClaimReward("mug", "A"), "not_claimed"),
        (ClaimReward("none", "A"), "unknown_reward"),
        (ClaimReward("dear", "A"), "insufficient_points"),
        (GrantVoucher("mug", "A", "a reason"), "invalid_input"),
        (GrantVoucher("none", "A", "a reason"), "unknown_reward"),
        (GrantVoucher("triple", "A", " "), "invalid_input"),
    ],
)
def test_what_cannot_be_claimed_or_granted(command: Command, code: str) -> None:
    assert _life().refusal(command).code == code


def test_the_points_of_a_cancelled_voucher_go_back_to_their_very_lots() -> None:
    life = _life()
    life.buy(5_000)
    life.do(ClaimReward("dear", "A"))
    assert life.lots() == [0, 30]
    life.do(CancelVoucher(4))
    assert life.lots() == [100, 50]


def test_points_of_a_voucher_taken_back_after_their_date_have_the_grace() -> None:
    life = _life(dates=Dates("rolling", 1, grace_days=3))
    life.do(ClaimReward("triple", "A"))
    life.now = datetime(2026, 4, 20, tzinfo=UTC)
    change = life.do(CANCEL)
    assert (change.expired, change.available) == (90, 10)
    assert life.state.holdings.account.lots[-1].expires_at == datetime(2026, 4, 24, tzinfo=UTC)


# Vouchers of a stock of 2, at most 2 a member; what happened -> what a further claim says.
STOCK: list[tuple[list[Command], int, str]] = [
    ([], 0, ""),
    ([], 1, ""),
    ([], 2, "sold_out"),
    ([ClaimReward("rare", "A")], 0, ""),
    ([ClaimReward("rare", "A"), ClaimReward("rare", "B")], 0, "reward_limit"),
    ([ClaimReward("rare", "A"), ClaimReward("rare", "B"), CancelVoucher(3)], 0, ""),
    ([ClaimReward("rare", "A")], 1, "sold_out"),
    ([ClaimReward("rare", "A"), CancelVoucher(3)], 1, ""),
    ([GrantVoucher("rare", "A", "a reason"), GrantVoucher("rare", "B", "a reason")], 0, "sold_out"),
    ([ClaimReward("rare", "A"), UseVoucher("A")], 1, "sold_out"),
]


@pytest.mark.parametrize(("commands", "others", "code"), STOCK)
def test_a_voucher_takes_a_piece_of_the_stock_and_gives_it_back(
    commands: list[Command], others: int, code: str
) -> None:
    life = _life()
    life.tallies["reward/rare"] = others
    for command in commands:
        life.do(command)
    if code:
        assert life.refusal(ClaimReward("rare", "Z")).code == code
    else:
        life.do(ClaimReward("rare", "Z"))


def test_a_grant_taken_back_makes_no_room_for_another_claim() -> None:
    """A grant does not count as had, so its end must not count as one fewer."""
    life = _life()
    life.do(ClaimReward("once", "A"))
    life.do(GrantVoucher("once", "B", "we are sorry"))
    life.do(CancelVoucher(4))
    assert life.refusal(ClaimReward("once", "C")).code == "reward_limit"


# Vouchers in a purchase: codes -> the refusal, and where.
IN_PURCHASE = [
    (("A",), "", []),
    (("A", "B"), "", []),
    (("A", "A"), "invalid_input", ["/vouchers"]),
    (("A", "C"), "unknown_voucher", ["/vouchers/1"]),
    (("B", "U"), "voucher_not_good", ["/vouchers/1"]),
    (tuple(str(n) for n in range(21)), "invalid_input", ["/vouchers"]),
]


@pytest.mark.parametrize(("codes", "code", "pointers"), IN_PURCHASE)
def test_vouchers_pay_in_the_order_given_each_up_to_what_is_left(
    codes: tuple[str, ...], code: str, pointers: list[str]
) -> None:
    life = _life()
    for name in ("A", "B", "U"):
        life.do(GrantVoucher("once", name, "a reason"))
    life.do(UseVoucher("U"))
    command = life.slip(("CD", "", 700), vouchers=codes)
    if code:
        refused = life.refusal(command)
        assert (refused.code, [error.pointer for error in refused.errors]) == (code, pointers)
    else:
        change = life.do(command)
        assert change.paid_amount == min(700, 500 * len(codes))
        assert life.state.purchases[change.version].vouchers == ((3, 500), (4, 200))[: len(codes)]
        assert life.refusal(UseVoucher("A")).code == "voucher_not_good"


def test_a_voucher_is_good_again_once_all_of_its_purchase_is_back() -> None:
    life = _life()
    life.do(GrantVoucher("once", "A", "a reason"))
    life.basket(("CD", "", 600), ("LP", "", 400), vouchers=("A",))
    part = life.do(ReturnPurchase(4, (ReturnLine("CD", 1, 600),)))
    assert (part.amount, part.paid_amount) == (600, 300)  # 3.00 of the 6.00 were the voucher's
    assert life.refusal(UseVoucher("A")).code == "voucher_not_good"
    rest = life.do(ReturnPurchase(4))
    assert (rest.amount, rest.paid_amount) == (400, 200)
    assert life.do(UseVoucher("A")).kind == "use"


def _life(
    *,
    zone: str = "UTC",
    valid_days: int = 90,
    dates: Dates = Dates("rolling", 24),  # noqa: B008 - never changed
    now: datetime = NOW,
) -> Life:
    rewards = [
        Reward("triple", 10, kind="voucher", value=500, uses=3, valid_days=valid_days, per_member=9),
        Reward("dear", 120, kind="voucher", value=500, per_member=9),
        Reward("rare", 10, kind="voucher", value=500, stock=2, per_member=2),
        Reward("once", 10, kind="voucher", value=500, per_member=1),
        Reward("mug", 10),
    ]
    life = Life(parse(written(Rules(zone=zone, dates=dates, rewards=rewards))), now=now)
    life.do(AdjustPoints(100, "a gift"))
    return life
