"""How often something may be given: by one member and by all together, in a day and for ever.

A member's own counts are part of its progress; those that members use up together are tallies, rows that the door
locks before it decides (`core.engine.tallies`). Both are named by the same keys: the subject, and for a day's count the
subject and the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Literal

import msgspec

from core.holdings import Progress
from core.programme.earn import UseLimits

Limit = Literal["per_member", "per_member_day", "per_day", "in_all"]

KEEP_DAYS = 3
"""A day's counts are dropped so many days after the replay window: nothing but staff can still count there."""


class Tally(msgspec.Struct, frozen=True):
    """A shared count that a decision moves."""

    key: str
    by: int


class Use(msgspec.Struct, frozen=True):
    """One giving of `subject` on `day`."""

    subject: str
    day: date
    limits: UseLimits


def campaign(id: str) -> str:
    return f"campaign/{id}"


def action(kind: str) -> str:
    return f"action/{kind}"


def reward(id: str) -> str:
    return f"reward/{id}"


def tickets(draw: str) -> str:
    """The tickets of a draw. Its tally is made when its seed is committed: without one there are none yet."""
    return f"draw/{draw}"


def exceeded(use: Use, progress: Progress, tallies: Mapping[str, int]) -> Limit | None:
    """The first limit that one more use would break; None where there is room. Raises `KeyError` for a tally that was not
    fetched: nothing is given on a count that nobody holds."""
    limits, mine = use.limits, progress.counters
    if limits.per_member is not None and mine.get(use.subject, 0) >= limits.per_member:
        return "per_member"
    if limits.per_member_day is not None and mine.get(_of_day(use), 0) >= limits.per_member_day:
        return "per_member_day"
    if limits.per_day is not None and tallies[_of_day(use)] >= limits.per_day:
        return "per_day"
    if limits.in_all is not None and tallies[use.subject] >= limits.in_all:
        return "in_all"
    return None


def shared_keys(use: Use) -> Iterable[str]:
    """The tallies that `exceeded` will ask for."""
    if use.limits.per_day is not None:
        yield _of_day(use)
    if use.limits.in_all is not None:
        yield use.subject


def count(uses: Iterable[Use], progress: Progress, *, oldest: date) -> tuple[Progress, tuple[Tally, ...]]:
    """The progress after `uses`, without counts of days before `oldest`, and the tallies they move. What has no limit
    is not counted."""
    counters, tallies = dict(progress.counters), []
    for use in uses:
        if use.limits.per_member is not None:
            counters[use.subject] = counters.get(use.subject, 0) + 1
        if use.limits.per_member_day is not None:
            counters[_of_day(use)] = counters.get(_of_day(use), 0) + 1
        tallies += [Tally(key, 1) for key in shared_keys(use)]
    if counters == progress.counters:
        return progress, tuple(tallies)
    kept = {key: n for key, n in counters.items() if n and not _is_before(key, oldest)}
    return msgspec.structs.replace(progress, counters=kept), tuple(tallies)


def given_back(
    id: str, progress: Progress, *, stocked: bool, counted: bool = True
) -> tuple[Progress, tuple[Tally, ...]]:
    """One fewer of reward `id` is had: a piece that was taken of the stock is there again. What was granted was never
    `counted`: giving it back makes no room for another."""
    key = reward(id)
    counters = dict(progress.counters)
    if counted and counters.get(key):
        counters[key] -= 1
    kept = {key: n for key, n in counters.items() if n}
    return msgspec.structs.replace(progress, counters=kept), ((Tally(key, -1),) if stocked else ())


def oldest_counted(today: date, replay_window_days: int) -> date:
    return today - timedelta(days=replay_window_days + KEEP_DAYS)


def _of_day(use: Use) -> str:
    return f"{use.subject}/{use.day.isoformat()}"


def _is_before(key: str, oldest: date) -> bool:
    _, _, last = key.rpartition("/")
    return key.count("/") == 2 and last < oldest.isoformat()
