"""From the stream of facts to deliveries: each fact is planned for everybody whom it concerns.

A message of the stream is acknowledged after its deliveries are committed, so a crash repeats the planning; a delivery
that is there already is not made again. Each planner writes what it must in that same transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.database import may_pass, transaction
from core.delivery import store
from core.delivery.carrier import Fact, Planner
from push.bus import Bus
from push.relay import STREAM, SUBJECT, open_stream

CONSUMER = "deliveries"
ACK_SECONDS = 10
AT_ONCE = 8
WAIT_SECONDS = 5.0
AGAIN_SECONDS = 1.0
LATER_SECONDS = 60


class _Message(msgspec.Struct):
    """As `push.relay` makes it."""

    epoch: int
    facts: list[msgspec.Raw]


_MESSAGE = msgspec.json.Decoder(_Message | list[msgspec.Raw])
"""The release before sent the list alone."""
_FACT = msgspec.json.Decoder(Fact)
_log = structlog.get_logger("push.fanout")


class Fanout:
    """`planned` is called after deliveries were committed."""

    def __init__(
        self,
        database: AsyncEngine,
        bus: Bus,
        planners: Sequence[Planner],
        newest_only: frozenset[str],
        epoch: Callable[[], int],
        clock: Clock,
        planned: Callable[[], None],
    ) -> None:
        self._database, self._bus, self._planners, self._newest_only = database, bus, planners, newest_only
        self._epoch, self._clock, self._planned = epoch, clock, planned

    async def run(self) -> None:
        """Take part for ever; several processes share the stream between them."""
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait([working])
            working.result()
        finally:
            # The stream's client waits by `wait_for`, which can lose a cancellation; a process that stops must not wait
            # for ever for one that was lost.
            while not working.done():
                working.cancel()
                await asyncio.wait([working], timeout=0.1)

    async def _work(self) -> None:
        while True:
            try:
                subscription = await self._subscribe()
                try:
                    await self._follow(subscription)
                finally:
                    with contextlib.suppress(NatsError, OSError):
                        await subscription.unsubscribe()
            except Exception as error:
                if may_pass(error) or isinstance(error, NatsError):
                    _log.warning("fanout_failed", error=(str(error) or type(error).__name__).splitlines()[0])
                else:
                    _log.error("fanout_failed", exc_info=error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, subscription: JetStreamContext.PullSubscription) -> None:
        while True:
            try:
                messages = await subscription.fetch(AT_ONCE, timeout=WAIT_SECONDS)
            except TimeoutError:
                continue
            left = list(messages)
            try:
                while left:
                    await self.take(left[0])
                    del left[0]
            finally:
                # Where the database went away: told to come again, they need not wait for the acknowledgement's time.
                for message in left:
                    await message.nak()

    async def take(self, message: Msg) -> None:
        """Plan one message of the stream, then acknowledge it. A fact that cannot be read, or planned, holds up no other:
        it is told of, and what cannot be read is put aside, while the other comes again in a while. Facts of a lineage
        that was given up at a restore are put aside too: their numbers and versions are given out again."""
        read = self._read(message.data)
        if read is None:
            await message.term()
            return
        epoch, facts = read
        if epoch < self._epoch():
            _log.warning("facts_of_another_lineage", epoch=epoch, facts=len(facts))
            await message.term()
            return
        try:
            new = await self.plan(epoch, facts)
        except Exception as error:
            if may_pass(error):
                raise
            new = await self._one_by_one(epoch, facts)
            _log.error("not_planned", exc_info=error)
            await message.nak(delay=LATER_SECONDS)
        else:
            await message.ack()
        if new:
            self._planned()

    async def _one_by_one(self, epoch: int, facts: Sequence[Fact]) -> int:
        new = 0
        for fact in facts:
            try:
                new += await self.plan(epoch, [fact])
            except Exception as error:
                if may_pass(error):
                    raise
                _log.error("not_planned", fact=fact.id, kind=fact.kind, error=f"{type(error).__name__}: {error}")
        return new

    async def plan(self, epoch: int, facts: Sequence[Fact]) -> int:
        """Returns how many deliveries are new. `epoch` is the facts' lineage."""
        async with transaction(self._database) as connection:
            wanted = [one for planner in self._planners for one in await planner.plan(connection, epoch, facts)]
            return await store.add(connection, epoch, wanted, self._newest_only, self._clock())

    def _read(self, data: bytes) -> tuple[int, list[Fact]] | None:
        """A message's lineage and facts, without those that cannot be read; None where nothing can."""
        try:
            message = _MESSAGE.decode(data)
        except (ValueError, RecursionError) as error:
            _log.error("unreadable_message", error=str(error))
            return None
        if isinstance(message, _Message):
            return message.epoch, _readable(message.facts)
        return self._epoch(), _readable(message)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        stream = await open_stream(self._bus)
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_SECONDS, deliver_policy=DeliverPolicy.ALL, max_deliver=-1
        )
        return await stream.pull_subscribe(SUBJECT, durable=CONSUMER, stream=STREAM, config=config)


def _readable(parts: Sequence[msgspec.Raw]) -> list[Fact]:
    facts = []
    for part in parts:
        try:
            facts.append(_FACT.decode(part))
        except (ValueError, RecursionError) as error:
            _log.error("unreadable_fact", error=str(error))
    return facts
