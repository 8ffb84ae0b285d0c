"""The table of deliveries in a test's hand: the store by one connection, at the test's time."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import Driver, connect, connected
from core.delivery import store
from core.delivery.carrier import Planned
from core.delivery.store import Row, Settled, State, Taken
from tests.conftest import SettableClock
from tests.databases import Database

EPOCH = 7
NEWEST = frozenset({"state"})
ROOM = {"alert": 100, "letter": 100, "state": 100}
STATES: tuple[State, ...] = ("pending", "delivered", "collapsed", "dead", "rejected", "failed", "unknown")
FINAL: list[State] = [state for state in STATES if state not in ("pending", "collapsed")]

_facts = itertools.count(1)


class Table:
    """The store by one connection, at the test's time."""

    def __init__(self, connection: Driver, clock: SettableClock) -> None:
        self.connection, self.clock = connection, clock

    async def add(self, *planned: Planned, epoch: int = EPOCH) -> int:
        async with self.connection.transaction():
            return await store.add(self.connection, epoch, planned, NEWEST, self.clock())

    async def take(self, worker: str = "one", room: dict[str, int] = ROOM) -> list[Taken]:
        async with self.connection.transaction():
            return await store.take(self.connection, room, NEWEST, worker, self.clock())

    async def settle(
        self, taken: Taken, state: State, worker: str = "one", *, reason: str = "", again: float = 0
    ) -> None:
        due = self.clock() + timedelta(seconds=again) if state == "pending" else None
        settled = [Settled(taken.delivery.id, taken.delivery.attempt, state, reason, due)]
        async with self.connection.transaction():
            await store.settle(self.connection, settled, NEWEST, worker, self.clock())

    async def rows(self, states: Sequence[str] = STATES, **which: int | str | None) -> list[Row]:
        """Oldest first."""
        wanted: dict[str, Any] = {"member": None, "channel": None, "limit": 1000, **which}
        return (await store.listed(self.connection, states=states, **wanted))[::-1]

    async def states(self) -> dict[int, str]:
        """By version."""
        return {row.version: row.state for row in await self.rows()}


def planned(channel: str = "alert", version: int = 2, target: int = 1, *, fact: int = 0, member: int = 1000) -> Planned:
    return Planned(fact or next(_facts), member, version, "purchase", channel, target)


@asynccontextmanager
async def opened(database: Database, clock: SettableClock) -> AsyncIterator[tuple[AsyncEngine, Table]]:
    pool = connect(database.url, pool_size=8)
    async with connected(pool) as connection:
        yield pool, Table(connection, clock)
    await pool.dispose()
