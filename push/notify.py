"""Who is told of a change, and what: for now every device that a member registered, by one rule.

A notification belongs to its change: the collapse id names it, so a repeat hides behind the first, and two changes in one
second are two notifications. What a Live Activity shows is the member's state: there only the newest matters.

What a member did before it was merged into another is told on the devices that went along with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from core import member_devices, read
from core.clock import Clock
from core.database import Driver
from core.delivery.carrier import Delivery, Fact, Planned
from core.delivery.outcome import Outcome, Rejected, TokenDead
from core.member_devices import DeviceChannel, MemberDevice
from core.programme.book import ProgrammeBook
from core.snapshot import Change, Snapshot
from push.channels.contract import Channel, Message
from surfaces import app
from surfaces.notification import TOLD, notification
from surfaces.views import LOCALES, Locale

LIFE = timedelta(hours=12)
"""A notification that could not be delivered by then is news no more."""


class DevicePlanner:
    """Plans for the channels that are set up; a device of another channel waits for it. Nobody is told of what was
    recorded `LIFE` ago: facts that waited for the stream are news no more."""

    def __init__(self, channels: frozenset[DeviceChannel], clock: Clock) -> None:
        self._channels, self._clock = channels, clock

    async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
        if not self._channels:
            return []
        devices: dict[int, list[tuple[int, DeviceChannel]]] = {}
        for member, device, channel in await member_devices.targets(connection, {one.change.member for one in facts}):
            if channel in self._channels:
                devices.setdefault(member, []).append((device, channel))
        news = self._clock() - LIFE
        return [
            Planned(fact.id, fact.change.member, fact.change.version, fact.kind, channel, device)
            for fact in facts
            for device, channel in devices.get(fact.change.member, ())
            if (fact.change.kind != "link" if channel == "liveactivity" else _is_told(fact.change, news))
        ]


class DeviceCarrier:
    """Carries one channel's messages. `link` is the page a notification leads to."""

    def __init__(
        self, channel: Channel, database: AsyncEngine, book: ProgrammeBook, link: Callable[[], str], clock: Clock
    ) -> None:
        self.channel: str = channel.name
        self.newest_only = channel.name == "liveactivity"
        self.hides_repeats = channel.hides_repeats
        self.at_once = channel.at_once
        self._channel, self._database, self._book, self._link, self._clock = channel, database, book, link, clock

    async def prepare(self, deliveries: Sequence[Delivery]) -> Mapping[int, Any]:
        devices = await member_devices.by_id(self._database, {one.target for one in deliveries})
        ours = await self._still_theirs([one for one in deliveries if one.target in devices], devices)
        if self.newest_only:
            return await self._states(ours, devices)
        return await self._notifications(ours, devices)

    async def _still_theirs(
        self, deliveries: Sequence[Delivery], devices: Mapping[int, MemberDevice]
    ) -> list[Delivery]:
        """Without those whose device is another's by now; whom a member was merged into is no other."""
        moved = {one.member for one in deliveries if devices[one.target].member != one.member}
        living = {member: await read.living(self._database, member) for member in moved}
        return [one for one in deliveries if devices[one.target].member == living.get(one.member, one.member)]

    async def _notifications(
        self, deliveries: Sequence[Delivery], devices: Mapping[int, MemberDevice]
    ) -> dict[int, Message | Outcome]:
        changes = await read.changes(self._database, {(one.member, one.version) for one in deliveries})
        prepared: dict[int, Message | Outcome] = {}
        for one in deliveries:
            change, device = changes.get((one.member, one.version)), devices[one.target]
            if change is None or self._clock() >= one.created_at + LIFE:
                prepared[one.id] = Rejected("it is news no more")
                continue
            told = notification(change, self._book.current, _locale(device))
            prepared[one.id] = self._message(one, device, told.title, told.body)
        return prepared

    async def _states(
        self, deliveries: Sequence[Delivery], devices: Mapping[int, MemberDevice]
    ) -> dict[int, Message | Outcome]:
        snapshots = await read.snapshots(self._database, {one.member for one in deliveries})
        prepared: dict[int, Message | Outcome] = {}
        for one in deliveries:
            snapshot, device = snapshots.get(one.member), devices[one.target]
            if snapshot is not None:
                prepared[one.id] = self._message(one, device, "", "", self._state(snapshot, device))
        return prepared

    def _state(self, snapshot: Snapshot, device: MemberDevice) -> dict[str, Any]:
        view = app.view(snapshot, self._book.current, self._clock(), _locale(device))
        return {
            "version": snapshot.version,
            "points": view.balance.points,
            "balance": view.balance.text,
            "tier": view.tier.name,
            "distance": view.tier.distance,
        }

    def _message(
        self, delivery: Delivery, device: MemberDevice, title: str, body: str, state: dict[str, Any] | None = None
    ) -> Message:
        now = self._clock()
        return Message(
            reference=delivery.reference,
            device=device,
            title=title,
            body=body,
            collapse_id=f"{delivery.member}.{delivery.version}",
            url=self._link(),
            version=delivery.version,
            sent_at=now,
            expires_at=max(now, delivery.created_at + LIFE),
            state=state or {},
        )

    async def send(self, message: Message) -> Outcome:
        return await self._channel.send(message)

    async def forget(self, delivery: Delivery, dead: TokenDead) -> None:
        await member_devices.forget(self._database, delivery.target, dead.since)

    async def close(self) -> None:
        await self._channel.close()


def _is_told(change: Change, news: datetime) -> bool:
    return change.kind in TOLD and change.recorded_at > news


def _locale(device: MemberDevice) -> Locale:
    return next((locale for locale in LOCALES if locale == device.locale), "en")
