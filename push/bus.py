"""The bus: what one process committed, told to the others at once (NATS core, at most once).

One subject, one subscription a process. A message carries ids, numbers and the instant of the commit; names are read at
the edge. Losing a message costs a second, not a wrong balance: the repair lane compares versions. So nothing here
waits, retries or blocks a commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.devices import KioskSession
from core.engine.submission import Committed
from core.holdings import Holdings
from core.metrics import BUS_UP
from core.snapshot import Change

CHANGES = "chorus.changes.2"
"""With the shape of what it carries: while a release is rolled out, two shapes do not meet on one subject."""
DEVICES = "chorus.devices"
PROGRAMME = "chorus.programme"

MESSAGE_BYTES = 256 * 1024
"""Well under the server's limit of 1 MiB; a batch of members with many lots is split."""

_log = structlog.get_logger("push.bus")


class _Told(msgspec.Struct, frozen=True, array_like=True):
    member: int
    version: int
    change: msgspec.Raw
    holdings: msgspec.Raw


class _Message(msgspec.Struct, frozen=True, array_like=True):
    committed_at: datetime
    told: list[_Told]


class Heard(msgspec.Struct, frozen=True):
    """A change from another process, decoded only when somebody here wants it."""

    member: int
    version: int
    committed_at: datetime
    raw_change: msgspec.Raw
    raw_holdings: msgspec.Raw

    def change(self) -> Change:
        return _CHANGE.decode(self.raw_change)

    def holdings(self) -> Holdings | None:
        holdings: Holdings | None = _HOLDINGS.decode(self.raw_holdings)
        return holdings


_ENCODER = msgspec.msgpack.Encoder()
_MESSAGE = msgspec.msgpack.Decoder(_Message)
_CHANGE = msgspec.msgpack.Decoder(Change)
_HOLDINGS = msgspec.msgpack.Decoder(Holdings | None)
_DEVICE = msgspec.msgpack.Decoder(KioskSession)


class Bus:
    """Connects when opened and keeps reconnecting for ever; what is told meanwhile is lost, by design."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url, self._token = url, token
        self._client: Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    async def open(
        self,
        on_change: Callable[[Heard], None],
        on_device: Callable[[KioskSession], None],
        on_programme: Callable[[], None],
    ) -> None:
        async def changes(message: Msg) -> None:
            try:
                decoded = _MESSAGE.decode(message.data)
            except msgspec.DecodeError as error:
                _log.warning("unreadable_message", subject=message.subject, error=str(error))
                return
            for told in decoded.told:
                on_change(Heard(told.member, told.version, decoded.committed_at, told.change, told.holdings))

        async def devices(message: Msg) -> None:
            on_device(_DEVICE.decode(message.data))

        async def programme(_: Msg) -> None:
            on_programme()

        self._client = await nats.connect(
            self._url,
            token=self._token,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=2,
            ping_interval=10,
            max_outstanding_pings=2,
            allow_reconnect=True,
            pending_size=0,
            error_cb=_ignore,
            disconnected_cb=self._down,
            reconnected_cb=_up,
            name="chorus",
            no_echo=True,
        )
        BUS_UP.set(1)
        await self._client.subscribe(CHANGES, cb=changes)
        await self._client.subscribe(DEVICES, cb=devices)
        await self._client.subscribe(PROGRAMME, cb=programme)

    def tell(self, committed: list[Committed], committed_at: datetime) -> None:
        """Tell the other processes of a commit. Returns at once."""
        told, size = [], 0
        for one in committed:
            change, holdings = _ENCODER.encode(one.change), _ENCODER.encode(one.holdings)
            size += len(change) + len(holdings)
            told.append(_Told(one.change.member, one.change.version, msgspec.Raw(change), msgspec.Raw(holdings)))
            if size > MESSAGE_BYTES:
                self._publish(CHANGES, _ENCODER.encode(_Message(committed_at, told)))
                told, size = [], 0
        if told:
            self._publish(CHANGES, _ENCODER.encode(_Message(committed_at, told)))

    def tell_device(self, session: KioskSession) -> None:
        self._publish(DEVICES, _ENCODER.encode(session))

    def tell_programme(self) -> None:
        """Have the other processes see what was published. Returns at once."""
        self._publish(PROGRAMME, b"")

    def _publish(self, subject: str, data: bytes) -> None:
        if not self.connected:
            return
        task = asyncio.create_task(self._send(subject, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, subject: str, data: bytes) -> None:
        try:
            await self.client.publish(subject, data)
        except Exception as error:
            _log.warning("bus_lost_a_message", subject=subject, error=str(error) or type(error).__name__)

    async def _down(self) -> None:
        BUS_UP.set(0)
        if not self._closing:
            _log.warning("bus_away")

    async def close(self) -> None:
        self._closing = True
        if self._client is not None:
            if self._client.is_connected:
                await self._client.drain()
            else:
                await self._client.close()


async def tell_programme(url: str, token: str | None) -> None:
    """Have every process draw its screens again at once; those that miss it see it within a second anyway."""
    client = await nats.connect(url, **nats_options(token))
    await client.publish(PROGRAMME, b"")
    await client.drain()


async def _ignore(_: Exception) -> None:
    """The client reports each failed attempt; `_down` and `_up` say what an operator needs."""


async def _up() -> None:
    BUS_UP.set(1)
    _log.info("bus_back")


def nats_options(token: str | None) -> dict[str, Any]:
    """How a short command connects: once, with a clear failure."""
    return {"token": token, "max_reconnect_attempts": 2, "connect_timeout": 2, "error_cb": _ignore}
