"""Who is told of a change, and what: by one rule for every device, in the device's language, while it is news."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from core import member_devices
from core.database import connected
from core.delivery.carrier import Delivery, Fact
from core.delivery.outcome import Rejected
from core.member_devices import DeviceChannel, MemberDevice
from core.snapshot import Change, Kind
from push.channels.contract import Channel, Message
from push.notify import LIFE, DeviceCarrier, DevicePlanner
from tests.push.stage import Stage


class Silent:
    """A channel that is never asked to send."""

    hides_repeats = True
    at_once = 10

    def __init__(self, name: DeviceChannel) -> None:
        self.name = name

    async def send(self, message: Message) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def carrier(stage: Stage, name: DeviceChannel) -> DeviceCarrier:
    channel: Channel = Silent(name)
    return DeviceCarrier(channel, stage.database, stage.book, lambda: "https://chorus.example/card", stage.clock)


async def device(stage: Stage, member: int, channel: DeviceChannel = "apns", locale: str = "en") -> int:
    now = stage.clock()
    made = MemberDevice(
        member=member, app="app", channel=channel, token=uuid4().hex, locale=locale, registered_at=now, refreshed_at=now
    )
    kept, _ = await member_devices.register(stage.database, made)
    return kept.id


def delivery(stage: Stage, member: int, version: int, target: int, channel: str = "apns") -> Delivery:
    return Delivery(target, uuid4(), member, version, "purchase", channel, target, 1, stage.clock())


@pytest.mark.parametrize(
    ("kind", "told", "shown"),
    [
        ("purchase", True, True),
        ("return", True, True),
        ("adjust", True, True),
        ("capture", True, True),
        ("expire", True, True),
        ("enrol", False, True),
        ("hold", False, True),
        ("void", False, True),
        ("link", False, False),
    ],
)
async def test_what_a_member_does_itself_is_shown_and_not_told(
    stage: Stage, kind: Kind, told: bool, shown: bool
) -> None:
    """And a device whose channel is not set up waits for it."""
    member, other = await stage.enrol(), await stage.enrol()
    targets = {channel: await device(stage, member, channel) for channel in ("apns", "liveactivity", "sms")}
    await device(stage, other)
    now = stage.clock()
    change = Change(
        member=member, version=5, kind=kind, programme=1, recorded_at=now, occurred_at=now, available=1, expired=1
    )
    planner = DevicePlanner(frozenset({"apns", "liveactivity"}), stage.clock)
    async with connected(stage.database) as connection:
        found = await planner.plan(connection, 1, [Fact(9, kind, change)])
        assert await DevicePlanner(frozenset(), stage.clock).plan(connection, 1, [Fact(9, kind, change)]) == []
    wanted = [channel for channel, wish in (("apns", told), ("liveactivity", shown)) if wish]
    assert sorted((one.channel, one.target) for one in found) == [(name, targets[name]) for name in wanted]
    assert {(one.fact, one.member, one.version, one.kind) for one in found} <= {(9, member, 5, kind)}


async def test_each_device_is_told_in_its_own_language(stage: Stage) -> None:
    member = await stage.enrol()
    bought = await stage.buy(member)
    batch = []
    for locale in ("en", "zh-Hant", "zh-Hans", "tlh"):
        target = await device(stage, member, locale=locale)
        batch.append(delivery(stage, member, bought.change.version, target))
    prepared = await carrier(stage, "apns").prepare(batch)
    titles = [prepared[one.id].title for one in batch]
    assert [title[:2] for title in titles] == ["35", "已加", "已加", "35"]
    assert len(set(titles)) == 3
    told = prepared[batch[0].id]
    assert (told.collapse_id, told.reference, told.expires_at) == (
        f"{member}.{bought.change.version}",
        batch[0].reference,
        stage.clock() + LIFE,
    )


async def test_what_is_news_no_more_is_not_told(stage: Stage) -> None:
    """A provider that was away for half a day: nobody wants yesterday's purchases on the screen, one by one."""
    member = await stage.enrol()
    bought = await stage.buy(member)
    one = delivery(stage, member, bought.change.version, await device(stage, member))
    unknown = msgspec.structs.replace(one, id=-1, version=99)
    stage.clock.now += LIFE - timedelta(seconds=1)
    prepared = await carrier(stage, "apns").prepare([one, unknown])
    assert isinstance(prepared[one.id], Message)
    assert prepared[one.id].expires_at == stage.clock() + timedelta(seconds=1)
    assert prepared[unknown.id] == Rejected("it is news no more")
    stage.clock.forward(seconds=1)
    assert await carrier(stage, "apns").prepare([one]) == {one.id: Rejected("it is news no more")}


async def test_what_waited_for_the_stream_too_long_is_shown_and_not_told(stage: Stage) -> None:
    member = await stage.enrol()
    bought = await stage.buy(member)
    targets = {channel: await device(stage, member, channel) for channel in ("apns", "liveactivity")}
    planner = DevicePlanner(frozenset({"apns", "liveactivity"}), stage.clock)

    async def planned() -> list[int]:
        async with connected(stage.database) as connection:
            return sorted(one.target for one in await planner.plan(connection, 1, [Fact(9, "purchase", bought.change)]))

    stage.clock.now = bought.change.recorded_at + LIFE - timedelta(seconds=1)
    assert await planned() == sorted(targets.values())
    stage.clock.forward(seconds=1)
    assert await planned() == [targets["liveactivity"]]


async def test_an_activity_is_sent_the_state_of_now_whatever_it_was_planned_for(stage: Stage) -> None:
    member = await stage.enrol()
    first = await stage.buy(member)
    target = await device(stage, member, "liveactivity")
    last = await stage.buy(member)
    one = delivery(stage, member, first.change.version, target, "liveactivity")
    stage.clock.forward(days=2)
    prepared = await carrier(stage, "liveactivity").prepare([one])
    message: Message = prepared[one.id]
    assert (message.title, message.body) == ("", "")
    assert (message.state["version"], message.state["points"]) == (last.change.version, last.change.available)
    assert message.sent_at == stage.clock() <= message.expires_at


async def test_a_device_that_is_gone_or_anothers_is_left_out(stage: Stage) -> None:
    member, other = await stage.enrol(), await stage.enrol()
    bought = await stage.buy(member)
    target, gone = await device(stage, member), await device(stage, member)
    await member_devices.revoke(stage.database, member, gone)
    version = bought.change.version
    batch = [delivery(stage, member, version, gone), delivery(stage, other, version, target)]
    assert await carrier(stage, "apns").prepare(batch) == {}
