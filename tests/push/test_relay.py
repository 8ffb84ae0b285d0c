"""The relay: every fact reaches the durable stream, in order, whatever happens between publishing and forgetting."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asyncpg.exceptions import InsufficientPrivilegeError
from nats.js import JetStreamContext

from core import outbox
from core.database import connect, connected
from core.embedded import Endpoints
from push.bus import Bus
from push.relay import STREAM, Relay
from tests.bff.house import until_async
from tests.core.door import scalar
from tests.databases import Database, execute
from tests.push.stage import Stage


@pytest.fixture
async def bus(endpoints: Endpoints) -> AsyncIterator[Bus]:
    bus = Bus(endpoints.nats_url, endpoints.nats_token)
    await bus.open(lambda heard: None, lambda session: None, lambda: None)
    yield bus
    await bus.close()


@pytest.fixture
async def relay(stage: Stage, database: Database, bus: Bus) -> Relay:
    """Of a lineage of its own: the session's stream remembers the ids of other tests' databases."""
    await execute(database.owner_url, f"UPDATE lineage SET epoch = {secrets.randbits(30) + 2}")
    return Relay(stage.database, bus, stage.clock)


async def told(stream: JetStreamContext, after: int) -> list[Any]:
    """The facts in the stream beyond its message `after`, in order."""
    state = (await stream.stream_info(STREAM)).state
    found = []
    for number in range(after + 1, state.last_seq + 1):
        message = await stream.get_msg(STREAM, number)
        assert message.data is not None
        found += json.loads(message.data)["facts"]
    return found


async def position(stream: JetStreamContext) -> int:
    return int((await stream.stream_info(STREAM)).state.last_seq)


async def test_facts_leave_in_order_and_the_queue_is_empty_after(stage: Stage, relay: Relay) -> None:
    """One message with all of them, each the very change that was journaled; no name is among what leaves."""
    member = await stage.enrol()
    for _ in range(5):
        await stage.buy(member)
    async with connected(stage.database) as connection:
        stream = await relay.begin(connection)
        before = await position(stream)
        assert await relay.turn(connection, stream) == 6
        assert await relay.turn(connection, stream) == 0
    facts = await told(stream, before)
    assert [(fact["kind"], fact["change"]["version"]) for fact in facts] == [
        ("enrol", 1),
        *(("purchase", version) for version in range(2, 7)),
    ]
    assert [fact["id"] for fact in facts] == sorted({fact["id"] for fact in facts})
    assert await position(stream) == before + 1
    assert "Member 1" not in json.dumps(facts)
    assert await scalar(stage.database, "SELECT count(*) FROM outbox") == 0


async def test_a_crash_between_publishing_and_forgetting_loses_and_doubles_nothing(
    stage: Stage, relay: Relay, database: Database
) -> None:
    """The rows cannot be deleted the first time; the second time the stream knows the message already."""
    member = await stage.enrol()
    await stage.buy(member)
    role = stage.database.url.username
    async with connected(stage.database) as connection:
        stream = await relay.begin(connection)
        before = await position(stream)
        await execute(database.owner_url, f'REVOKE DELETE ON outbox FROM "{role}"')
        with pytest.raises(InsufficientPrivilegeError):
            await relay.turn(connection, stream)
        assert len(await told(stream, before)) == 2
        await execute(database.owner_url, f'GRANT DELETE ON outbox TO "{role}"')
        assert await relay.turn(connection, stream) == 2
    assert [fact["change"]["version"] for fact in await told(stream, before)] == [1, 2]


async def test_a_restored_database_gives_ids_again_and_its_facts_are_new(
    stage: Stage, relay: Relay, database: Database
) -> None:
    """Ids start over under a higher epoch: the stream must not take the new facts for the old ones."""
    await stage.enrol()
    async with connected(stage.database) as connection:
        stream = await relay.begin(connection)
        before = await position(stream)
        assert await relay.turn(connection, stream) == 1
        await execute(
            database.owner_url,
            "UPDATE lineage SET epoch = epoch + 1",
            "ALTER TABLE outbox ALTER COLUMN id RESTART",
        )
        await stage.enrol()
        assert await (restored := Relay(stage.database, relay._bus, stage.clock)).begin(connection)
        assert await restored.turn(connection, stream) == 1
    facts = await told(stream, before)
    assert [fact["id"] for fact in facts] == [1, 1]
    assert facts[0]["change"]["member"] != facts[1]["change"]["member"]


async def test_one_relays_at_a_time_and_the_next_takes_over(stage: Stage, relay: Relay, database: Database) -> None:
    """Two processes: one has the lock, the other waits; when the first's connection ends, the second goes on."""
    other = connect(database.url, pool_size=1)
    try:
        holder = connect(database.url, pool_size=1)
        async with connected(holder) as first, connected(other) as second:
            assert await outbox.become_relay(first)
            assert not await outbox.become_relay(second)
            running = asyncio.create_task(relay.run())
            member = await stage.enrol()
            await asyncio.sleep(0)
            assert await scalar(stage.database, "SELECT count(*) FROM outbox") == 1
        await holder.dispose()

        async def empty() -> bool:
            return await scalar(stage.database, "SELECT count(*) FROM outbox") == 0

        await until_async(empty, "the next one relays")
        assert member
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await other.dispose()
