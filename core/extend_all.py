"""One command for many members: points given longer to everybody whose points end within a span.

It only submits commands, a bounded number at a time. Whom it has reached is on record under the campaign's own keys, so
it may die anywhere and be run again, and a campaign that was carried out is carried out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import aclosing

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core import ending
from core.adjustments.decide import ExtendPoints
from core.clock import Clock
from core.ending import Span
from core.engine.engine import Engine
from core.engine.submission import Answer, Submission, input_hash

AT_ONCE = 200
"""Below a lane's batch, as the sweep's."""
SOURCE = "campaign:extend"

Progress = Callable[[int, int], None]


class Extended(msgspec.Struct, frozen=True):
    """`again`: members whom this very campaign had reached before, and who have points that end within the span again."""

    members: int
    points: int
    again: int


def span_of(command: ExtendPoints, clock: Clock) -> Span:
    """What is good now and would be given longer."""
    return Span(command.currency, max(command.ending_from, clock()), min(command.ending_before, command.until))


async def extend_all(
    database: AsyncEngine, engine: Engine, clock: Clock, command: ExtendPoints, progress: Progress
) -> Extended:
    """Raises the `ChorusError` of the first member that refuses; those before it are done."""
    span, key = span_of(command, clock), campaign_of(command)
    total = (await ending.size(database, span)).members
    done, found = 0, Extended(0, 0, 0)
    async with aclosing(ending.members(database, span, AT_ONCE)) as batches:
        async for members in batches:
            answers = await asyncio.gather(*(engine.submit(_submission(command, one, key)) for one in members))
            done += len(members)
            found = _after(found, answers)
            progress(done, max(done, total))
    return found


def campaign_of(command: ExtendPoints) -> str:
    """Names a campaign by all it says: another reason is another campaign."""
    return hashlib.sha256(msgspec.json.encode(command)).hexdigest()[:16]


def _after(before: Extended, answers: list[Answer]) -> Extended:
    made = [answer.change for answer in answers if answer.change is not None and not answer.replay]
    return Extended(
        before.members + len(made),
        before.points + sum(change.base for change in made),
        before.again + sum(answer.replay for answer in answers),
    )


def _submission(command: ExtendPoints, member: int, campaign: str) -> Submission:
    return Submission(
        source=SOURCE,
        key=f"{member}/{campaign}",
        hash=input_hash([member, campaign]),
        command=command,
        who=member,
    )
