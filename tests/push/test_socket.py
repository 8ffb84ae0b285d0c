"""A socket never makes its writer wait: a blocked send parks it, the newest state follows, and too long cuts it off."""

from __future__ import annotations

import asyncio

import pytest

from core.metrics import CUT_OFF
from push import socket as socket_module
from push.session import Close, Refused, Session
from push.socket import Socket
from tests.bff.house import until
from tests.push.wire import Wire, away

DRAINING = Refused(Close.DRAINING, "this instance is stopping", error="draining", wait=4)


def socket_on(wire: Wire, freed: list[Socket]) -> Socket:
    return Socket(wire.send, Session("app", "en", None, None), 1, freed.append)


async def test_a_write_leaves_at_once_on_the_callers_stack() -> None:
    wire, freed = Wire(), list[Socket]()
    socket = socket_on(wire, freed)
    for i in range(3):
        socket.write(f'{{"n":{i}}}', 7.0 + i)
    assert [frame["n"] for frame in wire.frames] == [0, 1, 2]
    assert (socket.parked, socket.last_sent, freed) == (None, 9.0, [])


async def test_a_blocked_send_parks_the_socket_and_what_came_meanwhile_is_asked_for_once() -> None:
    wire, freed = Wire(), list[Socket]()
    socket = socket_on(wire, freed)
    wire.hold()
    socket.write('{"n":1}', 0.0)
    assert socket.parked is not None
    assert wire.frames == []
    socket.news = True
    socket.news = True
    wire.release()
    await until(lambda: socket.parked is None, "the send gets through")
    assert ([frame["n"] for frame in wire.frames], freed, socket.news) == ([1], [socket], False)


async def test_without_news_a_freed_socket_asks_for_nothing() -> None:
    wire, freed = Wire(), list[Socket]()
    socket = socket_on(wire, freed)
    wire.hold()
    socket.write('{"n":1}', 0.0)
    wire.release()
    await until(lambda: socket.parked is None, "the send gets through")
    assert freed == []
    socket.write('{"n":2}', 0.0)
    assert [frame["n"] for frame in wire.frames] == [1, 2]


async def test_a_client_that_does_not_read_for_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """4508 with a wait, counted, and never written to again."""
    monkeypatch.setattr(socket_module, "PARKED_SECONDS", 0.02)
    before = CUT_OFF._value.get()
    wire, freed = Wire(), list[Socket]()
    socket = socket_on(wire, freed)
    wire.hold()
    socket.write('{"n":1}', 0.0)
    socket.news = True
    await until(lambda: socket.closed and socket.parked is None, "it is cut off")
    assert wire.closed == (4508, "5")
    assert (wire.frames, freed, wire.blocked) == ([], [], 1)
    assert CUT_OFF._value.get() == before + 1


async def test_a_client_that_is_gone_closes_the_socket_and_hurts_nobody() -> None:
    socket = Socket(away, Session("app", "en", None, None), 1, lambda _: None)
    socket.write("{}", 0.0)
    assert (socket.closed, socket.parked) == (True, None)

    async def breaks(message: object) -> None:
        await asyncio.sleep(0)
        raise ConnectionResetError

    slow = Socket(breaks, Session("app", "en", None, None), 1, lambda _: None)
    slow.write("{}", 0.0)
    assert slow.parked is not None
    await until(lambda: slow.parked is None, "the break is noticed")
    assert slow.closed


async def test_a_farewell_says_why_then_closes_once() -> None:
    wire, freed = Wire(), list[Socket]()
    socket = socket_on(wire, freed)
    socket.close(DRAINING)
    socket.close(DRAINING)
    assert [frame["type"] for frame in wire.frames] == ["error"]
    assert wire.frames[0] == {"type": "error", "code": "draining", "detail": "this instance is stopping"}
    assert wire.closed == (4503, "4")
    assert len(wire.sent) == 2


async def test_a_parked_socket_is_closed_without_waiting_and_sends_no_state_after() -> None:
    wire, freed = Wire(), list[Socket]()
    socket = socket_on(wire, freed)
    wire.hold()
    socket.write('{"n":1}', 0.0)
    socket.news = True
    socket.close(DRAINING)
    assert socket.closed
    wire.release()
    await until(lambda: socket.parked is None, "the old send gets through")
    assert freed == []
