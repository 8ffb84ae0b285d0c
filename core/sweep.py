"""The sweep: puts on record what the clock did to members who sent no command since.

It only submits commands, so any number of processes may run it; an advisory lock lets one of them sweep at a time, and
another goes on where one died. Members come in the order in which something of theirs fell due, a bounded number at a
time, by index; what was swept is no longer found, so there is no place to remember. Views and deciders never wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core import draws, read
from core.adjustments.decide import SettleDue
from core.clock import Clock, rfc3339
from core.database import connected
from core.engine.engine import Engine
from core.engine.submission import Submission, input_hash
from core.errors import ChorusError, Unavailable
from core.programme.book import ProgrammeBook

EVERY_SECONDS = 5.0
AT_ONCE = 2_000
"""Things due that are read at once, a few milliseconds by index: some hundreds of members."""
IN_FLIGHT = 200
"""Below a lane's batch, so that a sweep never fills one and callers' commands are not behind it."""

Progress = Callable[[int], None]
"""Called with the members settled so far."""

_log = structlog.get_logger("core.sweep")


async def sweep(database: AsyncEngine, engine: Engine, clock: Clock, progress: Progress = lambda _: None) -> int:
    """Settle what is due now; returns how many members had something. None, if another process is at it."""
    async with connected(database) as connection:
        if not await read.become_sweeper(connection):
            return 0
        try:
            return await _sweep(database, engine, clock, progress)
        finally:
            await read.retire_sweeper(connection)


async def _sweep(database: AsyncEngine, engine: Engine, clock: Clock, progress: Progress) -> int:
    now, done, before = clock(), 0, list[int]()
    key = rfc3339(now)
    while members := await read.due(database, now, AT_ONCE):
        if members == before:
            raise Unavailable(
                f"{len(members)} members are due and cannot be settled; chorus verify says why", code="stuck"
            )
        before = members
        waiting = iter(members)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(IN_FLIGHT, len(members))):
                group.create_task(_settle(engine, waiting, key))
        done += len(members)
        progress(done)
    return done


async def _settle(engine: Engine, members: Iterator[int], key: str) -> None:
    for member in members:
        await engine.submit(
            Submission(
                source="sweep",
                key=f"{member}/{key}",
                hash=input_hash([member, key]),
                command=SettleDue(),
                who=member,
            )
        )


async def run(database: AsyncEngine, engine: Engine, book: ProgrammeBook, clock: Clock) -> None:
    """Sweep and look after the draws for ever; a turn that fails is tried again at the next."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await sweep(database, engine, clock)
            await draws.run_draws(database, engine, book, clock)
        except* (ChorusError, DBAPIError, OSError) as errors:
            _log.warning("sweep_failed", error=str(errors.exceptions[0]).splitlines()[0])
