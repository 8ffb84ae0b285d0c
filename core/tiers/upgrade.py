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


def _rises(recent: Sequence[Change], programme: Programme) -> Iterator[tuple[datetime, Tier]]:
    """The latest change of tier, if it was a rise; `recent` is newest first."""
    ranks = {tier.key: rank for rank, tier in enumerate(programme.tiers)}
    for later, earlier in pairwise(recent):
        before, after = ranks.get(earlier.tier, 0), ranks.get(later.tier, 0)
        if before != after:
            if after > before:
                yield later.recorded_at, programme.tiers[after]
            return
