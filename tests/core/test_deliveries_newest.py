"""Of a channel that shows a state only the newest counts: a burst is one send, and no screen ever goes back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import Driver, connected, transaction
from core.delivery import store
from core.delivery.store import LEASE, Settled, State
from tests.bff.house import until_async
from tests.conftest import SettableClock
from tests.core.deliveries import EPOCH, FINAL, NEWEST, Table, opened, planned
from tests.databases import Database


@pytest.fixture
async def both(database: Database, clock: SettableClock) -> AsyncIterator[tuple[AsyncEngine, Table]]:
    async with opened(database, clock) as both:
        yield both


@pytest.fixture
def pool(both: tuple[AsyncEngine, Table]) -> AsyncEngine:
    return both[0]


@pytest.fixture
def table(both: tuple[AsyncEngine, Table]) -> Table:
    return both[1]


@pytest.mark.parametrize("order", list(itertools.permutations((5, 6, 7))), ids=str)
async def test_of_a_burst_only_the_newest_is_sent_in_whichever_order_it_is_planned(
    table: Table, order: tuple[int, ...]
) -> None:
    for version in order:
        await table.add(planned("state", version))
    assert [one.delivery.version for one in await table.take()] == [7]
    assert await table.states() == {5: "collapsed", 6: "collapsed", 7: "pending"}
    await table.add(*(planned("alert", version) for version in order))
    assert len(await table.take()) == 3


@pytest.mark.parametrize("end", FINAL)
async def test_what_comes_late_is_not_sent_after_what_was_newer(table: Table, end: State) -> None:
    """A fact redelivered by the stream, a delivery given back, a dead letter replayed: the screen never goes back."""
    await table.add(planned("state", 5))
    (late,) = await table.take("gone")
    await table.add(planned("state", 6))
    assert await table.take() == [], "two are under way to one target"
    table.clock.now += LEASE
    (newer,) = await table.take()
    assert newer.delivery.version == 6
    await table.settle(newer, end)
    await table.add(planned("state", 4))
    await store.give_back(table.connection, [late.delivery.id], "gone", table.clock())
    assert await table.take() == []
    assert await table.states() == {4: "collapsed", 5: "collapsed", 6: end}


async def test_a_replayed_dead_letter_gives_way_to_what_was_sent_since(table: Table) -> None:
    await table.add(planned("state", 5))
    (one,) = await table.take()
    await table.settle(one, "failed")
    await table.add(planned("state", 6))
    (two,) = await table.take()
    await table.settle(two, "delivered")
    assert await store.replay(table.connection, None, table.clock()) == 1
    assert await table.take() == []
    assert await table.states() == {5: "collapsed", 6: "delivered"}


async def test_a_retry_gives_way_to_a_newer_one_planned_meanwhile(table: Table) -> None:
    await table.add(planned("state", 5))
    (one,) = await table.take()
    await table.add(planned("state", 6), planned("state", 6, target=2))
    assert [one.delivery.target for one in await table.take()] == [2]
    await table.settle(one, "pending", again=900)
    assert [one.delivery.version for one in await table.take()] == [6]
    assert [row.state for row in await table.rows()] == ["collapsed", "pending", "pending"]


async def test_a_change_of_the_clock_is_sent_after_whatever_was_under_way(table: Table) -> None:
    """Version 0: a date passed, a programme was published. What was read before it cannot show it; what waits will."""
    await table.add(planned("state", 6))
    (before,) = await table.take()
    await table.add(planned("state", 0))
    await table.settle(before, "delivered")
    (own,) = await table.take()
    assert own.delivery.version == 0
    await table.add(planned("state", 7))
    await table.settle(own, "pending")
    assert [one.delivery.version for one in await table.take()] == [7]
    assert await table.states() == {6: "delivered", 0: "collapsed", 7: "pending"}
    table.clock.now += LEASE
    await table.add(planned("state", 0, target=2), planned("state", 3, target=2), planned("state", 0, target=3))
    await table.add(planned("state", 0, target=3))
    assert sorted(one.delivery.version for one in await table.take()) == [0, 3, 7]


@pytest.mark.parametrize("sent", [True, False], ids=["after a newer one", "while a newer one is under way"])
async def test_what_comes_late_does_not_take_the_place_of_a_change_of_the_clock(table: Table, sent: bool) -> None:
    """Neither would be sent then, and the newer one was read before that change."""
    await table.add(planned("state", 6))
    (newer,) = await table.take()
    if sent:
        await table.settle(newer, "delivered")
    await table.add(planned("state", 0))
    await table.add(planned("state", 5))
    if not sent:
        await table.settle(newer, "delivered")
    assert [one.delivery.version for one in await table.take()] == [0]
    assert await table.states() == {6: "delivered", 0: "pending", 5: "collapsed"}


async def test_two_that_crashed_workers_left_are_taken_over_one_after_the_other(table: Table) -> None:
    await table.add(planned("state", 6))
    (newer,) = await table.take("gone")
    await table.add(planned("state", 0))
    table.clock.now += LEASE
    (over,) = await table.take("two")
    assert (over.delivery.id, over.abandoned) == (newer.delivery.id, True)
    await table.settle(over, "delivered", "two")
    (own,) = await table.take("gone")
    await table.add(planned("state", 0))
    table.clock.now += LEASE
    (last,) = await table.take("two")
    assert last.delivery.id > own.delivery.id
    await table.settle(last, "delivered", "two")
    assert await table.take("two") == []
    assert [row.state for row in await table.rows()] == ["delivered", "collapsed", "delivered"]


async def test_what_another_is_just_taking_for_a_target_is_seen(pool: AsyncEngine, clock: SettableClock) -> None:
    """Two planners and two workers, each in the middle: the second worker sees the newer delivery, and waits to see what
    the first one takes."""

    async def take(connection: Driver, worker: str) -> list[int]:
        taken = await store.take(connection, {"state": 5}, NEWEST, worker, clock())
        return [one.delivery.version for one in taken]

    async def waiting() -> bool:
        async with connected(pool) as connection:
            waits = await connection.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> pg_backend_pid()"
            )
        return second.done() or bool(waits)

    async with transaction(pool) as other:
        async with transaction(pool) as planner:
            await store.add(other, EPOCH, [planned("state", 7)], NEWEST, clock())
            await store.add(planner, EPOCH, [planned("state", 6)], NEWEST, clock())
        first = transaction(pool)
        connection = await first.__aenter__()
        assert await take(connection, "one") == [6]
    async with transaction(pool) as third:
        second = asyncio.create_task(take(third, "two"))
        await until_async(waiting, "the second worker waits, or has taken")
        await first.__aexit__(None, None, None)
        assert await second == []


async def test_many_at_once_never_send_two_to_one_target(pool: AsyncEngine, clock: SettableClock) -> None:
    """Planners and workers side by side: at no moment do two workers hold deliveries to one target."""
    versions = itertools.count(1)

    async def plan() -> None:
        for _ in range(12):
            async with transaction(pool) as connection:
                wishes = [planned("state", next(versions), target) for target in (1, 2)]
                await store.add(connection, EPOCH, wishes, NEWEST, clock())

    held: dict[int, str] = {}
    last = {1: 0, 2: 0}

    async def work(worker: str) -> None:
        for _ in range(25):
            async with transaction(pool) as connection:
                taken = await store.take(connection, {"state": 5}, NEWEST, worker, clock())
            for one in taken:
                target = one.delivery.target
                assert target not in held, (worker, held)
                assert one.delivery.version > last[target]
                held[target], last[target] = worker, one.delivery.version
            await asyncio.sleep(0)
            for one in taken:
                del held[one.delivery.target]
            done = [Settled(one.delivery.id, one.delivery.attempt, "delivered") for one in taken]
            async with transaction(pool) as connection:
                await store.settle(connection, done, NEWEST, worker, clock())

    await asyncio.gather(plan(), plan(), *(work(f"worker-{n}") for n in range(4)))
    await work("last")
    assert last == {1: 47, 2: 48}
    async with connected(pool) as connection:
        assert ("state", "pending") not in await store.counts(connection)
