"""The far end of a connection: what an ASGI server does with what we send, under the test's hand."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Wire:
    """An ASGI `send`. While `hold` is set, sends block as a server's do when the client does not read."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.blocked = 0
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def send(self, message: dict[str, Any]) -> None:
        if not self._open.is_set() and message["type"] == "websocket.send":
            self.blocked += 1
            await self._open.wait()
            self.blocked -= 1
        self.sent.append(message)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == "state"]

    @property
    def versions(self) -> list[int]:
        return [frame["version"] for frame in self.states]

    @property
    def closed(self) -> tuple[int, str] | None:
        for message in self.sent:
            if message["type"] == "websocket.close":
                return message["code"], message["reason"]
        return None


class Gone(Exception):
    """What a server raises when the client is away."""


async def away(message: dict[str, Any]) -> None:
    raise Gone
