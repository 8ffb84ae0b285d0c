"""The sweep: puts on record what the clock did to members who sent no command since.

It only submits commands, so it can run in any number of processes at once: the second finds nothing due. Views and
deciders never wait for it.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core import draws, read
from core.adjustments.decide import SettleDue
from core.clock import Clock, rfc3339
from core.engine.engine import Engine
from core.engine.submission import Submission, input_hash
from core.errors import ChorusError
from core.programme.book import ProgrammeBook

EVERY_SECONDS = 5.0
AT_ONCE = 200
"""Below a lane's batch, so that a sweep never fills one."""

_log = structlog.get_logger("core.sweep")


async def sweep(database: AsyncEngine, engine: Engine, clock: Clock) -> int:
    """Settle what is due now; returns how many members had something."""
    now, done = clock(), 0
    while members := await read.due(database, now, AT_ONCE):
        key = rfc3339(now)
        submissions = [
            Submission(
                source="sweep",
                key=f"{member}/{key}",
                hash=input_hash([member, key]),
                command=SettleDue(),
                who=member,
            )
            for member in members
        ]
        await asyncio.gather(*(engine.submit(submission) for submission in submissions))
        done += len(members)
    return done


async def run(database: AsyncEngine, engine: Engine, book: ProgrammeBook, clock: Clock) -> None:
    """Sweep and look after the draws for ever; a sweep that fails is tried again at the next turn."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await sweep(database, engine, clock)
            await draws.run_draws(database, engine, book, clock)
        except (ChorusError, DBAPIError, OSError) as error:
            _log.warning("sweep_failed", error=str(error).splitlines()[0])
