"""Live screens of the once-over demo: five sockets a member, each judged at the end against the ledger.

A screen keeps what a client of the protocol would show: it applies a state only if its stamp is newer. The lag of a
frame is the instant it arrived less the instant of the commit that caused it, on one machine's one clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from push.session import SUBPROTOCOL
from surfaces.etag import Stamp

RECONNECT_SECONDS = 0.2


class Frame(msgspec.Struct):
    type: str
    epoch: int = 0
    version: int = 0
    programme: int = 0
    valid_from: datetime | None = None
    committed_at: datetime | None = None
    view: dict[str, Any] = {}


_FRAME = msgspec.json.Decoder(Frame)


class Screen:
    """One surface of one member."""

    def __init__(self, url: str, surface: str, member: int, token: str) -> None:
        self.surface = surface
        self.member = member
        self.stamp: Stamp | None = None
        self.session = 0
        self.view: dict[str, Any] = {}
        self.lags: list[float] = []
        self.frames = 0
        self.refused = ""
        self._url = url
        self._token = token
        self._first = asyncio.Event()

    async def first(self) -> None:
        """Until it shows something. Raises `RuntimeError` when it was sent away."""
        await self._first.wait()
        if self.refused:
            raise RuntimeError(f"the {self.surface} screen of {self.member} was sent away: {self.refused}")

    async def run(self) -> None:
        """Follow the member until cancelled, coming back whenever the connection is lost."""
        while True:
            try:
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    compression=None,
                    max_queue=None,
                    ping_interval=None,
                ) as connection:
                    await connection.send(msgspec.json.encode(self._hello()).decode())
                    await self._follow(connection)
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                self._take(text)
        code = connection.close_code or 0
        if 4400 <= code < 4500:
            self.refused = f"{code} {connection.close_reason}"
            self._first.set()
            await asyncio.Event().wait()

    def _hello(self) -> dict[str, Any]:
        hello: dict[str, Any] = {"type": "hello", "token": self._token, "surface": self.surface, "locale": "en"}
        if self.stamp is not None:
            hello["have"] = {**msgspec.to_builtins(self.stamp), "session": self.session}
        return hello

    def _take(self, text: str | bytes) -> None:
        arrived = datetime.now(UTC)
        frame = _FRAME.decode(text)
        if frame.type != "state":
            return
        assert frame.valid_from is not None
        stamp = Stamp(frame.epoch, frame.version, frame.programme, frame.valid_from)
        session = int(frame.view.get("session", 0))
        self.frames += 1
        if frame.committed_at is not None:
            self.lags.append((arrived - frame.committed_at).total_seconds() * 1000)
        if self.stamp is None or session > self.session or (session == self.session and stamp > self.stamp):
            self.stamp, self.session, self.view = stamp, session, frame.view
        self._first.set()

    def shows(self) -> tuple[int, int]:
        """(balance, version) on this screen; -1 where it shows none."""
        shown = self.view.get("member") if self.surface == "kiosk" else self.view
        balance = (shown or {}).get("balance") or {}
        return int(balance.get("points", -1)), self.stamp.version if self.stamp else -1
