"""Two members become one while something is on its way to the phone of one of them: it arrives there, once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from core import member_devices
from core.database import transaction
from core.delivery import store
from core.delivery.carrier import Delivery, Fact
from core.member_devices import DeviceChannel, MemberDevice
from core.members.merge import MergeMembers
from push.dispatch import Dispatcher
from push.notify import DeviceCarrier, DevicePlanner
from tests.core.door import send
from tests.peers.apns import APP, Push
from tests.push.channels.rigs import ApnsRig, LiveActivityRig
from tests.push.stage import Stage


@pytest.fixture
async def pair(stage: Stage) -> tuple[int, int]:
    """One with a phone and little history, and another."""
    gone, into = await stage.enrol(), await stage.enrol()
    await stage.buy(into, 50_000)
    await stage.buy(into, 50_000)
    return gone, into


async def register(stage: Stage, rig: ApnsRig | LiveActivityRig, member: int) -> MemberDevice:
    device = await rig.device()
    now = stage.clock()
    made = MemberDevice(
        member=member,
        app=APP,
        channel=rig.name,
        token=device.token,
        until=device.until,
        registered_at=now,
        refreshed_at=now,
    )
    return (await member_devices.register(stage.database, made))[0]


async def merge(stage: Stage, gone: int, into: int) -> int:
    """The version that it made."""
    answer = await send(stage.engine, MergeMembers(gone, "the same person"), into)
    assert answer.member == into
    return answer.version


async def plan(stage: Stage, channel: DeviceChannel, *facts: Fact) -> int:
    planner = DevicePlanner(frozenset({channel}), stage.clock)
    newest = {channel} if channel == "liveactivity" else set()
    async with transaction(stage.database) as connection:
        planned = await planner.plan(connection, 1, facts)
        return await store.add(connection, 1, planned, newest, stage.clock())


async def sent(stage: Stage, rig: ApnsRig | LiveActivityRig) -> list[Push]:
    """Have all that is planned sent; what arrived."""
    carrier = DeviceCarrier(rig.make(), stage.database, stage.book, lambda: "https://chorus.example/card", stage.clock)
    dispatcher = Dispatcher(stage.database, [carrier], stage.clock)
    while await dispatcher.turn():
        await dispatcher.idle()
    return await rig.peer.pushes()


async def test_what_was_planned_before_a_merge_arrives_after_it(
    stage: Stage, apns: ApnsRig, pair: tuple[int, int]
) -> None:
    """It says what happened then, to whom it happened."""
    gone, into = pair
    phone = await register(stage, apns, gone)
    bought = await stage.buy(gone)
    assert await plan(stage, "apns", Fact(1, "purchase", bought.change)) == 1
    await merge(stage, gone, into)
    (push,) = await sent(stage, apns)
    assert (push.token, push.collapse_id) == (phone.token, f"{gone}.{bought.change.version}")
    assert push.payload["aps"]["alert"]["title"] == "356 points added. Balance 356 points."


async def test_what_is_planned_after_a_merge_is_told_on_the_devices_of_both(
    stage: Stage, apns: ApnsRig, pair: tuple[int, int]
) -> None:
    """Whichever of the two it happened to: a fact may wait for the stream."""
    gone, into = pair
    phones = [await register(stage, apns, member) for member in pair]
    before = await stage.buy(gone)
    await merge(stage, gone, into)
    after = await stage.buy(gone)
    assert await plan(stage, "apns", Fact(1, "purchase", before.change), Fact(2, "purchase", after.change)) == 4
    names = {f"{one.change.member}.{one.change.version}" for one in (before, after)}
    pushes = await sent(stage, apns)
    assert sorted((push.token, push.collapse_id) for push in pushes) == sorted(
        (phone.token, name) for phone in phones for name in names
    )


async def test_an_activity_goes_on_with_the_state_of_whom_its_member_was_merged_into(
    stage: Stage, activity: LiveActivityRig, pair: tuple[int, int]
) -> None:
    gone, into = pair
    await register(stage, activity, gone)
    bought = await stage.buy(gone)
    await plan(stage, "liveactivity", Fact(1, "purchase", bought.change))
    version = await merge(stage, gone, into)
    (push,) = await sent(stage, activity)
    state = push.payload["aps"]["content-state"]
    assert (state["version"], state["points"]) == (version, 10_000 + bought.change.available)
    late, merged = bought.change, (await stage.buy(into)).change
    await plan(stage, "liveactivity", Fact(2, "purchase", merged), Fact(3, "purchase", late))
    assert len(await sent(stage, activity)) == 2
    assert (await activity.peer.pushes())[-1].payload["aps"]["content-state"]["version"] == merged.version


async def test_what_names_a_device_of_neither_reaches_nobody(
    stage: Stage, apns: ApnsRig, pair: tuple[int, int]
) -> None:
    gone, into = pair
    stranger = await stage.enrol()
    device = await register(stage, apns, gone)
    bought = await stage.buy(stranger)
    planned = [(uuid4(), stranger), (uuid4(), into)]
    await merge(stage, gone, into)
    carrier = DeviceCarrier(apns.make(), stage.database, stage.book, lambda: "", stage.clock)
    batch = [
        Delivery(n, reference, member, bought.change.version, "purchase", "apns", device.id, 1, stage.clock())
        for n, (reference, member) in enumerate(planned)
    ]
    assert list(await carrier.prepare(batch)) == [1]
