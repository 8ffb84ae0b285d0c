"""What a room has to offer to have something delivered: a planner of deliveries, and a carrier for each channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from core.database import Driver
from core.delivery.outcome import Outcome, TokenDead
from core.snapshot import Change


class Fact(msgspec.Struct, frozen=True):
    """One committed change, as the stream carries it."""

    id: int
    kind: str
    change: Change


class Planned(msgspec.Struct, frozen=True):
    """A wish to deliver. With the epoch of the ledger, (fact, member, channel, target) is unique for ever: planned
    again, it is not made again. `target` is an id of the channel's own: a device's, a registration's."""

    fact: int
    member: int
    version: int
    kind: str
    channel: str
    target: int
    due_at: datetime | None = None
    """None: now."""


class Delivery(msgspec.Struct, frozen=True):
    """One delivery as a carrier receives it. `reference` stays the same through all attempts."""

    id: int
    reference: UUID
    member: int
    version: int
    kind: str
    channel: str
    target: int
    attempt: int
    created_at: datetime


class Planner(Protocol):
    async def plan(self, connection: Driver, epoch: int, facts: Sequence[Fact]) -> list[Planned]:
        """What these facts ask for. What it writes itself belongs to the same transaction."""
        ...


class Carrier(Protocol):
    """One channel. `prepare` reads what a batch needs; each of its results is sent, or is the outcome already.

    `newest_only`: a send carries the whole state of its target, so a newer delivery makes a waiting older one needless,
    and no two to one target are under way at once. `hides_repeats`: the same reference sent twice shows once.
    """

    channel: str
    newest_only: bool
    hides_repeats: bool
    at_once: int

    async def prepare(self, deliveries: Sequence[Delivery]) -> Mapping[int, Any]:
        """By delivery id: what `send` takes, or an `Outcome`. A delivery left out is rejected as gone."""
        ...

    async def send(self, message: Any) -> Outcome:
        """Never raises for what a provider may do; an exception counts as `Unknown`."""
        ...

    async def forget(self, delivery: Delivery, dead: TokenDead) -> None:
        """The target's address is dead."""
        ...

    async def close(self) -> None: ...
