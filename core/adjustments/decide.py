"""Points given or taken by hand, always with a reason; points given longer or given back; the sweep, which puts on
record what the clock did."""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.decision import Context, Decision, Entry, Opening, State, active, change_of, opening
from core.errors import FieldError, InvalidInput, Rejected
from core.holdings import Holdings
from core.ledger import movements
from core.ledger.account import ADJUSTED, EXPIRED, Lot
from core.ledger.expiry import expiry_of, grace_of
from core.points import MAX_POINTS, POINTS
from core.snapshot import Change, Kind


class AdjustPoints(msgspec.Struct, frozen=True, tag="adjust"):
    points: int
    reason: str
    currency: str = POINTS


class ReinstatePoints(msgspec.Struct, frozen=True, tag="reinstate"):
    """Give back points that expired, no more than had; they are good for the programme's grace."""

    points: int
    reason: str
    currency: str = POINTS


class ExtendPoints(msgspec.Struct, frozen=True, tag="extend"):
    """Points that would stop being good from `ending_from` until before `ending_before` are good until `until`, the
    exclusive instant. A later date of their own stays."""

    ending_from: datetime
    ending_before: datetime
    until: datetime
    reason: str
    currency: str = POINTS


class SettleDue(msgspec.Struct, frozen=True, tag="settle"):
    """Journal what the clock did: lots and holds whose time has passed, points that vested. Nothing due: nothing
    happens."""


def adjust(state: State, command: AdjustPoints, context: Context) -> Decision:
    """Rejects `insufficient_points`, `points_out_of_range`; an adjustment never makes a debt."""
    errors = []
    if command.points == 0 or abs(command.points) > MAX_POINTS:
        errors.append(FieldError("/points", f"must not be 0, nor beyond {MAX_POINTS}"))
    errors += _faults(command.reason, command.currency, context)
    if errors:
        raise InvalidInput("the adjustment has wrong fields", errors=tuple(errors))
    opened = opening(state, context)
    account = opened.holdings.of(command.currency)
    if command.points > 0:
        if account.available + account.held + account.waiting + command.points > MAX_POINTS:
            raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
        account, postings, _ = movements.credit(
            account,
            command.points,
            ADJUSTED,
            origin=state.version + 1,
            earned_at=context.now,
            expires_at=expiry_of(context.now, context.programme, command.currency),
        )
    else:
        if account.available < -command.points:
            raise Rejected(f"only {account.available} points are there", code="insufficient_points")
        account, postings, _ = movements.debit(account, -command.points, ADJUSTED)
    entry = Entry(kind="adjust", occurred_at=context.now, postings=postings, currency=command.currency)
    holdings = opened.holdings.with_account(command.currency, account)
    if command.points > 0:
        holdings = active(holdings, command.currency, context.now, context)
    change = change_of(
        state, context, "adjust", holdings, opened, reason=command.reason.strip(), currency=command.currency
    )
    return _decided(change, holdings, opened, entry)


def reinstate(state: State, command: ReinstatePoints, context: Context) -> Decision:
    """Rejects `nothing_expired` (more than this member ever lost to a date), `points_out_of_range`."""
    errors = _faults(command.reason, command.currency, context)
    if not 0 < command.points <= MAX_POINTS:
        errors.append(FieldError("/points", f"must be 1 to {MAX_POINTS}"))
    if errors:
        raise InvalidInput("the reinstatement has wrong fields", errors=tuple(errors))
    opened = opening(state, context)
    account, lost = opened.holdings.of(command.currency), _lost(state, opened, command.currency)
    if lost < command.points:
        detail = f"only {lost} points of this member expired and were not given back"
        raise Rejected(detail, code="nothing_expired", errors=(FieldError("/points", detail),))
    if account.available + account.held + account.waiting + command.points > MAX_POINTS:
        raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
    until = grace_of(context.now, context.programme, command.currency)
    account, postings, _ = movements.credit(
        account, command.points, EXPIRED, origin=state.version + 1, earned_at=context.now, expires_at=until
    )
    entry = Entry(kind="reinstate", occurred_at=context.now, postings=postings, currency=command.currency)
    holdings = opened.holdings.with_account(command.currency, account)
    change = change_of(
        state,
        context,
        "reinstate",
        holdings,
        opened,
        reason=command.reason.strip(),
        currency=command.currency,
        until=until,
    )
    return _decided(change, holdings, opened, entry)


def extend(state: State, command: ExtendPoints, context: Context) -> Decision:
    """Give points longer. A member none of whose points end within the span: nothing happens."""
    errors = _faults(command.reason, command.currency, context)
    if command.ending_before <= command.ending_from:
        errors.append(FieldError("/ending_before", "must be after /ending_from"))
    if command.until <= command.ending_from or command.until <= context.now:
        errors.append(FieldError("/until", "must be later than the dates it replaces, and to come"))
    if errors:
        raise InvalidInput("the extension has wrong fields", errors=tuple(errors))
    opened = opening(state, context)
    account = opened.holdings.of(command.currency)
    lots = [lot for lot in account.lots if lot.remaining and _ends_within(lot, command)]
    if not lots:
        return Decision(change=None, holdings=state.holdings)
    account, postings = movements.redate(account, lots, command.until, origin=state.version + 1)
    entry = Entry(kind="extend", occurred_at=context.now, postings=postings, currency=command.currency)
    holdings = opened.holdings.with_account(command.currency, account)
    change = change_of(
        state,
        context,
        "extend",
        holdings,
        opened,
        base=sum(lot.remaining for lot in lots),
        reason=command.reason.strip(),
        currency=command.currency,
        until=command.until,
    )
    return _decided(change, holdings, opened, entry)


def settle_due(state: State, command: SettleDue, context: Context) -> Decision:
    opened = opening(state, context)
    if not opened.entries:
        return Decision(change=None, holdings=state.holdings)
    kinds = {entry.kind for entry in opened.entries}
    kind: Kind = "expire" if "expire" in kinds else "vest" if "vest" in kinds else "void"
    reason = "timed_out" if kind == "void" else ""
    return _decided(change_of(state, context, kind, opened.holdings, opened, reason=reason), opened.holdings, opened)


def _lost(state: State, opened: Opening, currency: str) -> int:
    """Points that expired in all and were not given back."""
    now = sum(
        posting.amount
        for entry in opened.entries
        if entry.currency == currency
        for posting in entry.postings
        if posting.account == EXPIRED
    )
    return state.lapsed.get(currency, 0) + now


def _ends_within(lot: Lot, command: ExtendPoints) -> bool:
    end = lot.expires_at
    return end is not None and command.ending_from <= end < command.ending_before and end < command.until


def _faults(reason: str, currency: str, context: Context) -> list[FieldError]:
    errors = []
    if not reason.strip():
        errors.append(FieldError("/reason", "must say why"))
    if currency not in context.programme.currency_codes:
        errors.append(FieldError("/currency", f"must be one of {', '.join(context.programme.currency_codes)}"))
    return errors


def _decided(change: Change, holdings: Holdings, opened: Opening, *entries: Entry) -> Decision:
    return Decision(
        change=change,
        holdings=holdings,
        entries=(*opened.entries, *entries),
        hold_ends=opened.hold_ends,
        tallies=opened.tallies,
    )
