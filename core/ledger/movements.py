"""Movements of points on one account: each returns the account after it and the postings that say so.

The postings of a movement sum to zero with their counter account, and a debit names the lots it empties, soonest date
first. A movement never takes what is not there; the callers decide first whether it may.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

import msgspec

from core.ledger.account import AVAILABLE, EXPIRED, HELD, PENDING, Account, Hold, Lot, Posting
from core.ledger.account import Pending as Part

_FAR = datetime.max.replace(tzinfo=UTC)

Takings = tuple[tuple[int, int], ...]
"""(lot, points) in the order taken."""


def credit(
    account: Account,
    points: int,
    counter: str,
    *,
    origin: int,
    earned_at: datetime,
    expires_at: datetime | None,
    source: int = 0,
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
    lot = Lot(no, origin, earned_at, expires_at, fresh, fresh, source)
    postings.append(Posting(AVAILABLE, fresh, no))
    after = _changed(account, debt=account.debt - repaid, lots=(*account.lots, lot), lots_made=no)
    return after, tuple(postings), no


def wait(account: Account, part: Part, counter: str) -> tuple[Account, tuple[Posting, ...]]:
    """Enter `part` as pending points from `counter`."""
    postings = (Posting(counter, -part.amount), Posting(PENDING, part.amount))
    return _changed(account, pending=(*account.pending, part)), postings


def vest(account: Account, part: Part, *, origin: int) -> tuple[Account, tuple[Posting, ...]]:
    """Make what remains of `part` good. It keeps the date it had from the start."""
    after, postings, _ = credit(
        _with_part(account, part.no, 0),
        part.remaining,
        PENDING,
        origin=origin,
        earned_at=part.earned_at,
        expires_at=part.expires_at,
        source=part.no,
    )
    return after, postings


def unwait(account: Account, no: int, points: int, counter: str) -> tuple[Account, tuple[Posting, ...], int]:
    """Take up to `points` of the pending part `no` back to `counter`; returns how many it had."""
    part = next((part for part in account.pending if part.no == no), None)
    taken = min(points, part.remaining) if part else 0
    if part is None or not taken:
        return account, (), 0
    after = _with_part(account, no, part.remaining - taken)
    return after, (Posting(PENDING, -taken), Posting(counter, taken)), taken


def debit(
    account: Account, points: int, counter: str, *, first: Callable[[Lot], bool] = lambda _: False
) -> tuple[Account, tuple[Posting, ...], Takings]:
    """Take `points` (> 0) to `counter`: lots that are `first` before any other, then soonest date first; what no lot
    covers becomes debt.

    Returns the account, the postings, and the takings.
    """
    assert not account.rest, "a debit names lots: it needs them all"
    order = sorted(account.lots, key=lambda lot: (not first(lot), _date(lot.expires_at), lot.no))
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
    account: Account, takings: Takings, points: int, counter: str, *, origin: int, now: datetime, grace: datetime
) -> tuple[Account, tuple[Posting, ...]]:
    """Give back `points` from `counter` to the very lots they were taken from, last taken first.

    What a member owes is repaid first: a debt made while the points were away would otherwise outlive them. A lot whose
    date has passed is given back as a new lot that is good until `grace`.
    """
    postings = [Posting(counter, -points)]
    left = points
    repaid = min(account.debt, left)
    if repaid:
        postings.append(Posting(AVAILABLE, repaid))
        account = _changed(account, debt=account.debt - repaid)
        left -= repaid
    by_no = {lot.no: lot for lot in account.lots}
    for no, taken in reversed(takings):
        back = min(taken, left)
        if not back:
            continue
        left -= back
        lot = by_no[no]
        end = account.end_of(lot)
        if end is None or now < end:
            account = _changed(account, lots=_with(account.lots, ((no, back),), 1))
            postings.append(Posting(AVAILABLE, back, no))
        else:
            fresh = Lot(account.lots_made + 1, origin, lot.earned_at, grace, back, back)
            account = _changed(account, lots=(*account.lots, fresh), lots_made=fresh.no)
            postings.append(Posting(AVAILABLE, back, fresh.no))
    assert not left, "what is given back was taken from named lots"
    return account, tuple(postings)


def release(
    account: Account, hold: Hold, *, origin: int, now: datetime, grace: datetime
) -> tuple[Account, tuple[Posting, ...]]:
    """End a hold and give its points back, as `restore` does."""
    return restore(close_hold(account, hold), hold.takings, hold.points, HELD, origin=origin, now=now, grace=grace)


def expire(account: Account, lot: Lot) -> tuple[Account, tuple[Posting, ...]]:
    """Let what remains of `lot` lapse (breakage)."""
    postings = (Posting(AVAILABLE, -lot.remaining, lot.no), Posting(EXPIRED, lot.remaining))
    return _changed(account, lots=_with(account.lots, ((lot.no, lot.remaining),), -1)), postings


def redate(
    account: Account, lots: Collection[Lot], until: datetime, *, origin: int
) -> tuple[Account, tuple[Posting, ...]]:
    """Move what remains of `lots` into new ones that are good until `until`: a lot's own date never changes, so that the
    journal says when points were given longer."""
    postings = []
    for lot in lots:
        no = account.lots_made + 1
        fresh = Lot(no, origin, lot.earned_at, until, lot.remaining, lot.remaining, lot.source)
        postings += [Posting(AVAILABLE, -lot.remaining, lot.no), Posting(AVAILABLE, lot.remaining, no)]
        emptied = _with(account.lots, ((lot.no, lot.remaining),), -1)
        account = _changed(account, lots=(*emptied, fresh), lots_made=no)
    return account, tuple(postings)


def open_hold(account: Account, hold: Hold) -> Account:
    return _changed(account, holds=(*account.holds, hold))


def close_hold(account: Account, hold: Hold) -> Account:
    return _changed(account, holds=tuple(other for other in account.holds if other.no != hold.no))


def qualify(account: Account, period: int, points: int) -> Account:
    """Add `points` (or take them, when negative) to what qualifies in `period`."""
    if not points:
        return account
    qualifying = {**account.qualifying, period: account.qualifying.get(period, 0) + points}
    return _changed(account, qualifying=qualifying)


def active(account: Account, lapses_at: datetime | None) -> Account:
    """The member did something for which all points are good until `lapses_at`, or later if they were already. None:
    points do not expire by activity (any more)."""
    if lapses_at is None:
        return account if account.lapses_at is None else _changed(account, lapses_at=None)
    if account.lapses_at is not None and account.lapses_at >= lapses_at:
        return account
    return _changed(account, lapses_at=lapses_at)


def compact(account: Account) -> Account:
    """The account without lots that are empty and that no open hold took from, and without what has vested: what a
    store keeps loaded."""
    held = {no for hold in account.holds for no, _ in hold.takings}
    lots = tuple(lot for lot in account.lots if lot.remaining or lot.no in held)
    pending = tuple(part for part in account.pending if part.remaining)
    if len(lots) == len(account.lots) and len(pending) == len(account.pending):
        return account
    return _changed(account, lots=lots, pending=pending)


def _date(expires_at: datetime | None) -> datetime:
    return _FAR if expires_at is None else expires_at


def _with(lots: tuple[Lot, ...], takings: Iterable[tuple[int, int]], sign: int) -> tuple[Lot, ...]:
    """The lots after `takings`; a lot that is empty stays only until `compact`."""
    by_no = dict(takings)
    return tuple(
        msgspec.structs.replace(lot, remaining=lot.remaining + sign * by_no[lot.no]) if lot.no in by_no else lot
        for lot in lots
    )


def _with_part(account: Account, no: int, remaining: int) -> Account:
    pending = tuple(
        msgspec.structs.replace(part, remaining=remaining) if part.no == no else part for part in account.pending
    )
    return _changed(account, pending=pending)


_changed = msgspec.structs.replace
