"""From the durable stream to deliveries: each fact planned once, acknowledged after its commit, whatever fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import Driver, connect
from core.delivery.carrier import Fact, Planned
from core.embedded import Endpoints
from core.snapshot import Change
from push import fanout as module
from push.bus import Bus
from push.fanout import CONSUMER, Fanout
from push.relay import STREAM
from tests.bff.house import until_async
from tests.conftest import START, SettableClock
from tests.databases import Database
from tests.push.carriers import EPOCH, at_work, database_away, rows
from tests.push.streams import Stream, emptied

NEWEST = frozenset({"state"})


class Planner:
    """Plans one delivery of each fact for each of two devices, on two channels; `before` may fail first."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.epochs: set[int] = set()
        self.before: Callable[[Sequence[Fact]], None] = lambda facts: None

    async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
        self.epochs.add(epoch)
        self.before(facts)
        self.seen += [fact.id for fact in facts]
        return [
            Planned(fact.id, fact.change.member, fact.change.version, fact.kind, channel, 1)
            for fact in facts
            for channel in ("alert", "state")
        ]


async def publish(stream: Stream, *versions: int) -> None:
    """One message with a fact for each version."""
    await stream.publish(message(EPOCH, *versions))


def message(epoch: int, *versions: int) -> bytes:
    return msgspec.json.encode({"epoch": epoch, "facts": [fact(version) for version in versions]})


def fact(version: int, member: int = 1000) -> Fact:
    change = Change(
        member=member,
        version=version,
        kind="purchase",
        programme=1,
        recorded_at=START,
        occurred_at=START,
        available=version,
    )
    return Fact(version + 10_000, "purchase", change)


@pytest.fixture
async def bus(endpoints: Endpoints) -> AsyncIterator[Bus]:
    bus = Bus(endpoints.nats_url, endpoints.nats_token)
    await bus.open(lambda heard: None, lambda session: None, lambda: None)
    yield bus
    await bus.close()


@pytest.fixture
async def stream(bus: Bus) -> AsyncIterator[Stream]:
    async with emptied(bus) as stream:
        yield stream


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncEngine]:
    pool = connect(database.url, pool_size=4)
    yield pool
    await pool.dispose()


@pytest.fixture
def planner() -> Planner:
    return Planner()


Fanouts = Callable[..., Fanout]


@pytest.fixture
def fanout(
    pool: AsyncEngine, bus: Bus, stream: Stream, planner: Planner, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> Fanouts:
    """Makes one; what it waits for is short."""
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(module, "ACK_SECONDS", 1)
    monkeypatch.setattr(module, "LATER_SECONDS", 1)

    def make(planned: Callable[[], None] = lambda: None) -> Fanout:
        return Fanout(pool, bus, [planner], NEWEST, lambda: EPOCH, clock, planned)

    return make


async def versions(pool: AsyncEngine, channel: str = "alert") -> list[int]:
    return sorted(row.version for row in await rows(pool) if row.channel == channel)


async def test_every_fact_is_planned_and_its_message_done_with(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine
) -> None:
    """Of the channel that shows a state, the newest alone is left to send."""
    woken = asyncio.Event()
    async with at_work(fanout(woken.set).run()):
        await publish(stream, 2, 3)
        await publish(stream, 4)
        await stream.done()
    assert await versions(pool) == [2, 3, 4]
    found = {(row.channel, row.version): row.state for row in await rows(pool)}
    assert [found["state", version] for version in (2, 3, 4)] == ["collapsed", "collapsed", "pending"]
    assert woken.is_set()


async def test_a_message_that_comes_again_makes_nothing_again_and_wakes_nobody(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, planner: Planner
) -> None:
    """As after a crash between the commit and the acknowledgement."""
    woken = []
    async with at_work(fanout(lambda: woken.append(1)).run()):
        await publish(stream, 2, 3)
        await stream.done()
        await publish(stream, 2, 3)
        await stream.done()
    assert planner.seen == [10_002, 10_003] * 2
    assert len(await rows(pool)) == 4
    assert len(woken) == 1


async def test_a_message_is_acknowledged_after_its_deliveries_are_committed(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine
) -> None:
    """A worker that crashes before the acknowledgement leaves the message to be given again."""
    one = fanout()
    subscription = await one._subscribe()
    await publish(stream, 2)
    (message,) = await subscription.fetch(1, timeout=5)
    seen: list[int] = []

    async def ack(*_: Any) -> None:
        seen.append(len(await rows(pool)))
        raise asyncio.CancelledError

    message.ack = ack  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await one.take(message)
    assert seen == [2]
    assert await stream.left() == 1
    await subscription.unsubscribe()
    async with at_work(fanout().run()):
        await stream.done()
    assert len(await rows(pool)) == 2


async def test_several_share_the_stream_and_make_everything_once(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, planner: Planner
) -> None:
    async with at_work(*(fanout().run() for _ in range(3))):
        for version in range(2, 42):
            await publish(stream, version, version - 1)  # each fact in two messages
        await stream.done()
    assert await versions(pool) == list(range(1, 42))
    assert len(planner.seen) >= 80
    left = [row.version for row in await rows(pool) if (row.channel, row.state) == ("state", "pending")]
    assert left == [41]


UNREADABLE = {
    "no JSON": b"facts",
    "not UTF-8": b'[{"id": "\xff"}]',
    "no list": b'{"id": 1}',
    "nothing": b"",
    "deep": b"[" * 50_000,
}


@pytest.mark.parametrize("what", list(UNREADABLE))
async def test_what_cannot_be_read_is_put_aside_and_stops_nothing(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, what: str
) -> None:
    await publish(stream, 2)
    await stream.publish(UNREADABLE[what])
    await publish(stream, 3)
    async with at_work(fanout().run()):
        await stream.done()
    assert await versions(pool) == [2, 3]


async def test_one_fact_that_cannot_be_read_takes_none_of_its_message_with_it(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine
) -> None:
    """As a kind of change that only a later release knows."""
    good = [json.loads(msgspec.json.encode(fact(version))) for version in (2, 3)]
    strange = json.loads(msgspec.json.encode(fact(9)))
    strange["change"]["kind"] = "levitate"
    facts = [good[0], strange, {"id": 5}, 7, None, good[1]]
    await stream.publish(json.dumps({"epoch": EPOCH, "facts": facts}).encode())
    async with at_work(fanout().run()):
        await stream.done()
    assert await versions(pool) == [2, 3]


async def test_a_fact_that_cannot_be_planned_holds_up_no_other_and_comes_again(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, planner: Planner
) -> None:
    """A fault of ours, mended meanwhile: the fact was not lost."""

    def before(facts: Sequence[Fact]) -> None:
        if any(fact.change.version == 3 for fact in facts):
            raise ValueError("a fault of our own")

    planner.before = before
    async with at_work(fanout().run()):
        await publish(stream, 2, 3, 4)
        await publish(stream, 5)
        await until_async(lambda: _are(pool, [2, 4, 5]), "the others are planned")
        assert await stream.left() == 1
        planner.before = lambda facts: None
        await stream.done()
    assert await versions(pool) == [2, 3, 4, 5]


async def test_a_fact_that_the_database_refuses_holds_up_no_other(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine
) -> None:
    """It is not away: it would refuse it for ever, and everything behind it would wait."""
    async with at_work(fanout().run()):
        await publish(stream, 2, 2**63, 3)
        await publish(stream, 4)
        await until_async(lambda: _are(pool, [2, 3, 4]), "the others are planned")


async def test_facts_of_a_lineage_that_was_given_up_are_put_aside(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, planner: Planner
) -> None:
    """A restored database gives their numbers and versions out again, to others. Those of a later one, of which this
    process has not heard, are planned as theirs; the release before named none."""
    async with at_work(fanout().run()):
        await stream.publish(message(EPOCH - 1, 90))
        await stream.publish(message(EPOCH + 1, 91))
        await stream.publish(msgspec.json.encode([fact(2)]))
        await publish(stream, 3)
        await stream.done()
    assert await versions(pool) == [2, 3, 91]
    assert planner.epochs == {EPOCH, EPOCH + 1}


async def _are(pool: AsyncEngine, wanted: list[int]) -> bool:
    return await versions(pool) == wanted


async def test_nothing_is_lost_while_the_database_is_away(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, planner: Planner, database: Database, endpoints: Endpoints
) -> None:
    """Nor waited for longer than it is away: what was in hand is asked for again at once."""
    async with at_work(fanout().run()):
        await publish(stream, 2)
        await stream.done()
        async with database_away(database, endpoints):
            for version in range(3, 20):
                await publish(stream, version)

            async def none_done() -> bool:
                return await stream.left() == 17

            await until_async(none_done, "all wait")
        await stream.done()
    assert await versions(pool) == list(range(2, 20))


async def test_a_consumer_that_was_deleted_is_made_again(fanout: Fanouts, stream: Stream, pool: AsyncEngine) -> None:
    """By an operator, or with a stream that was lost: from the stream's beginning, which makes nothing again."""
    async with at_work(fanout().run()):
        await publish(stream, 2)
        await stream.done()
        await stream.context.delete_consumer(STREAM, CONSUMER)
        await publish(stream, 3)
        await until_async(lambda: _are(pool, [2, 3]), "it goes on")


async def test_a_planner_writes_with_its_deliveries_or_not_at_all(
    fanout: Fanouts, stream: Stream, pool: AsyncEngine, bus: Bus, clock: SettableClock
) -> None:
    """What one planner wrote is undone when the next one fails."""

    class Writing(Planner):
        async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
            await connection.execute("INSERT INTO google_nonce VALUES ($1, now())", f"n{facts[0].id}")
            return await super().plan(connection, epoch, facts)

    class Failing(Planner):
        async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
            raise ValueError("no")

    async def nonces() -> int:
        async with pool.connect() as connection:
            found = await connection.exec_driver_sql("SELECT count(*) FROM google_nonce")
            return int(found.scalar_one())

    broken = Fanout(pool, bus, [Writing(), Failing()], NEWEST, lambda: EPOCH, clock, lambda: None)
    with pytest.raises(ValueError):
        await broken.plan(EPOCH, [fact(2)])
    assert (await nonces(), await rows(pool)) == (0, [])
    whole = Fanout(pool, bus, [Writing()], NEWEST, lambda: EPOCH, clock, lambda: None)
    assert await whole.plan(EPOCH, [fact(2)]) == 2
    assert await nonces() == 1
