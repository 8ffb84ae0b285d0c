"""A carrier under a test's hand: what its provider says, when it says it, and what it was sent."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connected, transaction
from core.delivery import store
from core.delivery.carrier import Delivery, Planned
from core.delivery.outcome import Delivered, Outcome, TokenDead
from core.delivery.store import Row
from core.embedded import Endpoints
from push.dispatch import Dispatcher
from tests.bff.house import until
from tests.conftest import SettableClock
from tests.databases import Database, execute, plain

EPOCH = 7
ALL_STATES = ("pending", "delivered", "collapsed", "dead", "rejected", "failed", "unknown")


class Scripted:
    """`says` is asked for each send; while `hold` is set, each waits until `answer` is called for its id."""

    def __init__(
        self, channel: str = "alert", *, newest_only: bool = False, hides_repeats: bool = True, at_once: int = 10
    ) -> None:
        self.channel, self.newest_only = channel, newest_only
        self.hides_repeats, self.at_once = hides_repeats, at_once
        self.says: Callable[[Delivery], Outcome] = lambda delivery: Delivered()
        self.prepares: Callable[[Sequence[Delivery]], Mapping[int, Any]] = lambda batch: {one.id: one for one in batch}
        self.forgets: Callable[[Delivery], None] = lambda delivery: None
        self.hold = False
        self.begun: list[Delivery] = []
        self.forgotten: list[int] = []
        self.closed = False
        self._held: dict[int, asyncio.Future[Outcome]] = {}

    @property
    def under_way(self) -> list[int]:
        return [id for id, held in self._held.items() if not held.done()]

    def answer(self, id: int, outcome: Outcome) -> None:
        self._held.pop(id).set_result(outcome)

    def answer_all(self) -> None:
        for id in self.under_way:
            self.answer(id, Delivered())

    async def prepare(self, deliveries: Sequence[Delivery]) -> Mapping[int, Any]:
        return self.prepares(deliveries)

    async def send(self, message: Delivery) -> Outcome:
        self.begun.append(message)
        if self.hold:
            self._held[message.id] = asyncio.get_running_loop().create_future()
            return await self._held[message.id]
        return self.says(message)

    async def forget(self, delivery: Delivery, dead: TokenDead) -> None:
        self.forgets(delivery)
        self.forgotten.append(delivery.target)

    async def close(self) -> None:
        self.closed = True


Dispatchers = Callable[..., Dispatcher]


@asynccontextmanager
async def dispatchers(pool: AsyncEngine, clock: SettableClock) -> AsyncIterator[Dispatchers]:
    """Makes one with these carriers, whose jitter is half its range; in the end they crash, if they did not close."""
    made: list[Dispatcher] = []

    def make(*carriers: Scripted) -> Dispatcher:
        made.append(Dispatcher(pool, carriers, clock, lambda: 0.5))
        return made[-1]

    yield make
    for one in made:
        await crash(one)


async def work(dispatcher: Dispatcher) -> int:
    """One turn, and whatever it began."""
    begun = await dispatcher.turn()
    await dispatcher.idle()
    return begun


_facts = itertools.count(1)


def planned(channel: str = "alert", version: int = 2, target: int = 1) -> Planned:
    """Of a fact nobody planned before."""
    return Planned(next(_facts), 1000, version, "purchase", channel, target)


async def add(pool: AsyncEngine, clock: SettableClock, *planned: Planned, newest: Sequence[str] = ()) -> int:
    async with transaction(pool) as connection:
        return await store.add(connection, EPOCH, planned, newest, clock())


async def rows(pool: AsyncEngine) -> list[Row]:
    """All deliveries, oldest first."""
    async with connected(pool) as connection:
        found = await store.listed(connection, states=ALL_STATES, member=None, channel=None, limit=10_000)
    return found[::-1]


async def states(pool: AsyncEngine) -> list[str]:
    return [row.state for row in await rows(pool)]


async def settled(dispatcher: Dispatcher) -> None:
    """Until every outcome that there is stands in the table."""
    await asyncio.sleep(0)  # whoever was answered goes on
    await until(lambda: dispatcher._settle_soon is None and not dispatcher._settling, "the outcomes are recorded")


async def crash(dispatcher: Dispatcher) -> None:
    """Its process is gone, between any two of its steps."""
    tasks = list(dispatcher._tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def at_work(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """What runs for ever, for as long as this."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def database_away(database: Database, endpoints: Endpoints) -> AsyncIterator[None]:
    """Nobody can connect to the test's database, and whoever was is thrown out."""
    name = plain(database.url).rpartition("/")[2].partition("?")[0]
    await execute(endpoints.owner_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    # Only its own role may end a connection.
    throw_out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    try:
        await execute(endpoints.database_url, f"{throw_out} AND usename = current_user")
        yield
    finally:
        await execute(endpoints.owner_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
