"""Passes are marked when a scheduled programme comes into force, not when it is published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.adjustments.decide import AdjustPoints
from core.database import connect, connected
from core.delivery.carrier import Fact
from core.programme.book import ProgrammeBook, publish
from core.programme.validation import default_document
from core.snapshot import Change
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import enrol, send
from tests.databases import Database
from wallet_passes.apple import store as apple
from wallet_passes.apple.updates import ApplePlanner, AppleRefresher
from wallet_passes.google import store as google
from wallet_passes.google.updates import GoogleRefresher

AHEAD = timedelta(days=1)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=2)
    yield pool
    await pool.dispose()


@pytest.fixture
async def book(pool: AsyncEngine, clock: SettableClock) -> ProgrammeBook:
    """Revision 2 is scheduled, and known."""
    book = ProgrammeBook(clock)
    async with pool.begin() as connection:
        await publish(connection, default_document(), by="test", now=clock(), at=clock() + AHEAD)
    async with connected(pool) as connection:
        await book.load(connection)
    return book


async def test_both_kinds_at_the_instant_and_once(pool: AsyncEngine, book: ProgrammeBook, clock: SettableClock) -> None:
    async with connected(pool) as connection:
        for member in (1000, 1001):
            await apple.make(connection, member, f"token-{member}", 1, book.current.revision, clock())
            await google.made(connection, member, 1, book.current.revision, clock())
    refreshers = [AppleRefresher(pool, book, "pass.x", lambda: 1, clock), GoogleRefresher(pool, book, lambda: 1, clock)]
    assert [await refresher.turn() for refresher in refreshers] == [0, 0]
    clock.forward(days=1, microseconds=-1)
    assert [await refresher.turn() for refresher in refreshers] == [0, 0]
    clock.forward(microseconds=1)
    assert [await refresher.turn() for refresher in refreshers] == [2, 2]
    assert [await refresher.turn() for refresher in refreshers] == [0, 0]


async def test_a_pass_that_was_behind_is_caught_up_by_what_is_in_force(
    pool: AsyncEngine, book: ProgrammeBook, clock: SettableClock, open_engine: OpenEngine
) -> None:
    """To say that it shows the coming one would leave it unmarked when that comes."""
    engine = await open_engine()
    member = await enrol(engine)
    async with connected(pool) as connection:
        await apple.make(connection, member, "token", 1, book.current.revision, clock())
    await send(engine, AdjustPoints(1, "a gift"), member)
    refresher = AppleRefresher(pool, book, "pass.x", lambda: 1, clock)
    assert await refresher.catch_up() == 1
    clock.forward(days=1)
    assert await refresher.turn() == 1


AHEAD_OF_US = [(timedelta(minutes=2), 1), (timedelta(), 0), (-timedelta(days=3), 0)]


@pytest.mark.parametrize(("ahead", "marked"), AHEAD_OF_US)
async def test_a_till_that_is_ahead_of_us_marks_no_pass_for_what_is_not_in_force(
    pool: AsyncEngine,
    book: ProgrammeBook,
    clock: SettableClock,
    open_engine: OpenEngine,
    ahead: timedelta,
    marked: int,
) -> None:
    """Its purchase was decided by the coming revision already; the pass that shows it still shows the former."""
    member = await enrol(await open_engine())
    async with connected(pool) as connection:
        await apple.make(connection, member, "token", 1, 1, clock())
        now = clock()
        change = Change(
            member=member,
            version=2,
            kind="purchase",
            programme=2,
            recorded_at=now,
            occurred_at=now + ahead,
            available=1,
        )
        await ApplePlanner("pass.x", clock).plan(connection, 1, [Fact(1, "purchase", change)])
    clock.forward(days=1)
    assert await AppleRefresher(pool, book, "pass.x", lambda: 1, clock).turn() == marked
