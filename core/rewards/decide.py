"""Rewards: hold points for one, then capture it (whole) or void it; each hold is resolved at most once."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from core.decision import Context, Decision, Entry, HoldEnd, Opening, State, change_of, opening
from core.errors import FieldError, NotFound, Rejected
from core.ledger import movements
from core.ledger.account import HELD, REDEEMED, Hold, Posting

MAX_HOLDS = 20
"""Open at once, of one member: more is a stuck cart, not a wish."""


class HoldReward(msgspec.Struct, frozen=True, tag="hold"):
    reward: str


class CaptureHold(msgspec.Struct, frozen=True, tag="capture"):
    hold: int


class VoidHold(msgspec.Struct, frozen=True, tag="void"):
    hold: int
    reason: str = ""


def hold(state: State, command: HoldReward, context: Context) -> Decision:
    """Set a reward's points aside. Rejects `insufficient_points`, `too_many_holds`; raises `NotFound`."""
    reward = context.programme.rewards_by_id.get(command.reward)
    if reward is None:
        raise NotFound(
            "no such reward", code="unknown_reward", errors=(FieldError("/reward", "is not in the catalogue"),)
        )
    opened = opening(state, context)
    account = opened.account
    if account.available < reward.points:
        raise Rejected(f"{reward.points} points are needed, {account.available} are there", code="insufficient_points")
    if len(account.holds) >= MAX_HOLDS:
        raise Rejected(f"{MAX_HOLDS} rewards are on hold already", code="too_many_holds")
    account, postings, takings = movements.debit(account, reward.points, HELD)
    until = context.now + timedelta(minutes=context.programme.limits.hold_minutes)
    opened_hold = Hold(state.version + 1, reward.id, reward.points, context.now, until, takings)
    account = movements.open_hold(account, opened_hold)
    change = change_of(state, context, "hold", account, opened, reward=reward.id, hold=opened_hold.no)
    entry = Entry(kind="hold", occurred_at=context.now, postings=postings)
    return Decision(change=change, account=account, entries=(*opened.entries, entry), hold_ends=opened.hold_ends)


def capture(state: State, command: CaptureHold, context: Context) -> Decision:
    """Spend a hold. Rejects `hold_not_open` (captured, voided or timed out before)."""
    opened = opening(state, context)
    held = _open_hold(opened, command.hold)
    account = movements.close_hold(opened.account, held)
    entry = Entry(
        kind="capture",
        occurred_at=context.now,
        postings=(Posting(HELD, -held.points), Posting(REDEEMED, held.points)),
        reverses=held.no,
    )
    change = change_of(state, context, "capture", account, opened, reward=held.reward, hold=held.no, base=held.points)
    return Decision(
        change=change,
        account=account,
        entries=(*opened.entries, entry),
        hold_ends=(*opened.hold_ends, HoldEnd(held.no, "captured")),
    )


def void(state: State, command: VoidHold, context: Context) -> Decision:
    """Give a hold's points back to the lots they came from. Rejects `hold_not_open`."""
    opened = opening(state, context)
    held = _open_hold(opened, command.hold)
    account, postings = movements.restore(
        opened.account,
        held,
        held.points,
        origin=state.version + 1,
        now=context.now,
        programme=context.programme,
    )
    entry = Entry(kind="void", occurred_at=context.now, postings=postings, reverses=held.no)
    change = change_of(state, context, "void", account, opened, reward=held.reward, hold=held.no, reason=command.reason)
    return Decision(
        change=change,
        account=account,
        entries=(*opened.entries, entry),
        hold_ends=(*opened.hold_ends, HoldEnd(held.no, "voided")),
    )


def _open_hold(opened: Opening, no: int) -> Hold:
    for held in opened.account.holds:
        if held.no == no:
            return held
    raise Rejected("this hold is not open (captured, voided or timed out)", code="hold_not_open")
