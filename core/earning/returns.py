"""A return: takes back what the returned money had earned, its own lot first, never more than it gave."""

from __future__ import annotations

import msgspec

from core.decision import Context, Decision, Entry, State, change_of, opening
from core.earning.earn import kept
from core.errors import FieldError, InvalidInput, NotFound, Rejected
from core.ledger import movements
from core.ledger.account import ISSUED
from core.snapshot import Purchase


class ReturnLine(msgspec.Struct, frozen=True):
    sku: str
    quantity: int
    amount: int


class ReturnPurchase(msgspec.Struct, frozen=True, tag="return"):
    """`purchase` is the version of the purchase; no lines returns whatever of it is left."""

    purchase: int
    lines: tuple[ReturnLine, ...] | None = None


def record(state: State, command: ReturnPurchase, context: Context) -> Decision:
    """Rejects `already_returned`, `return_exceeds_purchase`; raises `NotFound`, `InvalidInput`."""
    purchase = state.purchases.get(command.purchase)
    if purchase is None:
        raise NotFound("no such purchase", code="unknown_purchase")
    before = _returned(purchase)
    after = _all(purchase) if command.lines is None else _with_lines(purchase, before, command.lines)
    if after == before:
        raise Rejected("all of this purchase was returned before", code="already_returned")
    money_after = sum(amount for _, amount in after)
    taken_back = purchase.earned - kept(purchase.earned, purchase.total, money_after)
    unqualified = purchase.base - kept(purchase.base, purchase.total, money_after)
    if after == _all(purchase):
        taken_back, unqualified = purchase.earned, purchase.base
    points = taken_back - purchase.taken_back
    opened = opening(state, context)
    account, entries = opened.account, opened.entries
    if points:
        account, postings, _ = movements.debit(account, points, ISSUED, first=purchase.lot)
        entry = Entry(kind="return", occurred_at=context.now, postings=postings, reverses=purchase.version)
        entries = (*entries, entry)
    account = movements.qualify(account, purchase.period, purchase.qualifying_taken_back - unqualified)
    change = change_of(
        state,
        context,
        "return",
        account,
        opened,
        sku=purchase.lines[0].sku if len({line.sku for line in purchase.lines}) == 1 else "",
        quantity=sum(a[0] - b[0] for a, b in zip(after, before, strict=True)),
        amount=money_after - sum(amount for _, amount in before),
        base=-points,
        purchase=purchase.version,
        flags=("debt",) if account.debt > opened.account.debt else (),
    )
    return Decision(
        change=change,
        account=account,
        entries=entries,
        hold_ends=opened.hold_ends,
        purchase=msgspec.structs.replace(
            purchase, returned=after, taken_back=taken_back, qualifying_taken_back=unqualified
        ),
    )


Returned = tuple[tuple[int, int], ...]
"""(quantity, amount) for each line of the purchase."""


def _returned(purchase: Purchase) -> Returned:
    return purchase.returned or tuple((0, 0) for _ in purchase.lines)


def _all(purchase: Purchase) -> Returned:
    return tuple((line.quantity, line.amount) for line in purchase.lines)


def _with_lines(purchase: Purchase, before: Returned, lines: tuple[ReturnLine, ...]) -> Returned:
    """`before` with each returned line laid on the purchase's lines of that sku, in their order."""
    after = [list(pair) for pair in before]
    for i, returning in enumerate(lines):
        errors = []
        if returning.quantity < 1:
            errors.append(FieldError(f"/lines/{i}/quantity", "must be at least 1"))
        if returning.amount < 0:
            errors.append(FieldError(f"/lines/{i}/amount", "must not be negative"))
        if not any(line.sku == returning.sku for line in purchase.lines):
            errors.append(FieldError(f"/lines/{i}/sku", "is not on this purchase"))
        if errors:
            raise InvalidInput("the return has wrong fields", errors=tuple(errors))
        quantity, amount = returning.quantity, returning.amount
        for line, done in zip(purchase.lines, after, strict=True):
            if line.sku != returning.sku:
                continue
            pieces = min(quantity, line.quantity - done[0])
            money = min(amount, line.amount - done[1]) if pieces else 0
            done[0] += pieces
            done[1] += money
            quantity, amount = quantity - pieces, amount - money
        if quantity:
            raise _exceeds(f"/lines/{i}/quantity")
        if amount:
            raise _exceeds(f"/lines/{i}/amount")
    return tuple((quantity, amount) for quantity, amount in after)


def _exceeds(pointer: str) -> Rejected:
    return Rejected(
        "more than is left of the purchase",
        code="return_exceeds_purchase",
        errors=(FieldError(pointer, "is more than is left of the purchase"),),
    )
