"""Snapshots on demand, single-flight and batched: a storm of reconnects costs one read for many members.

While one read is in flight, further wishes gather; the next read takes them all. A member wished for twice is read once.
"""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core.snapshot import Purchase, Snapshot

MAX_AT_ONCE = 500
"""Members of one read: about 30 ms, so that a small wish is not stuck behind a large one."""


class Reader:
    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._wanted: dict[int, asyncio.Future[Snapshot | None]] = {}
        self._task: asyncio.Task[None] | None = None
        self.reads = 0
        """Statements' worth of members read; the storm benchmark's measure."""

    async def get(self, member: int) -> Snapshot | None:
        """The member's snapshot as of some instant after this call; None if there is no such member."""
        future = self._wanted.get(member)
        if future is None:
            future = self._wanted[member] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._run())
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._wanted:
                taken = dict(list(self._wanted.items())[:MAX_AT_ONCE])
                for member in taken:
                    del self._wanted[member]
                await self._read(taken)
        finally:
            self._task = None

    async def _read(self, taken: dict[int, asyncio.Future[Snapshot | None]]) -> None:
        try:
            found = await read.snapshots(self._database, list(taken))
        except Exception as error:
            for future in taken.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()
            return
        self.reads += len(taken)
        for member, future in taken.items():
            if not future.done():
                future.set_result(found.get(member))

    async def purchase(self, member: int, version: int) -> Purchase | None:
        return await read.purchase(self._database, member, version)
