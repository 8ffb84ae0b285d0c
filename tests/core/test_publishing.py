"""Publishing at a time: who is decided by what, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connect, connected
from core.engine.engine import Engine
from core.errors import InvalidInput, NotFound, Rejected
from core.programme.book import InForce, ProgrammeBook, publish, records, source_of
from core.programme.validation import default_document
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import bought, enrol, scalar, submission
from tests.core.programmes import document
from tests.databases import Database

TOMORROW = timedelta(days=1)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=5)
    yield pool
    await pool.dispose()


async def published(pool: AsyncEngine, source: str, now: datetime, at: datetime | None = None) -> int:
    async with pool.begin() as connection:
        return await publish(connection, source, by="ada", now=now, at=at)


async def read(pool: AsyncEngine, book: ProgrammeBook) -> InForce:
    async with connected(pool) as connection:
        await book.load(connection)
    return book.current


def harbour(rate: str) -> str:
    """The first revision's document at another rate: it may follow that, now or at a time."""
    return default_document().replace('points_per_unit = "10"', f'points_per_unit = "{rate}"')


async def test_a_purchase_is_decided_by_what_is_in_force_when_it_occurs(
    pool: AsyncEngine, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """The instant before, the very instant, and one that is sent late; all by a process that knew it beforehand."""
    start, then = clock(), clock() + TOMORROW
    assert await published(pool, document(rate="1"), clock()) == 2
    assert await published(pool, document(rate="7"), clock(), then) == 3
    engine = await open_engine()
    member = await enrol(engine)

    async def earned(occurred_at: datetime) -> tuple[int, int]:
        command = bought(occurred_at, 100)
        answer = await engine.submit(submission(command, member, occurred_at=occurred_at))
        assert answer.change is not None
        return answer.change.points, answer.change.programme

    clock.now = then - timedelta(microseconds=1)
    assert await earned(clock()) == (1, 2)
    clock.now = then
    assert await earned(clock()) == (7, 3)
    assert await earned(start) == (1, 2)
    assert await published(pool, document(rate="9"), clock()) == 4
    assert await earned(clock()) == (9, 4)
    assert await earned(start) == (1, 2)


async def test_what_is_published_now_withdraws_what_was_scheduled(pool: AsyncEngine, clock: SettableClock) -> None:
    book, then = ProgrammeBook(clock), clock() + TOMORROW
    assert await published(pool, harbour("5"), clock(), then) == 2
    now = await read(pool, book)
    assert (now.revision, now.until, book.revision) == (1, then, 2)
    assert await published(pool, document(rate="6"), clock()) == 3
    now = await read(pool, book)
    assert (now.revision, now.until) == (3, None)
    clock.now = then
    assert book.current.revision == 3
    assert [book.at(at).revision for at in (datetime(1800, 1, 1, tzinfo=UTC), then, then + 900 * TOMORROW)] == [1, 3, 3]


async def test_the_book_follows_the_clock_without_reading(pool: AsyncEngine, clock: SettableClock) -> None:
    first, second = clock() + TOMORROW, clock() + 2 * TOMORROW
    await published(pool, harbour("5"), clock(), first)
    await published(pool, harbour("6"), clock(), second)
    book = ProgrammeBook(clock)
    await read(pool, book)
    seen = []
    for at in (first - timedelta(microseconds=1), first, second, second + TOMORROW):
        clock.now = at
        seen.append((book.current.revision, book.current.until))
    assert seen == [(1, first), (2, second), (3, None), (3, None)]
    assert book.by_revision(2).earn.points_per_unit == "5"


REFUSED_AT = [
    (timedelta(microseconds=-1), "is in the past: now it is 2026-03-14T09:26:53Z"),
    (timedelta(days=-400), "is in the past: now it is 2026-03-14T09:26:53Z"),
    (timedelta(days=3661), "is more than 3660 days ahead"),
]


@pytest.mark.parametrize(("ahead", "detail"), REFUSED_AT)
async def test_no_revision_comes_into_force_in_the_past(
    pool: AsyncEngine, clock: SettableClock, ahead: timedelta, detail: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await published(pool, document(), clock(), clock() + ahead)
    assert [(error.pointer, error.detail) for error in refused.value.errors] == [("/at", detail)]
    with pytest.raises(InvalidInput, match="needs its zone"):
        await published(pool, document(), clock(), (clock() + TOMORROW).replace(tzinfo=None))
    assert await scalar(pool, "SELECT max(revision) FROM programme_revision") == 1
    assert await published(pool, document(), clock(), clock()) == 2


async def test_a_revision_is_kept_as_it_was_written(pool: AsyncEngine, clock: SettableClock) -> None:
    source = "# ours\n" + harbour("5")
    await published(pool, source, clock(), clock() + TOMORROW)
    async with pool.connect() as connection:
        assert await source_of(connection, 1) == default_document()
        assert await source_of(connection, 2) == source
        found = await records(connection)
        assert [(one.revision, one.published_by) for one in found] == [(1, "chorus"), (2, "ada")]
        assert (found[1].in_force, found[1].published_at) == (clock() + TOMORROW, clock())
        for unknown in (0, -1, 3, 2**31, 10**30):
            with pytest.raises(NotFound):
                await source_of(connection, unknown)


async def test_what_members_have_something_by_stays(
    pool: AsyncEngine, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """Before the first member anything may follow; then, what is in force at the new one's instant says what must stay,
    and not what was withdrawn."""
    assert await published(pool, document(money="EUR"), clock()) == 2
    assert await published(pool, document(), clock()) == 3
    await enrol(await open_engine())
    more = '[[currencies]]\ncode = "stars"\none = { en = "star" }\nother = { en = "stars" }\nexpiry = { months = 12 }\n'
    stars = document().replace("[[tiers]]", more + "\n[[tiers]]", 1)
    for at in (None, clock() + TOMORROW):
        with pytest.raises(InvalidInput) as refused:
            await published(pool, document(money="EUR"), clock(), at)
        assert [error.pointer for error in refused.value.errors] == ["/money"]
    assert await published(pool, stars, clock(), clock() + TOMORROW) == 4
    with pytest.raises(InvalidInput) as refused:
        await published(pool, document(), clock(), clock() + 2 * TOMORROW)
    assert [error.pointer for error in refused.value.errors] == ["/currencies"]
    assert await published(pool, document(), clock()) == 5
    assert await published(pool, document(), clock(), clock() + 2 * TOMORROW) == 6


async def test_what_is_scheduled_follows_what_is_in_force_before_the_first_member_too(
    pool: AsyncEngine, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """By the time it comes into force there are members, and nobody asks again."""
    assert await published(pool, document(), clock()) == 2
    with pytest.raises(InvalidInput) as refused:
        await published(pool, document(money="EUR"), clock(), clock() + TOMORROW)
    assert [error.pointer for error in refused.value.errors] == ["/money"]
    assert await published(pool, document(rate="3"), clock(), clock() + TOMORROW) == 3
    with pytest.raises(InvalidInput):
        await published(pool, document(money="EUR"), clock(), clock() + 2 * TOMORROW)
    assert await published(pool, document(money="EUR"), clock(), clock()) == 4
    await enrol(await open_engine())
    with pytest.raises(InvalidInput):
        await published(pool, document(), clock())


async def test_of_several_at_once_each_has_its_number_or_is_told(pool: AsyncEngine, clock: SettableClock) -> None:
    tries = (published(pool, document(), clock()) for _ in range(20))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    found = [answer for answer in answers if isinstance(answer, int)]
    assert {answer.code for answer in answers if isinstance(answer, Rejected)} <= {"raced"}
    assert all(isinstance(answer, int | Rejected) for answer in answers)
    assert sorted(found) == list(range(2, 2 + len(found)))
    assert await scalar(pool, "SELECT count(*) FROM programme_revision") == 1 + len(found)


async def test_an_engine_of_another_process_hears_of_it_at_its_next_commit(
    pool: AsyncEngine, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """It was open when the revision was scheduled, and nobody told it."""
    await published(pool, document(rate="1"), clock())
    engine: Engine = await open_engine()
    member = await enrol(engine)
    await published(pool, document(rate="3"), clock(), clock() + TOMORROW)
    clock.now += TOMORROW
    answer = await engine.submit(submission(bought(clock(), 200), member, occurred_at=clock()))
    assert answer.change is not None
    assert (answer.change.points, answer.change.programme) == (6, 3)
