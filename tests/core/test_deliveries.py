"""The table of deliveries: what is planned is there once, is one worker's at a time, and ends in one state."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import Driver, connect, connected, transaction
from core.delivery import store
from core.delivery.carrier import Planned
from core.delivery.outcome import pause
from core.delivery.store import DEAD_LETTERS, KEPT, LEASE, MAX_REASON, Row, Settled, State, Taken
from core.errors import NotFound
from tests.conftest import SettableClock
from tests.databases import Database

EPOCH = 7
NEWEST = frozenset({"state"})
ROOM = {"alert": 100, "letter": 100, "state": 100}
STATES: tuple[State, ...] = ("pending", "delivered", "collapsed", "dead", "rejected", "failed", "unknown")
FINAL = [state for state in STATES if state not in ("pending", "collapsed")]

_facts = itertools.count(1)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=8)
    yield pool
    await pool.dispose()


@pytest.fixture
async def table(pool: AsyncEngine, clock: SettableClock) -> AsyncIterator[Table]:
    async with connected(pool) as connection:
        yield Table(connection, clock)


class Table:
    """The store by one connection, at the test's time."""

    def __init__(self, connection: Driver, clock: SettableClock) -> None:
        self.connection, self.clock = connection, clock

    async def add(self, *planned: Planned, epoch: int = EPOCH) -> int:
        async with self.connection.transaction():
            return await store.add(self.connection, epoch, planned, NEWEST, self.clock())

    async def take(self, worker: str = "one", room: dict[str, int] = ROOM) -> list[Taken]:
        async with self.connection.transaction():
            return await store.take(self.connection, room, NEWEST, worker, self.clock())

    async def settle(
        self, taken: Taken, state: State, worker: str = "one", *, reason: str = "", again: float = 0
    ) -> None:
        due = self.clock() + timedelta(seconds=again) if state == "pending" else None
        settled = [Settled(taken.delivery.id, taken.delivery.attempt, state, reason, due)]
        async with self.connection.transaction():
            await store.settle(self.connection, settled, NEWEST, worker, self.clock())

    async def rows(self, states: Sequence[str] = STATES, **which: int | str | None) -> list[Row]:
        """Oldest first."""
        wanted = {"member": None, "channel": None, "limit": 1000, **which}
        return (await store.listed(self.connection, states=states, **wanted))[::-1]  # type: ignore[arg-type]

    async def states(self) -> dict[int, str]:
        """By version."""
        return {row.version: row.state for row in await self.rows()}


def planned(channel: str = "alert", version: int = 2, target: int = 1, *, fact: int = 0, member: int = 1000) -> Planned:
    return Planned(fact or next(_facts), member, version, "purchase", channel, target)


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
    for one, state in zip(await table.take(), ["delivered", "dead", *DEAD_LETTERS, "pending"], strict=False):
        await table.settle(one, state, again=900)  # type: ignore[arg-type]
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


# -- only the newest -------------------------------------------------------------------------------------------------


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
