"""The sweep: puts on record what the clock did to members who sent no command since.

It only submits commands, so any number of processes may run it; an advisory lock lets one of them sweep at a time, and
another goes on where one died. All that is due is looked for once, by index, and comes in the order in which it fell
due, a bounded number at a time; what was swept is no longer found, so there is no place to remember. Views and deciders
never wait for it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core import draws, read
from core.adjustments.decide import SettleDue
from core.clock import Clock, rfc3339
from core.database import Driver, connected
from core.engine.engine import Engine
from core.engine.submission import Submission, input_hash
from core.errors import ChorusError, Unavailable
from core.programme.book import ProgrammeBook

EVERY_SECONDS = 5.0
AT_ONCE = 2_000
"""Members that are handed out at once."""
IN_FLIGHT = 200
"""Below a lane's batch, so that a sweep never fills one and callers' commands are not behind it."""

Progress = Callable[[int], None]
"""Called with the members settled so far."""

_log = structlog.get_logger("core.sweep")


async def sweep(database: AsyncEngine, engine: Engine, clock: Clock, progress: Progress = lambda _: None) -> int:
    """Settle what is due now; returns how many members had something; 0 where another process is at it. Raises
    `Unavailable` (`stuck`) where somebody cannot be settled; everybody else is by then."""
    async with connected(database) as connection:
        if not await read.become_sweeper(connection):
            return 0
        try:
            return await _sweep(connection, engine, clock(), progress)
        finally:
            if not connection.is_closed():
                await read.retire_sweeper(connection)


async def _sweep(connection: Driver, engine: Engine, now: datetime, progress: Progress) -> int:
    """Look for all that is due and settle it, until there is none. What cannot be settled is found again, unchanged."""
    total = 0
    for again in itertools.count():
        found = settled = 0
        async with aclosing(read.due(connection, now, AT_ONCE)) as batches:
            async for members in batches:
                settled += await _settle_all(engine, members, rfc3339(now))
                found += len(members)
                progress(total + found)
        total += found
        if not found:
            break
        if again and not settled:
            raise Unavailable(f"{found} members are due and cannot be settled; chorus verify says why", code="stuck")
    return total


async def _settle_all(engine: Engine, members: list[int], key: str) -> int:
    """Returns how many changed."""
    waiting = iter(members)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_settle(engine, waiting, key)) for _ in range(min(IN_FLIGHT, len(members)))]
    return sum(task.result() for task in tasks)


async def _settle(engine: Engine, members: Iterator[int], key: str) -> int:
    changed = 0
    for member in members:
        submission = Submission(
            source="sweep",
            key=f"{member}/{key}",
            hash=input_hash([member, key]),
            command=SettleDue(),
            who=member,
        )
        try:
            answer = await engine.submit(submission)
        except ChorusError as refusal:
            if refusal.retryable:
                raise
            _log.error("sweep_refused", member=member, code=refusal.code)  # and the others are settled all the same
        else:
            changed += answer.change is not None and not answer.replay
    return changed


async def run(database: AsyncEngine, engine: Engine, book: ProgrammeBook, clock: Clock) -> None:
    """Sweep and look after the draws for ever; what fails is tried again at the next turn."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await turn(database, engine, book, clock)


async def turn(database: AsyncEngine, engine: Engine, book: ProgrammeBook, clock: Clock) -> None:
    """One sweep and one look at the draws. Neither waits for the other to succeed: a member who cannot be settled keeps
    no draw from its end."""
    try:
        await sweep(database, engine, clock)
    except* (ChorusError, DBAPIError, OSError) as errors:
        _log.warning("sweep_failed", error=_first_line(errors))
    try:
        await draws.run_draws(database, engine, book, clock)
    except* (ChorusError, DBAPIError, OSError) as errors:
        _log.warning("draws_failed", error=_first_line(errors))


def _first_line(errors: BaseExceptionGroup[BaseException]) -> str:
    return next(iter(str(errors.exceptions[0]).splitlines()), type(errors.exceptions[0]).__name__)
