"""A tier that was just reached: surfaces celebrate it for a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from core.programme.document import Programme, Tier
from core.snapshot import Change

CELEBRATION = timedelta(days=1)
"""Whoever opens the app the evening after a purchase still sees it; the day after tomorrow it is stale."""


def upgrade(recent: Sequence[Change], now: datetime, programme: Programme) -> Tier | None:
    """The tier that the newest version with another tier than the one before it rose to, if that is not long ago."""
    for raised_at, tier in _rises(recent, programme):
        return tier if raised_at <= now < raised_at + CELEBRATION else None
    return None


def celebrated_until(recent: Sequence[Change], programme: Programme) -> Iterator[datetime]:
    for raised_at, _ in _rises(recent, programme):
        yield raised_at + CELEBRATION
        return


def in_turn(recent: Sequence[Change]) -> list[Change]:
    """Without slips that came late and were decided by a revision older than the one before them: the tier they name is
    one of another ladder, and neither reached nor lost. `recent` is newest first, and so is what is returned."""
    found, newest = [], 0
    for change in reversed(recent):
        if change.programme >= newest:
            newest = change.programme
            found.append(change)
    return found[::-1]


def is_above(after: str, before: str, programme: Programme) -> bool:
    """Whether one tier is above another; one that the programme no longer has is neither above nor below any."""
    ranks = {tier.key: rank for rank, tier in enumerate(programme.tiers)}
    return after in ranks and before in ranks and ranks[after] > ranks[before]


def _rises(recent: Sequence[Change], programme: Programme) -> Iterator[tuple[datetime, Tier]]:
    """The latest change of tier, if it was a rise; `recent` is newest first."""
    for later, earlier in pairwise(in_turn(recent)):
        if later.tier != earlier.tier:
            if is_above(later.tier, earlier.tier, programme):
                yield later.recorded_at, next(tier for tier in programme.tiers if tier.key == later.tier)
            return
