"""The repair lane: compares what is shown with what is true, every second.

It heals whatever the direct lane and the bus lost: a version nobody told us of, a programme published while the bus was
away, a kiosk's session that ended elsewhere, a device revoked. It also lets the clock pass (`Hub.tick`). A turn that
fails, because the database is away, is simply followed by the next.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from core import devices, read
from core.clock import Clock
from core.database import connected
from core.metrics import REPAIRED
from core.programme.book import ProgrammeBook
from push.hub import Hub
from push.session import Close, Refused

EVERY_SECONDS = 1.0
MAX_AT_ONCE = 5000
"""Versions asked for in one statement: 14 ms."""

_log = structlog.get_logger("push.repair")


class Repair:
    def __init__(self, database: AsyncEngine, hub: Hub, book: ProgrammeBook, clock: Clock) -> None:
        self._database, self._hub, self._book, self._clock = database, hub, book, clock
        self.revoked: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Turn for ever."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                self._hub.tick()
                await self.turn()
            except (DBAPIError, OSError, PoolTimeout) as error:
                _log.warning("repair_failed", error=(str(error) or type(error).__name__).splitlines()[0])
            except Exception as error:
                # A lane that died would leave every screen to luck; one bad turn must not end it.
                _log.error("repair_failed", exc_info=error)

    async def follow_programme(self) -> None:
        """For a process without screens: only see what is published, whether or not the bus told."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.programme()
            except (DBAPIError, OSError, PoolTimeout) as error:
                _log.warning("repair_failed", error=(str(error) or type(error).__name__).splitlines()[0])

    async def turn(self) -> None:
        """One comparison of everything shown here with the database."""
        await self.programme()
        members = list(self._hub.members())
        for start in range(0, len(members), MAX_AT_ONCE):
            versions = await read.versions(self._database, members[start : start + MAX_AT_ONCE])
            if late := self._hub.behind(versions):
                REPAIRED.inc(late)
        await self._kiosks()
        revoked = await devices.revoked(self._database)
        if new := revoked - self.revoked:
            self._hub.cut(new, Refused(Close.NOT_ALLOWED, "this device was revoked", error="device_revoked"))
        self.revoked = revoked

    async def programme(self) -> None:
        """Load what was published and draw every screen again."""
        if await read.newest_revision(self._database) > self._book.revision:
            async with connected(self._database) as connection:
                await self._book.load(connection)
            self._hub.rerender()

    async def _kiosks(self) -> None:
        now, shown = self._clock(), self._hub.kiosks()
        if not shown:
            return
        for device, true in (await devices.sessions_of(self._database, shown)).items():
            if true.clears_at is not None and true.clears_at <= now:
                true = await devices.clear(self._database, device, true.session, now)
            if true != shown[device]:
                await self._hub.rebind(true)
