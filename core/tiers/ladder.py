"""Where a member stands on the ladder of tiers.

A tier comes from qualifying points earned in a qualification period, never from the spendable balance. The period is
the calendar year in the programme's zone; a tier reached in one year is kept to the end of the next, so it is the
better of this year's band and last year's. That makes the standing a pure function of the points per year and the
clock: nothing has to run at midnight for a tier to be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from core.programme.document import Programme, Tier


class Standing(msgspec.Struct, frozen=True):
    tier: Tier
    period: int
    """The year now running."""
    qualifying: int
    """Points that qualify in it so far."""
    next: Tier | None
    """The next tier up from `tier`; None at the top."""


def period_of(instant: datetime, programme: Programme) -> int:
    """The qualification period an instant falls in."""
    return instant.astimezone(programme.tzinfo).year


def period_start(period: int, programme: Programme) -> datetime:
    return datetime(period, 1, 1, tzinfo=programme.tzinfo)


def standing(qualifying: Mapping[int, int], programme: Programme, now: datetime) -> Standing:
    """`qualifying` is points by period."""
    period = period_of(now, programme)
    rank = max(_band(qualifying.get(period, 0), programme), _band(qualifying.get(period - 1, 0), programme))
    upper = programme.tiers[rank + 1] if rank + 1 < len(programme.tiers) else None
    return Standing(programme.tiers[rank], period, qualifying.get(period, 0), upper)


def _band(points: int, programme: Programme) -> int:
    rank = 0
    for i, tier in enumerate(programme.tiers):
        if points >= tier.threshold:
            rank = i
    return rank
