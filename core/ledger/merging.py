"""One account's points joining another's: every lot with its date, what is pending and what is held, and any debt.

`leave` empties an account, `join` fills another with it; the postings of each sum to zero against `merged`, and what one
says left is what the other says came. Lots keep their amounts and dates and lie above the survivor's own by one distance,
the emptied ones too, because a return or a hold may yet give points back to them. A debt on either side is paid from the
lots there are, soonest date first, as any debit would be.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.ledger.account import AVAILABLE, HELD, MERGED, PENDING, Account, Hold, Lot, Posting
from core.ledger.account import Pending as Part
from core.ledger.movements import debit
from core.members.reference import seen_from_afar


def leave(account: Account) -> tuple[Account, tuple[Posting, ...]]:
    """Take everything out. What qualified stays as it was: it is of the past."""
    postings = [Posting(AVAILABLE, -lot.remaining, lot.no) for lot in account.lots if lot.remaining]
    if account.debt:
        postings.append(Posting(AVAILABLE, account.debt))
    if account.waiting:
        postings.append(Posting(PENDING, -account.waiting))
    if account.held:
        postings.append(Posting(HELD, -account.held))
    emptied = Account(
        lots=tuple(msgspec.structs.replace(lot, remaining=0) for lot in account.lots),
        lots_made=account.lots_made,
        qualifying=account.qualifying,
        pending=tuple(msgspec.structs.replace(part, remaining=0) for part in account.pending),
    )
    return emptied, _against(_total(account), postings)


def join(account: Account, joining: Account, member: int, *, origin: int) -> tuple[Account, tuple[Posting, ...]]:
    """`account` with all that `joining`, of `member`, had before it left. `origin` is the version that does it."""
    assert not account.rest + joining.rest, "a merge names lots: it needs them all"
    above = account.lots_made
    lots = tuple(_lot(lot, member, above, origin) for lot in joining.lots)
    pending = tuple(_renumbered(part, member) for part in joining.pending if part.remaining)
    postings = [Posting(AVAILABLE, lot.remaining, lot.no) for lot in lots if lot.remaining]
    if joining.debt:
        postings.append(Posting(AVAILABLE, -joining.debt))
    if joining.waiting:
        postings.append(Posting(PENDING, joining.waiting))
    if joining.held:
        postings.append(Posting(HELD, joining.held))
    qualifying = dict(account.qualifying)
    for period, points in joining.qualifying.items():
        qualifying[period] = qualifying.get(period, 0) + points
    after = Account(
        lots=(*account.lots, *lots),
        holds=(*account.holds, *(_hold(held, member, above) for held in joining.holds)),
        debt=account.debt + joining.debt,
        lots_made=above + joining.lots_made,
        qualifying=qualifying,
        pending=(*account.pending, *pending),
        lapses_at=_lapse(account, joining),
    )
    after, netted = _net(after)
    return after, (*_against(-_total(joining), postings), *netted)


def takings_above(takings: tuple[tuple[int, int], ...], above: int) -> tuple[tuple[int, int], ...]:
    """Takings from a merged member's lots, as the survivor numbers them."""
    return tuple((no + above, points) for no, points in takings)


def _total(account: Account) -> int:
    return account.available + account.waiting + account.held


def _against(total: int, postings: list[Posting]) -> tuple[Posting, ...]:
    return (Posting(MERGED, total), *postings) if total else tuple(postings)


def _net(account: Account) -> tuple[Account, tuple[Posting, ...]]:
    """Pay what is owed from the lots there are."""
    owed = min(account.debt, sum(lot.remaining for lot in account.lots))
    if not owed:
        return account, ()
    paid = Posting(AVAILABLE, owed)
    account, postings, _ = debit(msgspec.structs.replace(account, debt=account.debt - owed), owed, AVAILABLE)
    return account, (*postings[:-1], paid)


def _lot(lot: Lot, member: int, above: int, origin: int) -> Lot:
    source = seen_from_afar(member, lot.source)
    return msgspec.structs.replace(lot, no=lot.no + above, origin=origin, source=source)


def _renumbered(part: Part, member: int) -> Part:
    return msgspec.structs.replace(part, no=seen_from_afar(member, part.no))


def _hold(held: Hold, member: int, above: int) -> Hold:
    return msgspec.structs.replace(held, no=seen_from_afar(member, held.no), takings=takings_above(held.takings, above))


def _lapse(one: Account, other: Account) -> datetime | None:
    """When points without a date of their own lapse: never sooner than they would have on either side."""
    ends = [account.lapses_at for account in (one, other) if account.lapses_at or _has_dateless(account)]
    return None if None in ends else max((end for end in ends if end), default=None)


def _has_dateless(account: Account) -> bool:
    """In lots, or still to come there: pending, or on hold."""
    held = {no for hold in account.holds for no, _ in hold.takings}
    lots = any(lot.expires_at is None and (lot.remaining or lot.no in held) for lot in account.lots)
    return lots or any(part.remaining and part.expires_at is None for part in account.pending)
