"""Web Push: an encrypted message (RFC 8291) to a browser's push service, signed with our VAPID key (RFC 8292).

The endpoint comes from a browser, so anybody may name any host: only push services that are allowed are sent to, by
https.
The message's tag lets a repeat replace what it repeats; its topic (RFC 8030) does the same while it waits.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from bisect import bisect_right
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from pywebpush import WebPusher

from core.clock import Clock
from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead
from core.files import read_or_create_private
from core.member_devices import DeviceChannel
from core.settings import OperatorError
from push.channels.contract import Message
from push.channels.http import AS_IT_IS, CREDENTIALS_PAUSE, SECONDS, answered, patience, told, wish

TOKEN_LIFE = timedelta(hours=12)
MAX_CONTENT = 4096 - 86 - 17
"""RFC 8291: a push service takes 4,096 bytes; encrypted it has a head of 86, and 17 of padding and tag."""
ELLIPSIS = "…"
_OUR_KEY = (401, 403)
"""RFC 8292: not signed, or not with the key that the browser subscribed with. An operator who put another key gets it for
every browser at once, so none is forgotten for it; one that subscribes anew leaves an endpoint that is gone (410)."""
# Two readers of one address must not find two hosts in it: nothing that they could read differently.
_ADDRESS = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]{1,2000}", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class VapidKey:
    """Our identity towards the browsers' push services."""

    def __init__(self, path: Path, contact: str) -> None:
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise OperatorError(f"the Web Push key {path} cannot be read: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise OperatorError(f"the Web Push key {path} is not a P-256 key")
        self._vapid = Vapid02(key)
        self._contact = contact
        point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        self.public = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        """What a browser subscribes with (`applicationServerKey`)."""

    @classmethod
    def of(cls, path: str, data_dir: Path, contact: str) -> VapidKey:
        """The key at `path`, or the data folder's own, made on first use: browsers that subscribed stay ours."""
        if path:
            return cls(Path(path), contact)
        own = data_dir / "webpush.pem"
        read_or_create_private(own, _new_key)
        return cls(own, contact)

    def authorization(self, endpoint: str, expires: int) -> str:
        parts = urlsplit(endpoint)
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": expires, "sub": self._contact}
        return str(self._vapid.sign(claims)["Authorization"])


class WebPush:
    name: DeviceChannel = "webpush"
    hides_repeats = True
    at_once = 50

    def __init__(self, key: VapidKey, hosts: str, clock: Clock, *, seconds: float = SECONDS) -> None:
        self.key, self._hosts, self._clock, self._seconds = key, hosts, clock, seconds
        self._client = httpx.AsyncClient(
            http2=True, headers=AS_IT_IS, timeout=patience(seconds), follow_redirects=False
        )

    async def send(self, message: Message) -> Outcome:
        endpoint = message.device.token
        if not allowed(endpoint, self._hosts):
            return Rejected("the endpoint is not one of an allowed push service (CHORUS_WEBPUSH_HOSTS)")
        content = _content(message)
        try:
            encrypted = await asyncio.to_thread(_encrypted, content, endpoint, message.device.keys)
        except _BadKeys as error:
            return TokenDead(f"the browser's keys cannot be used: {error}")
        except (RuntimeError, MemoryError, OSError) as error:
            return Retry(f"not encrypted: {type(error).__name__} {error}".strip())
        now = self._clock()
        headers = {
            "authorization": self.key.authorization(endpoint, int((now + TOKEN_LIFE).timestamp())),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(max(0, int((message.expires_at - now).total_seconds()))),
            "urgency": "normal",
            "topic": _topic(message.collapse_id),
        }
        request = self._client.post(endpoint, content=encrypted, headers=headers)
        response = await answered(request, self._seconds)
        return self._outcome(response) if isinstance(response, httpx.Response) else response

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        said = told(response)
        if 200 <= status < 300:
            return Delivered(response.headers.get("location", ""))
        if status in (404, 410):
            return TokenDead(said)
        if status in _OUR_KEY:
            return Retry(said, CREDENTIALS_PAUSE)
        if status == 429 or status >= 500:
            return Retry(said, wish(response, self._clock()))
        return Rejected(said)

    async def close(self) -> None:
        await self._client.aclose()


def allowed(endpoint: str, hosts: str) -> bool:
    """Whether `endpoint` is an https address at one of `hosts` or under it. One of `hosts` with a port is that very
    address, whatever its scheme."""
    if _ADDRESS.fullmatch(endpoint) is None:
        return False
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or "#" in endpoint or _HOST.fullmatch(host) is None:
        return False
    known = [one.strip().lower() for one in hosts.split(",") if one.strip()]
    if port is not None and parts.scheme in ("http", "https") and f"{host}:{port}" in known:
        return True
    if parts.scheme != "https" or port not in (None, 443):
        return False
    return any(host == one or host.endswith(f".{one}") for one in known if ":" not in one)


def _content(message: Message) -> bytes:
    """With as many words as fit: a title may take half of what is free, and the body has the rest."""
    content = {
        "title": "",
        "body": "",
        "tag": message.collapse_id,
        "url": message.url,
        "lang": message.device.locale,
        "version": message.version,
    }
    free = MAX_CONTENT - len(msgspec.json.encode(content))
    title = _cut(message.title, free // 2)
    return msgspec.json.encode({**content, "title": title, "body": _cut(message.body, free - _weight(title))})


def _cut(text: str, free: int) -> str:
    """`text`, or its beginning and an ellipsis, in at most `free` bytes of JSON."""
    if _weight(text) <= free:
        return text
    weights = accumulate(map(_weight, text[: max(free, 0)]))
    return text[: bisect_right(list(weights), free - _weight(ELLIPSIS))] + ELLIPSIS


def _weight(text: str) -> int:
    return len(msgspec.json.encode(text)) - len('""')


class _BadKeys(ValueError):
    pass


def _encrypted(content: bytes, endpoint: str, keys: dict[str, str]) -> bytes:
    """Raises `_BadKeys`; anything else is this machine's trouble."""
    try:
        return bytes(WebPusher({"endpoint": endpoint, "keys": keys}).encode(content, "aes128gcm")["body"])
    except (MemoryError, OSError):
        raise
    except Exception as error:
        # Only the browser's keys are new to it, and each library on the way has errors of its own for them.
        raise _BadKeys(f"{type(error).__name__} {error}") from error


def _topic(collapse_id: str) -> str:
    """At most 32 characters of base64url."""
    digest = hashlib.sha256(collapse_id.encode()).digest()[:24]
    return base64.urlsafe_b64encode(digest).decode()


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password).decode()
