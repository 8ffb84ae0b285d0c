"""A lane: one database connection, one batch in flight, the next one gathering meanwhile (group commit).

Guarantees, for each submission put in: its answer is set exactly once; it is set only after the commit that made it
true; a caller that went away cancels nothing. There is no timer: an idle lane starts at once, and a busy one takes all
that has gathered, up to `MAX_BATCH`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from time import perf_counter

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.database import Kept, may_pass
from core.engine.pipeline import Outcome, Pipeline
from core.engine.submission import Answer, Committed, Submission
from core.errors import Unavailable
from core.members.merge import MergeMembers

MAX_BATCH = 256
"""Beyond it a batch no longer gets cheaper by the row, and every caller of it waits longer."""
MAX_WAITING = 8192
"""Requests gathered before intake says "overloaded": about a second's work."""
RETRY_SECONDS = 15.0
"""How long a batch is retried while the database is away (a restart takes a few) before its callers are told."""

Listener = Callable[[list[Committed], float], None]
"""Called after each commit with what became durable and the batch's seconds; must not block nor raise."""

Foresight = Callable[[list[Committed]], None]
"""Called while a COMMIT is under way with what becomes durable if it succeeds; what it is told may yet come to nothing.
Must not block nor raise."""

_log = structlog.get_logger("core.engine")


class Lane:
    def __init__(
        self, engine: AsyncEngine, pipeline: Pipeline, clock: Clock, listener: Listener, foresight: Foresight | None
    ) -> None:
        self._connection = Kept(engine)
        self._pipeline = pipeline
        self._clock = clock
        self._listener = listener
        self._foresight = foresight
        self._waiting: deque[Submission] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run())

    def put(self, submission: Submission) -> None:
        """Raises `Unavailable` when stopping or overloaded."""
        if self._closing:
            raise Unavailable("this instance is stopping; send it again", code="draining")
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("too many requests are waiting; send it again", code="overloaded")
        self._waiting.append(submission)
        self._wake.set()

    async def close(self) -> None:
        """Finish what was put in, then stop."""
        self._closing = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._waiting:
                await self._commit(self._take())
            self._wake.clear()
            if self._closing:
                await self._connection.close()
                return

    def _take(self) -> list[Submission]:
        """The next batch, in order of arrival; a key that is in it already waits for the batch after. A merge is alone
        in its batch: what others of it were resolved to would no longer hold after it."""
        batch: list[Submission] = []
        again: list[Submission] = []
        seen: set[tuple[str, str]] = set()
        while self._waiting and len(batch) < MAX_BATCH:
            if isinstance(self._waiting[0].command, MergeMembers):
                if not batch and not again:
                    batch.append(self._waiting.popleft())
                break
            submission = self._waiting.popleft()
            key = (submission.source, submission.key)
            (again if key in seen else batch).append(submission)
            seen.add(key)
        self._waiting.extendleft(reversed(again))
        return batch

    async def _commit(self, batch: list[Submission], attempt: int | None = None) -> None:
        """Commit a batch, through the database's absences; what nobody foresaw is tried one by one."""
        attempt = secrets.randbits(62) if attempt is None else attempt
        deadline = asyncio.get_running_loop().time() + RETRY_SECONDS
        pause = 0.05
        while True:
            try:
                await self._attempt(batch, attempt)
                return
            except (DBAPIError, OSError, PoolTimeout) as error:
                if not may_pass(error):
                    await self._isolate(batch, error, attempt)
                    return
                if asyncio.get_running_loop().time() + pause > deadline:
                    _log.error("database_away", commands=len(batch), error=_line(error))
                    away = Unavailable("the database does not answer; send it again", code="database_away")
                    _refuse(batch, away)
                    return
                _log.warning("batch_retried", commands=len(batch), error=_line(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
            except Exception as error:
                await self._isolate(batch, error, attempt)
                return

    async def _attempt(self, batch: list[Submission], attempt: int) -> None:
        started = perf_counter()
        async with self._connection.transaction() as connection:
            outcome = await self._pipeline.run(connection, batch, attempt, self._clock())
            if self._foresight is not None and outcome.committed:
                # At the loop's next turn, when the COMMIT has left and only the disk is waited for.
                asyncio.get_running_loop().call_soon(self._foresight, outcome.committed)
        self._listener(outcome.committed, perf_counter() - started)
        _settle(batch, outcome)

    async def _isolate(self, batch: list[Submission], error: BaseException, attempt: int) -> None:
        """One by one, under the same attempt: a COMMIT of which nobody heard is still recognised as ours."""
        if len(batch) == 1:
            _log.error("command_failed", command=type(batch[0].command).__name__, exc_info=error)
            _refuse(batch, error)
            return
        for submission in batch:
            await self._commit([submission], attempt)


def _settle(batch: list[Submission], outcome: Outcome) -> None:
    for submission, result in zip(batch, outcome.results, strict=True):
        if submission.answer.done():
            continue
        if isinstance(result, Answer):
            submission.answer.set_result(result)
        else:
            submission.answer.set_exception(result)


def _refuse(batch: list[Submission], error: BaseException) -> None:
    for submission in batch:
        if not submission.answer.done():
            submission.answer.set_exception(error)


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
