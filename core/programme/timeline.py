"""Which revision is in force when: of those whose time has come, the one that was published last.

So publishing anything withdraws, from then on and for ever, what had been scheduled for later. The first revision is in
force for anything before it. As time goes on the number in force only grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

ALWAYS = datetime.min.replace(tzinfo=UTC)
"""Since when the first revision is in force."""

State = Literal["in_force", "scheduled", "past", "withdrawn"]


class Span(msgspec.Struct, frozen=True):
    """`revision` is in force from `start`, up to, not including, `until`; None: until something else is published."""

    revision: int
    start: datetime
    until: datetime | None


class Record(msgspec.Struct, frozen=True):
    """A revision without its document, as it was published."""

    revision: int
    in_force: datetime
    published_at: datetime
    published_by: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A revision as seen at some instant. `until` is None where nothing follows, and where it was withdrawn."""

    revision: int
    state: State
    in_force: datetime
    until: datetime | None
    published_at: datetime
    published_by: str


def effective(in_force: Sequence[datetime]) -> list[Span]:
    """When each revision is in force, in order of time; `in_force` is what was published, from revision 1 on. Those that
    another hides before their time come nowhere in it."""
    starts: list[tuple[int, datetime]] = []
    for revision, start in enumerate(in_force, start=1):
        while len(starts) > 1 and starts[-1][1] >= start:
            starts.pop()
        starts.append((revision, start if starts else ALWAYS))
    ends = [start for _, start in starts[1:]]
    return [Span(revision, start, until) for (revision, start), until in zip(starts, [*ends, None], strict=True)]


def listed(records: Sequence[Record], now: datetime) -> list[Listed]:
    """Every revision and what has become of it `now`; `records` from revision 1 on."""
    spans = {span.revision: span for span in effective([record.in_force for record in records])}
    return [
        Listed(
            revision=record.revision,
            state=_state(span := spans.get(record.revision), now),
            in_force=record.in_force,
            until=span.until if span else None,
            published_at=record.published_at,
            published_by=record.published_by,
        )
        for record in records
    ]


def _state(span: Span | None, now: datetime) -> State:
    if span is None:
        return "withdrawn"
    if now < span.start:
        return "scheduled"
    return "past" if span.until is not None and span.until <= now else "in_force"
