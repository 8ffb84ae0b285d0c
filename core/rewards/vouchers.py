"""What is had at once: vouchers, gifts to charity, tickets of a draw; and a voucher's life after that.

A voucher's points are spent when it is issued, so using it moves none: each use is a version of its own, and a voucher
nobody used can be taken back for the very points it cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from core import limits
from core.decision import Context, Decision, Entry, Opening, State, Ticket, active, change_of, opening, with_released
from core.earning.tender import good_voucher
from core.errors import FieldError, InvalidInput, NotFound, Rejected, Unavailable
from core.holdings import Holdings, Voucher
from core.ledger import movements
from core.ledger.account import REDEEMED
from core.ledger.expiry import grace_of, vesting_of
from core.limits import Tally
from core.members.identifiers import Identifier
from core.programme.document import Reward
from core.rewards import offer
from core.snapshot import Change


class ClaimReward(msgspec.Struct, frozen=True, tag="claim"):
    """`code` is a fresh voucher code chosen by the caller's own process, `entropy` what the member's device brings to a
    draw; which of them is needed is the reward's kind."""

    reward: str
    code: str = ""
    entropy: bytes = b""


class GrantVoucher(msgspec.Struct, frozen=True, tag="grant"):
    """A voucher for nothing, with a reason: service recovery, a prize."""

    reward: str
    code: str
    reason: str


class UseVoucher(msgspec.Struct, frozen=True, tag="use"):
    code: str


class UnuseVoucher(msgspec.Struct, frozen=True, tag="unuse"):
    """Take back one use of a voucher that paid no basket (a till's mistake). What paid one comes back by a return."""

    code: str
    reason: str


class CancelVoucher(msgspec.Struct, frozen=True, tag="cancel"):
    """Give an unused voucher back for its points."""

    voucher: int
    reason: str = ""


def claim(state: State, command: ClaimReward, context: Context) -> Decision:
    """Spend points on a voucher, a gift or a ticket. Rejects what `offer.check` does and `not_claimed` (a reward that is
    held first); raises `NotFound`, and `Unavailable` where the code was given to another."""
    reward = offer.reward_of(command.reward, context)
    if reward.kind in ("goods", "experience"):
        raise Rejected("this reward is held first, and captured at the till", code="not_claimed")
    opened = opening(state, context)
    offer.check(reward, opened.holdings, with_released(context, opened))
    holdings, tallies = offer.had(reward, opened.holdings, context)
    entries, takings = opened.entries, movements.Takings()
    if reward.points:
        account, postings, takings = movements.debit(holdings.of(reward.currency), reward.points, REDEEMED)
        entry = Entry(kind="redeem", occurred_at=context.now, postings=postings, currency=reward.currency)
        holdings, entries = holdings.with_account(reward.currency, account), (*entries, entry)
        holdings = active(holdings, reward.currency, context.now, context)
    details: dict[str, object] = {"reward": reward.id, "currency": reward.currency, "base": reward.points}
    ticket, identifiers = None, tuple[Identifier, ...]()
    if reward.kind == "voucher":
        voucher = issued(state, command.code, reward, context, takings, stocked=bool(tallies))
        holdings, identifiers = holdings.with_voucher(voucher), (Identifier("voucher", voucher.code),)
        details |= {"voucher": voucher.no, "code": voucher.code, "until": voucher.expires_at}
    elif reward.kind == "draw":
        no = context.tallies[limits.tickets(reward.id)] + 1
        ticket = Ticket(reward.id, no, command.entropy)
        details["ticket"] = no
    return Decision(
        change=change_of(state, context, "claim", holdings, opened, **details),
        holdings=holdings,
        entries=entries,
        hold_ends=opened.hold_ends,
        identifiers=identifiers,
        tallies=(*opened.tallies, *tallies),
        ticket=ticket,
    )


def grant(state: State, command: GrantVoucher, context: Context) -> Decision:
    """A voucher without points; it takes a piece of the stock. Rejects `sold_out`; raises `NotFound`, `InvalidInput`."""
    reward = offer.reward_of(command.reward, context)
    if reward.kind != "voucher":
        raise InvalidInput.at("/reward", "is not a voucher")
    if not command.reason.strip():
        raise InvalidInput.at("/reason", "must say why")
    opened = opening(state, context)
    there = with_released(context, opened).tallies
    if reward.stock is not None and there[limits.reward(reward.id)] >= reward.stock:
        raise Rejected("none of it is left", code="sold_out")
    tallies = (Tally(limits.reward(reward.id), 1),) if reward.stock is not None else ()
    voucher = issued(state, command.code, reward, context, (), stocked=bool(tallies), granted=True)
    holdings = opened.holdings.with_voucher(voucher)
    change = change_of(
        state,
        context,
        "grant",
        holdings,
        opened,
        reward=reward.id,
        voucher=voucher.no,
        code=voucher.code,
        until=voucher.expires_at,
        reason=command.reason.strip(),
    )
    return _decided(change, holdings, opened, (*opened.tallies, *tallies), Identifier("voucher", voucher.code))


def use(state: State, command: UseVoucher, context: Context) -> Decision:
    """Rejects `voucher_not_good`; raises `NotFound` `unknown_voucher`."""
    opened = opening(state, context)
    voucher = good_voucher(opened.holdings, command.code, context, "/code")
    return _moved(state, context, opened, voucher, "use", 1, "")


def unuse(state: State, command: UnuseVoucher, context: Context) -> Decision:
    """Rejects `voucher_not_used`; raises `NotFound` `unknown_voucher`, `InvalidInput`."""
    if not command.reason.strip():
        raise InvalidInput.at("/reason", "must say why")
    opened = opening(state, context)
    voucher = _named(opened.holdings, lambda one: one.code == command.code)
    if not voucher.by_hand or voucher.void:
        raise Rejected("no use of this voucher can be taken back", code="voucher_not_used")
    return _moved(state, context, opened, voucher, "unuse", -1, command.reason.strip())


def cancel(state: State, command: CancelVoucher, context: Context) -> Decision:
    """Rejects `voucher_not_good` (used, taken back or past its date); raises `NotFound` `unknown_voucher`."""
    opened = opening(state, context)
    voucher = _named(opened.holdings, lambda one: one.no == command.voucher)
    if voucher.used or not voucher.good_at(context.now):
        raise Rejected("only a voucher that is good and was never used can be taken back", code="voucher_not_good")
    progress, tallies = limits.given_back(
        voucher.reward, opened.holdings.progress, stocked=voucher.stocked, counted=not voucher.granted
    )
    holdings, entries = opened.holdings.with_voucher(msgspec.structs.replace(voucher, void=True)), opened.entries
    holdings = holdings.with_progress(progress)
    if voucher.points:
        account, postings = movements.restore(
            holdings.of(voucher.currency),
            voucher.takings,
            voucher.points,
            REDEEMED,
            origin=state.version + 1,
            now=context.now,
            grace=grace_of(context.now, context.programme, voucher.currency),
        )
        holdings = holdings.with_account(voucher.currency, account)
        entry = Entry(
            kind="refund",
            occurred_at=context.now,
            postings=postings,
            reverses=voucher.no,
            currency=voucher.currency,
        )
        entries = (*entries, entry)
    change = change_of(
        state,
        context,
        "cancel",
        holdings,
        opened,
        reward=voucher.reward,
        voucher=voucher.no,
        currency=voucher.currency,
        base=voucher.points,
        reason=command.reason.strip(),
    )
    decision = _decided(change, holdings, opened, (*opened.tallies, *tallies))
    return msgspec.structs.replace(decision, entries=entries)


def issued(
    state: State,
    code: str,
    reward: Reward,
    context: Context,
    takings: movements.Takings,
    *,
    stocked: bool,
    granted: bool = False,
) -> Voucher:
    """A fresh voucher. Raises `Unavailable` where its code was given to another this moment."""
    if context.owners.get(Identifier("voucher", code)):
        raise Unavailable("the new code was given to another this moment; send it again", code="code_taken")
    return Voucher(
        no=state.version + 1,
        code=code,
        reward=reward.id,
        issued_at=context.now,
        expires_at=vesting_of(context.now, reward.valid_days, context.programme),
        uses=reward.uses,
        points=0 if granted else reward.points,
        currency=reward.currency,
        takings=takings,
        stocked=stocked,
        granted=granted,
    )


def _named(holdings: Holdings, which: Callable[[Voucher], bool]) -> Voucher:
    for voucher in holdings.vouchers or ():
        if which(voucher):
            return voucher
    raise NotFound("no such voucher", code="unknown_voucher", errors=(FieldError("/voucher", "is not this member's"),))


def _moved(
    state: State,
    context: Context,
    opened: Opening,
    voucher: Voucher,
    kind: Literal["use", "unuse"],
    by: int,
    reason: str,
) -> Decision:
    moved = msgspec.structs.replace(voucher, used=voucher.used + by, by_hand=voucher.by_hand + by)
    holdings = opened.holdings.with_voucher(moved)
    change = change_of(
        state,
        context,
        kind,
        holdings,
        opened,
        reward=voucher.reward,
        voucher=voucher.no,
        reason=reason,
    )
    return _decided(change, holdings, opened, opened.tallies)


def _decided(
    change: Change, holdings: Holdings, opened: Opening, tallies: tuple[Tally, ...], *identifiers: Identifier
) -> Decision:
    return Decision(
        change=change,
        holdings=holdings,
        entries=opened.entries,
        hold_ends=opened.hold_ends,
        identifiers=identifiers,
        tallies=tallies,
    )
