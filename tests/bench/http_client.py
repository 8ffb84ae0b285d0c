"""A small HTTP/1.1 client over keep-alive connections, quicker than what it measures: one protocol object a connection,
parsed by httptools, no task and no future a request.

`Hammer` keeps every connection busy, for rates. `Pool` sends when it is told to, for latencies at scheduled instants:
what finds no free connection waits, and its waiting counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

Next = Callable[[], bytes]
Answered = Callable[[int, bytes], None]
"""Called with status and body."""


class Connection(asyncio.Protocol):
    """One request under way at most; `on_answer` is called when its answer is whole, `on_lost` when there is none."""

    def __init__(
        self, on_answer: Callable[[Connection, int, bytes], None], on_lost: Callable[[Connection], None]
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._body = b""

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, by its methods one

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._on_lost(self)

    # What httptools calls

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._on_answer(self, self._parser.get_status_code(), self._body)


class Hammered(NamedTuple):
    """`answered` within the counted seconds; `total` ever, by status."""

    answered: int
    total: Counter[int]
    lost: int
    cpu_share: float
    """Of a core, that this client itself used: near 1 it measured itself."""
    last: bytes
    """The last body with a status that is not 2xx, else the last body."""


class Hammer:
    """Requests back to back on every connection, for a while."""

    def __init__(self, host: str, port: int, connections: int, make: Next) -> None:
        self._host, self._port, self._count, self._make = host, port, connections, make
        self._since = self._until = float("inf")
        self._answered = 0
        self._total: Counter[int] = Counter()
        self._lost = 0
        self._stop = False
        self._idle = asyncio.Event()
        self._busy = 0
        self._bad = self._last = b""

    async def run(self, warm_seconds: float, seconds: float) -> Hammered:
        loop = asyncio.get_running_loop()
        opened = [
            await loop.create_connection(lambda: Connection(self._answer, self._gone), self._host, self._port)
            for _ in range(self._count)
        ]
        for _, connection in opened:
            connection.send(self._make())
            self._busy += 1
        await asyncio.sleep(warm_seconds)
        cpu, self._since = time.process_time(), time.monotonic()
        self._until = self._since + seconds
        await asyncio.sleep(seconds)
        cpu = time.process_time() - cpu
        self._stop = True
        await self._idle.wait()
        for _, connection in opened:
            connection.close()
        return Hammered(self._answered, self._total, self._lost, cpu / seconds, self._bad or self._last)

    def _answer(self, connection: Connection, status: int, body: bytes) -> None:
        self._total[status] += 1
        if status < 300:
            self._last = body
            self._answered += self._since <= time.monotonic() < self._until
        else:
            self._bad = body
        if self._stop:
            self._rest()
        else:
            connection.send(self._make())

    def _gone(self, connection: Connection) -> None:
        if not self._idle.is_set():
            self._lost += 1
            self._rest()

    def _rest(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()


class Pool:
    """Requests when they are due. Use `open` first and `close` last."""

    def __init__(self, host: str, port: int, connections: int) -> None:
        self._host, self._port, self._count = host, port, connections
        self._free: deque[Connection] = deque()
        self._busy: dict[Connection, Answered] = {}
        self._waiting: deque[tuple[bytes, Answered]] = deque()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.lost = 0

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answer, self._gone), self._host, self._port
            )
            self._free.append(connection)

    def send(self, request: bytes, answered: Answered) -> None:
        self._quiet.clear()
        if self._free:
            connection = self._free.popleft()
            self._busy[connection] = answered
            connection.send(request)
        else:
            self._waiting.append((request, answered))

    async def close(self, patience: float = 10.0) -> None:
        """Wait for the answers that are due, at most so long, and leave."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._quiet.wait()
        self.lost += len(self._busy) + len(self._waiting)
        free, self._free = self._free, deque()
        for connection in (*free, *self._busy):
            connection.close()

    def _answer(self, connection: Connection, status: int, body: bytes) -> None:
        answered = self._busy.pop(connection)
        if self._waiting:
            request, self._busy[connection] = self._waiting.popleft()
            connection.send(request)
        else:
            self._free.append(connection)
            self._look()
        answered(status, body)

    def _gone(self, connection: Connection) -> None:
        if self._busy.pop(connection, None) is not None:
            self.lost += 1
            self._look()
        if connection in self._free:
            self._free.remove(connection)

    def _look(self) -> None:
        if not self._busy and not self._waiting:
            self._quiet.set()
