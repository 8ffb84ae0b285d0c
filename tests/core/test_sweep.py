"""The sweep: everybody who is due is settled, whoever cannot be; one process at a time, found by index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core import sweep as sweeping
from core.adjustments.decide import ReinstatePoints
from core.clock import system_clock
from core.database import connect, connected
from core.engine.engine import Engine
from core.errors import Unavailable
from core.sweep import sweep
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import bought, enrol, send, verified
from tests.databases import Database, execute

MEMBERS = 7
LONG = timedelta(days=900)


@pytest.fixture
async def engine(open_engine: OpenEngine) -> Engine:
    return await open_engine()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=3)
    yield pool
    await pool.dispose()


@pytest.fixture
async def members(engine: Engine, clock: SettableClock) -> list[int]:
    """Each with two lots past their date."""
    members = [await enrol(engine) for _ in range(MEMBERS)]
    for _ in range(2):
        for member in members:
            await send(engine, bought(clock.now, 1_000), member)
        clock.forward(days=1)
    clock.now += LONG
    return members


async def available(pool: AsyncEngine, members: list[int]) -> list[int]:
    found = await read.snapshots(pool, members)
    return [sum(lot.remaining for lot in found[member].account.lots) for member in members]


async def test_all_that_is_due_is_settled_a_few_at_a_time(
    engine: Engine, pool: AsyncEngine, members: list[int], clock: SettableClock, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A member with two lots is one member, and one version."""
    monkeypatch.setattr(sweeping, "AT_ONCE", 3)
    done: list[int] = []
    assert await sweep(pool, engine, clock, done.append) == MEMBERS
    assert done == [3, 6, 7]
    assert await available(pool, members) == [0] * MEMBERS
    assert set((await read.versions(pool, members)).values()) == {4}
    assert await sweep(pool, engine, clock) == 0
    assert (await verified(database.url)).clean


async def test_who_cannot_be_settled_keeps_nobody_from_it(
    engine: Engine, pool: AsyncEngine, members: list[int], clock: SettableClock, database: Database
) -> None:
    """A lot without an account, and one without a member: both come first, and all others are settled."""
    ghost = """INSERT INTO lot (member_id, currency, no, origin, earned_at, expires_at, amount, remaining)
        VALUES ({member}, '{currency}', 1, 1, '2020-01-01', '2020-01-01', 5, 5)"""
    await execute(
        database.owner_url,
        ghost.format(member=members[0], currency="ghosts"),
        ghost.format(member=999, currency="points"),
    )
    for _ in range(2):
        with pytest.raises(Unavailable, match="2 members are due") as stuck:
            await sweep(pool, engine, clock)
        assert stuck.value.code == "stuck"
    assert await available(pool, members[1:]) == [0] * (MEMBERS - 1)


async def test_one_sweeps_at_a_time(
    engine: Engine, pool: AsyncEngine, members: list[int], clock: SettableClock
) -> None:
    async with connected(pool) as other:
        assert await read.become_sweeper(other)
        assert await sweep(pool, engine, clock) == 0
        await read.retire_sweeper(other)
    assert await sweep(pool, engine, clock) == MEMBERS


async def test_one_that_failed_leaves_the_rest_to_the_next(
    engine: Engine, pool: AsyncEngine, members: list[int], clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "AT_ONCE", 2)

    def dies(done: int) -> None:
        raise RuntimeError("the machine went away")

    with pytest.raises(RuntimeError, match="went away"):
        await sweep(pool, engine, clock, dies)
    assert (await available(pool, members)).count(0) == 2
    clock.forward(seconds=5)
    assert await sweep(pool, engine, clock) == MEMBERS - 2


async def test_points_given_back_to_a_lapsed_account_are_not_due(
    engine: Engine, pool: AsyncEngine, clock: SettableClock
) -> None:
    """Stars lapse a year after the last of them. One that is given back then has a date of its own, and the sweep does
    not take the account for one that it could not settle."""
    member = await enrol(engine)
    clock.forward(days=1)
    await send(engine, bought(clock.now, 1_000), member)
    clock.forward(days=400)
    assert await sweep(pool, engine, clock) == 1
    await send(engine, ReinstatePoints(1, "a complaint", "stars"), member)
    clock.forward(days=20)
    assert await sweep(pool, engine, clock) == 0
    clock.forward(days=20)
    assert await sweep(pool, engine, clock) == 1
    stars = (await read.snapshots(pool, [member]))[member].holdings.of("stars")
    assert (stars.available, await sweep(pool, engine, clock)) == (0, 0)


async def test_what_is_due_is_found_by_index(pool: AsyncEngine, database: Database) -> None:
    async with connected(pool) as connection:
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {read._DUE}", system_clock()))
    for index in ("lot_due", "hold_due", "pending_due", "account_lapses"):
        assert index in plan
    assert "Seq Scan" not in plan
