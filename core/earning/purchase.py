"""A purchase: checked against the programme, earned once, dated by when it occurred."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from core.decision import Context, Decision, Entry, State, change_of, opening
from core.earning.earn import Earned, earn
from core.errors import FieldError, InvalidInput, Rejected
from core.ledger import movements
from core.ledger.account import ISSUED, Account
from core.ledger.expiry import expiry_of
from core.money import MAX_AMOUNT
from core.points import MAX_POINTS
from core.snapshot import Line, Purchase
from core.tiers.ladder import period_of, standing

MAX_LINES = 500
"""A long supermarket slip has about 200."""
MAX_QUANTITY = 1_000_000


class RecordPurchase(msgspec.Struct, frozen=True, tag="purchase"):
    external_id: str
    occurred_at: datetime
    channel: str
    currency: str
    total: int
    lines: tuple[Line, ...]


def check(command: RecordPurchase, context: Context) -> None:
    """Raises `InvalidInput` that names every faulty field."""
    programme, errors = context.programme, list[FieldError]()
    if command.currency != programme.money:
        errors.append(FieldError("/currency", f"this programme's money is {programme.money}"))
    if command.channel not in programme.earn.channels:
        known = ", ".join(programme.earn.channels)
        errors.append(FieldError("/channel", f"must be one of {known}"))
    if not 0 <= command.total <= MAX_AMOUNT:
        errors.append(FieldError("/total", f"must be 0 to {MAX_AMOUNT} minor units"))
    if not 1 <= len(command.lines) <= MAX_LINES:
        errors.append(FieldError("/lines", f"must have 1 to {MAX_LINES} lines"))
    for i, line in enumerate(command.lines):
        if not 0 <= line.amount <= MAX_AMOUNT:
            errors.append(FieldError(f"/lines/{i}/amount", f"must be 0 to {MAX_AMOUNT} minor units"))
        if not 1 <= line.quantity <= MAX_QUANTITY:
            errors.append(FieldError(f"/lines/{i}/quantity", f"must be 1 to {MAX_QUANTITY}"))
    if not errors and sum(line.amount for line in command.lines) != command.total:
        errors.append(FieldError("/total", "is not the sum of the lines' amounts"))
    if command.occurred_at > context.now + timedelta(seconds=programme.limits.clock_skew_seconds):
        errors.append(FieldError("/occurred_at", "is in the future"))
    window = timedelta(days=programme.limits.replay_window_days)
    if not context.staff and command.occurred_at < context.now - window:
        detail = f"is more than {programme.limits.replay_window_days} days ago: a staff token may send it"
        errors.append(FieldError("/occurred_at", detail))
    if errors:
        raise InvalidInput("the purchase has wrong fields", errors=tuple(errors))


def record(state: State, command: RecordPurchase, context: Context) -> Decision:
    """Earn on a purchase. Points of an event so late that they are past their date are entered and expire in one
    command. Rejects `points_out_of_range`."""
    check(command, context)
    programme = context.programme
    opened = opening(state, context)
    before = standing(opened.account.qualifying, programme, context.now)
    earned = earn(command.total, command.channel, before.tier, programme)
    points = earned.base + earned.bonus
    account, entries, lot = opened.account, list(opened.entries), 0
    if account.available + account.held + points > MAX_POINTS:
        raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
    if points:
        account, postings, lot = movements.credit(
            account,
            points,
            ISSUED,
            origin=state.version + 1,
            earned_at=command.occurred_at,
            expires_at=expiry_of(command.occurred_at, programme),
        )
        entries.append(Entry(kind="earn", occurred_at=command.occurred_at, postings=postings))
    account, lapsed = _expire_late(account, lot, context, entries)
    period = period_of(command.occurred_at, programme)
    account = movements.qualify(account, period, earned.base)
    purchase = _purchase(state, command, context, earned, period=period, lot=lot, account=account)
    skus = {line.sku for line in command.lines}
    change = change_of(
        state,
        context,
        "purchase",
        account,
        msgspec.structs.replace(opened, expired=opened.expired + lapsed),
        occurred_at=command.occurred_at,
        sku=skus.pop() if len(skus) == 1 else "",
        quantity=sum(line.quantity for line in command.lines),
        amount=command.total,
        base=earned.base,
        bonus=earned.bonus,
        bonus_tier=earned.tier,
        purchase=state.version + 1,
    )
    return Decision(
        change=change,
        account=account,
        entries=tuple(entries),
        purchase=purchase,
        hold_ends=opened.hold_ends,
    )


def _expire_late(account: Account, lot_no: int, context: Context, entries: list[Entry]) -> tuple[Account, int]:
    for lot in account.lots:
        if lot.no == lot_no and not lot.good_at(context.now):
            account, postings = movements.expire(account, lot)
            entries.append(Entry(kind="expire", occurred_at=context.now, postings=postings))
            return account, lot.remaining
    return account, 0


def _purchase(
    state: State,
    command: RecordPurchase,
    context: Context,
    earned: Earned,
    *,
    period: int,
    lot: int,
    account: Account,
) -> Purchase:
    return Purchase(
        member=state.member,
        version=state.version + 1,
        external_id=command.external_id,
        occurred_at=command.occurred_at,
        recorded_at=context.now,
        place=context.place,
        till=context.till,
        channel=command.channel,
        currency=command.currency,
        total=command.total,
        lines=command.lines,
        programme=context.published.revision,
        base=earned.base,
        bonus=earned.bonus,
        bonus_tier=earned.tier,
        period=period,
        lot=lot,
        available=account.available,
    )
