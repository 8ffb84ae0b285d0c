"""The contract of a channel: one message to one device, and what became of it.

`send` tells every answer of its provider, and every failure on the way, as an `Outcome`; it raises for none of them. A
failure before the provider can have taken the message is a `Retry`; one after which nobody can know is `Unknown`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from core.delivery.outcome import Outcome
from core.member_devices import DeviceChannel, MemberDevice

CREDENTIALS_PAUSE_SECONDS = 300
"""A provider that does not take our key is not the message's fault: an operator may mend it while it waits."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """`reference` is the same through all attempts, and `collapse_id` names what a repeat replaces (at most 64 bytes).

    `state` is what a Live Activity shows; empty for a notification."""

    reference: UUID
    device: MemberDevice
    title: str
    body: str
    collapse_id: str
    url: str
    version: int
    sent_at: datetime
    expires_at: datetime
    state: dict[str, Any] = {}


class Channel(Protocol):
    """`hides_repeats`: a member to whom the same message goes twice sees it once."""

    name: DeviceChannel
    hides_repeats: bool
    at_once: int

    async def send(self, message: Message) -> Outcome: ...

    async def close(self) -> None: ...
