"""The fakes of `http.mjs`, Google's token endpoint, FCM and a gateway for text messages, as a test holds them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.peers.authority import Authority
from tests.peers.node import Simulator, Trouble

Route = Literal["token", "fcm", "sms"]


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    route: Route | Literal[""]
    """Empty for a path that nothing is behind."""
    path: str
    headers: dict[str, str]
    """Their names in lower case."""
    body: Any
    """The JSON value or the form's fields, by its declared type; the text itself where it is neither."""
    claims: dict[str, Any]
    """Of the token route: what the assertion claimed, verified or not."""
    status: int | None
    """None when it was never answered."""
    reason: str
    """Why it was not answered 200, in the provider's word."""
    trouble: str
    """The kind of what was scripted for it, "well" for nothing."""


class FakeHttp(Simulator):
    """Knows one service account of one project. After `async with`: `token_url`, `fcm_url`, `sms_url`, the origin they
    share (`url`), `service_account` as Google hands it out, `service_account_file` with it; `ca_file` for `tls`."""

    SCRIPT = "http.mjs"

    def __init__(self, project: str = "chorus-tests", *, tls: bool = False) -> None:
        super().__init__()
        self.project = project
        self.email = f"chorus@{project}.iam.gserviceaccount.com"
        self._tls = tls

    def _config(self, folder: Path) -> dict[str, Any]:
        authority = Authority(folder, "authority")
        self.ca_file = authority.file
        self.service_account_file = folder / "service-account.json"
        public = _key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {
            "tls": authority.server() if self._tls else None,
            "public_key": public.decode(),
            "email": self.email,
            "project": self.project,
        }

    def _started(self, ready: dict[str, Any]) -> None:
        self.url: str = ready["origin"]
        self.token_url = f"{self.url}/token"
        self.fcm_url = f"{self.url}{ready['fcm_path']}"
        self.sms_url = f"{self.url}/sms"
        private = _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.service_account = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": "0123456789abcdef0123456789abcdef01234567",
            "private_key": private.decode(),
            "client_email": self.email,
            "client_id": "100000000000000000001",
            "token_uri": self.token_url,
        }
        self.service_account_file.write_text(json.dumps(self.service_account))

    async def script(self, *troubles: Trouble, route: Route | None = None) -> None:
        """As of any peer; with `route`, for requests of that one only."""
        narrow = {"route": route} if route else {}
        await super().script(*({**trouble, **narrow} for trouble in troubles))

    async def requests(self, route: Route | None = None, at_least: int = 0) -> list[Request]:
        """The requests of a route, or all, in the order in which they came, as soon as there are so many of these."""
        everything = await self._records(0)
        found = _of(route, everything)
        while len(found) < at_least:
            everything = await self._records(len(everything) + 1)
            found = _of(route, everything)
        return found

    async def tokens_issued(self) -> int:
        """How many access tokens were handed out."""
        return sum(request.status == 200 for request in await self.requests("token"))

    async def kill(self, token: str) -> None:
        """Declare a device's token unregistered."""
        await self.peer.call("kill", token=token)

    async def estrange(self, token: str) -> None:
        """Declare a device's token to be another sender's."""
        await self.peer.call("estrange", token=token)


@cache
def _key() -> rsa.RSAPrivateKey:
    """The service account's key; one for all, as making one takes its time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _of(route: Route | None, records: list[dict[str, Any]]) -> list[Request]:
    return [Request(**record) for record in records if route in (None, record["route"])]
