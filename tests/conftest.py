"""What every test of Chorus may ask for: real servers, a database of its own, a clock it owns, an engine.

PostgreSQL and NATS are started once a session, from the same wheels as production. A test's database is a copy of a
migrated template (about 30 ms), so tests share nothing and need no cleaning up. Nothing here sleeps, and nothing reads
the time: a test that wants time to pass moves `clock`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from core.database import connect, migrate
from core.embedded import Endpoints, servers
from core.engine.engine import Engine
from core.engine.submission import Committed
from core.programme.book import ProgrammeBook
from core.settings import Settings
from tests.databases import Database, at_database, drop, execute

START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
"""When a test's clock stands at its start."""


class SettableClock:
    """A `core.clock.Clock` that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        """Move by `timedelta(**by)`; returns the new now."""
        self.now += timedelta(**by)
        return self.now


class OpenEngine(Protocol):
    """Opens an engine on the test's database (or on `url`); it is closed when the test ends."""

    async def __call__(
        self,
        *,
        url: str | None = None,
        lanes: int = 2,
        listener: Callable[[list[Committed], float], None] = ...,
    ) -> Engine: ...


@pytest.fixture(scope="session")
def endpoints() -> Iterator[Endpoints]:
    """The session's PostgreSQL and NATS."""
    with (
        TemporaryDirectory(prefix="chorus-tests-", dir=_memory()) as folder,
        servers(Settings(data_dir=Path(folder), secret="s" * 32)) as running,
    ):
        yield running


def _memory() -> Path | None:
    """A folder in memory where there is room for it: making a database waits for the disk many times over. The tests of
    crashes have servers of their own, on the disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3
    return memory if roomy else None


@pytest.fixture(scope="session")
async def template(endpoints: Endpoints) -> str:
    """The name of a database that is migrated and empty, to be copied; nobody stays connected to it."""
    name = "chorus_template"
    await _create(endpoints.owner_url, name)
    await asyncio.to_thread(migrate, at_database(endpoints.owner_url, name), endpoints.app_role)
    return name


_numbers = itertools.count(1)


@asynccontextmanager
async def copy_of(endpoints: Endpoints, template: str) -> AsyncIterator[Database]:
    """A database copied from `template`, to which nobody may be connected; dropped at the end whoever still is."""
    name = f"test_{next(_numbers)}"
    await _create(endpoints.owner_url, name, template)
    try:
        yield Database(at_database(endpoints.database_url, name), at_database(endpoints.owner_url, name))
    finally:
        await drop(endpoints.owner_url, name)


@pytest.fixture
async def database(endpoints: Endpoints, template: str) -> AsyncIterator[Database]:
    """A fresh database, migrated, with the sample programme and no member."""
    async with copy_of(endpoints, template) as database:
        yield database


@pytest.fixture
def database_url(database: Database) -> str:
    """The test's database as the application's role."""
    return database.url


@pytest.fixture
def owner_url(database: Database) -> str:
    """The test's database as its owner, for what the application must not do."""
    return database.owner_url


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def open_engine(database: Database, clock: SettableClock) -> AsyncIterator[OpenEngine]:
    opened = []

    async def open_one(
        *,
        url: str | None = None,
        lanes: int = 2,
        listener: Callable[[list[Committed], float], None] = lambda committed, seconds: None,
    ) -> Engine:
        pool = connect(url or database.url, pool_size=lanes + 1)
        engine = Engine(pool, ProgrammeBook(), listener, lanes=lanes, clock=clock)
        opened.append((pool, engine))
        await engine.open()
        return engine

    yield open_one
    for pool, engine in opened:
        await engine.close()
        await pool.dispose()


async def _create(owner_url: str, name: str, template: str = "template0") -> None:
    await execute(owner_url, f"CREATE DATABASE {name} TEMPLATE {template}")
