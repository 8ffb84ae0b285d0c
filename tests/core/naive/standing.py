"""Tiers the long way: period after period from the first figure on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tests.core.naive.dates import Month, day_of, midnight_of, period_after, period_before, period_of
from tests.core.naive.rules import Rules


@dataclass
class Keep:
    needed: int
    until: datetime
    falls_to: str


@dataclass
class Stands:
    tier: str
    qualifying: int
    sure_for: int | None
    """So many periods beyond the one now running; None for ever."""
    keep: Keep | None


def current(rules: Rules, now: datetime) -> Month:
    return period_of(day_of(now, rules.zone), rules.starts, rules.months)


def stands(rules: Rules, figures: dict[Month, int], now: datetime) -> Stands:
    period = current(rules, now)
    rank = rank_in(rules, figures, period)
    sure: int | None = None
    later = period
    for n in range(len(rules.tiers) + 3):
        later = period_after(later, rules.months)
        if rank_in(rules, figures, later) < rank:
            sure = n
            break
    keep = None
    if sure == 0:
        following = period_after(period, rules.months)
        keep = Keep(
            _least(lambda more: rank_in(rules, _with(figures, period, more), following) >= rank),
            midnight_of(following, rules.zone),
            rules.tiers[rank_in(rules, figures, following)].key,
        )
    return Stands(rules.tiers[rank].key, figures.get(period, 0), sure, keep)


def rank_in(rules: Rules, figures: dict[Month, int], period: Month) -> int:
    """What is held in `period` if nothing more comes in."""
    rank, at = 0, min([*figures, period])
    while True:
        before = figures.get(period_before(at, rules.months), 0)
        reached = max(_band(rules, figures.get(at, 0)), _band(rules, before))
        rank = max(reached, rank - 1) if rules.landing == "one" else reached
        if at >= period:
            break
        at = period_after(at, rules.months)
    for i, tier in enumerate(rules.tiers):
        if tier.lifetime and sum(figures.values()) >= tier.lifetime:
            rank = max(rank, i)
    return rank


def _band(rules: Rules, figure: int) -> int:
    return len([tier for tier in rules.tiers[1:] if figure >= tier.threshold])


def _with(figures: dict[Month, int], period: Month, more: int) -> dict[Month, int]:
    return {**figures, period: figures.get(period, 0) + more}


def _least(enough: Callable[[int], bool]) -> int:
    """The least number that is enough: doubled until it is, then halved in."""
    most = 1
    while not enough(most):
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most
