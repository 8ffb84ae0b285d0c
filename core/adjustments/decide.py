"""Adjustments and the sweep: points given or taken by hand with a reason; what the clock did, put on record."""

from __future__ import annotations

import msgspec

from core.decision import Context, Decision, Entry, State, change_of, opening
from core.errors import FieldError, InvalidInput, Rejected
from core.ledger import movements
from core.ledger.account import ADJUSTED
from core.ledger.expiry import expiry_of
from core.points import MAX_POINTS
from core.snapshot import Kind


class AdjustPoints(msgspec.Struct, frozen=True, tag="adjust"):
    points: int
    reason: str


class SettleDue(msgspec.Struct, frozen=True, tag="settle"):
    """Journal the lots and holds whose time has passed. Nothing due: nothing happens."""


def adjust(state: State, command: AdjustPoints, context: Context) -> Decision:
    """Rejects `insufficient_points`, `points_out_of_range`; an adjustment never makes a debt."""
    errors = []
    if command.points == 0 or abs(command.points) > MAX_POINTS:
        errors.append(FieldError("/points", f"must not be 0, nor beyond {MAX_POINTS}"))
    if not command.reason.strip():
        errors.append(FieldError("/reason", "must say why"))
    if errors:
        raise InvalidInput("the adjustment has wrong fields", errors=tuple(errors))
    opened = opening(state, context)
    account = opened.account
    if command.points > 0:
        if account.available + account.held + command.points > MAX_POINTS:
            raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
        account, postings, _ = movements.credit(
            account,
            command.points,
            ADJUSTED,
            origin=state.version + 1,
            earned_at=context.now,
            expires_at=expiry_of(context.now, context.programme),
        )
    else:
        if account.available < -command.points:
            raise Rejected(f"only {account.available} points are there", code="insufficient_points")
        account, postings, _ = movements.debit(account, -command.points, ADJUSTED)
    entry = Entry(kind="adjust", occurred_at=context.now, postings=postings)
    return Decision(
        change=change_of(state, context, "adjust", account, opened, reason=command.reason.strip()),
        account=account,
        entries=(*opened.entries, entry),
        hold_ends=opened.hold_ends,
    )


def settle_due(state: State, command: SettleDue, context: Context) -> Decision:
    opened = opening(state, context)
    if not opened.entries:
        return Decision(change=None, account=state.account)
    kind: Kind = "expire" if opened.expired else "void"
    return Decision(
        change=change_of(state, context, kind, opened.account, opened, reason="" if opened.expired else "timed_out"),
        account=opened.account,
        entries=opened.entries,
        hold_ends=opened.hold_ends,
    )
