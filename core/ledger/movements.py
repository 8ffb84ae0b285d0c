"""Movements of points on one account: each returns the account after it and the postings that say so.

The postings of a movement sum to zero with their counter account, and a debit names the lots it empties, soonest date
first. A movement never takes what is not there; the callers decide first whether it may.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from core.ledger.account import AVAILABLE, EXPIRED, HELD, Account, Hold, Lot, Posting
from core.ledger.expiry import grace_of
from core.programme.document import Programme

_FAR = datetime.max.replace(tzinfo=UTC)


def credit(
    account: Account, points: int, counter: str, *, origin: int, earned_at: datetime, expires_at: datetime | None
) -> tuple[Account, tuple[Posting, ...], int]:
    """Give `points` (> 0) from `counter`: first to what the member owes, the rest as a new lot.

    Returns the account, the postings, and the number of the new lot (0 when all of it paid a debt).
    """
    repaid = min(account.debt, points)
    postings = [Posting(counter, -points)]
    if repaid:
        postings.append(Posting(AVAILABLE, repaid))
    fresh = points - repaid
    if not fresh:
        return _changed(account, debt=account.debt - repaid), tuple(postings), 0
    no = account.lots_made + 1
    lot = Lot(no, origin, earned_at, expires_at, fresh, fresh)
    postings.append(Posting(AVAILABLE, fresh, no))
    after = _changed(account, debt=account.debt - repaid, lots=(*account.lots, lot), lots_made=no)
    return after, tuple(postings), no


def debit(
    account: Account, points: int, counter: str, *, first: int = 0
) -> tuple[Account, tuple[Posting, ...], tuple[tuple[int, int], ...]]:
    """Take `points` (> 0) to `counter`: lot `first` before any other, then soonest date first; what no lot covers
    becomes debt.

    Returns the account, the postings, and the takings as (lot, points).
    """
    assert not account.rest, "a debit names lots: it needs them all"
    order = sorted(account.lots, key=lambda lot: (lot.no != first, _date(lot.expires_at), lot.no))
    left, takings = points, []
    for lot in order:
        taken = min(left, lot.remaining)
        if taken:
            takings.append((lot.no, taken))
            left -= taken
    postings = [Posting(AVAILABLE, -taken, no) for no, taken in takings]
    if left:
        postings.append(Posting(AVAILABLE, -left))
    postings.append(Posting(counter, points))
    after = _changed(account, lots=_with(account.lots, takings, -1), debt=account.debt + left)
    return after, tuple(postings), tuple(takings)


def restore(
    account: Account, hold: Hold, points: int, *, origin: int, now: datetime, programme: Programme
) -> tuple[Account, tuple[Posting, ...]]:
    """Give back `points` of a hold to the very lots they came from, last taken first, and end the hold.

    What a member owes is repaid first: a debt made while the points were held would otherwise outlive them. A lot
    whose date has passed is given back as a new lot with the programme's grace.
    """
    postings = [Posting(HELD, -points)]
    left = points
    repaid = min(account.debt, left)
    if repaid:
        postings.append(Posting(AVAILABLE, repaid))
        account = _changed(account, debt=account.debt - repaid)
        left -= repaid
    by_no = {lot.no: lot for lot in account.lots}
    for no, taken in reversed(hold.takings):
        back = min(taken, left)
        if not back:
            continue
        left -= back
        lot = by_no[no]
        if lot.good_at(now):
            account = _changed(account, lots=_with(account.lots, ((no, back),), 1))
            postings.append(Posting(AVAILABLE, back, no))
        else:
            fresh = Lot(account.lots_made + 1, origin, lot.earned_at, grace_of(now, programme), back, back)
            account = _changed(account, lots=(*account.lots, fresh), lots_made=fresh.no)
            postings.append(Posting(AVAILABLE, back, fresh.no))
    return _without(account, hold), tuple(postings)


def expire(account: Account, lot: Lot) -> tuple[Account, tuple[Posting, ...]]:
    """Let what remains of `lot` lapse (breakage)."""
    postings = (Posting(AVAILABLE, -lot.remaining, lot.no), Posting(EXPIRED, lot.remaining))
    return _changed(account, lots=_with(account.lots, ((lot.no, lot.remaining),), -1)), postings


def open_hold(account: Account, hold: Hold) -> Account:
    return _changed(account, holds=(*account.holds, hold))


def close_hold(account: Account, hold: Hold) -> Account:
    return _without(account, hold)


def qualify(account: Account, period: int, points: int) -> Account:
    """Add `points` (or take them, when negative) to what qualifies in `period`."""
    if not points:
        return account
    qualifying = {**account.qualifying, period: account.qualifying.get(period, 0) + points}
    return _changed(account, qualifying=qualifying)


def _date(expires_at: datetime | None) -> datetime:
    return _FAR if expires_at is None else expires_at


def _with(lots: tuple[Lot, ...], takings: Iterable[tuple[int, int]], sign: int) -> tuple[Lot, ...]:
    """The lots after `takings`; a lot that is empty stays only until `compact`."""
    by_no = dict(takings)
    return tuple(
        Lot(lot.no, lot.origin, lot.earned_at, lot.expires_at, lot.amount, lot.remaining + sign * by_no[lot.no])
        if lot.no in by_no
        else lot
        for lot in lots
    )


def _without(account: Account, hold: Hold) -> Account:
    return _changed(account, holds=tuple(other for other in account.holds if other.no != hold.no))


def compact(account: Account) -> Account:
    """The account without lots that are empty and that no open hold took from: what a store keeps loaded."""
    held = {no for hold in account.holds for no, _ in hold.takings}
    lots = tuple(lot for lot in account.lots if lot.remaining or lot.no in held)
    return account if len(lots) == len(account.lots) else _changed(account, lots=lots)


def _changed(
    account: Account,
    *,
    lots: tuple[Lot, ...] | None = None,
    holds: tuple[Hold, ...] | None = None,
    debt: int | None = None,
    lots_made: int | None = None,
    qualifying: dict[int, int] | None = None,
) -> Account:
    return Account(
        account.lots if lots is None else lots,
        account.holds if holds is None else holds,
        account.debt if debt is None else debt,
        account.lots_made if lots_made is None else lots_made,
        account.qualifying if qualifying is None else qualifying,
        account.rest,
        account.rest_due,
    )
