"""The senders: deliveries that are due, carried out by whoever takes them, each outcome recorded at once.

A delivery is taken with a lease before it is sent, and settled after. A worker that crashes in between leaves its lease
to run out; whoever takes it over sends it again where a repeat is hidden, and else puts it aside as `unknown`, for a
person to decide. So nobody is told twice, and what is lost is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.database import Driver, connected, may_pass, transaction
from core.delivery import store
from core.delivery.carrier import Carrier, Delivery
from core.delivery.outcome import (
    MAX_ATTEMPTS,
    Delivered,
    Outcome,
    Rejected,
    Retry,
    TokenDead,
    Unknown,
    pause,
)
from core.delivery.store import Settled, State, Taken
from core.metrics import DELIVERIES, DELIVERY_SECONDS

LOOK_SECONDS = 0.5
"""Between looks for what came due, or was planned or left behind elsewhere."""
AGAIN_SECONDS = 1.0
CLEAN_SECONDS = 3600.0
SEND_SECONDS = 45.0
"""Of one send in all; then nobody can know what became of it."""
FAREWELL_SECONDS = 10.0
"""What is under way at the end is settled, not left to its lease, which lasts longer than this."""

_AWAY = (DBAPIError, OSError, PoolTimeout)
"""What the database's absence looks like."""

_T = TypeVar("_T")
_log = structlog.get_logger("push.dispatch")


class Dispatcher:
    def __init__(
        self,
        database: AsyncEngine,
        carriers: Sequence[Carrier],
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database, self._clock, self._jitter = database, clock, jitter
        self._carriers: Mapping[str, Carrier] = {carrier.channel: carrier for carrier in carriers}
        self.newest_only = frozenset(carrier.channel for carrier in carriers if carrier.newest_only)
        self._worker = uuid4().hex
        self._busy: Counter[str] = Counter()
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._unbegun: list[int] = []
        self._held: set[int] = set()
        """What is this worker's by lease: taken, and not yet settled or given back."""
        self._held_until = clock()
        self._settling: list[Settled] = []
        self._settle_soon: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def run(self) -> None:
        """Send for ever."""
        clean_at = 0.0
        while True:
            try:
                now = asyncio.get_running_loop().time()
                if now >= clean_at:
                    clean_at = now + CLEAN_SECONDS
                    async with connected(self._database) as connection:
                        await store.forget_old(connection, self._clock())
                self._woken.clear()
                if not await self.turn():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):  # wait_for can lose a cancellation
                            await self._woken.wait()
            except Exception as error:
                if may_pass(error):
                    _log.warning("dispatch_failed", error=_line(error))
                else:
                    _log.error("dispatch_failed", exc_info=error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def keep(self) -> None:
        """Extend for ever: a worker that lives loses nothing to another, however long a provider takes."""
        while True:
            await asyncio.sleep(store.LEASE.total_seconds() / 4)
            await self.extend()

    async def extend(self) -> None:
        """Say that this worker lives, and is still at what it holds."""
        if self._held:
            try:
                async with transaction(self._database) as connection:
                    await self._extend(connection, self._clock())
            except _AWAY as error:
                _log.warning("not_extended", error=_line(error))

    async def _extend(self, connection: Driver, now: datetime) -> None:
        await store.extend(connection, sorted(self._held), self._worker, now)
        self._held_until = now + store.LEASE

    async def turn(self) -> int:
        """Begin what is due, as far as there is room; returns how many. Who is cancelled here does not stop it: what was
        taken and not begun would wait for its lease to end, and then look as if a crash had left it."""
        return await asyncio.shield(self._start(self._turn()))

    async def _turn(self) -> int:
        room = {name: left for name, one in self._carriers.items() if (left := one.at_once - self._busy[name]) > 0}
        if not room:
            return 0
        unbegun, now = list(self._unbegun), self._clock()
        async with transaction(self._database) as connection:
            if self._held and self._held_until <= now:
                # The database was away for so long: what is held here, or waits to be recorded, is no crash's.
                await self._extend(connection, now)
            if unbegun:
                again = now + timedelta(seconds=AGAIN_SECONDS)
                await store.give_back(connection, unbegun, self._worker, again)
            taken = await store.take(connection, room, self.newest_only, self._worker, now)
        del self._unbegun[: len(unbegun)]
        self._held.difference_update(unbegun)
        if not self._held:
            self._held_until = now + store.LEASE
        self._held.update(one.delivery.id for one in taken)
        for name in {one.delivery.channel for one in taken}:
            batch = [one for one in taken if one.delivery.channel == name]
            self._busy[name] += len(batch)
            self._start(self._carry(self._carriers[name], batch))
        return len(taken)

    async def idle(self) -> None:
        """Until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Settle what is under way; after `run` and `keep` were cancelled."""
        await self.extend()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.idle(), FAREWELL_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self._unbegun:
            with contextlib.suppress(*_AWAY):
                async with transaction(self._database) as connection:
                    await store.give_back(connection, self._unbegun, self._worker, self._clock())
        for carrier in self._carriers.values():
            await carrier.close()

    # -- one batch ------------------------------------------------------------------------------------------------

    async def _carry(self, carrier: Carrier, batch: Sequence[Taken]) -> None:
        sending = []
        for one in batch:
            if one.abandoned and not carrier.hides_repeats:
                self._busy[carrier.channel] -= 1
                self._settle(one.delivery, Unknown("a worker crashed while it sent this"))
            else:
                sending.append(one.delivery)
        for delivery, message in await self._prepared(carrier, sending):
            self._start(self._send(carrier, delivery, message))

    async def _prepared(self, carrier: Carrier, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Any]]:
        """What is to be sent, or the outcome already; without those that are given back."""
        if not deliveries:
            return []
        try:
            prepared = await carrier.prepare(deliveries)
        except Exception as error:
            if may_pass(error):
                _log.warning("not_prepared", channel=carrier.channel, error=_line(error))
                self._busy[carrier.channel] -= len(deliveries)
                self._unbegun += [one.id for one in deliveries]
                return []
            if len(deliveries) > 1:  # one of them, and the others are not to wait for it
                return [pair for one in deliveries for pair in await self._prepared(carrier, [one])]
            _log.error("not_prepared", channel=carrier.channel, delivery=deliveries[0].id, exc_info=error)
            return [(deliveries[0], Retry(f"not prepared: {type(error).__name__} {error}"))]
        return [(one, prepared.get(one.id, Rejected("the device is gone"))) for one in deliveries]

    async def _send(self, carrier: Carrier, delivery: Delivery, message: Any) -> None:
        try:
            outcome: Outcome = message if isinstance(message, Outcome) else await self._sent(carrier, delivery, message)
            if isinstance(outcome, TokenDead):
                outcome = await self._forgotten(carrier, delivery, outcome)
        finally:
            self._busy[carrier.channel] -= 1
        if isinstance(outcome, Unknown) and carrier.hides_repeats:
            outcome = Retry(outcome.reason)
        self._settle(delivery, outcome)

    async def _sent(self, carrier: Carrier, delivery: Delivery, message: Any) -> Outcome:
        limit = asyncio.timeout(SEND_SECONDS)
        try:
            async with limit:
                return await carrier.send(message)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled us: one that a library lost, of another request on the same connection.
            return Unknown("CancelledError")
        except Exception as error:
            if limit.expired():
                return Unknown(f"not done within {SEND_SECONDS:g} s")
            _log.error("send_failed", channel=carrier.channel, delivery=delivery.id, exc_info=error)
            return Unknown(f"{type(error).__name__}: {error}")

    async def _forgotten(self, carrier: Carrier, delivery: Delivery, dead: TokenDead) -> Outcome:
        """A target that could not be forgotten is told of again, and then forgotten."""
        try:
            await carrier.forget(delivery, dead)
        except Exception as error:
            _log.error("not_forgotten", channel=carrier.channel, delivery=delivery.id, exc_info=error)
            return Retry(dead.reason)
        return dead

    # -- outcomes -------------------------------------------------------------------------------------------------

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        now = self._clock()
        DELIVERIES.labels(delivery.channel, type(outcome).__name__.lower()).inc()
        state, reason, due = _state(outcome, delivery.attempt), "", None
        match outcome:
            case Delivered():
                seconds = (now - delivery.created_at).total_seconds()
                DELIVERY_SECONDS.labels(delivery.channel).observe(max(0.0, seconds))
            case Retry(reason, wish):
                due = now + pause(delivery.attempt, wish, self._jitter)
            case TokenDead(reason) | Rejected(reason) | Unknown(reason):
                _log.info("not_delivered", channel=delivery.channel, delivery=delivery.id, state=state, reason=reason)
        self._settling.append(Settled(delivery.id, delivery.attempt, state, reason, due))
        if self._settle_soon is None:
            self._settle_soon = self._start(self._write())

    async def _write(self) -> None:
        """Outcomes that come while some are written go together."""
        try:
            while self._settling:
                settled, self._settling = self._settling, []
                try:
                    async with transaction(self._database) as connection:
                        await store.settle(connection, settled, self.newest_only, self._worker, self._clock())
                    self._held.difference_update(one.id for one in settled)
                except _AWAY as error:
                    _log.warning("not_settled", error=_line(error))
                    self._settling = [*settled, *self._settling]
                    await asyncio.sleep(AGAIN_SECONDS)
        finally:
            self._settle_soon = None
        self.wake()

    def _start(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _state(outcome: Outcome, attempt: int) -> State:
    match outcome:
        case Delivered():
            return "delivered"
        case TokenDead():
            return "dead"
        case Retry():
            return "pending" if attempt < MAX_ATTEMPTS else "failed"
        case Unknown():
            return "unknown"
        case Rejected():
            return "rejected"


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
