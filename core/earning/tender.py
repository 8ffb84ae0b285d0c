"""Paying for part of a basket: with points, within the programme's cap, and with vouchers."""

from __future__ import annotations

import msgspec

from core.decision import Context, Entry, HoldEnd
from core.earning.slip import RecordPurchase
from core.errors import FieldError, InvalidInput, NotFound, Rejected
from core.holdings import Holdings, Voucher
from core.ledger import movements
from core.ledger.account import HELD, REDEEMED, Hold, Posting
from core.ledger.movements import Takings
from core.limits import Tally
from core.points import POINTS
from core.programme.document import Programme


class Paid(msgspec.Struct, frozen=True):
    """What points and vouchers paid, in minor units, and the holdings after it."""

    holdings: Holdings
    entries: tuple[Entry, ...] = ()
    points: int = 0
    amount: int = 0
    takings: Takings = ()
    vouchers: tuple[tuple[int, int], ...] = ()
    """(voucher, what it took off) in the order given."""
    hold_ends: tuple[HoldEnd, ...] = ()
    tallies: tuple[Tally, ...] = ()

    @property
    def money(self) -> int:
        """Minor units that both paid together."""
        return self.amount + sum([off for _, off in self.vouchers])


def pay(holdings: Holdings, command: RecordPurchase, context: Context) -> Paid:
    """Take the points and use the vouchers of a purchase.

    Vouchers come off first, each up to what is left of the basket; points pay within the cap on the whole basket and
    never more than is left. Rejects `points_pay_nothing`, `points_above_cap`, `insufficient_points`, `hold_not_open`,
    `voucher_not_good`; raises `NotFound` `unknown_voucher`.
    """
    if command.only_credits:
        return Paid(holdings)
    left, used = command.total, list[tuple[int, int]]()
    for i, code in enumerate(command.vouchers):
        voucher = good_voucher(holdings, code, context, f"/vouchers/{i}")
        off = _taken_off(voucher, left, context, f"/vouchers/{i}")
        holdings = holdings.with_voucher(msgspec.structs.replace(voucher, used=voucher.used + 1))
        used.append((voucher.no, off))
        left -= off
    paid = Paid(holdings, vouchers=tuple(used))
    if command.hold:
        return _from_hold(paid, command, context, left)
    return _from_points(paid, command, context, left) if command.points else paid


def most_points(total: int, left: int, available: int, programme: Programme) -> int:
    """The most points that may pay for a basket of `total`, of which `left` is not paid yet."""
    worth = programme.worth
    if worth is None or available <= 0:
        return 0
    money = min(int(worth.share * total), left)
    step = _step(programme)
    most = min(money * worth.points // worth.amount, available) // step * step
    return max(0, most)


def amount_of(points: int, programme: Programme) -> int:
    """Minor units of money that `points` pay. Raises `InvalidInput` where they come to no whole amount, or the
    programme takes no points as payment."""
    worth = programme.worth
    if worth is None:
        raise Rejected(
            "points pay for no part of a purchase in this programme",
            code="points_pay_nothing",
            errors=(FieldError("/points", "must be 0"),),
        )
    exact = worth.money_of(points)
    if exact.denominator != 1:
        raise InvalidInput.at("/points", f"must be a multiple of {_step(programme)}: they come to no whole amount")
    return exact.numerator


def good_voucher(holdings: Holdings, code: str, context: Context, pointer: str) -> Voucher:
    """The member's voucher with this code, if a use of it is left now."""
    voucher = next((one for one in holdings.vouchers or () if one.code == code), None)
    if voucher is None:
        errors = (FieldError(pointer, "is not a voucher of this member"),)
        raise NotFound("no such voucher", code="unknown_voucher", errors=errors)
    if not voucher.good_at(context.now):
        why = "was taken back" if voucher.void else "was used before" if not voucher.open else "is past its date"
        raise Rejected(f"the voucher {why}", code="voucher_not_good", errors=(FieldError(pointer, why),))
    return voucher


def _taken_off(voucher: Voucher, left: int, context: Context, pointer: str) -> int:
    """No voucher is used up for nothing: neither by a basket that is paid already, nor by a purchase of a time when its
    reward was none yet (a till's clock may be behind)."""
    reward, why = context.programme.rewards_by_id.get(voucher.reward), ""
    if reward is None or reward.kind != "voucher":
        why = "is of a later programme than this purchase"
    elif reward.value and not left:
        why = "takes nothing off this basket"
    if why:
        raise Rejected(f"the voucher {why}", code="voucher_not_good", errors=(FieldError(pointer, why),))
    return min(left, value_of(voucher, context))


def value_of(voucher: Voucher, context: Context) -> int:
    """What it takes off, in minor units; 0 for a thing in words."""
    reward = context.programme.rewards_by_id.get(voucher.reward)
    return reward.value if reward else 0


def _step(programme: Programme) -> int:
    """The fewest points that come to a whole minor unit."""
    assert programme.worth is not None
    return programme.worth.money_of(1).denominator


def _check_cap(amount: int, command: RecordPurchase, context: Context, left: int, pointer: str) -> None:
    worth = context.programme.worth
    assert worth is not None
    most = min(int(worth.share * command.total), left)
    if amount > most:
        detail = f"would pay {amount}, and points may pay {most} of this basket"
        raise Rejected(f"the points {detail}", code="points_above_cap", errors=(FieldError(pointer, detail),))


def _from_points(paid: Paid, command: RecordPurchase, context: Context, left: int) -> Paid:
    amount = amount_of(command.points, context.programme)
    _check_cap(amount, command, context, left, "/points")
    account = paid.holdings.account
    if account.available < command.points:
        detail = f"{command.points} points are needed, {account.available} are there"
        raise Rejected(detail, code="insufficient_points", errors=(FieldError("/points", detail),))
    account, postings, takings = movements.debit(account, command.points, REDEEMED)
    entry = Entry(kind="redeem", occurred_at=context.now, postings=postings)
    return msgspec.structs.replace(
        paid,
        holdings=paid.holdings.with_account(POINTS, account),
        entries=(entry,),
        points=command.points,
        amount=amount,
        takings=takings,
    )


def _from_hold(paid: Paid, command: RecordPurchase, context: Context, left: int) -> Paid:
    held = next((one for one in paid.holdings.account.holds if one.no == command.hold), None)
    if held is None or held.reward:
        raise Rejected("no points are on hold for a basket under this number", code="hold_not_open")
    if command.points:
        raise InvalidInput.at("/points", "must be 0 where a hold pays")
    amount = amount_of(held.points, context.programme)
    _check_cap(amount, command, context, left, "/hold")
    entry = _captured(held, context)
    account = movements.close_hold(paid.holdings.account, held)
    return msgspec.structs.replace(
        paid,
        holdings=paid.holdings.with_account(POINTS, account),
        entries=(entry,),
        points=held.points,
        amount=amount,
        takings=held.takings,
        hold_ends=(HoldEnd(held.no, "captured"),),
    )


def _captured(held: Hold, context: Context) -> Entry:
    postings = (Posting(HELD, -held.points), Posting(REDEEMED, held.points))
    return Entry(kind="capture", occurred_at=context.now, postings=postings, reverses=held.no)
