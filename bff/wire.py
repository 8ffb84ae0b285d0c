"""uvicorn's HTTP connection, with one write for a response.

uvicorn writes a response's head and its body apart: two calls into the kernel and two packets for every answer of a few
hundred bytes. Here the head waits for the first of the body, or for the end.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HeadHeld:
    """What one response needs of a transport. Its first write, the head, leaves with its second, or at the latest when
    the response is complete or its connection closes."""

    __slots__ = ("_head", "_started", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._started = False

    def write(self, data: bytes) -> None:
        if self._started:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 100 "):
            # The client waits for it before it sends the request's body.
            self._transport.write(data)
        else:
            self._head, self._started = data, True

    def flush(self) -> None:
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class OneWriteHttp(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            held = HeadHeld(self.transport)
            self.cycle.transport = cast(asyncio.Transport, held)
            self.cycle.on_response = partial(self._completed, held)

    def _completed(self, held: HeadHeld) -> None:
        held.flush()
        self.on_response_complete()
