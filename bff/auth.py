"""Who asks: tokens scoped to a surface, and to a member, to a device and its store, or to a person by name.

A token is a JWT signed with the instance's secret, verified without a database. It says which surface it is for, so one
made for the kiosk opens no app; a receipt's key is in its link and opens that one receipt. What a token does not carry
it cannot reach: handlers take the member from here, never from the request.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache

import jwt
import msgspec

from core.clock import Clock
from core.errors import NotAllowed, NotFound, Unauthenticated

MEMBER_SURFACES = ("app", "web", "wallet")
DEVICE_SURFACES = ("kiosk", "pos", "staff")
PERSON_SURFACES = ("admin",)
SCOPES = ("backdate", "adjust", "programme")
"""backdate: may send events older than the programme's replay window. adjust: may give and take points by hand.
programme: may publish and roll back."""

SESSION_COOKIE = "chorus_web"

KNOWN_TOKENS = 4096
_ALGORITHM = "HS256"
_RECEIPT_MAC = 12
"""96 bits: a link cannot be guessed, and its QR code stays coarse enough to print."""


class Principal(msgspec.Struct, frozen=True):
    """`member` for a member's surface, `device` and `store` for a store's, `name` for a person's."""

    surface: str
    member: int = 0
    device: str = ""
    store: str = ""
    till: str = ""
    scopes: tuple[str, ...] = ()
    name: str = ""

    @property
    def source(self) -> str:
        """The name under which its idempotency keys are claimed."""
        return f"{self.surface}:{self.name or self.device or self.member}"

    def may(self, scope: str) -> bool:
        return scope in self.scopes


class Tokens:
    """Issues and verifies; `revoked` answers with the device ids that may no longer enter."""

    def __init__(self, secret: str, clock: Clock, revoked: Callable[[], frozenset[str]] = frozenset) -> None:
        self._secret = secret.encode()
        self._device_key = hmac.digest(self._secret, b"chorus unsubscribe link", "sha256")
        self._receipt_key = hmac.digest(self._secret, b"chorus receipt link", "sha256")
        self._clock = clock
        self._revoked = revoked
        # A till sends the same token with every purchase; a signature once checked stays good, its expiry is asked anew.
        self._read = lru_cache(maxsize=KNOWN_TOKENS)(self._decode)

    def issue(self, principal: Principal, lifetime: timedelta) -> str:
        now = self._clock()
        claims = {
            "iss": "chorus",
            "aud": principal.surface,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "who": msgspec.to_builtins(principal),
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def verify(self, token: str, surface: str) -> Principal:
        """The principal of a token made for `surface`. Raises `Unauthenticated`, `NotAllowed`."""
        principal, audience, expires = self._read(token)
        if expires <= self._clock().timestamp():
            raise Unauthenticated("the token has expired", code="token_expired")
        if audience != surface or principal.surface != surface:
            raise NotAllowed(f"this token is not for {surface}", code="wrong_surface")
        if principal.device and principal.device in self._revoked():
            raise NotAllowed("this device was revoked", code="device_revoked")
        return principal

    def _decode(self, token: str) -> tuple[Principal, str, float]:
        """(principal, surface it was made for, expiry) of a token that we signed. Raises `Unauthenticated`."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer="chorus",
                options={
                    "require": ["exp", "aud", "iss"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            return msgspec.convert(claims["who"], Principal), str(claims["aud"]), float(claims["exp"])
        except (jwt.PyJWTError, msgspec.ValidationError, KeyError, TypeError, ValueError):
            raise Unauthenticated("the token is not one of ours") from None

    def receipt_token(self, member: int, version: int) -> str:
        """The key in a receipt's link: 28 characters, for that purchase only."""
        body = member.to_bytes(5) + version.to_bytes(4)
        return urlsafe_b64encode(body + self._receipt_mac(body)).decode()

    def open_receipt(self, token: str) -> tuple[int, int]:
        """(member, version) of a receipt's link. Raises `NotFound`."""
        try:
            raw = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            raw = b""
        body, mac = raw[:9], raw[9:]
        if len(raw) != 9 + _RECEIPT_MAC or not hmac.compare_digest(mac, self._receipt_mac(body)):
            raise NotFound("there is no such receipt", code="unknown_receipt")
        return int.from_bytes(body[:5]), int.from_bytes(body[5:])

    def device_token(self, device: int) -> str:
        """The key in a letter's link that ends the letters to one device."""
        body = device.to_bytes(8)
        return urlsafe_b64encode(body + hmac.digest(self._device_key, body, "sha256")[: _RECEIPT_MAC + 1]).decode()

    def open_device(self, token: str) -> int:
        """The device of such a link. Raises `NotFound`."""
        try:
            raw = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            raw = b""
        right = self.device_token(int.from_bytes(raw[:8]))
        if len(raw) != 8 + _RECEIPT_MAC + 1 or not hmac.compare_digest(right.encode(), token.encode()):
            raise NotFound("there is no such link", code="unknown_link")
        return int.from_bytes(raw[:8])

    def _receipt_mac(self, body: bytes) -> bytes:
        return hmac.digest(self._receipt_key, body, hashlib.sha256)[:_RECEIPT_MAC]


def bearer(header: str | None) -> str:
    """The token of an `Authorization: Bearer` header. Raises `Unauthenticated`."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("send the token as Authorization: Bearer ...")
    return token.strip()


def same_origin(origin: str | None, host: str | None, public_url: str) -> bool:
    """Whether a browser's `Origin` is ours. A client that is no browser sends none, and has no cookie either."""
    if origin is None:
        return False
    return origin == public_url or origin.partition("://")[2] == (host or "")
