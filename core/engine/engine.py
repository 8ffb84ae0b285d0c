"""The one door.

`submit` is the only way in this program to change a member. Commands are spread over a few lanes by whom they concern,
so that commands of one member mostly share a lane; correctness does not rest on that, but on the member's row lock.
"""

from __future__ import annotations

from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock, system_clock
from core.database import transaction
from core.engine.lane import Foresight, Lane, Listener
from core.engine.pipeline import Pipeline
from core.engine.submission import Answer, Submission
from core.programme.book import ProgrammeBook


class Engine:
    """Start with `open`, stop with `close`; use within one event loop."""

    def __init__(
        self,
        database: AsyncEngine,
        book: ProgrammeBook,
        listener: Listener,
        *,
        lanes: int,
        clock: Clock = system_clock,
        foresight: Foresight | None = None,
    ) -> None:
        self._database = database
        self._pipeline = Pipeline(book)
        self._listener = listener
        self._foresight = foresight
        self._lane_count = lanes
        self._clock = clock
        self._lanes: list[Lane] = []

    @property
    def epoch(self) -> int:
        return self._pipeline.epoch

    async def open(self) -> None:
        async with transaction(self._database) as connection:
            await self._pipeline.prepare(connection)
        self._lanes = [
            Lane(self._database, self._pipeline, self._clock, self._listener, self._foresight)
            for _ in range(self._lane_count)
        ]

    async def submit(self, submission: Submission) -> Answer:
        """The answer, once it is durable. Raises the `ChorusError` the command was refused with."""
        who = submission.who
        spread = submission.key if who is None else str(who) if isinstance(who, int) else who.value
        self._lanes[crc32(spread.encode()) % len(self._lanes)].put(submission)
        return await submission.answer

    async def close(self) -> None:
        """Take nothing more, finish what was taken."""
        for lane in self._lanes:
            await lane.close()
