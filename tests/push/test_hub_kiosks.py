"""Kiosks: the newer session wins, whatever is late, and nobody's screen is another's."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from core.clock import rfc3339
from core.devices import KioskSession
from push.session import Close, Refused
from tests.bff.house import until
from tests.conftest import START
from tests.push.stage import Stage, turn

CLEARS = START + timedelta(seconds=45)


async def test_a_newer_session_wins_and_an_older_word_of_it_is_ignored(stage: Stage) -> None:
    ada, bob = await stage.enrol(), await stage.enrol()
    await stage.adjust(bob, 9)
    socket, wire = stage.kiosk(KioskSession("k", 1, ada, CLEARS))
    await stage.hub.attach(socket)
    await stage.hub.rebind(KioskSession("k", 3, bob, CLEARS))
    await stage.hub.rebind(KioskSession("k", 2, None, None))
    assert (socket.member, wire.states[-1]["view"]["session"]) == (bob, 3)
    assert stage.hub.kiosks() == {"k": KioskSession("k", 3, bob, CLEARS)}
    assert wire.states[-1]["view"]["member"]["balance"]["points"] == 9
    assert (stage.hub.wants(ada), stage.hub.wants(bob)) == (False, True)
    await stage.hub.rebind(KioskSession("k", 4, None, None))
    assert wire.states[-1]["view"]["member"] is None
    assert (wire.states[-1]["version"], wire.states[-1]["causes"]) == (0, [])
    assert stage.hub.members() == {}
    assert stage.hub.kiosks() == {"k": KioskSession("k", 4, None, None)}


async def test_a_session_that_ends_while_its_member_is_read_never_shows_the_member(stage: Stage) -> None:
    ada = await stage.enrol()
    socket, wire = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(socket)
    stage.reader.road.clear()
    binding = asyncio.create_task(stage.hub.rebind(KioskSession("k", 1, ada, CLEARS)))
    await until(lambda: stage.reader.waiting == 1, "the member is being read")
    await stage.hub.rebind(KioskSession("k", 2, None, None))
    stage.reader.road.set()
    await binding
    assert [state["view"]["session"] for state in wire.states] == [0, 2]
    assert all(state["view"]["member"] is None for state in wire.states)
    assert stage.hub.members() == {}


async def test_a_touch_moves_the_end_of_the_session_it_belongs_to(stage: Stage) -> None:
    ada = await stage.enrol()
    socket, wire = stage.kiosk(KioskSession("k", 1, ada, CLEARS))
    await stage.hub.attach(socket)
    later = CLEARS + timedelta(seconds=20)
    await stage.hub.rebind(KioskSession("k", 1, ada, later))
    assert stage.hub.kiosks()["k"].clears_at == later
    stage.tell(await stage.adjust(ada))
    await turn()
    assert wire.states[-1]["view"]["clears_at"] == rfc3339(later)


async def test_of_two_screens_of_a_kiosk_the_one_behind_is_the_one_compared(stage: Stage) -> None:
    """A screen that attached with a session read just before a bind is found by the repair lane."""
    ada = await stage.enrol()
    for late in range(6):
        name = f"k{late}"
        before, now = KioskSession(name, 1, None, None), KioskSession(name, 2, ada, CLEARS)
        wires = []
        for session in (*[now] * late, before, *[now] * (5 - late)):
            socket, wire = stage.kiosk(session)
            await stage.hub.attach(socket)
            wires.append(wire)
        assert stage.hub.kiosks()[name] == before
        await stage.hub.rebind(now)
        assert {wire.states[-1]["view"]["session"] for wire in wires} == {2}
        assert [len(wire.states) for wire in wires] == [1] * late + [2] + [1] * (5 - late)


async def test_two_screens_of_a_kiosk_are_each_drawn_with_their_own_session(stage: Stage) -> None:
    """The same member bound anew while one screen still shows the former session: neither is given the other's frame."""
    ada = await stage.enrol()
    wires = {}
    for number in (1, 2):
        socket, wires[number] = stage.kiosk(KioskSession("k", number, ada, CLEARS))
        await stage.hub.attach(socket)
    stage.tell(await stage.adjust(ada))
    await turn()
    assert {number: wire.states[-1]["view"]["session"] for number, wire in wires.items()} == {1: 1, 2: 2}


async def test_a_revoked_device_is_sent_away_and_only_it(stage: Stage) -> None:
    ada = await stage.enrol()
    one, wire = stage.kiosk(KioskSession("k1", 1, ada, CLEARS))
    two, other = stage.kiosk(KioskSession("k2", 1, ada, CLEARS))
    await stage.hub.attach(one)
    await stage.hub.attach(two)
    stage.hub.cut({"k1", "k9"}, Refused(Close.NOT_ALLOWED, "revoked", error="device_revoked"))
    assert (wire.closed, other.closed) == ((4403, "device_revoked"), None)
