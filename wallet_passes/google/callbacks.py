"""Google's word that a member saved or removed its pass: a message signed with ECDSA (ECv2SigningOnly).

Google's root keys sign an intermediate key, which signs the message. What is signed is a sequence of texts, each behind
its length (four bytes, little end first). Nothing of a message is believed before both signatures hold, neither key has
expired, and the message is for us.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import httpx
import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.clock import Clock
from core.errors import Unauthenticated, Unavailable

PROTOCOL = "ECv2SigningOnly"
SENDER = "GooglePayPasses"
KEYS_KEPT = timedelta(hours=1)
KEYS_PAUSE = timedelta(seconds=10)
"""Between two tries to fetch them: strangers make callbacks, and each would have us ask Google."""
KEYS_SECONDS = 10
MAX_SIGNATURES = 8
"""Each is tried with each root key, for whoever sends them; Google sends one."""
MAX_TEXT = 4096
"""Characters; Google's longest text has some hundred."""

_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class Called(msgspec.Struct, frozen=True, rename="camel"):
    """The signed message. `exp_time_millis` is when it stops being good."""

    class_id: str
    object_id: str
    event_type: Literal["save", "del"]
    nonce: str
    exp_time_millis: int | str = 0


class _Intermediate(msgspec.Struct, frozen=True, rename="camel"):
    signed_key: _Text
    signatures: Annotated[list[_Text], msgspec.Meta(max_length=MAX_SIGNATURES)]


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    signature: _Text
    intermediate_signing_key: _Intermediate
    protocol_version: _Text
    signed_message: _Text


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    key_value: str
    key_expiration: str | int = 0
    protocol_version: str = PROTOCOL


class _Keys(msgspec.Struct, frozen=True):
    keys: list[_Key]


class _Root(msgspec.Struct, frozen=True):
    key: ec.EllipticCurvePublicKey
    expiration: str | int


class CallbackVerifier:
    """`issuer` is who the messages must be for. The root keys are fetched when they are first needed, and hourly, for all
    who wait at once; those that are known are kept until there are others that can be used."""

    def __init__(self, keys_url: str, issuer: str, clock: Clock) -> None:
        self._url, self._issuer, self._clock = keys_url, issuer, clock
        self._roots: list[_Root] = []
        self._next_fetch: datetime | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._away = ""
        """Why the keys could not be had at the last try."""

    async def open(self, body: bytes) -> Called:
        """The message of a callback. Raises `Unauthenticated`; `Unavailable` while the root keys cannot be had."""
        try:
            envelope = msgspec.json.decode(body, type=_Envelope)
            key = msgspec.json.decode(envelope.intermediate_signing_key.signed_key, type=_Key)
        except (ValueError, RecursionError):
            raise _refused("it is no signed message") from None
        if envelope.protocol_version != PROTOCOL:
            raise _refused(f"its protocol is not {PROTOCOL}")
        if self._expired(key.key_expiration):
            raise _refused("its key has expired")
        signed_key = _lengths(SENDER, PROTOCOL, envelope.intermediate_signing_key.signed_key)
        if not await self._by_a_root(envelope.intermediate_signing_key.signatures, signed_key):
            raise _refused("its key is not signed by Google")
        message = _lengths(SENDER, self._issuer, PROTOCOL, envelope.signed_message)
        own = _loaded(key.key_value)
        if own is None or not _holds([own], [envelope.signature], message):
            raise _refused("its signature is wrong, or it is for another issuer")
        try:
            called = msgspec.json.decode(envelope.signed_message, type=Called)
        except (ValueError, RecursionError):
            raise _refused("its message cannot be read") from None
        if called.exp_time_millis and self._expired(called.exp_time_millis):
            raise _refused("it has expired")
        return called

    async def _by_a_root(self, signatures: list[str], signed: bytes) -> bool:
        if self._next_fetch is None or self._next_fetch <= self._clock():
            if self._fetching is None or self._fetching.done():
                self._fetching = asyncio.create_task(self._fetch())
            await asyncio.shield(self._fetching)
        good = [root.key for root in self._roots if not self._expired(root.expiration)]
        if not good:
            raise Unavailable(f"Google's keys cannot be had: {self._away}", code="keys_away")
        return _holds(good, signatures, signed)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(KEYS_SECONDS), httpx.AsyncClient(timeout=KEYS_SECONDS) as client:
                answer = (await client.get(self._url)).raise_for_status()
            found = msgspec.json.decode(answer.content, type=_Keys).keys
        except Exception as error:
            # Whatever went wrong, between a connection that breaks in any of its ways and an answer that cannot be read.
            found, self._away = [], f"{type(error).__name__}: {error}"
        else:
            self._away = "none of them can be used"
        current = [key for key in found if key.protocol_version == PROTOCOL and not self._expired(key.key_expiration)]
        usable = [_Root(key, one.key_expiration) for one in current if (key := _loaded(one.key_value))]
        self._roots = usable or self._roots
        self._next_fetch = self._clock() + (KEYS_KEPT if usable else KEYS_PAUSE)

    def _expired(self, millis: str | int) -> bool:
        try:
            at = datetime.fromtimestamp(int(millis) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return True
        return at <= self._clock()


def _loaded(key: str) -> ec.EllipticCurvePublicKey | None:
    """A public key (DER, base64); None where that is none."""
    try:
        public = serialization.load_der_public_key(base64.b64decode(key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, ec.EllipticCurvePublicKey) else None


def _holds(keys: Iterable[ec.EllipticCurvePublicKey], signatures: Iterable[str], message: bytes) -> bool:
    """Whether one of `signatures` (base64) over `message` is by one of `keys`."""
    for key in keys:
        for signature in signatures:
            try:
                key.verify(base64.b64decode(signature, validate=True), message, ec.ECDSA(hashes.SHA256()))
            except (InvalidSignature, ValueError, UnsupportedAlgorithm):
                continue
            return True
    return False


def _lengths(*texts: str) -> bytes:
    return b"".join(struct.pack("<I", len(raw)) + raw for raw in (text.encode() for text in texts))


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"this callback is not Google's: {why}", code="wrong_callback")
