"""The database: engines, migration, and what the schema must be for this build.

Migrations run once, as the owner, under an advisory lock; the application's role owns nothing. A build is ready at "at
least my revision", so instances of the release before stay in service while a new one migrates.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import msgspec
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from alembic import command
from core.clock import Clock, system_clock
from core.programme.validation import default_document, parse

MIGRATIONS = Path(__file__).resolve().parent.parent / "alembic"
_MIGRATE_LOCK = 0x43484F52  # "CHOR"


_BY_INDEX = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""The door and the screens look up a few rows by key, whatever the arrays they name them in: one plan serves for ever. To
plan a batch's write anew costs the server more than the write; and a plan made while a table was small must not scan it
when it has grown."""


def connect(url: str, *, pool_size: int, whole_tables: bool = False) -> AsyncEngine:
    """An engine of at most `pool_size` connections; a dead one is replaced when it is next asked for.

    `whole_tables` is for work that reads them (a proof, a migration) and is planned as PostgreSQL sees fit.
    """
    return create_async_engine(
        _async_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        connect_args={
            "timeout": 5,
            "max_cached_statement_lifetime": 0,
            "server_settings": {"application_name": "chorus", "jit": "off", **({} if whole_tables else _BY_INDEX)},
        },
    )


class Driver(Protocol):
    """asyncpg's own connection, as far as it is used here. Its errors are asyncpg's."""

    async def fetch(self, query: str, *values: Any) -> list[Any]: ...

    async def fetchval(self, query: str, *values: Any) -> Any: ...

    async def execute(self, query: str, *values: Any) -> str: ...

    def transaction(self, **options: Any) -> Any: ...

    def is_closed(self) -> bool: ...

    def is_in_transaction(self) -> bool: ...


class Kept:
    """One connection of the engine's pool on the driver's own terms, kept from one transaction to the next; after an
    error it is replaced when it is next needed.

    The door and the reads of every screen speak to the driver: SQLAlchemy's own cost for a statement is four times the
    driver's. Errors are raised as SQLAlchemy would (`DBAPIError`), so that a caller need not know which of the two it
    spoke to.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._raw: Driver | None = None

    @contextlib.asynccontextmanager
    async def statements(self) -> AsyncIterator[Driver]:
        """The driver's connection; each statement is a transaction of its own."""
        if self._raw is not None and self._raw.is_closed():
            await self.close(broken=True)
        raw = self._raw or await self._open()
        try:
            yield raw
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            lost = raw.is_closed() or isinstance(error, asyncpg.InternalClientError | OSError)
            # After any error: one that a dying server sent may leave the connection open and of no use.
            await self.close(broken=True)
            raise DBAPIError(None, None, error, connection_invalidated=lost) from error

    @contextlib.asynccontextmanager
    async def transaction(self, *, one_instant: bool = False) -> AsyncIterator[Driver]:
        """As `statements`, in a transaction. `one_instant`: all statements see the same moment, and none writes."""
        options = {"isolation": "repeatable_read", "readonly": True} if one_instant else {}
        async with self.statements() as raw, raw.transaction(**options):
            yield raw

    async def close(self, *, broken: bool = False) -> None:
        """Give the connection back; one that is `broken`, or was left in the middle of a transaction, to be ended."""
        connection, raw, self._connection, self._raw = self._connection, self._raw, None, None
        if connection is None or raw is None:
            return
        if broken or raw.is_in_transaction():
            await connection.invalidate()
        await connection.close()

    async def _open(self) -> Driver:
        """A connection that was alive when last heard of: a server that went away while the pool was idle is no error."""
        while True:
            connection = await self._engine.connect()
            raw: Driver = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
            self._connection, self._raw = connection, raw
            if not raw.is_closed():
                return raw
            await self.close(broken=True)


def may_pass(error: BaseException) -> bool:
    """Whether the same statements may succeed shortly: the server is away, stopping, out of connections, or chose us in a
    deadlock. What it refuses for its content it refuses again."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or state[:2] in ("08", "40", "53", "57")
    return isinstance(error, OSError | PoolTimeout | TimeoutError)


@contextlib.asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[Driver]:
    """A connection for a few statements, as `Kept.statements`."""
    kept = Kept(engine)
    try:
        async with kept.statements() as raw:
            yield raw
    finally:
        await kept.close()


@contextlib.asynccontextmanager
async def transaction(engine: AsyncEngine, *, one_instant: bool = False) -> AsyncIterator[Driver]:
    """A connection for one transaction, as `Kept.transaction`."""
    kept = Kept(engine)
    try:
        async with kept.transaction(one_instant=one_instant) as raw:
            yield raw
    finally:
        await kept.close()


async def gradually(connection: Driver, query: str, *values: Any, at_once: int) -> AsyncGenerator[list[Any], None]:
    """The rows of a query, `at_once` at a time, as they were at the first; the server keeps them meanwhile, whatever
    becomes of the tables. For what is worked through: to look again and again for what is left passes over all that is
    done, which the server cannot forget while anybody holds an old snapshot (a backup, a proof).

    The query is over before the first rows are had, so no transaction of its own stays open. Close it
    (`contextlib.aclosing`) where it may be left before its end.
    """
    async with connection.transaction():
        await connection.execute(f"DECLARE gradually NO SCROLL CURSOR WITH HOLD FOR {query}", *values)
    try:
        while rows := await connection.fetch(f"FETCH {int(at_once)} FROM gradually"):
            yield rows
    finally:
        if not connection.is_closed():
            await connection.execute("CLOSE gradually")


def _async_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def migrate(owner_url: str, app_role: str | None, clock: Clock = system_clock) -> None:
    """Bring the schema to this build's revision and see that a programme is in force. Safe to run at once twice. What a
    later build migrated is left as it is: it serves this one too."""
    asyncio.run(_migrate(owner_url, app_role, clock))


async def _migrate(owner_url: str, app_role: str | None, clock: Clock) -> None:
    engine = connect(owner_url, pool_size=1, whole_tables=True)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATE_LOCK})
            await connection.commit()
            try:
                await connection.run_sync(_upgrade, app_role)
                await connection.commit()
                await connection.execute(_FIRST_PROGRAMME, _first_programme(clock))
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATE_LOCK})
                await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, app_role: str | None) -> None:
    if _is_later(MigrationContext.configure(connection).get_current_revision()):
        return
    config = _config()
    config.attributes["connection"] = connection
    own = make_url(str(connection.engine.url)).username
    config.attributes["app_role"] = app_role if app_role != own else None
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


_FIRST_PROGRAMME = text(
    """INSERT INTO programme_revision (revision, schema, document, source, in_force, published_at, published_by)
       SELECT 1, :schema, CAST(:document AS jsonb), :source, '1900-01-01T00:00:00Z', :now, 'chorus'
        WHERE NOT EXISTS (SELECT FROM programme_revision)"""
)


def _first_programme(clock: Clock) -> dict[str, object]:
    source = default_document()
    programme = parse(source)
    return {
        "schema": programme.schema,
        "document": msgspec.json.encode(programme).decode(),
        "source": source,
        "now": clock(),
    }


def head() -> str:
    """The newest revision this build knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


async def schema_revision(engine: AsyncEngine) -> str | None:
    """The revision the database is at; None before the first migration."""
    async with engine.connect() as connection:
        there = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        return await connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None


def at_least_head(revision: str | None) -> bool:
    """Whether a database at `revision` serves this build: at its head, or migrated by a later one."""
    return revision == head() or _is_later(revision)


def _is_later(revision: str | None) -> bool:
    """Whether it is none of this build's own."""
    script = ScriptDirectory.from_config(_config())
    return revision is not None and revision not in {known.revision for known in script.walk_revisions()}
