"""Rewards and points on hold: opened, then captured (whole) or voided; each hold is resolved at most once.

A reward is held for the till one stands at, or for collection in a store; points are held for a basket, and the
purchase captures them. A hold takes a piece of the stock, and one that is voided or runs out gives it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from core import limits
from core.decision import Context, Decision, Entry, HoldEnd, Opening, State, active, change_of, opening, with_released
from core.earning.tender import amount_of
from core.errors import FieldError, InvalidInput, Rejected
from core.holdings import Holdings
from core.ledger import movements
from core.ledger.account import HELD, REDEEMED, Hold, Posting
from core.ledger.expiry import grace_of, vesting_of
from core.limits import Tally
from core.points import MAX_POINTS, POINTS
from core.programme.document import Reward
from core.rewards import offer

MAX_HOLDS = 20
"""Open at once, of one member: more is a stuck cart, not a wish."""


class HoldReward(msgspec.Struct, frozen=True, tag="hold"):
    """`store`: where it is to be collected; empty for the till one stands at."""

    reward: str
    store: str = ""


class HoldPoints(msgspec.Struct, frozen=True, tag="hold_points"):
    """Set points aside to pay for part of a basket."""

    points: int


class CaptureHold(msgspec.Struct, frozen=True, tag="capture"):
    """`paid`: the money taken for a reward of points and money, in minor units."""

    hold: int
    paid: int = 0


class VoidHold(msgspec.Struct, frozen=True, tag="void"):
    hold: int
    reason: str = ""


def hold(state: State, command: HoldReward, context: Context) -> Decision:
    """Set a reward's points and a piece of its stock aside. Rejects what `offer.check` does, `not_held` (a reward that is
    claimed instead), `not_collected`, `too_many_holds`; raises `NotFound`."""
    reward = offer.reward_of(command.reward, context)
    if reward.kind not in ("goods", "experience"):
        raise Rejected("this reward is had at once, not held", code="not_held")
    _check_store(command.store, reward, context)
    opened = opening(state, context)
    offer.check(reward, opened.holdings, with_released(context, opened))
    holdings, tallies = offer.had(reward, opened.holdings, context)
    if command.store:
        until = vesting_of(context.now, reward.collect_days, context.programme)
    else:
        until = context.now + timedelta(minutes=context.programme.limits.hold_minutes)
    return _held(state, context, opened, holdings, reward, reward.points, until, tallies, store=command.store)


def hold_points(state: State, command: HoldPoints, context: Context) -> Decision:
    """Rejects `insufficient_points`, `points_pay_nothing`, `too_many_holds`; raises `InvalidInput`."""
    if not 0 < command.points <= MAX_POINTS:
        raise InvalidInput.at("/points", f"must be 1 to {MAX_POINTS}")
    amount_of(command.points, context.programme)
    opened = opening(state, context)
    there = opened.holdings.account.available
    if there < command.points:
        raise Rejected(f"only {there} points are there", code="insufficient_points")
    until = context.now + timedelta(minutes=context.programme.limits.hold_minutes)
    return _held(state, context, opened, opened.holdings, None, command.points, until, ())


def capture(state: State, command: CaptureHold, context: Context) -> Decision:
    """Spend a hold. Rejects `hold_not_open` (captured, voided or timed out before), `money_due`."""
    opened = opening(state, context)
    currency, held = _open_hold(opened, command.hold)
    if command.paid != held.money:
        errors = (FieldError("/paid", f"must be {held.money}, the money that it was held for"),)
        raise Rejected(f"{held.money} minor units of money are to be paid for it", code="money_due", errors=errors)
    if not held.reward:
        raise Rejected("points on hold for a basket are spent by its purchase", code="hold_not_open")
    holdings = opened.holdings.with_account(currency, movements.close_hold(opened.holdings.of(currency), held))
    holdings = active(holdings, currency, context.now, context)
    entry = Entry(
        kind="capture",
        occurred_at=context.now,
        postings=(Posting(HELD, -held.points), Posting(REDEEMED, held.points)),
        reverses=held.no,
        currency=currency,
    )
    change = change_of(
        state,
        context,
        "capture",
        holdings,
        opened,
        reward=held.reward,
        hold=held.no,
        base=held.points,
        currency=currency,
        amount=command.paid,
    )
    return Decision(
        change=change,
        holdings=holdings,
        entries=(*opened.entries, entry),
        hold_ends=(*opened.hold_ends, HoldEnd(held.no, "captured")),
        tallies=opened.tallies,
    )


def void(state: State, command: VoidHold, context: Context) -> Decision:
    """Give a hold's points back to the lots they came from, and its piece to the stock. Rejects `hold_not_open`."""
    opened = opening(state, context)
    currency, held = _open_hold(opened, command.hold)
    account, postings = movements.release(
        opened.holdings.of(currency),
        held,
        origin=state.version + 1,
        now=context.now,
        grace=grace_of(context.now, context.programme, currency),
    )
    holdings, tallies = opened.holdings.with_account(currency, account), tuple[Tally, ...]()
    if held.reward:
        progress, tallies = limits.given_back(held.reward, holdings.progress, stocked=held.stocked)
        holdings = holdings.with_progress(progress)
    entry = Entry(kind="void", occurred_at=context.now, postings=postings, reverses=held.no, currency=currency)
    change = change_of(
        state,
        context,
        "void",
        holdings,
        opened,
        reward=held.reward,
        hold=held.no,
        currency=currency,
        reason=command.reason,
    )
    return Decision(
        change=change,
        holdings=holdings,
        entries=(*opened.entries, entry),
        hold_ends=(*opened.hold_ends, HoldEnd(held.no, "voided")),
        tallies=(*opened.tallies, *tallies),
    )


def _check_store(store: str, reward: Reward, context: Context) -> None:
    if not store:
        return
    if not reward.collect_days:
        raise Rejected("this reward is not kept for collection in a store", code="not_collected")
    found = context.programme.stores_by_id.get(store)
    if found is None:
        raise InvalidInput.at("/store", "is not a store of the programme")
    if not found.collects:
        raise InvalidInput.at("/store", "is a store where nothing is collected")


def _held(
    state: State,
    context: Context,
    opened: Opening,
    holdings: Holdings,
    reward: Reward | None,
    points: int,
    until: datetime,
    tallies: tuple[Tally, ...],
    *,
    store: str = "",
) -> Decision:
    currency = reward.currency if reward else POINTS
    if sum(len(account.holds) for _, account in holdings.accounts()) >= MAX_HOLDS:
        raise Rejected(f"{MAX_HOLDS} are on hold already", code="too_many_holds")
    account, postings, takings = movements.debit(holdings.of(currency), points, HELD)
    held = Hold(
        state.version + 1,
        reward.id if reward else "",
        points,
        context.now,
        until,
        takings,
        store=store,
        stocked=bool(tallies),
        money=reward.money if reward else 0,
    )
    holdings = holdings.with_account(currency, movements.open_hold(account, held))
    change = change_of(state, context, "hold", holdings, opened, reward=held.reward, hold=held.no, currency=currency)
    entry = Entry(kind="hold", occurred_at=context.now, postings=postings, currency=currency)
    return Decision(
        change=change,
        holdings=holdings,
        entries=(*opened.entries, entry),
        hold_ends=opened.hold_ends,
        tallies=(*opened.tallies, *tallies),
    )


def _open_hold(opened: Opening, no: int) -> tuple[str, Hold]:
    for currency, account in opened.holdings.accounts():
        for held in account.holds:
            if held.no == no:
                return currency, held
    raise Rejected("this hold is not open (captured, voided or timed out)", code="hold_not_open")
