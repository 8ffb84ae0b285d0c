"""Workers that crash, stop, or lose the database: what they left is taken over, and nobody is told twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connect
from core.delivery.carrier import Delivery
from core.delivery.store import LEASE
from core.embedded import Endpoints
from push import dispatch
from tests.bff.house import until
from tests.conftest import SettableClock
from tests.databases import Database
from tests.push.carriers import (
    Dispatchers,
    Scripted,
    add,
    at_work,
    crash,
    database_away,
    dispatchers,
    planned,
    rows,
    states,
    work,
)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=6)
    yield pool
    await pool.dispose()


@pytest.fixture
async def worker(pool: AsyncEngine, clock: SettableClock) -> AsyncIterator[Dispatchers]:
    async with dispatchers(pool, clock) as make:
        yield make


def vanishes(batch: Sequence[Delivery]) -> Mapping[int, Any]:
    """The process goes before it sends."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("began", [True, False], ids=["after it was sent", "before it was sent"])
async def test_what_a_crashed_worker_left_is_taken_over(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers, began: bool
) -> None:
    """Sent again where a repeat is hidden, under the same reference; elsewhere put aside, for nobody can know."""
    carriers = [Scripted("alert"), Scripted("letter", hides_repeats=False)]
    await add(pool, clock, planned("alert"), planned("letter"))
    gone = worker(*carriers)
    for carrier in carriers:
        carrier.hold = True
        if not began:
            carrier.prepares = vanishes
    await gone.turn()
    if began:
        await until(lambda: all(carrier.under_way for carrier in carriers), "both are under way")
    await crash(gone)
    for carrier in carriers:
        carrier.hold, carrier.prepares = False, lambda batch: {one.id: one for one in batch}
    other = worker(*carriers)
    assert await work(other) == 0
    clock.now += LEASE
    assert await work(other) == 2
    alert, letter = await rows(pool)
    assert (alert.state, alert.attempts) == ("delivered", 2)
    assert (letter.state, letter.reason) == ("unknown", "a worker crashed while it sent this")
    sent = [carrier.begun for carrier in carriers]
    assert [len(each) for each in sent] == ([2, 1] if began else [1, 0])
    assert len({one.reference for one in sent[0]}) == 1


async def test_who_stops_lets_what_is_under_way_be_settled(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    carrier = Scripted("letter", hides_repeats=False)
    carrier.hold = True
    dispatcher = worker(carrier)
    async with at_work(dispatcher.run()):
        await add(pool, clock, planned("letter"))
        dispatcher.wake()
        await until(lambda: len(carrier.under_way) == 1, "it is under way")
    closing = asyncio.create_task(dispatcher.close())
    await asyncio.sleep(0)
    carrier.answer_all()
    await closing
    assert await states(pool) == ["delivered"]
    assert carrier.closed


async def test_who_is_stopped_while_it_takes_sends_what_it_took(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """At any of its steps; else it would wait for its lease to end, and then look as if a crash had left it."""
    carrier = Scripted("letter", hides_repeats=False)
    for step in range(1, 30):
        await add(pool, clock, planned("letter", target=step))
        dispatcher = worker(carrier)
        turning = asyncio.create_task(dispatcher.turn())
        for _ in range(step):
            await asyncio.sleep(0)
        turning.cancel()
        await dispatcher.close()
        await asyncio.gather(turning, return_exceptions=True)
    clock.now += LEASE
    await work(worker(carrier))
    assert set(await states(pool)) == {"delivered"}
    assert len(carrier.begun) == 29


async def test_nothing_is_lost_while_the_database_is_away(
    pool: AsyncEngine,
    clock: SettableClock,
    worker: Dispatchers,
    database: Database,
    endpoints: Endpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One send ends while nobody can record it, others wait: each is sent once, and recorded when it can be."""
    monkeypatch.setattr(dispatch, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(dispatch, "LOOK_SECONDS", 0.02)
    carrier = Scripted("letter", hides_repeats=False, at_once=2)
    carrier.hold = True
    dispatcher = worker(carrier)
    await add(pool, clock, *(planned("letter", target=n) for n in range(5)))
    async with at_work(dispatcher.run()):
        await until(lambda: len(carrier.under_way) == 2, "two are under way")
        async with database_away(database, endpoints):
            carrier.answer_all()
            await until(lambda: len(dispatcher._settling) == 2, "nobody can record them")
            assert len(carrier.begun) == 2
            clock.now += 2 * LEASE  # what was told of these two is no crash's, however long it waits
        carrier.hold = False
        await until(lambda: len(carrier.begun) == 5, "the others are sent")
    await dispatcher.close()
    found = await rows(pool)
    assert [row.state for row in found] == ["delivered"] * 5
    assert sorted(one.target for one in carrier.begun) == [0, 1, 2, 3, 4]
    assert {row.attempts for row in found} == {1}
