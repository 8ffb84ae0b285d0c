"""The fake APNs of `apns.mjs`, as a test holds it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.peers.authority import Authority, new_key, private_pem
from tests.peers.node import Simulator

APP = "com.example.chorus"
ACTIVITY = f"{APP}.push-type.liveactivity"
PASS = "pass.com.example.chorus"


@dataclass(frozen=True)
class Push:
    """One request, as it came."""

    connection: int
    """From 1, in the order in which they were opened."""
    token: str
    topic: str | None
    push_type: str | None
    priority: str | None
    expiration: str | None
    id: str | None
    collapse_id: str | None
    provider_token: int | None
    """From 1, in the order in which APNs first saw them; None for a certificate's."""
    payload: Any
    """The JSON value; the text itself where it is none."""
    status: int | None
    """None when it was never answered."""
    reason: str
    trouble: str
    """The kind of what was scripted for it, "well" for nothing."""


@dataclass(frozen=True)
class Counts:
    """`connections` and `provider_tokens` (the distinct ones) since the start or the reset; `open` connections now."""

    connections: int
    open: int
    provider_tokens: int
    unplayed: int


class FakeApns(Simulator):
    """An APNs that knows one team with one key, which may push to `topics`. After `async with`: `url` without a path,
    `ca_file` to trust it by, and `key_file` (.p8), the key of `key_id`."""

    SCRIPT = "apns.mjs"

    def __init__(
        self,
        topics: Sequence[str] = (APP, ACTIVITY, PASS),
        *,
        team_id: str = "TEAM123456",
        key_id: str = "KEY1234567",
    ) -> None:
        super().__init__()
        self.topics = tuple(topics)
        self.team_id = team_id
        self.key_id = key_id

    def _config(self, folder: Path) -> dict[str, Any]:
        server = Authority(folder, "server-authority")
        self._clients = Authority(folder, "client-authority")
        self._path = folder
        self.ca_file = server.file
        self.key_file = folder / f"AuthKey_{self.key_id}.p8"
        key = new_key()
        self.key_file.write_bytes(private_pem(key))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {
            "tls": server.server(),
            "client_ca": self._clients.certificate.decode(),
            "public_key": public.decode(),
            "key_id": self.key_id,
            "team_id": self.team_id,
            "topics": self.topics,
        }

    def _started(self, ready: dict[str, Any]) -> None:
        self.port: int = ready["port"]
        self.url = f"https://127.0.0.1:{self.port}"

    def certificate(self, topic: str, *, trusted: bool = True) -> Path:
        """A file with a provider's certificate for `topic` and its key; one that APNs does not trust when told so."""
        issuer = self._clients if trusted else Authority(self._path, "stranger")
        path = self._path / f"{topic}{'' if trusted else '-stranger'}.pem"
        path.write_bytes(issuer.client(topic))
        return path

    async def pushes(self, at_least: int = 0) -> list[Push]:
        """All pushes in the order in which they came, as soon as there are so many."""
        return [_push(record) for record in await self._records(at_least)]

    async def counts(self) -> Counts:
        return Counts(**await self.peer.call("counts"))

    async def kill(self, token: str, at: datetime) -> None:
        """Declare a device's token dead since `at`."""
        await self.peer.call("kill", token=token, milliseconds=round(at.timestamp() * 1000))

    async def register(self, token: str, topic: str) -> None:
        """Tie a device's token to its topic; one that is not tied is good for any."""
        await self.peer.call("register", token=token, topic=topic)


def _push(record: dict[str, Any]) -> Push:
    headers = record["headers"]
    try:
        payload = json.loads(record["payload"])
    except json.JSONDecodeError:
        payload = record["payload"]
    return Push(
        connection=record["connection"],
        token=record["token"],
        topic=headers.get("apns-topic"),
        push_type=headers.get("apns-push-type"),
        priority=headers.get("apns-priority"),
        expiration=headers.get("apns-expiration"),
        id=headers.get("apns-id"),
        collapse_id=headers.get("apns-collapse-id"),
        provider_token=record["provider_token"],
        payload=payload,
        status=record["status"],
        reason=record["reason"],
        trouble=record["trouble"],
    )
