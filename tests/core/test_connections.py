"""The driver's connections: what is given back to the pool is whole, whatever ended its use."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from sqlalchemy.exc import DBAPIError

from core.database import Kept, connect, connected, transaction
from tests.bff.house import until, until_async
from tests.databases import Database

_SLEEPERS = """SELECT count(*) FROM pg_stat_activity
                WHERE query = 'SELECT pg_sleep(1)' AND state = 'active' AND datname = current_database()"""


async def test_a_reader_that_goes_away_leaves_a_usable_connection(database: Database) -> None:
    """Cancelled in the middle of a statement, and in the middle of taking the transaction back."""
    pool, watching = connect(database.url, pool_size=1), connect(database.url, pool_size=1)

    async def reader() -> None:
        async with transaction(pool, one_instant=True) as connection:
            await connection.fetch("SELECT pg_sleep(1)")

    async def sleeps() -> bool:
        async with connected(watching) as watcher:
            return bool(await watcher.fetchval(_SLEEPERS))

    for cancels in (1, 2, 3):
        task = asyncio.create_task(reader())
        await until_async(sleeps, "the statement is under way")
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(task, return_exceptions=True)
        async with connected(pool) as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT 1") == 1
    await watching.dispose()
    await pool.dispose()


async def test_an_error_is_told_as_sqlalchemy_would_and_the_connection_replaced(database: Database) -> None:
    pool = connect(database.url, pool_size=1)
    kept = Kept(pool)
    async with kept.transaction() as connection:
        first = await connection.fetchval("SELECT pg_backend_pid()")
    async with kept.transaction() as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == first
    with pytest.raises(DBAPIError) as refused:
        async with kept.transaction() as connection:
            await connection.execute("SELECT 1 / 0")
    assert refused.value.orig is not None
    assert (refused.value.orig.sqlstate, refused.value.connection_invalidated) == ("22012", False)  # type: ignore[attr-defined]
    async with kept.transaction() as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") != first
    with pytest.raises(DBAPIError) as lost:
        await _end_the_session(kept)
    assert lost.value.connection_invalidated or lost.value.orig.sqlstate == "57P01"  # type: ignore[union-attr]
    async with kept.transaction() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await kept.close()
    await pool.dispose()


async def test_a_server_that_went_away_while_nobody_asked_is_no_error(database: Database) -> None:
    """All connections of a pool, and a kept one, are ended while idle, as by a restart: the next uses find others."""
    pool, other = connect(database.url, pool_size=4), connect(database.url, pool_size=1)
    kept = Kept(pool)
    async with contextlib.AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connected(pool)) for _ in range(3)]
        async with kept.transaction() as connection:
            await connection.fetchval("SELECT 1")
        idle.append(connection)
    async with connected(other) as killer:
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
    await until(lambda: all(connection.is_closed() for connection in idle), "the ends are noticed")
    async with kept.transaction() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    for _ in range(4):
        async with connected(pool) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await kept.close()
    await other.dispose()
    await pool.dispose()


async def _end_the_session(kept: Kept) -> None:
    async with kept.transaction() as connection:
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await connection.execute("SELECT 1")
