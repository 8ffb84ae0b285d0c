"""Where a member stands on the ladder of tiers, and what it takes to stay there.

A tier comes from what qualified in a qualification period, never from the spendable balance. A tier reached in one
period is kept to the end of the next; after that a member falls to what that next period did reach, or (soft landing)
one tier a period. So the standing is a pure function of the figures by period and the clock: nothing has to run at
midnight for a tier to be right, and an event that arrives late raises it as if it had come in time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from core.programme.document import Programme, ProgrammeKey, Tier


class Keep(msgspec.Struct, frozen=True):
    """A tier that is going to be lost: what keeps it, until when, and what it falls to otherwise."""

    needed: int
    until: datetime
    """Exclusive: the end of the period."""
    falls_to: Tier


class Standing(msgspec.Struct, frozen=True):
    tier: Tier
    period: int
    """The period now running."""
    qualifying: int
    """What qualified in it so far."""
    next: Tier | None
    """The next tier up from `tier`; None at the top."""
    kept_through: int | None
    """The last period through which the tier is sure, whatever is bought; None for ever."""
    keep: Keep | None
    """Set when it is not sure beyond the period now running."""


def period_of(instant: datetime, programme: Programme) -> int:
    """The qualification period an instant falls in. Of whole years that start in January it is the year."""
    return _period_of(instant, programme.key)


@lru_cache(maxsize=1024)
def _period_of(instant: datetime, key: ProgrammeKey) -> int:
    """Cached: all of a batch is decided at one instant."""
    programme = key.programme
    local, rule = instant.astimezone(programme.tzinfo), programme.qualification
    return (local.year * 12 + local.month - rule.starts) // rule.months


def period_start(period: int, programme: Programme) -> datetime:
    """Its first local midnight."""
    rule = programme.qualification
    year, month0 = divmod(period * rule.months + rule.starts - 1, 12)
    return datetime(year, month0 + 1, 1, tzinfo=programme.tzinfo)


def standing(qualifying: Mapping[int, int], programme: Programme, now: datetime) -> Standing:
    """`qualifying` is what qualified by period, in the programme's measure."""
    period, tiers = period_of(now, programme), programme.tiers
    rank = rank_in(period, qualifying, programme)
    tier, upper = tiers[rank], tiers[rank + 1] if rank + 1 < len(tiers) else None
    through = _kept_through(period, rank, qualifying, programme)
    keep = None
    if through == period:
        keep = Keep(
            needed=_needed(period, rank, qualifying, programme),
            until=period_start(period + 1, programme),
            falls_to=tiers[rank_in(period + 1, qualifying, programme)],
        )
    return Standing(tier, period, qualifying.get(period, 0), upper, through, keep)


def notice_from(keep: Keep, programme: Programme) -> datetime:
    """From when on surfaces say that a tier is going to be lost."""
    return keep.until - timedelta(days=programme.qualification.notice_days)


def tier_of(qualifying: Mapping[int, int], programme: Programme, now: datetime) -> tuple[Tier, int]:
    """The tier held and what qualified so far in the period now running: what deciders need of a standing."""
    period = period_of(now, programme)
    return programme.tiers[rank_in(period, qualifying, programme)], qualifying.get(period, 0)


def rank_in(period: int, qualifying: Mapping[int, int], programme: Programme) -> int:
    """The rank held in `period`, if nothing else qualifies up to its end."""
    rank = _reached(period, qualifying, programme)
    if programme.qualification.landing == "one":
        for back in range(1, len(programme.tiers)):
            if rank < len(programme.tiers) - 1 - back:
                rank = max(rank, _reached(period - back, qualifying, programme) - back)
    if programme.lifetimes:
        lasting = sum(qualifying.values())
        for needed, held in programme.lifetimes:
            if lasting >= needed:
                rank = max(rank, held)
    return rank


def _reached(period: int, qualifying: Mapping[int, int], programme: Programme) -> int:
    """The better of that period's band and the one's before, which is kept through it."""
    best = max(qualifying.get(period, 0), qualifying.get(period - 1, 0), 0)
    return bisect_right(programme.thresholds, best) - 1


def _needed(period: int, rank: int, qualifying: Mapping[int, int], programme: Programme) -> int:
    """The least that keeps a rank: enough in this period, or enough in all for that tier or a higher one for ever."""
    lasting = sum(qualifying.values())
    ways = [programme.tiers[rank].threshold - qualifying.get(period, 0)]
    ways += [tier.lifetime - lasting for tier in programme.tiers[rank:] if tier.lifetime]
    return min(ways)


def _kept_through(period: int, rank: int, qualifying: Mapping[int, int], programme: Programme) -> int | None:
    if rank == 0:
        return None
    for through in range(period, period + len(programme.tiers) + 2):
        if rank_in(through + 1, qualifying, programme) < rank:
            return through
    return None
