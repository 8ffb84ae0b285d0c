"""Sockets come and go: who is shown, who is beaten to, what is left of one that went."""

from __future__ import annotations

import asyncio

import pytest

from core.devices import KioskSession
from core.metrics import CONNECTIONS
from push.session import BEAT_SECONDS, Close, Refused
from tests.bff.house import until
from tests.push.stage import Stage, turn


async def test_who_does_not_exist_is_not_shown(stage: Stage) -> None:
    socket, wire = stage.screen(999)
    with pytest.raises(Refused) as refused:
        await stage.hub.attach(socket)
    assert (refused.value.code, refused.value.error) == (Close.NOT_ALLOWED, "unknown_member")
    assert (wire.sent, stage.hub.members()) == ([], {})


async def test_nothing_is_left_of_a_socket_that_went(stage: Stage) -> None:
    """However it went: after its state, twice, or while its first read was under way."""
    member = await stage.enrol()
    count = CONNECTIONS.labels("app")._value
    before = count.get()
    first, _ = await stage.attached(member)
    second, wire = stage.screen(member)
    await stage.hub.attach(second)
    assert count.get() == before + 2
    for socket in (first, second, second):
        stage.hub.detach(socket)
    assert (count.get(), stage.hub.members(), stage.hub.wants(member)) == (before, {}, False)
    stage.reader.road.clear()
    third, wire = stage.screen(member)
    attaching = asyncio.create_task(stage.hub.attach(third))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.hub.detach(third)
    stage.reader.road.set()
    await attaching
    assert (wire.sent, count.get(), stage.hub.members()) == ([], before, {})


async def test_a_storm_of_one_member_costs_one_read(stage: Stage) -> None:
    member = await stage.enrol()
    screens = [stage.screen(member) for _ in range(200)]
    await asyncio.gather(*(stage.hub.attach(socket) for socket, _ in screens))
    assert {len(wire.states) for _, wire in screens} == {1}
    assert stage.reader.reads <= 2


async def test_at_the_end_everybody_is_sent_away_and_nobody_let_in(stage: Stage) -> None:
    member = await stage.enrol()
    _, app = await stage.attached(member)
    idle, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(idle)
    stage.hub.close(Refused(Close.DRAINING, "stopping", error="draining", wait=4))
    for wire in (app, kiosk):
        assert wire.closed == (4503, "4")
        assert wire.frames[-1]["code"] == "draining"
    late, wire = stage.screen(member)
    with pytest.raises(Refused) as refused:
        await stage.hub.attach(late)
    assert refused.value.code == Close.DRAINING
    stage.tell(await stage.adjust(member))
    await turn()
    assert app.versions == [1]


async def test_a_silent_socket_is_given_a_beat_and_a_busy_or_parked_one_none(stage: Stage) -> None:
    member = await stage.enrol()
    silent, beaten = await stage.attached(member)
    _, busy = await stage.attached(member)
    parked, blocked = await stage.attached(member)
    blocked.hold()
    parked.write("{}", 0.0)
    idle, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(idle)
    for socket in (silent, parked, idle):
        socket.last_sent -= BEAT_SECONDS + 1
    stage.hub.tick()
    stage.hub.tick()
    assert [frame["type"] for frame in beaten.frames] == ["state", "beat"]
    assert [frame["type"] for frame in kiosk.frames] == ["state", "beat"]
    assert [frame["type"] for frame in busy.frames] == ["state"]
    blocked.release()
    await until(lambda: parked.parked is None, "it reads again")
    assert BEAT_SECONDS + 1 + 1 < 25, "a beat's own timer turns once a second"


async def test_a_first_frame_is_the_state_however_long_its_read_takes(stage: Stage) -> None:
    member = await stage.enrol()
    stage.reader.road.clear()
    socket, wire = stage.screen(member)
    attaching = asyncio.create_task(stage.hub.attach(socket))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.hub.tick()
    stage.reader.road.set()
    await attaching
    assert [frame["type"] for frame in wire.frames] == ["state"]
