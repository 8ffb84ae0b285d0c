"""What the clock alone does: holds that run out, lots past their date.

`settle` applies everything due by `now`, in the order in which it fell due, and says what it did. The decider of every
command calls it first and journals the result; every view calls it too and journals nothing. So a screen shows today
what the next command will record.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from core.ledger import movements
from core.ledger.account import Account, Hold, Lot, Posting
from core.programme.document import Programme
from core.tiers.ladder import period_of, period_start


class Due(msgspec.Struct, frozen=True):
    """One thing the clock did. `hold` or `lot` is set, never both."""

    at: datetime
    postings: tuple[Posting, ...]
    hold: Hold | None = None
    lot: Lot | None = None


class Settled(msgspec.Struct, frozen=True):
    account: Account
    due: tuple[Due, ...]


class Validity(msgspec.Struct, frozen=True):
    """From when and until when a view of an account is true, the clock being the only thing that moves."""

    valid_from: datetime
    valid_until: datetime


def settle(account: Account, now: datetime, programme: Programme, *, origin: int = 0) -> Settled:
    """The account as of `now`. `origin` is the version that journals it (new lots name it); 0 for a view."""
    done: list[Due] = []
    while (found := _next(account)) is not None and found[0] <= now:
        at, hold, lot = found
        if hold is not None:
            account, postings = movements.restore(
                account, hold, hold.points, origin=origin, now=at, programme=programme
            )
            done.append(Due(at, postings, hold=hold))
        else:
            assert lot is not None
            account, postings = movements.expire(account, lot)
            done.append(Due(at, postings, lot=lot))
    return Settled(account, tuple(done))


def validity(account: Account, recorded_at: datetime, now: datetime, programme: Programme) -> Validity:
    """The instants between which the clock alone changes nothing on a screen: `valid_from` <= now < `valid_until`.

    `recorded_at` is when the member's version was recorded; `valid_from` is never before it.
    """
    settled = settle(account, now, programme)
    period = period_of(now, programme)
    # A new period changes every view, if only the year it names.
    begun = [recorded_at, period_start(period, programme), *(due.at for due in settled.due)]
    ahead = [period_start(period + 1, programme)]
    if (found := _next(settled.account)) is not None:
        ahead.append(found[0])
    return Validity(max(begun).astimezone(UTC), min(ahead).astimezone(UTC))


def _next(account: Account) -> tuple[datetime, Hold | None, Lot | None] | None:
    """What falls due next. A hold comes before a lot of the same instant: one order, so that a replay writes the same
    entries. (Its points get the grace either way: at that instant their lot's date has passed.)"""
    return min(_ahead(account), key=lambda due: (due[0], due[1] is None), default=None)


def _ahead(account: Account) -> Iterator[tuple[datetime, Hold | None, Lot | None]]:
    for hold in account.holds:
        yield hold.expires_at, hold, None
    for lot in account.lots:
        if lot.remaining and lot.expires_at is not None:
            yield lot.expires_at, None, lot
