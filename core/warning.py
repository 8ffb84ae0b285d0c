"""Points that are about to lapse: from when on a surface warns, and from when on it presses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from core.ledger.account import Account
from core.points import POINTS
from core.programme.document import Programme

Level = Literal["ahead", "soon"]


class Lapse(msgspec.Struct, frozen=True):
    """`points` stop being good at `at`, the exclusive instant, unless they are spent."""

    level: Level
    points: int
    at: datetime


def schedule(account: Account) -> tuple[tuple[datetime, int], ...]:
    """All dates of an account's points, soonest first, with the points of each."""
    by_date: dict[datetime, int] = {}
    for lot in account.lots:
        end = account.end_of(lot)
        if lot.remaining and end is not None:
            by_date[end] = by_date.get(end, 0) + lot.remaining
    return tuple(sorted(by_date.items()))


def warning(account: Account, now: datetime, programme: Programme, currency: str = POINTS) -> Lapse | None:
    """What is warned of now: all points of the first date within reach, pressing when that date is near. The account is
    settled as of `now`."""
    rule = programme.expiry_in(currency)
    dates = schedule(account)
    if not dates or now < dates[0][0] - timedelta(days=rule.warn_days):
        return None
    at, points = dates[0]
    return Lapse("soon" if now >= at - timedelta(days=rule.again_days) else "ahead", points, at)


def steps(account: Account, currency: str, programme: Programme) -> Iterator[datetime]:
    """The instants at which `warning` changes while the account does not."""
    rule = programme.expiry_in(currency)
    for at, _ in schedule(account)[:1]:
        yield at - timedelta(days=rule.warn_days)
        yield at - timedelta(days=rule.again_days)
