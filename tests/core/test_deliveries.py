"""The table of deliveries: what is planned is there once, is one worker's at a time, and ends in one state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connected, transaction
from core.delivery import store
from core.delivery.carrier import Planned
from core.delivery.outcome import pause
from core.delivery.store import DEAD_LETTERS, KEPT, LEASE, MAX_REASON, Settled, State
from core.errors import NotFound
from tests.conftest import SettableClock
from tests.core.deliveries import EPOCH, FINAL, NEWEST, ROOM, Table, opened, planned
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


# -- once ----------------------------------------------------------------------------------------------------------


async def test_what_is_planned_again_is_not_made_again(table: Table) -> None:
    """Unique by fact, member, channel and device; another lineage of the ledger has facts of its own."""
    wishes = [
        planned(fact=1),
        planned(fact=1, target=2),
        planned("letter", fact=1),
        planned(fact=2),
        planned(fact=1, member=1001),
    ]
    assert await table.add(*wishes) == 5
    assert await table.add(*wishes) == 0
    assert await table.add(*wishes, planned(fact=3)) == 1
    assert await table.add(wishes[0], wishes[0], planned(fact=4), planned(fact=4)) == 1
    assert await table.add(wishes[0], epoch=EPOCH + 1) == 1
    (first, *_) = await table.take()
    await table.settle(first, "delivered")
    assert await table.add(*wishes) == 0
    assert len(await table.rows()) == 8
    assert await table.add() == 0


async def test_two_workers_that_plan_the_same_facts_at_once_make_them_once(
    pool: AsyncEngine, clock: SettableClock
) -> None:
    """Each in an order of its own, and neither waits for the other for ever."""
    wishes = [planned(fact=fact, target=target) for fact in range(1, 41) for target in range(1, 6)]

    async def plan(wishes: list[Planned]) -> int:
        async with transaction(pool) as connection:
            return await store.add(connection, EPOCH, wishes, NEWEST, clock())

    for _ in range(3):
        made = await asyncio.gather(*(plan(wishes[turn:] + wishes[:turn]) for turn in range(0, 200, 33)))
        assert sum(made) in (200, 0)
    async with connected(pool) as connection:
        assert await store.counts(connection) == {("alert", "pending"): 200}


async def test_two_workers_take_different_deliveries(pool: AsyncEngine, clock: SettableClock) -> None:
    async with transaction(pool) as connection:
        wishes = [planned(channel, target=n) for n in range(1, 31) for channel in ROOM]
        await store.add(connection, EPOCH, wishes, NEWEST, clock())

    async def take(worker: str) -> list[int]:
        async with transaction(pool) as connection:
            taken = await store.take(connection, dict.fromkeys(ROOM, 9), NEWEST, worker, clock())
        return [one.delivery.id for one in taken]

    found = await asyncio.gather(*(take(f"worker-{n}") for n in range(6)))
    ids = [id for part in found for id in part]
    assert len(ids) == len(set(ids)) == 90
    assert max(len(part) for part in found) <= 27


async def test_nobody_waits_for_who_is_just_taking(pool: AsyncEngine, clock: SettableClock) -> None:
    async with transaction(pool) as connection:
        await store.add(connection, EPOCH, [planned(target=n) for n in range(4)], NEWEST, clock())
    async with transaction(pool) as first, transaction(pool) as second, asyncio.timeout(5):
        one = await store.take(first, {"alert": 2}, NEWEST, "one", clock())
        two = await store.take(second, {"alert": 4}, NEWEST, "two", clock())
    assert len({taken.delivery.id for taken in one + two}) == 4
    assert len(one) == len(two) == 2


# -- its turn, and its lease -----------------------------------------------------------------------------------------


async def test_the_soonest_due_go_first_as_far_as_there_is_room(table: Table) -> None:
    now = table.clock()
    for seconds in (6, 2, 4, -1):
        await table.add(
            msgspec.structs.replace(planned(version=100 + seconds), due_at=now + timedelta(seconds=seconds))
        )
    await table.add(planned("letter"))
    assert [one.delivery.version for one in await table.take(room={"alert": 5})] == [99]
    table.clock.forward(seconds=5)
    assert [one.delivery.version for one in await table.take(room={"alert": 1})] == [102]
    assert [one.delivery.channel for one in await table.take(room={"letter": 5})] == ["letter"]
    assert [one.delivery.version for one in await table.take(room={"alert": 5, "letter": 5})] == [104]
    assert await table.take() == []


async def test_what_a_worker_left_is_taken_over_when_its_lease_ends(table: Table) -> None:
    """And whoever took it over has the last word."""
    await table.add(planned())
    (first,) = await table.take("one")
    assert (first.abandoned, first.delivery.attempt) == (False, 1)
    table.clock.now += LEASE - timedelta(microseconds=1)
    assert await table.take("two") == []
    table.clock.now += timedelta(microseconds=1)
    (second,) = await table.take("two")
    assert (second.abandoned, second.delivery.attempt) == (True, 2)
    assert second.delivery.reference == first.delivery.reference
    await table.settle(first, "delivered", "one")
    assert [row.state for row in await table.rows()] == ["pending"]
    await table.settle(second, "rejected", "two", reason="no")
    await table.settle(second, "delivered", "two")
    (row,) = await table.rows()
    assert (row.state, row.attempts, row.reason) == ("rejected", 2, "no")


async def test_only_who_holds_a_delivery_extends_its_lease(table: Table) -> None:
    """Else one that was taken over from it, and then left by a crash, would never be taken over again."""
    await table.add(planned())
    (one,) = await table.take("one")
    table.clock.now += LEASE
    assert len(await table.take("two")) == 1
    table.clock.now += LEASE / 2
    await store.extend(table.connection, [one.delivery.id], "one", table.clock())
    table.clock.now += LEASE / 2
    assert len(await table.take("three")) == 1
    table.clock.now += LEASE / 2
    await store.extend(table.connection, [one.delivery.id], "three", table.clock())
    table.clock.now += LEASE / 2
    assert await table.take("four") == []


async def test_a_late_word_of_an_earlier_life_is_not_heard(table: Table) -> None:
    """It was given up as unknown and replayed: its attempts count from one again, but not for who went away."""
    await table.add(planned("letter"))
    (late,) = await table.take("gone")
    table.clock.now += LEASE
    (over,) = await table.take("two")
    await table.settle(over, "unknown", "two")
    assert await store.replay(table.connection, None, table.clock()) == 1
    (again,) = await table.take("three")
    assert again.delivery.attempt == late.delivery.attempt == 1
    await table.settle(late, "delivered", "gone")
    assert [row.state for row in await table.rows()] == ["pending"]


async def test_a_worker_that_took_its_own_over_is_not_heard_for_the_first_time(table: Table) -> None:
    """It hung, went on, and the first attempt's answer came after all."""
    await table.add(planned())
    (first,) = await table.take()
    table.clock.now += LEASE
    (second,) = await table.take()
    await table.settle(first, "delivered")
    assert [row.state for row in await table.rows()] == ["pending"]
    await table.settle(second, "rejected")
    assert [row.state for row in await table.rows()] == ["rejected"]


async def test_a_worker_whose_lease_ended_and_that_nobody_replaced_has_its_word(table: Table) -> None:
    await table.add(planned())
    (one,) = await table.take()
    table.clock.now += 2 * LEASE
    await table.settle(one, "delivered")
    assert await table.take("two") == []


async def test_what_was_not_begun_is_given_back_as_if_it_had_not_been_taken(table: Table) -> None:
    await table.add(planned("letter"))
    (one,) = await table.take()
    again = table.clock() + timedelta(seconds=3)
    await store.give_back(table.connection, [one.delivery.id], "another", again)
    table.clock.forward(seconds=5)
    assert await table.take("two") == []
    await store.give_back(table.connection, [one.delivery.id], "one", table.clock() + timedelta(seconds=3))
    assert await table.take("two") == []
    table.clock.forward(seconds=3)
    (two,) = await table.take("two")
    assert (two.abandoned, two.delivery.attempt) == (False, 1)


# -- its end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", FINAL)
async def test_an_end_is_an_end_and_is_told(table: Table, state: State) -> None:
    await table.add(planned())
    (one,) = await table.take()
    table.clock.forward(seconds=4)
    await table.settle(one, state, reason="410 Unregistered")
    (row,) = await table.rows()
    assert (row.state, row.reason, row.attempts) == (state, "410 Unregistered", 1)
    assert row.updated_at - row.created_at == timedelta(seconds=4)
    table.clock.now += 2 * LEASE
    assert await table.take() == []
    assert await store.counts(table.connection) == {("alert", state): 1}


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("a\x00b\r\nc\td", "a b  c d"),
        ("gar\udce7on", "gar on"),
        ("\x1b[31mred\u202e", "[31mred"),
        ("很好 ü", "很好 ü"),
        ("x" * 10_000, "x" * MAX_REASON),
        ("\x00", ""),
    ],
)
async def test_a_providers_words_are_kept_as_far_as_they_can_be(table: Table, reason: str, kept: str) -> None:
    """One NUL must not keep every other outcome of the batch from being recorded."""
    await table.add(planned(version=2), planned(version=3))
    one, two = await table.take()
    settled = [Settled(one.delivery.id, 1, "rejected", reason), Settled(two.delivery.id, 1, "delivered")]
    async with table.connection.transaction():
        await store.settle(table.connection, settled, NEWEST, "one", table.clock())
    assert [(row.state, row.reason) for row in await table.rows()] == [("rejected", kept), ("delivered", "")]


async def test_dead_letters_are_replayed_by_name_or_all(table: Table) -> None:
    await table.add(*(planned(version=version) for version in range(2, 9)))
    ends: list[State] = ["delivered", "dead", *DEAD_LETTERS, "pending"]
    for one, state in zip(await table.take(), ends, strict=False):
        await table.settle(one, state, again=900)
    ids = {row.version: row.id for row in await table.rows()}
    for wrong in ([ids[2]], [ids[4], ids[3]], [ids[4], 999_999], [ids[8]]):
        with pytest.raises(NotFound):
            await store.replay(table.connection, wrong, table.clock())
    before = await table.states()
    assert before == {
        2: "delivered",
        3: "dead",
        4: "rejected",
        5: "failed",
        6: "unknown",
        7: "pending",
        8: "pending",
    }
    table.clock.forward(days=2)
    assert await store.replay(table.connection, [ids[5]], table.clock()) == 1
    assert await table.states() == {**before, 5: "pending"}
    (row,) = [row for row in await table.rows() if row.version == 5]
    assert (row.attempts, row.reason, row.created_at) == (0, "replayed", table.clock())
    assert await store.replay(table.connection, None, table.clock()) == 2
    assert await store.replay(table.connection, [], table.clock()) == 0
    # The seventh and the eighth never ended: one waits, the other's lease is over.
    assert {one.delivery.version for one in await table.take()} == {4, 5, 6, 7, 8}


async def test_what_is_done_is_dropped_after_a_while_and_dead_letters_later(table: Table) -> None:
    """Never what waits, and never while the stream may still repeat the fact."""
    await table.add(*(planned(version=version) for version in range(2, 9)))
    ends: list[State] = ["delivered", "dead", "collapsed", *DEAD_LETTERS, "pending"]
    for one, state in zip(await table.take(), ends, strict=True):
        await table.settle(one, state)
    seen = []
    for days in (KEPT.days - 1, 2, 2 * KEPT.days - 2, 2, 365):
        table.clock.forward(days=days)
        await store.forget_old(table.connection, table.clock())
        seen.append([row.version for row in await table.rows()])
    assert seen == [[2, 3, 4, 5, 6, 7, 8], [5, 6, 7, 8], [5, 6, 7, 8], [8], [8]]


async def test_an_operator_lists_by_state_member_and_channel(table: Table) -> None:
    await table.add(planned(), planned("letter", version=3), planned(member=1001, version=4))
    assert [row.version for row in await table.rows(member=1000)] == [2, 3]
    assert [row.version for row in await table.rows(channel="alert")] == [2, 4]
    assert [row.version for row in await table.rows(channel="alert", member=1001)] == [4]
    assert len(await table.rows(limit=2)) == 2
    assert await table.rows(["failed"]) == []


# -- when again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [None, timedelta(seconds=-1), timedelta(seconds=1), timedelta(minutes=5)], ids=str)
def test_pauses_double_with_jitter_up_to_a_bound(wish: timedelta | None) -> None:
    """Never sooner than the provider wishes, and never so soon that a short outage uses up every attempt."""
    least = [pause(attempt, wish, lambda: 0.0) for attempt in range(1, 60)]
    most = [pause(attempt, wish, lambda: 0.999) for attempt in range(1, 60)]
    assert least == sorted(least)
    assert timedelta(minutes=14) < most[-1] <= timedelta(minutes=15)
    assert all(a < b for a, b in zip(least, most, strict=True))
    assert all(one >= (wish or timedelta()) for one in least)
    assert least[10] >= timedelta(minutes=7)
    assert most[0] <= max(timedelta(seconds=1), (wish or timedelta()) * 1.1)
