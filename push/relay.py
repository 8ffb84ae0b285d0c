"""The relay: from the outbox to the durable stream, by one process at a time.

Reads the oldest facts, publishes them, waits for the acknowledgement, deletes those rows. A crash between two of these
repeats facts, and never loses one; `Nats-Msg-Id` lets the stream drop most repeats, and consumers keep their own key.

Facts travel many to a message, in order. The stream syncs each message to disk before it acknowledges; a message a fact
took more of the disk than the ledger itself, and slowed its commits by half.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from core import outbox
from core.clock import Clock
from core.database import Driver, connected
from core.engine import load
from core.metrics import RELAY_LAG, RELAYED
from core.outbox import Fact
from push.bus import Bus

STREAM = "CHORUS_FACTS"
SUBJECT = "chorus.facts"
KEEP_DAYS = 7
"""A consumer that was away longer is brought up to date from the journal, not from the stream."""
AT_ONCE = 500
MESSAGE_BYTES = 256 * 1024
PAUSE_SECONDS = 0.1
"""Between turns that found less than a full load: facts that come meanwhile share one sync."""
AGAIN_SECONDS = 2.0

_log = structlog.get_logger("push.relay")


class Relay:
    def __init__(self, database: AsyncEngine, bus: Bus, clock: Clock) -> None:
        self._database, self._bus, self._clock = database, bus, clock
        self._epoch = 0

    async def run(self) -> None:
        """Relay for ever, whenever this process is the one; a failure is tried again shortly."""
        while True:
            try:
                async with connected(self._database) as connection:
                    while not await outbox.become_relay(connection):  # noqa: ASYNC110 - another process holds it
                        await asyncio.sleep(AGAIN_SECONDS)
                    stream = await self.begin(connection)
                    while True:
                        if await self.turn(connection, stream) < AT_ONCE:
                            await asyncio.sleep(PAUSE_SECONDS)
            except (DBAPIError, OSError, PoolTimeout, NatsError, TimeoutError) as error:
                _log.warning("relay_failed", error=(str(error) or type(error).__name__).splitlines()[0])
                await asyncio.sleep(AGAIN_SECONDS)

    async def begin(self, connection: Driver) -> JetStreamContext:
        """What every turn needs: the stream, and the lineage whose facts these are."""
        self._epoch = await load.epoch(connection)
        return await open_stream(self._bus)

    async def turn(self, connection: Driver, stream: JetStreamContext) -> int:
        """Move the oldest facts; returns how many."""
        facts = await outbox.oldest(connection, AT_ONCE)
        RELAY_LAG.set((self._clock() - facts[0].recorded_at).total_seconds() if facts else 0)
        if facts:
            for part in _parts(facts):
                # With the epoch, because a restored database gives its ids out again, to other facts.
                message_id = f"{self._epoch}:{part[0].id}-{part[-1].id}"
                message = _message(self._epoch, part)
                await stream.publish(SUBJECT, message, timeout=30, headers={"Nats-Msg-Id": message_id})
            await outbox.delete(connection, [fact.id for fact in facts])
            RELAYED.inc(len(facts))
        return len(facts)


async def open_stream(bus: Bus) -> JetStreamContext:
    """The stream of facts; made where there was none, by whoever comes first."""
    stream = bus.client.jetstream()
    await stream.add_stream(
        StreamConfig(
            name=STREAM,
            subjects=[SUBJECT],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=KEEP_DAYS * 86400,
            duplicate_window=600,
        )
    )
    return stream


def _parts(facts: list[Fact]) -> Iterator[list[Fact]]:
    """`facts` in order, split where a message would grow beyond `MESSAGE_BYTES`."""
    part, size = list[Fact](), 0
    for fact in facts:
        if part and size + len(fact.payload) > MESSAGE_BYTES:
            yield part
            part, size = [], 0
        part.append(fact)
        size += len(fact.payload)
    yield part


def _message(epoch: int, facts: list[Fact]) -> bytes:
    """`{"epoch": 1, "facts": [{"id": 17, "kind": "purchase", "change": {...}}, ...]}`"""
    told = [{"id": fact.id, "kind": fact.kind, "change": msgspec.Raw(fact.payload.encode())} for fact in facts]
    return msgspec.json.encode({"epoch": epoch, "facts": told})
