"""The session's one durable stream, emptied for a test: of the facts of other tests, whose databases are gone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from push.bus import Bus
from push.fanout import CONSUMER
from push.relay import STREAM, SUBJECT, open_stream
from tests.bff.house import until_async


class Stream:
    def __init__(self, context: JetStreamContext) -> None:
        self.context = context

    async def publish(self, data: bytes) -> None:
        await self.context.publish(SUBJECT, data)

    async def left(self) -> int:
        """Messages that are not done with."""
        info = await self.context.consumer_info(STREAM, CONSUMER)
        return int((info.num_pending or 0) + (info.num_ack_pending or 0))

    async def done(self) -> None:
        async def nothing_left() -> bool:
            with contextlib.suppress(NotFoundError):  # nobody followed yet
                return await self.left() == 0
            return False

        await until_async(nothing_left, "all messages are done with")


@asynccontextmanager
async def emptied(bus: Bus) -> AsyncIterator[Stream]:
    """Nobody has followed it, and nobody has in the end."""
    context = await open_stream(bus)

    async def unfollowed() -> None:
        await context.purge_stream(STREAM)
        with contextlib.suppress(NotFoundError):
            await context.delete_consumer(STREAM, CONSUMER)

    await unfollowed()
    yield Stream(context)
    await unfollowed()
