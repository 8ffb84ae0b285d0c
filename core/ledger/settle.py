"""What the clock alone does: holds that run out, pending points that vest, lots past their date.

`settle` applies everything due by `now`, in the order in which it fell due, and says what it did. The decider of every
command calls it first and journals the result; every view calls it too and journals nothing. So a screen shows today
what the next command will record.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from core.ledger import movements
from core.ledger.account import Account, Hold, Lot, Pending, Posting
from core.ledger.expiry import grace_of
from core.points import POINTS
from core.programme.document import Programme


class Due(msgspec.Struct, frozen=True):
    """One thing the clock did to `subject`."""

    at: datetime
    postings: tuple[Posting, ...]
    subject: Hold | Pending | Lot


class Settled(msgspec.Struct, frozen=True):
    account: Account
    due: tuple[Due, ...]


def settle(
    account: Account, now: datetime, programme: Programme, *, currency: str = POINTS, origin: int = 0
) -> Settled:
    """The account as of `now`. `origin` is the version that journals it (new lots name it); 0 for a view."""
    if not (account.lots or account.holds or account.pending):
        return Settled(account, ())
    done: list[Due] = []
    while (found := next_thing(account)) is not None and found[0] <= now:
        at, subject = found
        match subject:
            case Hold():
                grace = grace_of(at, programme, currency)
                account, postings = movements.release(account, subject, origin=origin, now=at, grace=grace)
            case Pending():
                account, postings = movements.vest(account, subject, origin=origin)
            case Lot():
                account, postings = movements.expire(account, subject)
        done.append(Due(at, postings, subject))
    return Settled(account, tuple(done))


def next_thing(account: Account) -> tuple[datetime, Hold | Pending | Lot] | None:
    """What falls due next. At one instant holds come first, then what vests, then lots, each by its number: one order,
    in whichever they were read, so that a replay writes the same entries. (A hold's points get the grace either way: at
    that instant their lot's date has passed.)"""
    return min(_ahead(account), key=lambda due: (due[0], _ORDER[type(due[1])], due[1].no), default=None)


_ORDER: dict[type, int] = {Hold: 0, Pending: 1, Lot: 2}


def _ahead(account: Account) -> Iterator[tuple[datetime, Hold | Pending | Lot]]:
    for hold in account.holds:
        yield hold.expires_at, hold
    for part in account.pending:
        if part.remaining:
            yield part.vests_at, part
    for lot in account.lots:
        if lot.remaining and (end := account.end_of(lot)) is not None:
            yield end, lot
