"""Google's word that a member saved or removed its pass: a message signed with ECDSA (ECv2SigningOnly).

Google's root keys sign an intermediate key, which signs the message. What is signed is a sequence of texts, each behind
its length (four bytes, little end first). Nothing of a message is believed before both signatures hold, neither key has
expired, and the message is for us.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

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


class Called(msgspec.Struct, frozen=True, rename="camel"):
    """The signed message. `exp_time_millis` is when it stops being good."""

    class_id: str
    object_id: str
    event_type: Literal["save", "del"]
    nonce: str
    exp_time_millis: int | str = 0


class _Intermediate(msgspec.Struct, frozen=True, rename="camel"):
    signed_key: str
    signatures: list[str]


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    signature: str
    intermediate_signing_key: _Intermediate
    protocol_version: str
    signed_message: str


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    key_value: str
    key_expiration: str | int = 0
    protocol_version: str = PROTOCOL


class _Keys(msgspec.Struct, frozen=True):
    keys: list[_Key]


class CallbackVerifier:
    """`issuer` is who the messages must be for. The root keys are fetched when they are first needed, and hourly."""

    def __init__(self, keys_url: str, issuer: str, clock: Clock) -> None:
        self._url, self._issuer, self._clock = keys_url, issuer, clock
        self._roots: list[_Key] = []
        self._fetched: datetime | None = None

    async def open(self, body: bytes) -> Called:
        """The message of a callback. Raises `Unauthenticated`; `Unavailable` while the root keys cannot be had."""
        try:
            envelope = msgspec.json.decode(body, type=_Envelope)
            key = msgspec.json.decode(envelope.intermediate_signing_key.signed_key, type=_Key)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise _refused("it is no signed message") from None
        if envelope.protocol_version != PROTOCOL:
            raise _refused(f"its protocol is not {PROTOCOL}")
        if self._expired(key.key_expiration):
            raise _refused("its key has expired")
        signed_key = _lengths(SENDER, PROTOCOL, envelope.intermediate_signing_key.signed_key)
        if not await self._by_a_root(envelope.intermediate_signing_key.signatures, signed_key):
            raise _refused("its key is not signed by Google")
        message = _lengths(SENDER, self._issuer, PROTOCOL, envelope.signed_message)
        if not _holds([key.key_value], [envelope.signature], message):
            raise _refused("its signature is wrong, or it is for another issuer")
        try:
            called = msgspec.json.decode(envelope.signed_message, type=Called)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _refused("its message cannot be read") from None
        if called.exp_time_millis and self._expired(called.exp_time_millis):
            raise _refused("it has expired")
        return called

    async def _by_a_root(self, signatures: list[str], signed: bytes) -> bool:
        known = self._fetched is not None and self._clock() < self._fetched + KEYS_KEPT
        if not known:
            await self._fetch()
        good = [key.key_value for key in self._roots if not self._expired(key.key_expiration)]
        return _holds(good, signatures, signed)

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = (await client.get(self._url)).raise_for_status()
            found = msgspec.json.decode(answer.content, type=_Keys).keys
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            if not self._roots:
                raise Unavailable(f"Google's keys cannot be had: {error}", code="keys_away") from None
            return
        self._roots = [key for key in found if key.protocol_version == PROTOCOL]
        self._fetched = self._clock()

    def _expired(self, millis: str | int) -> bool:
        try:
            at = datetime.fromtimestamp(int(millis) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return True
        return at <= self._clock()


def _holds(keys: Iterable[str], signatures: Iterable[str], message: bytes) -> bool:
    """Whether one of `signatures` over `message` is by one of `keys` (DER, base64)."""
    for key in keys:
        for signature in signatures:
            try:
                public = serialization.load_der_public_key(base64.b64decode(key, validate=True))
                if isinstance(public, ec.EllipticCurvePublicKey):
                    public.verify(base64.b64decode(signature, validate=True), message, ec.ECDSA(hashes.SHA256()))
                    return True
            except (InvalidSignature, ValueError, binascii.Error, UnsupportedAlgorithm):
                continue
    return False


def _lengths(*texts: str) -> bytes:
    return b"".join(struct.pack("<I", len(raw)) + raw for raw in (text.encode() for text in texts))


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"this callback is not Google's: {why}", code="wrong_callback")
