"""Fixed points for what is no purchase: a check-in, a review, a share. They do not qualify for a tier."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from core import limits
from core.decision import Context, Decision, Entry, State, active, change_of, counted, opening
from core.earning.late import expire_late, with_lapsed
from core.earning.slip import LONGEST_AGO
from core.errors import FieldError, InvalidInput, Rejected
from core.ledger import movements
from core.ledger.account import ISSUED
from core.ledger.expiry import expiry_of
from core.limits import Use
from core.points import MAX_POINTS, POINTS
from core.programme.earn import ActionKind
from core.snapshot import Award


class RecordAction(msgspec.Struct, frozen=True, tag="action"):
    """`subject` is what was reviewed or shared, or the store checked in at, by the caller's own name for it."""

    kind: ActionKind
    occurred_at: datetime
    subject: str = ""


def record(state: State, command: RecordAction, context: Context) -> Decision:
    """Rejects `action_limit`, `points_out_of_range`; raises `InvalidInput` where the programme gives nothing for it or
    the time cannot be."""
    programme = context.programme
    action = programme.earn.actions.get(command.kind)
    errors = []
    if action is None:
        known = ", ".join(programme.earn.actions) or "none"
        errors.append(FieldError("/kind", f"must be one the programme gives points for: {known}"))
    if command.occurred_at > context.now + timedelta(seconds=programme.limits.clock_skew_seconds):
        errors.append(FieldError("/occurred_at", "is in the future"))
    window = LONGEST_AGO if context.staff else timedelta(days=programme.limits.replay_window_days)
    if command.occurred_at < context.now - window:
        errors.append(FieldError("/occurred_at", f"is more than {window.days} days ago"))
    if errors or action is None:
        raise InvalidInput("the action has wrong fields", errors=tuple(errors))
    opened = opening(state, context)
    use = Use(limits.action(command.kind), context.day_of(command.occurred_at), action.limits)
    if reached := limits.exceeded(use, opened.holdings.progress, context.tallies):
        raise Rejected("no more points are given for this now", code="action_limit", errors=(FieldError("", reached),))
    account = opened.holdings.account
    if account.available + account.held + account.waiting + action.points > MAX_POINTS:
        raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
    awards = (Award("action", command.kind, action.points),)
    account, postings, _ = movements.credit(
        account,
        action.points,
        ISSUED,
        origin=state.version + 1,
        earned_at=command.occurred_at,
        expires_at=expiry_of(command.occurred_at, programme),
    )
    entries = [Entry(kind="earn", occurred_at=command.occurred_at, postings=postings, awards=awards)]
    holdings, tallies = counted(opened.holdings.with_account(POINTS, account), [use], context)
    holdings = active(holdings, POINTS, min(command.occurred_at, context.now), context)
    holdings, lapsed = expire_late(holdings, state.version + 1, context)
    change = change_of(
        state,
        context,
        "action",
        holdings,
        opened,
        occurred_at=command.occurred_at,
        awards=awards,
        reason=command.subject,
    )
    return Decision(
        change=with_lapsed(change, lapsed, holdings),
        holdings=holdings,
        entries=(*opened.entries, *entries, *lapsed),
        hold_ends=opened.hold_ends,
        tallies=(*opened.tallies, *tallies),
    )
