"""A hub on a real database: real commits, whose changes the test tells the hub of when and as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core.adjustments.decide import AdjustPoints
from core.database import connect, connected
from core.devices import KioskSession
from core.engine.engine import Engine
from core.engine.submission import Answer, Committed
from core.programme.book import ProgrammeBook
from core.snapshot import Purchase, Snapshot
from push import render
from push.hub import Hub
from push.reader import Reader
from push.render import KioskSubject, ReceiptSubject, Subject
from push.session import Have, Session
from push.socket import Socket
from surfaces.views import Locale, Surface
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import bought, enrol, send
from tests.databases import Database
from tests.push.wire import Wire

RECEIPT_DAYS = 90


class SlowReader(Reader):
    """The real reader, over a road on which an answer can be held up, or lost."""

    def __init__(self, database: AsyncEngine) -> None:
        super().__init__(database)
        self.road = asyncio.Event()
        self.road.set()
        self.waiting = 0
        self.purchases = 0
        self.broken = 0

    async def get(self, member: int) -> Snapshot | None:
        found = await super().get(member)
        await self._travel()
        return found

    async def purchase(self, member: int, version: int) -> Purchase | None:
        found = await super().purchase(member, version)
        self.purchases += 1
        await self._travel()
        return found

    async def _travel(self) -> None:
        self.waiting += 1
        await self.road.wait()
        self.waiting -= 1
        if self.broken:
            self.broken -= 1
            raise ConnectionResetError("the database is away")


@dataclass
class Stage:
    engine: Engine
    hub: Hub
    reader: SlowReader
    book: ProgrammeBook
    clock: SettableClock
    database: AsyncEngine
    committed: list[Committed] = field(default_factory=list)

    async def enrol(self) -> int:
        return await enrol(self.engine)

    async def adjust(self, member: int, points: int = 1) -> Committed:
        return await self.done(send(self.engine, AdjustPoints(points, "a gift"), member))

    async def buy(self, member: int, amount: int = 3_560) -> Committed:
        return await self.done(send(self.engine, bought(self.clock(), amount), member))

    async def done(self, answer: Any) -> Committed:
        """What the door told its listener of this command."""
        given: Answer = await answer
        return next(
            one for one in reversed(self.committed)
            if (one.change.member, one.change.version) == (given.member, given.version)
        )  # fmt: skip

    def tell(self, *told: Committed) -> None:
        for one in told:
            self.hub.hear(one.change, one.holdings, self.clock())

    def screen(
        self,
        member: int | None,
        surface: Surface = "app",
        subject: Subject = None,
        have: Have | None = None,
        locale: Locale = "en",
    ) -> tuple[Socket, Wire]:
        wire = Wire()
        return Socket(wire.send, Session(surface, locale, subject, have), member, self.hub.free), wire

    async def attached(
        self, member: int | None, surface: Surface = "app", subject: Subject = None
    ) -> tuple[Socket, Wire]:
        socket, wire = self.screen(member, surface, subject)
        await self.hub.attach(socket)
        return socket, wire

    def kiosk(self, session: KioskSession) -> tuple[Socket, Wire]:
        return self.screen(session.member, "kiosk", KioskSubject("harbour-street", session))

    async def receipt(self, member: int, version: int) -> ReceiptSubject:
        purchase = await read.purchase(self.database, member, version)
        assert purchase is not None
        live_until = purchase.recorded_at + timedelta(days=RECEIPT_DAYS)
        return ReceiptSubject(purchase, "http://x/r/y", live_until, self.book.current)

    async def truth(self, member: int, surface: Surface = "app", subject: Subject = None) -> Any:
        """(version, view) drawn from the database now."""
        snapshot = (await read.snapshots(self.database, [member]))[member]
        view = render.view(snapshot, self.book.current, self.clock(), surface, "en", subject)
        return snapshot.version, json.loads(render.encode(view))


def shown(wire: Wire) -> Any:
    """(version, view) of the last state."""
    last = wire.states[-1]
    return last["version"], last["view"]


async def turn() -> None:
    """Let the loop go round once: what was marked is drawn."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def on_stage(database: Database, clock: SettableClock, open_engine: OpenEngine) -> AsyncIterator[Stage]:
    committed: list[Committed] = []
    engine = await open_engine(listener=lambda batch, seconds: committed.extend(batch))
    pool = connect(database.url, pool_size=4)
    book = ProgrammeBook(clock)
    async with connected(pool) as connection:
        await book.load(connection)
    reader = SlowReader(pool)
    hub = Hub(reader, book, clock)
    hub.epoch = engine.epoch
    yield Stage(engine, hub, reader, book, clock, pool, committed)
    # A read under way keeps its connection, and with it the database.
    reader.road.set()
    await asyncio.gather(*hub._tasks)
    await pool.dispose()
