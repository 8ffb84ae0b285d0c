"""A return: takes back what the returned lines had earned, its own points first and never more than they gave, and
gives back the points that had paid for them, to the very lots they came from.

Both are reckoned as totals of all that was returned so far, of which what earlier returns did is taken off: parts add up
to the whole, in any order and any number. Points that paid are given back by the share of the money returned, rounded
down until all of it is back; what was earned stays by the share of each award's own lines, rounded down too.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

from core.decision import Context, Decision, Entry, State, change_of, opening
from core.earning.earn import kept
from core.errors import FieldError, InvalidInput, NotFound, Rejected
from core.holdings import Holdings
from core.ledger import movements
from core.ledger.account import ISSUED, REDEEMED, Account, Lot, Posting
from core.ledger.expiry import grace_of
from core.points import POINTS
from core.snapshot import Award, Line, Purchase


class ReturnLine(msgspec.Struct, frozen=True):
    sku: str
    quantity: int
    amount: int


class ReturnPurchase(msgspec.Struct, frozen=True, tag="return"):
    """`purchase` is the version of the purchase; no lines returns whatever of it is left."""

    purchase: int
    lines: tuple[ReturnLine, ...] | None = None
    reason: str = ""


Returned = tuple[tuple[int, int], ...]
"""(quantity, amount) for each line of the purchase."""


def record(state: State, command: ReturnPurchase, context: Context) -> Decision:
    """Rejects `already_returned`, `return_exceeds_purchase`; raises `NotFound`, `InvalidInput`."""
    purchase = state.purchases.get(command.purchase)
    if purchase is None:
        raise NotFound("no such purchase", code="unknown_purchase")
    before = _returned(purchase)
    after = _all(purchase) if command.lines is None else _with_lines(purchase, before, command.lines)
    if after == before:
        raise Rejected("all of this purchase was returned before", code="already_returned")
    opened = opening(state, context)
    holdings, refund, paid_back = _give_back(opened.holdings, purchase, after, context, origin=state.version + 1)
    holdings, taken, due = _take_back(holdings, purchase, after, context)
    unqualified = _unqualified(purchase, after)
    less = unqualified - purchase.qualifying_taken_back
    holdings = holdings.with_account(POINTS, movements.qualify(holdings.account, purchase.period, -less))
    if _money_back(purchase, after) and not _money_back(purchase, before):
        holdings = _vouchers_back(holdings, purchase)
    points = sum(_taken(entry) for entry in taken if entry.currency == POINTS)
    parts = tuple(
        (i, now[0] - was[0], now[1] - was[1])
        for i, (now, was) in enumerate(zip(after, before, strict=True))
        if now != was
    )
    change = change_of(
        state,
        context,
        "return",
        holdings,
        opened,
        sku=purchase.lines[0].sku if len({line.sku for line in purchase.lines}) == 1 else "",
        quantity=sum(pieces for _, pieces, _ in parts),
        amount=sum(money for _, _, money in parts),
        base=-points,
        purchase=purchase.version,
        parts=parts,
        qualified=-less,
        period=purchase.period,
        reason=command.reason,
        paid_points=paid_back - purchase.paid_back,
        paid_amount=_unpaid(purchase, after) - _unpaid(purchase, before),
        flags=("debt",) if any(one.debt > opened.holdings.of(code).debt for code, one in holdings.accounts()) else (),
    )
    return Decision(
        change=change,
        holdings=holdings,
        entries=(*opened.entries, *refund, *taken),
        hold_ends=opened.hold_ends,
        tallies=opened.tallies,
        purchase=msgspec.structs.replace(
            purchase,
            returned=after,
            taken_back=purchase.taken_back + points,
            due_back=due,
            qualifying_taken_back=unqualified,
            paid_back=paid_back,
        ),
    )


def _take_back(
    holdings: Holdings, purchase: Purchase, after: Returned, context: Context
) -> tuple[Holdings, list[Entry], tuple[int, ...]]:
    """Take what the returned lines had earned, an entry a currency: pending points of the purchase first, then its own
    lots, then any. Returns what was due of each award so far, whether or not a floor let some of it go."""
    awards, entries = purchase.granted, []
    before = purchase.due_back or _shared_out(awards, purchase.taken_back)
    due = tuple(award.points - kept(award, purchase.lines, after) for award in awards)
    for currency in dict.fromkeys(award.currency for award in awards):
        points = sum(due[i] - before[i] for i, award in enumerate(awards) if award.currency == currency)
        account, postings = _take(holdings.of(currency), currency, purchase, points, context)
        if postings:
            holdings = holdings.with_account(currency, account)
            entries.append(
                Entry(
                    kind="return",
                    occurred_at=context.now,
                    postings=postings,
                    reverses=purchase.version,
                    currency=currency,
                )
            )
    return holdings, entries, due


def _take(
    account: Account, currency: str, purchase: Purchase, points: int, context: Context
) -> tuple[Account, tuple[Posting, ...]]:
    account, postings, waiting = movements.unwait(account, purchase.version, points, ISSUED)
    left = points - waiting
    if context.programme.returns.negative == "floor":
        left = min(left, max(0, account.available))
    if not left:
        return account, postings
    account, more, _ = movements.debit(account, left, ISSUED, first=lambda lot: _own(lot, currency, purchase))
    return account, (*postings, *more)


def _taken(entry: Entry) -> int:
    return sum(posting.amount for posting in entry.postings if posting.account == ISSUED)


def _own(lot: Lot, currency: str, purchase: Purchase) -> bool:
    """Lots are numbered in each currency: a purchase names one of points."""
    return lot.source == purchase.version or (currency == POINTS and lot.no == purchase.lot)


def _shared_out(awards: tuple[Award, ...], taken: int) -> tuple[int, ...]:
    """What returns took of a purchase that did not say of which award, first to last."""
    shares = []
    for award in awards:
        share = min(award.points, taken)
        shares.append(share)
        taken -= share
    return tuple(shares)


def _give_back(
    holdings: Holdings, purchase: Purchase, after: Returned, context: Context, *, origin: int
) -> tuple[Holdings, list[Entry], int]:
    """Give back the points that paid for what is returned. Returns how many were given back so far."""
    money = sum(amount for _, amount in after)
    upto = purchase.paid_points if after == _all(purchase) else _share(purchase.paid_points, money, purchase)
    points = upto - purchase.paid_back
    if not points:
        return holdings, [], upto
    # What was given back before came from the last lots taken: those are full again.
    takings = _without_last(purchase.paid_from, purchase.paid_back)
    account, postings = movements.restore(
        holdings.account,
        takings,
        points,
        REDEEMED,
        origin=origin,
        now=context.now,
        grace=grace_of(context.now, context.programme),
    )
    entry = Entry(kind="refund", occurred_at=context.now, postings=postings, reverses=purchase.version)
    return holdings.with_account(POINTS, account), [entry], upto


def _without_last(takings: movements.Takings, points: int) -> movements.Takings:
    """The takings that are left once the last `points` of them were given back."""
    left = []
    for no, taken in reversed(takings):
        gone = min(taken, points)
        points -= gone
        if taken > gone:
            left.append((no, taken - gone))
    return tuple(reversed(left))


def _share(figure: int, money: int, purchase: Purchase, *, up: bool = False) -> int:
    """The share of `figure` that `money` is of the purchase, in whole numbers."""
    if not purchase.total:
        return 0
    return -(-figure * money // purchase.total) if up else figure * money // purchase.total


def _unpaid(purchase: Purchase, returned: Returned) -> int:
    """Of the money returned, what points and vouchers had paid: that is not money to be handed out."""
    away = purchase.total - purchase.unpaid
    return away if returned == _all(purchase) else _share(away, sum(amount for _, amount in returned), purchase)


def _unqualified(purchase: Purchase, after: Returned) -> int:
    """What no longer qualifies: of points, what the awards that count lost; of money, the returned share; a visit when
    all of it is back."""
    match purchase.measure:
        case "points":
            counting = [award for award in purchase.granted if award.qualifies]
            return sum(award.points - kept(award, purchase.lines, after) for award in counting)
        case "spend":
            whole = purchase.measured
            lost = _share(whole, sum(amount for _, amount in after), purchase, up=True)
            return whole if after == _all(purchase) else lost
        case "visits":
            return purchase.measured if after == _all(purchase) else 0


def _vouchers_back(holdings: Holdings, purchase: Purchase) -> Holdings:
    """All the purchase's money is back: its vouchers are as before it."""
    for no, _ in purchase.vouchers:
        voucher = next((one for one in holdings.vouchers or () if one.no == no), None)
        if voucher is not None and voucher.used:
            holdings = holdings.with_voucher(msgspec.structs.replace(voucher, used=voucher.used - 1))
    return holdings


def _returned(purchase: Purchase) -> Returned:
    return purchase.returned or tuple((0, 0) for _ in purchase.lines)


def _money_back(purchase: Purchase, returned: Returned) -> bool:
    """Whether all its money is back, though what cost nothing may be kept; of one that cost nothing, all of it."""
    if not purchase.total:
        return returned == _all(purchase)
    return sum(amount for _, amount in returned) == purchase.total


def _all(purchase: Purchase) -> Returned:
    return tuple((line.quantity, line.amount) for line in purchase.lines)


def _with_lines(purchase: Purchase, before: Returned, lines: tuple[ReturnLine, ...]) -> Returned:
    """`before` with each returned line laid on the purchase's lines of its sku.

    One sku may stand on several lines at several prices, and a return says only by its money which it means. So those
    that are just what is left of a line are laid first, then those at a line's price per piece, then the others are
    spread. In any order, whatever was bought can be returned at its price or below.
    """
    for i, returning in enumerate(lines):
        _check(purchase, i, returning)
    after, open_ = list(before), dict(enumerate(lines))
    for fits in (_is_left, _is_priced):
        for i, returning in tuple(open_.items()):
            found = next((n for n in _of(purchase, returning) if fits(purchase.lines[n], after[n], returning)), None)
            if found is not None:
                after[found] = (after[found][0] + returning.quantity, after[found][1] + returning.amount)
                del open_[i]
    for i, returning in open_.items():
        after = _spread(purchase, after, i, returning)
    return tuple(after)


def _check(purchase: Purchase, i: int, returning: ReturnLine) -> None:
    errors = []
    if returning.quantity < 1:
        errors.append(FieldError(f"/lines/{i}/quantity", "must be at least 1"))
    if returning.amount < 0:
        errors.append(FieldError(f"/lines/{i}/amount", "must not be negative"))
    if not _of(purchase, returning):
        errors.append(FieldError(f"/lines/{i}/sku", "is not on this purchase"))
    if errors:
        raise InvalidInput("the return has wrong fields", errors=tuple(errors))


def _of(purchase: Purchase, returning: ReturnLine) -> list[int]:
    return [n for n, line in enumerate(purchase.lines) if line.sku == returning.sku]


def _is_left(line: Line, done: tuple[int, int], returning: ReturnLine) -> bool:
    return (returning.quantity, returning.amount) == (line.quantity - done[0], line.amount - done[1])


def _is_priced(line: Line, done: tuple[int, int], returning: ReturnLine) -> bool:
    """At the price per piece it was sold at, with so much of it left."""
    at_price = returning.amount * line.quantity == line.amount * returning.quantity
    return at_price and returning.quantity <= line.quantity - done[0] and returning.amount <= line.amount - done[1]


def _spread(purchase: Purchase, before: list[tuple[int, int]], i: int, returning: ReturnLine) -> list[tuple[int, int]]:
    """`before` with a returned line laid over several lines: pieces in their order, or the dearest first where those in
    order cost less; money with them, up to their price.

    What lies on another line than was meant, for less than its price, leaves the wrong money there. So money that is
    more than those pieces cost is taken of what else is left, as long as all that is back of the sku is no more than so
    many of its dearest pieces cost; beyond that, only of the lines whose pieces are returned with it.
    """
    lines, in_order, amount = purchase.lines, _of(purchase, returning), returning.amount
    if returning.quantity > sum(lines[n].quantity - before[n][0] for n in in_order):
        raise _exceeds(f"/lines/{i}/quantity")
    if amount > sum(lines[n].amount - before[n][1] for n in in_order):
        raise _exceeds(f"/lines/{i}/amount")
    dearest = sorted(in_order, key=lambda n: Fraction(-lines[n].amount, lines[n].quantity))
    for order in (in_order, dearest):
        pieces = _pieces(purchase, before, order, returning.quantity)
        if amount <= sum(_price_of(lines[n], before[n], pieces[n]) for n in order):
            return _laid(purchase, before, pieces, amount, in_order)
    back = returning.quantity + sum(before[n][0] for n in in_order)
    so_many = _pieces(purchase, [(0, 0)] * len(lines), dearest, back)
    cost = sum(_each(lines[n]) * so_many[n] for n in in_order)
    if amount + sum(before[n][1] for n in in_order) <= cost:
        return _laid(purchase, before, pieces, amount, in_order)
    pieces = _pieces(purchase, before, in_order, returning.quantity)
    touched = [n for n in in_order if pieces[n]]
    if amount <= sum(lines[n].amount - before[n][1] for n in touched):
        return _laid(purchase, before, pieces, amount, touched)
    raise _exceeds(f"/lines/{i}/amount")


def _pieces(purchase: Purchase, before: list[tuple[int, int]], order: list[int], quantity: int) -> dict[int, int]:
    pieces = {}
    for n in order:
        pieces[n] = min(quantity, purchase.lines[n].quantity - before[n][0])
        quantity -= pieces[n]
    return pieces


def _price_of(line: Line, done: tuple[int, int], pieces: int) -> int:
    """What so many of its pieces cost, as far as it is left."""
    return min(line.amount - done[1], _each(line) * pieces)


def _each(line: Line) -> int:
    """What a piece costs at most: tills give the odd cents to any of them."""
    return -(-line.amount // line.quantity)


def _laid(
    purchase: Purchase, before: list[tuple[int, int]], pieces: dict[int, int], amount: int, among: list[int]
) -> list[tuple[int, int]]:
    """Money at the price of the pieces, then of what else is left: of lines that are all back first, of lines of which
    no piece is back last."""
    lines, money = purchase.lines, dict.fromkeys(pieces, 0)
    kept = {n: lines[n].quantity - before[n][0] - more for n, more in pieces.items()}
    for n in sorted(among):
        money[n] = min(amount, _price_of(lines[n], before[n], pieces[n]))
        amount -= money[n]
    for n in sorted(among, key=lambda n: (kept[n] > 0, kept[n] == lines[n].quantity)):
        more = min(amount, lines[n].amount - before[n][1] - money[n])
        money[n], amount = money[n] + more, amount - more
    after = list(before)
    for n, count in pieces.items():
        after[n] = (before[n][0] + count, before[n][1] + money[n])
    return after


def _exceeds(pointer: str) -> Rejected:
    return Rejected(
        "more than is left of the purchase",
        code="return_exceeds_purchase",
        errors=(FieldError(pointer, "is more than is left of the purchase"),),
    )
