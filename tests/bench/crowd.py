"""A crowd of live screens in one process: a lean WebSocket client, for thousands of sockets and many frames a second.

A screen keeps the stamp and the last frame it was sent. The server promises states each newer than the one before, so
a frame that is not newer than the one before it on its connection is counted as a fault here, where a real client would
merely ignore it. Lag is the instant a frame arrived less the instant of the commit that caused it: both are of this
machine's one wall clock.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import msgspec

from push.session import SUBPROTOCOL

OPENING = 100
"""Handshakes under way at once."""
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Frame(msgspec.Struct):
    """Of a `state` frame what a screen compares and what is measured; the view is decoded only at the end."""

    type: str
    epoch: int = 0
    version: int = 0
    programme: int = 0
    valid_from: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    committed_at: datetime | None = None


class View(msgspec.Struct):
    view: dict[str, Any]


class Arrival(NamedTuple):
    member: int
    version: int
    arrived: float
    """Unix seconds."""
    committed: float


class Target(NamedTuple):
    """`hello` is the first frame a screen sends."""

    member: int
    surface: str
    hello: str


_FRAME = msgspec.json.Decoder(Frame)
_VIEW = msgspec.json.Decoder(View)


class Screen(asyncio.Protocol):
    """One socket. Slots and no task: there are thousands."""

    __slots__ = ("_buffer", "_crowd", "_open", "_transport", "last", "member", "stamp", "target")

    def __init__(self, crowd: Crowd, target: Target) -> None:
        self._crowd = crowd
        self.target = target
        self.member = target.member
        self.stamp: tuple[int, int, int, datetime] | None = None
        self.last = b""
        self._buffer = b""
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._crowd.handshake)

    def data_received(self, data: bytes) -> None:
        arrived = time.time()
        if self._buffer:
            data = self._buffer + data
        start = 0
        if not self._open:
            head, found, _ = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = data
                return
            if b" 101 " not in head[:20]:
                self._crowd.fault(f"a screen was refused: {head[:80]!r}")
                return
            self._open = True
            self._write(_TEXT, self.target.hello.encode())
            start = len(head) + 4
        end = len(data)
        while end - start >= 2:
            # Frames of a server are unmasked (RFC 6455, 5.2).
            kind, length, body = data[start] & 15, data[start + 1], start + 2
            if length == 126:
                if end < start + 4:
                    break
                length, body = int.from_bytes(data[start + 2 : start + 4]), start + 4
            elif length == 127:
                if end < start + 10:
                    break
                length, body = int.from_bytes(data[start + 2 : start + 10]), start + 10
            if end < body + length:
                break
            start = body + length
            self._frame(kind, data[body:start], arrived)
        self._buffer = data[start:]

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._crowd.left(self)

    def close(self) -> None:
        if self._transport is not None:
            self._write(_CLOSE, (1000).to_bytes(2))
            self._transport.close()

    def _frame(self, kind: int, payload: bytes, arrived: float) -> None:
        if kind == _TEXT:
            frame = _FRAME.decode(payload)
            if frame.type != "state":
                return
            stamp = (frame.epoch, frame.version, frame.programme, frame.valid_from)
            if self.stamp is not None and stamp <= self.stamp:
                self._crowd.fault(f"{self.target.surface} was sent version {frame.version} after {self.stamp[1]}")
            first, self.stamp, self.last = self.stamp is None, stamp, payload
            self._crowd.shown(self, frame, arrived, first=first)
        elif kind == _PING:
            self._write(_PONG, payload)
        elif kind == _CLOSE:
            self._crowd.fault(f"{self.target.surface} was sent away: {payload[:2].hex()} {payload[2:]!r}")

    def _write(self, kind: int, payload: bytes) -> None:
        assert self._transport is not None
        # The mask is zero, which a receiver cannot tell from any other: the payload goes as it is.
        size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self._transport.write(bytes((0x80 | kind,)) + size + b"\0\0\0\0" + payload)

    def shows(self) -> tuple[int, int]:
        """(balance, version) on this screen, as a member would read them."""
        if self.stamp is None:
            return -1, -1
        view = _VIEW.decode(self.last).view
        shown = view.get("member") if self.target.surface == "kiosk" else view
        return int(((shown or {}).get("balance") or {}).get("points", -1)), self.stamp[1]


class Crowd:
    """All the screens of a reading."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host, self._port = host, port
        self.handshake = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        ).encode()
        self.screens: list[Screen] = []
        self.arrivals: list[Arrival] | None = None
        """Set to a list to have every frame's arrival kept in it."""
        self.frames = 0
        self.faults: list[str] = []
        self._first = 0
        self._news = asyncio.Event()
        self._expected = self._missing = 0
        self._all_there = asyncio.Event()
        self._leaving = False

    async def open(self, targets: Sequence[Target], patience: float = 120.0) -> None:
        """Open a screen for each target; returns when each shows something. Raises `RuntimeError`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        for start in range(0, len(targets), OPENING):
            before = self._first
            some = [Screen(self, target) for target in targets[start : start + OPENING]]
            self.screens += some
            await asyncio.gather(*(self._connect(screen) for screen in some))
            while self._first < before + len(some):
                self._news.clear()
                try:
                    async with asyncio.timeout_at(deadline):
                        await self._news.wait()
                except TimeoutError:
                    raise RuntimeError(f"the screens did not open: {self.faults[:2]}") from None
                if self.faults:
                    raise RuntimeError(f"the screens did not open: {self.faults[:2]}")

    async def close(self) -> None:
        self._leaving = True
        for screen in self.screens:
            screen.close()
        self.screens = []
        await asyncio.sleep(0.2)
        self._leaving = False

    def expect(self, version: int) -> None:
        """From now on wait for `version` on every screen (of one member, whom nobody else writes)."""
        self._expected, self._missing = version, len(self.screens)
        self._all_there.clear()

    async def all_there(self, patience: float = 10.0) -> None:
        """Until every screen shows the expected version. Raises `TimeoutError`."""
        async with asyncio.timeout(patience):
            await self._all_there.wait()

    def shown(self, screen: Screen, frame: Frame, arrived: float, *, first: bool) -> None:
        self.frames += 1
        if first:
            self._first += 1
            self._news.set()
        if self.arrivals is not None and frame.committed_at is not None:
            committed = frame.committed_at.timestamp()
            self.arrivals.append(Arrival(screen.member, frame.version, arrived, committed))
        if frame.version == self._expected:
            self._missing -= 1
            if not self._missing:
                self._all_there.set()

    def fault(self, what: str) -> None:
        self.faults.append(what)
        self._news.set()

    def left(self, screen: Screen) -> None:
        if not self._leaving:
            self.fault(f"the {screen.target.surface} screen of {screen.member} lost its connection")

    async def _connect(self, screen: Screen) -> None:
        await asyncio.get_running_loop().create_connection(lambda: screen, self._host, self._port)
