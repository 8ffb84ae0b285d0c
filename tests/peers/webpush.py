"""The push service of `webpush.mjs`, and the browsers behind it, as a test holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.authority import Authority
from tests.peers.node import Simulator


@dataclass(frozen=True)
class Message:
    """One request, as it came; the fields are None where they were not sent."""

    endpoint: str
    message: str | None
    """What the browser would show, decrypted; None for a request that was refused on its merits."""
    ttl: str | None
    urgency: str | None
    topic: str | None
    claims: dict[str, Any]
    """Of the VAPID token, verified; empty when it could not be."""
    headers: dict[str, str]
    """Their names in lower case."""
    status: int | None
    """None when it was never answered."""
    reason: str
    trouble: str
    """The kind of what was scripted for it, "well" for nothing."""


class PushService(Simulator):
    """A push service at `url` with as many browsers as subscribe; `ca_file` to trust it by, with `tls`."""

    SCRIPT = "webpush.mjs"

    def __init__(self, *, tls: bool = False) -> None:
        super().__init__()
        self._tls = tls

    def _config(self, folder: Path) -> dict[str, Any]:
        authority = Authority(folder, "authority")
        self.ca_file = authority.file
        return {"tls": authority.server() if self._tls else None}

    def _started(self, ready: dict[str, Any]) -> None:
        self.url: str = ready["origin"]

    async def subscribe(self, key: str) -> dict[str, Any]:
        """What a browser gives its page for the VAPID public key `key`, an uncompressed point in base64url without
        padding: {"endpoint", "keys": {"p256dh", "auth"}}."""
        subscription: dict[str, Any] = await self.peer.call("subscribe", key=key)
        return subscription

    async def expire(self, endpoint: str) -> None:
        """Let the subscription be gone: 410 from now on."""
        await self.peer.call("expire", endpoint=endpoint)

    async def messages(self, at_least: int = 0) -> list[Message]:
        """All requests in the order in which they came, as soon as there are so many."""
        return [Message(**record) for record in await self._records(at_least)]
