"""Keeping Apple passes true: a change marks the pass, and every device that holds it is woken.

The push has no content; the device asks what changed and fetches it. So a burst of changes needs one push, and one that
is repeated after a crash shows nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.database import Driver, connected, transaction
from core.delivery import store as deliveries
from core.delivery.carrier import Delivery, Fact, Planned
from core.delivery.outcome import Outcome, TokenDead
from core.programme.book import ProgrammeBook
from core.snapshot import Change
from wallet_passes.apple import store

CHANNEL = "applepass"
AT_ONCE = 500


class Wake(msgspec.Struct, frozen=True):
    """`topic` is the pass type."""

    token: str
    topic: str
    reference: UUID


class Waker(Protocol):
    """How a device is woken by APNs."""

    async def wake(self, wake: Wake) -> Outcome: ...

    async def close(self) -> None: ...


class ApplePlanner:
    """Marks the passes that show members that changed, and plans a push to each device that holds one. What a merged
    member did last is no news to its pass, which shows the other by then: that one's facts move it."""

    def __init__(self, pass_type: str, clock: Clock) -> None:
        self._pass_type, self._clock = pass_type, clock

    async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
        newest = {fact.change.member: fact for fact in sorted(facts, key=lambda fact: fact.change.version)}
        told = {serial: newest[member] for serial, member in await store.showing(connection, newest)}
        changed = [(serial, fact.change.version, _programme(fact.change)) for serial, fact in told.items()]
        marked = await store.mark(connection, changed, self._clock())
        return [
            Planned(told[serial].id, serial, told[serial].change.version, told[serial].kind, CHANNEL, device)
            for serial, device in await store.devices_of(connection, marked, self._pass_type)
        ]


def _programme(change: Change) -> int:
    """The revision that a pass shows at least, now that it shows this change; 0 says nothing. A till whose clock is ahead
    may have been decided by one that is not in force yet."""
    return change.programme if change.occurred_at <= change.recorded_at else 0


class AppleCarrier:
    channel = CHANNEL
    newest_only = True
    hides_repeats = True
    at_once = 100

    def __init__(self, database: AsyncEngine, waker: Waker) -> None:
        self._database, self._waker = database, waker
        self._dead: dict[UUID, str] = {}

    async def prepare(self, batch: Sequence[Delivery]) -> Mapping[int, Any]:
        async with connected(self._database) as connection:
            found = await store.devices(connection, [one.target for one in batch])
        return {
            one.id: Wake(device.token, device.pass_type, one.reference)
            for one in batch
            if (device := found.get(one.target))
        }

    async def send(self, message: Wake) -> Outcome:
        outcome = await self._waker.wake(message)
        if isinstance(outcome, TokenDead):
            self._dead[message.reference] = message.token
        return outcome

    async def forget(self, delivery: Delivery, dead: TokenDead) -> None:
        token = self._dead.pop(delivery.reference, None)
        async with connected(self._database) as connection:
            await store.forget(connection, delivery.target, token, dead.since)

    async def close(self) -> None:
        await self._waker.close()


class AppleRefresher:
    """Has passes fetched again that changed without a fact: a programme was published, a date passed, or nobody listened
    when it happened."""

    def __init__(
        self, database: AsyncEngine, book: ProgrammeBook, pass_type: str, epoch: Callable[[], int], clock: Clock
    ) -> None:
        self._database, self._book, self._pass_type = database, book, pass_type
        self._epoch, self._clock = epoch, clock

    async def turn(self) -> int:
        """Returns how many passes were marked."""
        done = 0
        while True:
            now = self._clock()
            async with transaction(self._database) as connection:
                marked = await store.mark_outdated(connection, self._book.at(now).revision, now, AT_ONCE)
                await self._push(connection, marked)
            if not marked:
                return done
            done += len(marked)

    async def catch_up(self) -> int:
        """Mark what is behind the ledger; returns how many."""
        done, last = 0, 0
        while True:
            async with transaction(self._database) as connection:
                late, last = await store.behind(connection, last, AT_ONCE)
                now = self._clock()
                revision = self._book.at(now).revision
                marked = await store.mark(connection, [(one, version, revision) for one, version in late], now)
                await self._push(connection, marked)
            done += len(marked)
            if not last:
                return done

    async def _push(self, connection: Driver, members: Sequence[int]) -> None:
        devices = await store.devices_of(connection, members, self._pass_type)
        if not devices:
            return
        fact = await deliveries.own_fact(connection)
        planned = [Planned(fact, member, 0, "changed", CHANNEL, device) for member, device in devices]
        await deliveries.add(connection, self._epoch(), planned, {CHANNEL}, self._clock())
