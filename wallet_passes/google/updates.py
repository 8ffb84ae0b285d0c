"""Keeping Google's objects true: silently, and with a notification only where something happened without the member.

Google allows three notifications of a pass in a day. They are spent on points given or taken by hand, on points that
lapsed, and on a new tier; a purchase, at which the member stands by, changes the pass without a sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core.clock import Clock
from core.database import Driver, connected, transaction
from core.delivery import store as deliveries
from core.delivery.carrier import Delivery, Fact, Planned
from core.delivery.outcome import Outcome, Rejected, Retry, TokenDead
from core.programme.book import ProgrammeBook
from core.programme.document import Programme
from core.snapshot import Snapshot
from core.tiers.upgrade import in_turn, is_above
from wallet_passes.google import store
from wallet_passes.google.client import QuotaExceeded
from wallet_passes.google.service import CHANNEL, GoogleService

NOTIFIED = frozenset({"adjust", "expire"})
AT_ONCE = 200


class Update(msgspec.Struct, frozen=True):
    """`member` is whom the object was made for, and `snapshot` what it shows."""

    member: int
    snapshot: Snapshot
    notify: bool


class GooglePlanner:
    async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
        newest = {fact.change.member: fact for fact in sorted(facts, key=lambda fact: fact.change.version)}
        told = {serial: newest[member] for serial, member in await store.showing(connection, newest)}
        return [
            Planned(fact.id, serial, fact.change.version, fact.kind, CHANNEL, serial) for serial, fact in told.items()
        ]


class GoogleCarrier:
    channel = CHANNEL
    newest_only = True
    hides_repeats = True
    at_once = 20

    def __init__(self, database: AsyncEngine, book: ProgrammeBook, service: GoogleService, clock: Clock) -> None:
        self._database, self._book, self._service, self._clock = database, book, service, clock

    async def prepare(self, batch: Sequence[Delivery]) -> Mapping[int, Any]:
        async with connected(self._database) as connection:
            known = await store.members(connection, {one.target for one in batch})
        snapshots = await read.snapshots(self._database, known)
        programme = self._book.current.programme
        return {
            one.id: Update(
                one.target, snapshot, worth_telling(snapshot, _told(one.target, known[one.target], snapshot), programme)
            )
            for one in batch
            if (snapshot := snapshots.get(one.target))
        }

    async def send(self, message: Update) -> Outcome:
        member = message.member
        spent_at = await self._spend(member) if message.notify else None
        outcome = await self._service.send(member, message.snapshot, self._book.current, notify=spent_at is not None)
        if isinstance(outcome, Retry | Rejected) and spent_at is not None:
            async with connected(self._database) as connection:
                await store.take_back(connection, member, spent_at)
        if isinstance(outcome, QuotaExceeded) and spent_at is not None:
            async with connected(self._database) as connection:
                await store.all_spent(connection, member, self._clock())
            outcome = await self._service.send(member, message.snapshot, self._book.current, notify=False)
        if isinstance(outcome, QuotaExceeded):
            return Rejected("Google counts a silent update as a notification")
        return outcome

    async def _spend(self, member: int) -> datetime | None:
        """When a notification was spent; None where there is none left."""
        now = self._clock()
        async with connected(self._database) as connection:
            return now if await store.spend(connection, member, now) else None

    async def forget(self, delivery: Delivery, dead: TokenDead) -> None:
        """An object never dies of itself: Google tells of its removal."""

    async def close(self) -> None:
        """The client is also the save link's; who made it closes it."""


def worth_telling(snapshot: Snapshot, sent: int, programme: Programme) -> bool:
    """Whether a notification may be spent on what happened after version `sent`, the one that Google has. What a delivery
    was planned for does not matter: another may have taken it along."""
    if any(change.kind in NOTIFIED and change.version > sent for change in snapshot.recent):
        return True
    turns = in_turn(snapshot.recent)
    before = next((change for change in turns if change.version <= sent), None)
    return before is not None and is_above(turns[0].tier, before.tier, programme)


def _told(member: int, sent: int, snapshot: Snapshot) -> int:
    """Up to which version of `snapshot` the object of `member` has nothing to tell. One that was sent version `sent` of a
    member merged into another goes over to that one without a sound: what it did before is no news to whoever looks."""
    if snapshot.member == member:
        return sent
    return max([sent, *(change.version for change in snapshot.recent if change.kind == "merge")])


class GoogleRefresher:
    """Sends objects again that changed without a fact: a programme was published, a date passed, or nobody listened."""

    def __init__(self, database: AsyncEngine, book: ProgrammeBook, epoch: Callable[[], int], clock: Clock) -> None:
        self._database, self._book, self._epoch, self._clock = database, book, epoch, clock

    async def turn(self) -> int:
        """Returns how many objects were planned."""
        done = 0
        while True:
            async with transaction(self._database) as connection:
                now = self._clock()
                members = await store.outdated(connection, self._book.at(now).revision, now, AT_ONCE)
                await self._plan(connection, members)
            done += len(members)
            if not members:
                return done

    async def catch_up(self) -> int:
        """Plan what is behind the ledger and is not planned; returns how many."""
        done, last = 0, 0
        while True:
            async with transaction(self._database) as connection:
                late, last = await store.behind(connection, CHANNEL, last, AT_ONCE)
                await self._plan(connection, late)
            done += len(late)
            if not last:
                return done

    async def _plan(self, connection: Driver, members: Sequence[int]) -> None:
        if members:
            fact = await deliveries.own_fact(connection)
            planned = [Planned(fact, member, 0, "changed", CHANNEL, member) for member in members]
            await deliveries.add(connection, self._epoch(), planned, {CHANNEL}, self._clock())
