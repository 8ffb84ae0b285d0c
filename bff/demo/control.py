"""How the wall's buttons reach the replay, which runs in a process of its own: two subjects on the bus.

The replay says where it is twice a second; a request tells it to pause, to go faster, to go on to a date, or to ring up
one sale, and is answered with where it is then.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from core.errors import Unavailable
from surfaces.pages import PassFace
from surfaces.views import Locale

STATUS = "chorus.demo.status"
CONTROL = "chorus.demo.control"
PHONES = "chorus.demo.phones"
WANT_PHONE = "chorus.demo.phones.want"
ANSWER_SECONDS = 10


class Status(msgspec.Struct, frozen=True):
    """`member` is the one the wall shows. Dates are of the shifted log."""

    member: int
    playing: bool
    date: str
    first: str
    last: str
    speed: float
    posted: int
    total: int


class Control(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    playing: bool | None = None
    speed: Literal[1, 4, 16, 64] | None = None
    seek: str | None = None
    sale: str | None = None
    """The key of a sale to ring up for the member shown."""


class PassEvent(msgspec.Struct, frozen=True):
    kind: Literal["added", "pushed", "fetched"]
    at: datetime
    version: int
    size: int


class PassStatus(msgspec.Struct, frozen=True):
    """What the phone of the member shows. `changes` grows with each event; `strip` is a PNG in base64."""

    member: int
    changes: int
    version: int
    faces: dict[Locale, PassFace]
    strip: str
    strip_name: str
    events: tuple[PassEvent, ...]


class Want(msgspec.Struct, frozen=True):
    """The wall shows this member: it needs a phone."""

    member: int


class Refusal(msgspec.Struct, frozen=True):
    error: str


class ReplayRemote:
    """The workers' side."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self._client: Client | None = None
        self._passes: dict[int, PassStatus] = {}
        self._told = asyncio.Condition()

    @property
    def member(self) -> int | None:
        return self.status.member if self.status else None

    async def open(self, client: Client) -> None:
        self._client = client

        async def heard(message: Msg) -> None:
            self.status = msgspec.json.decode(message.data, type=Status)

        async def passes(message: Msg) -> None:
            await self._keep(msgspec.json.decode(message.data, type=PassStatus))

        await client.subscribe(STATUS, cb=heard)
        await client.subscribe(PHONES, cb=passes)

    async def tell(self, control: Control) -> Status:
        """Raises `Unavailable` when no replay runs."""
        assert self._client is not None
        try:
            answer = await self._client.request(CONTROL, msgspec.json.encode(control), timeout=ANSWER_SECONDS)
        except (NatsError, TimeoutError):
            raise Unavailable("the replay does not answer; is chorus demo running?", code="no_replay") from None
        self.status = msgspec.json.decode(answer.data, type=Status)
        return self.status

    async def pass_of(self, member: int) -> PassStatus | None:
        """What the member's phone shows; it is given one where it had none. None where no replay gives out phones."""
        if member in self._passes:
            return self._passes[member]
        assert self._client is not None
        try:
            answer = await self._client.request(WANT_PHONE, msgspec.json.encode(Want(member)), timeout=ANSWER_SECONDS)
            await self._keep(msgspec.json.decode(answer.data, type=PassStatus))
        except (NatsError, TimeoutError, msgspec.DecodeError):
            return None
        return self._passes[member]

    async def next_pass(self, member: int, after: int, seconds: float) -> PassStatus | None:
        """What the phone shows after its change number `after`; None where nothing changes for so long."""

        def newer() -> PassStatus | None:
            found = self._passes.get(member)
            return found if found is not None and found.changes > after else None

        try:
            async with asyncio.timeout(seconds), self._told:
                await self._told.wait_for(lambda: newer() is not None)
        except TimeoutError:
            return None
        return newer()

    async def _keep(self, status: PassStatus) -> None:
        known = self._passes.get(status.member)
        if known is None or status.changes > known.changes:
            async with self._told:
                self._passes[status.member] = status
                self._told.notify_all()
