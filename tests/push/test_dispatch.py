"""The senders: each outcome is recorded with its reason, comes again when it is due, and holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connect, transaction
from core.delivery import store
from core.delivery.carrier import Delivery
from core.delivery.outcome import MAX_ATTEMPTS, Delivered, Outcome, Rejected, Retry, TokenDead, Unknown, pause
from core.delivery.store import LEASE
from core.metrics import DELIVERIES
from push import dispatch
from push.dispatch import Dispatcher
from tests.bff.house import until
from tests.conftest import SettableClock
from tests.databases import Database
from tests.push.carriers import Dispatchers, Scripted, add, dispatchers, planned, rows, settled, states, work


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=6)
    yield pool
    await pool.dispose()


@pytest.fixture
async def worker(pool: AsyncEngine, clock: SettableClock) -> AsyncIterator[Dispatchers]:
    async with dispatchers(pool, clock) as make:
        yield make


# -- outcomes -----------------------------------------------------------------------------------------------------

ENDS: list[tuple[Outcome, str, str, str]] = [
    # (what a provider says, what it ends as where repeats are hidden, and where not, the reason kept)
    (Delivered("x"), "delivered", "delivered", ""),
    (TokenDead("410 Unregistered"), "dead", "dead", "410 Unregistered"),
    (Rejected("413 too large"), "rejected", "rejected", "413 too large"),
    (Unknown("reset"), "pending", "unknown", "reset"),
    (Retry("503"), "pending", "pending", "503"),
]


@pytest.mark.parametrize(("says", "hidden", "shown", "reason"), ENDS, ids=lambda value: type(value).__name__)
async def test_each_outcome_is_recorded_with_its_reason(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers, says: Outcome, hidden: str, shown: str, reason: str
) -> None:
    carriers = [Scripted("alert"), Scripted("letter", hides_repeats=False)]
    for carrier in carriers:
        carrier.says = lambda delivery: says
    await add(pool, clock, planned("alert"), planned("letter"))
    before = DELIVERIES.labels("letter", type(says).__name__.lower())._value.get()
    dispatcher = worker(*carriers)
    assert await work(dispatcher) == 2
    found = await rows(pool)
    assert [(row.state, row.attempts, row.reason) for row in found] == [(hidden, 1, reason), (shown, 1, reason)]
    assert [carrier.forgotten for carrier in carriers] == ([[1], [1]] if isinstance(says, TokenDead) else [[], []])
    assert DELIVERIES.labels("letter", type(says).__name__.lower())._value.get() == before + 1
    assert await work(dispatcher) == 0


@pytest.mark.parametrize("wish", [None, timedelta(seconds=90), timedelta(days=400)], ids=str)
async def test_a_retry_comes_when_it_is_due_and_after_the_last_attempt_it_failed(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers, wish: timedelta | None
) -> None:
    carrier = Scripted()
    carrier.says = lambda delivery: Retry("503 away", wish)
    dispatcher = worker(carrier)
    await add(pool, clock, planned())
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert await work(dispatcher) == 1
        wait = pause(attempt, wish, lambda: 0.5)
        clock.now += wait - timedelta(microseconds=1)
        assert await work(dispatcher) == 0
        clock.now += timedelta(microseconds=1)
    (row,) = await rows(pool)
    assert (row.state, row.attempts, row.reason) == ("failed", MAX_ATTEMPTS, "503 away")
    clock.forward(days=3)
    assert await work(dispatcher) == 0
    assert [one.attempt for one in carrier.begun] == list(range(1, MAX_ATTEMPTS + 1))
    assert len({one.reference for one in carrier.begun}) == 1
    # An operator sends it once more.
    async with transaction(pool) as connection:
        await store.replay(connection, [row.id], clock())
    carrier.says = lambda delivery: Delivered()
    assert await work(dispatcher) == 1
    assert await states(pool) == ["delivered"]
    assert carrier.begun[-1].reference == carrier.begun[0].reference


async def test_many_that_failed_together_do_not_come_back_together(pool: AsyncEngine, clock: SettableClock) -> None:
    carrier = Scripted(at_once=50)
    carrier.says = lambda delivery: Retry("503")
    await add(pool, clock, *(planned(target=n) for n in range(50)))
    await work(Dispatcher(pool, [carrier], clock))
    waits = {(row.due_at - clock()).total_seconds() for row in await rows(pool)}
    assert len(waits) == 50
    assert 0.5 <= min(waits) < 0.65 < 0.85 < max(waits) <= 1.0


async def test_what_a_provider_says_in_no_letters_is_recorded_with_the_others(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    carrier = Scripted()
    carrier.says = lambda delivery: Rejected("a\x00b \udce7") if delivery.target == 1 else Delivered()
    await add(pool, clock, planned(target=1), planned(target=2))
    dispatcher = worker(carrier)
    await dispatcher.turn()
    await settled(dispatcher)
    assert [(row.state, row.reason) for row in await rows(pool)] == [("rejected", "a b"), ("delivered", "")]


async def test_an_exception_is_unknown_and_stops_nobody(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    def says(delivery: Delivery) -> Outcome:
        if delivery.target == 1:
            raise KeyError("a fault of our own")
        return Delivered()

    carriers = [Scripted("alert"), Scripted("letter", hides_repeats=False)]
    for carrier in carriers:
        carrier.says = says
    await add(pool, clock, *(planned(channel, target=n) for channel in ("alert", "letter") for n in (1, 2)))
    await work(worker(*carriers))
    assert await states(pool) == ["pending", "delivered", "unknown", "delivered"]


async def test_who_lives_keeps_what_it_is_at_however_long_it_takes(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """Extended, a lease outlasts a slow provider; without it, another worker would send the same again."""
    carrier = Scripted("letter", hides_repeats=False)
    carrier.hold = True
    await add(pool, clock, planned("letter"))
    slow, other = worker(carrier), worker(carrier)
    await slow.turn()
    await until(lambda: len(carrier.under_way) == 1, "it is under way")
    for _ in range(5):
        clock.now += 0.9 * LEASE
        await slow.extend()
        assert await work(other) == 0
    carrier.answer_all()
    await slow.idle()
    assert await states(pool) == ["delivered"]
    assert len(carrier.begun) == 1


async def test_a_send_is_not_waited_for_without_end(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SEND_SECONDS", 0.05)
    carrier = Scripted("letter", hides_repeats=False)
    carrier.hold = True
    await add(pool, clock, planned("letter"))
    async with asyncio.timeout(1.5):
        await work(worker(carrier))
    (row,) = await rows(pool)
    assert (row.state, row.reason) == ("unknown", "not done within 0.05 s")


async def test_a_device_that_could_not_be_forgotten_is_asked_again(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """The provider says it was gone, so nothing was taken; while the database cannot say so, nothing ends."""
    carrier = Scripted("letter", hides_repeats=False)
    carrier.says = lambda delivery: TokenDead("410")

    def fails(delivery: Delivery) -> None:
        raise OSError("the database is away")

    carrier.forgets = fails
    dispatcher = worker(carrier)
    await add(pool, clock, planned("letter"))
    await work(dispatcher)
    assert await states(pool) == ["pending"]
    carrier.forgets = lambda delivery: None
    clock.forward(seconds=1)
    await work(dispatcher)
    assert await states(pool) == ["dead"]
    assert carrier.forgotten == [1]


async def test_a_cancellation_that_nobody_asked_for_leaves_nothing_behind(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """As a library's that shares one connection between requests: the delivery would be this worker's for ever."""

    def says(delivery: Delivery) -> Outcome:
        raise asyncio.CancelledError

    carriers = [Scripted("alert"), Scripted("letter", hides_repeats=False)]
    for carrier in carriers:
        carrier.says = says
    await add(pool, clock, planned("alert"), planned("letter"))
    await work(worker(*carriers))
    assert [(row.state, row.reason) for row in await rows(pool)] == [
        ("pending", "CancelledError"),
        ("unknown", "CancelledError"),
    ]


# -- what is prepared -----------------------------------------------------------------------------------------------


POISON = [
    (ValueError("a row that nobody can read"), "not prepared: ValueError a row that nobody can read"),
    (DBAPIError(None, None, asyncpg.DataError("out of range")), "not prepared: DBAPIError"),
]
"""What the database refuses is no absence of the database: it would refuse it for ever."""


@pytest.mark.parametrize(("error", "reason"), POISON, ids=["ours", "the database's"])
async def test_what_cannot_be_prepared_holds_up_no_other(
    pool: AsyncEngine,
    clock: SettableClock,
    worker: Dispatchers,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    """One of four is poison, one is gone, one has its end already."""
    monkeypatch.setattr(dispatch, "MAX_ATTEMPTS", 3)
    carrier = Scripted("letter", hides_repeats=False)

    def prepares(batch: Any) -> dict[int, Any]:
        if any(one.target == 1 for one in batch):
            raise error
        return {one.id: Rejected("it is news no more") if one.target == 3 else one for one in batch if one.target != 2}

    carrier.prepares = prepares
    dispatcher = worker(carrier)
    await add(pool, clock, *(planned("letter", target=n) for n in (1, 2, 3, 4)))
    await work(dispatcher)
    first, *others = [(row.state, row.reason) for row in await rows(pool)]
    assert first[0] == "pending"
    assert first[1].startswith(reason)
    assert others == [
        ("rejected", "the device is gone"),
        ("rejected", "it is news no more"),
        ("delivered", ""),
    ]
    for _ in range(2):
        clock.forward(hours=1)
        await work(dispatcher)
    assert (await states(pool))[0] == "failed"


async def test_what_was_not_begun_is_no_attempt_and_no_crash(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """The database goes away between taking and preparing: it is given back, though a crash there would be `unknown`."""
    carrier = Scripted("letter", hides_repeats=False)

    def prepares(batch: Any) -> dict[int, Any]:
        raise OSError("the database is away")

    carrier.prepares, kept = prepares, carrier.prepares
    dispatcher = worker(carrier)
    await add(pool, clock, planned("letter"))
    for _ in range(3):
        assert await work(dispatcher) <= 1
        clock.forward(seconds=2)
    clock.now += 2 * LEASE
    carrier.prepares = kept
    await work(dispatcher)
    clock.forward(seconds=2)
    await work(dispatcher)
    (row,) = await rows(pool)
    assert (row.state, row.attempts) == ("delivered", 1)


# -- side by side ---------------------------------------------------------------------------------------------------


async def test_a_slow_channel_holds_up_no_other_and_has_its_own_room(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    slow, quick = Scripted("slow", at_once=3), Scripted("quick", at_once=3)
    slow.hold = True
    dispatcher = worker(slow, quick)
    await add(pool, clock, *(planned(channel, target=n) for channel in ("slow", "quick") for n in range(9)))
    for _ in range(3):
        await dispatcher.turn()
        await until(lambda: len(quick.begun) % 3 == 0 and dispatcher._busy["quick"] == 0, "the quick ones are sent")
        await settled(dispatcher)
    assert (len(quick.begun), len(slow.begun)) == (9, 3)
    assert await dispatcher.turn() == 0
    slow.answer(slow.under_way[0], Delivered())
    await settled(dispatcher)
    assert await dispatcher.turn() == 1
    slow.answer_all()


async def test_two_workers_send_each_once(pool: AsyncEngine, clock: SettableClock, worker: Dispatchers) -> None:
    carrier = Scripted("letter", hides_repeats=False, at_once=7)
    both = worker(carrier), worker(carrier)
    await add(pool, clock, *(planned("letter", target=n) for n in range(60)))
    while sum(await asyncio.gather(*(one.turn() for one in both))):
        await asyncio.gather(*(one.idle() for one in both))
    assert sorted(one.target for one in carrier.begun) == list(range(60))
    assert set(await states(pool)) == {"delivered"}


async def test_what_this_process_cannot_carry_waits_for_one_that_can(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """A provider whose key was taken out of the settings: its deliveries are there when the key is back."""
    await add(pool, clock, planned("sms"))
    assert await work(worker(Scripted("alert"))) == 0
    clock.forward(hours=5)
    assert await work(worker(Scripted("sms"))) == 1


async def test_only_the_newest_of_a_target_is_sent_and_never_two_at_once(
    pool: AsyncEngine, clock: SettableClock, worker: Dispatchers
) -> None:
    """A burst while one is under way: one more follows it, the last."""
    carrier = Scripted("state", newest_only=True)
    carrier.hold = True
    dispatcher, other = worker(carrier), worker(carrier)
    await add(pool, clock, planned("state", 5), newest=["state"])
    await dispatcher.turn()
    await until(lambda: len(carrier.under_way) == 1, "the first is under way")
    for version in (7, 6, 9, 8):
        await add(pool, clock, planned("state", version), newest=["state"])
        assert await other.turn() == 0
    carrier.answer_all()
    await settled(dispatcher)
    assert await other.turn() == 1
    await until(lambda: len(carrier.under_way) == 1, "the last is under way")
    carrier.answer_all()
    await settled(other)
    assert [one.version for one in carrier.begun] == [5, 9]
    assert sorted(await states(pool)) == ["collapsed"] * 3 + ["delivered"] * 2
