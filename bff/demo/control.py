"""How the wall's buttons reach the replay, which runs in a process of its own: two subjects on the bus.

The replay says where it is twice a second; a request tells it to pause, to go faster, to go on to a date, or to ring up
one sale, and is answered with where it is then.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from core.errors import Unavailable

STATUS = "chorus.demo.status"
CONTROL = "chorus.demo.control"
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


class Refusal(msgspec.Struct, frozen=True):
    error: str


class ReplayRemote:
    """The workers' side."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self._client: Client | None = None

    @property
    def member(self) -> int | None:
        return self.status.member if self.status else None

    async def open(self, client: Client) -> None:
        self._client = client

        async def heard(message: Msg) -> None:
            self.status = msgspec.json.decode(message.data, type=Status)

        await client.subscribe(STATUS, cb=heard)

    async def tell(self, control: Control) -> Status:
        """Raises `Unavailable` when no replay runs."""
        assert self._client is not None
        try:
            answer = await self._client.request(CONTROL, msgspec.json.encode(control), timeout=ANSWER_SECONDS)
        except (NatsError, TimeoutError):
            raise Unavailable("the replay does not answer; is chorus demo running?", code="no_replay") from None
        self.status = msgspec.json.decode(answer.data, type=Status)
        return self.status
