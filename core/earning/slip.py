"""A till's slip: what was bought, as the till sends it, and what can be wrong with it."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from core.decision import Context
from core.errors import FieldError, InvalidInput
from core.money import MAX_AMOUNT
from core.points import MAX_POINTS
from core.snapshot import Line

MAX_LINES = 500
"""A long supermarket slip has about 200."""
MAX_QUANTITY = 1_000_000
LONGEST_AGO = timedelta(days=36_500)
"""Nothing is older, whoever sends it: further back there may be no such day in the programme's zone."""
MAX_VOUCHERS = 20
"""Of one purchase."""


class RecordPurchase(msgspec.Struct, frozen=True, tag="purchase"):
    """`points` pay for part of it, or the points of `hold` do; `vouchers` are codes of the member's own."""

    external_id: str
    occurred_at: datetime
    channel: str
    currency: str
    total: int
    lines: tuple[Line, ...]
    points: int = 0
    hold: int = 0
    vouchers: tuple[str, ...] = ()

    @property
    def only_credits(self) -> bool:
        return not (self.points or self.hold or self.vouchers)


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
    if not errors and sum([line.amount for line in command.lines]) != command.total:
        errors.append(FieldError("/total", "is not the sum of the lines' amounts"))
    if not 0 <= command.points <= MAX_POINTS:
        errors.append(FieldError("/points", f"must be 0 to {MAX_POINTS}"))
    if len(command.vouchers) > MAX_VOUCHERS or len(set(command.vouchers)) < len(command.vouchers):
        errors.append(FieldError("/vouchers", f"must be at most {MAX_VOUCHERS}, each once"))
    errors += _time_faults(command, context)
    if errors:
        raise InvalidInput("the purchase has wrong fields", errors=tuple(errors))


def _time_faults(command: RecordPurchase, context: Context) -> list[FieldError]:
    rules = context.programme.limits
    if command.occurred_at > context.now + timedelta(seconds=rules.clock_skew_seconds):
        return [FieldError("/occurred_at", "is in the future")]
    if command.occurred_at < context.now - LONGEST_AGO:
        return [FieldError("/occurred_at", "is more than a hundred years ago")]
    if not context.staff and command.occurred_at < context.now - timedelta(days=rules.replay_window_days):
        detail = f"is more than {rules.replay_window_days} days ago: a staff token may send it"
        return [FieldError("/occurred_at", detail)]
    return []
