"""Google Wallet for the demo and the tests: its REST interface, its tokens, its save page, its signed callbacks.

It keeps what it is sent, and is as strict as the interface it stands for: a token it did not issue, a field it does not
know, an object without its class, a fourth notification in a day are refused with Google's own answers. `trouble` is
answered before anything else, one for each request about the object it is for.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.exceptions import PyJWTError

ISSUER = "3388000000022222222"
EMAIL = "shop@chorus-demo.example"
_KINDS = ("loyaltyClass", "loyaltyObject")
_FIELDS = {
    "loyaltyClass": "id issuerName localizedIssuerName programName localizedProgramName programLogo accountNameLabel"
    " accountIdLabel localizedAccountNameLabel hexBackgroundColor countryCode reviewStatus callbackOptions heroImage"
    " rewardsTier rewardsTierLabel homepageUri linksModuleData textModulesData",
    "loyaltyObject": "id classId state accountId accountName loyaltyPoints secondaryLoyaltyPoints barcode heroImage"
    " textModulesData linksModuleData infoModuleData messages validTimeInterval locations smartTapRedemptionValue"
    " notifyPreference appLinkData groupingInfo",
}
_REQUIRED = {
    "loyaltyClass": ("issuerName", "programName", "programLogo", "reviewStatus"),
    "loyaltyObject": ("classId", "state"),
}
_ID = re.compile(r"[0-9]+\.[A-Za-z0-9._-]+")
_NOTIFICATIONS = 3


class Update(msgspec.Struct, frozen=True):
    """One change of an object, as it arrived."""

    id: str
    points: int
    notified: bool
    at: datetime


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    kind: str = "application/json"
    headers: dict[str, str] = {}


class GoogleWallet:
    """`changed` is told the id of each object that changed."""

    def __init__(self, changed: Callable[[Update], None] | None = None) -> None:
        self._changed = changed
        self._service = rsa.generate_private_key(65537, 2048)
        self._root, self._intermediate = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        self._tokens: set[str] = set()
        self._notified: Counter[str] = Counter()
        self.url = ""
        self.kept: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        self.updates: list[Update] = []
        self.requests: list[tuple[str, str]] = []
        self.tokens_issued = 0
        self.trouble: list[tuple[str, Answer]] = []

    def settings(self, folder: Path) -> dict[str, str]:
        """What the shop's server must be told to keep its passes here."""
        file = folder / "google.json"
        file.write_text(json.dumps(self.service_account()))
        return {
            "CHORUS_GOOGLE_WALLET_CREDENTIALS": str(file),
            "CHORUS_GOOGLE_WALLET_ISSUER": ISSUER,
            "CHORUS_GOOGLE_WALLET_URL": self.url,
            "CHORUS_GOOGLE_WALLET_SAVE_URL": f"{self.url}/save",
            "CHORUS_GOOGLE_WALLET_KEYS_URL": f"{self.url}/keys",
        }

    def service_account(self) -> dict[str, str]:
        """The key file that Google would have given."""
        encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        return {
            "type": "service_account",
            "project_id": "chorus-demo",
            "private_key_id": "demo",
            "private_key": self._service.private_bytes(
                encoding, serialization.PrivateFormat.PKCS8, no_password
            ).decode(),
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        answer = self.answer(scope["method"], scope["path"], headers, body)
        shown = [(b"content-type", answer.kind.encode()), (b"content-length", str(len(answer.body)).encode())]
        shown += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": shown})
        await send({"type": "http.response.body", "body": answer.body})

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.requests.append((method, path))
        if path == "/token" and method == "POST":
            return self._token(body)
        if path == "/keys":
            return _json(200, {"keys": [_public(self._root, datetime.now(UTC) + timedelta(days=30))]})
        if path.startswith("/save/"):
            return self._save(path.removeprefix("/save/"))
        for i, (about, answer) in enumerate(self.trouble):
            if path.endswith(about) or f'"{about}"'.encode() in body:
                del self.trouble[i]
                return answer
        if headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        kind, _, id = path.removeprefix("/walletobjects/v1/").partition("/")
        if kind not in _KINDS:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        return self._rest(method, kind, id, body)

    def _rest(self, method: str, kind: str, id: str, body: bytes) -> Answer:
        known = self.kept[kind]
        if method == "GET":
            return _json(200, known[id]) if id in known else _missing()
        try:
            sent = json.loads(body)
        except ValueError:
            return _error(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
        if unknown := set(sent) - set(_FIELDS[kind].split()):
            return _error(400, "INVALID_ARGUMENT", f'Invalid JSON payload received. Unknown name "{min(unknown)}"')
        if method == "POST":
            return self._insert(kind, sent)
        if method != "PATCH" or id not in known:
            return _missing()
        return self._patch(kind, id, sent)

    def _insert(self, kind: str, sent: dict[str, Any]) -> Answer:
        id = str(sent.get("id", ""))
        if not _ID.fullmatch(id) or not id.startswith(f"{ISSUER}."):
            return _error(400, "INVALID_ARGUMENT", f"Invalid resource ID: {id}")
        if id in self.kept[kind]:
            return _error(409, "ALREADY_EXISTS", "existingResource")
        if missing := [name for name in _REQUIRED[kind] if name not in sent]:
            return _error(400, "INVALID_ARGUMENT", f"{missing[0]} is required")
        if kind == "loyaltyObject" and sent["classId"] not in self.kept["loyaltyClass"]:
            return _error(404, "NOT_FOUND", "classNotFound")
        return self._keep(kind, id, sent, notified=False)

    def _patch(self, kind: str, id: str, sent: dict[str, Any]) -> Answer:
        wished = sent.pop("notifyPreference", "") == "notifyOnUpdate"
        merged = {**self.kept[kind][id], **sent}
        notified = wished and merged.get("loyaltyPoints") != self.kept[kind][id].get("loyaltyPoints")
        if notified and self._notified[id] >= _NOTIFICATIONS:
            return _error(429, "RESOURCE_EXHAUSTED", "QuotaExceededException: 3 notifications in 24 hours")
        self._notified[id] += notified
        return self._keep(kind, id, merged, notified=notified)

    def _keep(self, kind: str, id: str, whole: dict[str, Any], *, notified: bool) -> Answer:
        self.kept[kind][id] = whole
        if kind == "loyaltyObject":
            points = int(whole.get("loyaltyPoints", {}).get("balance", {}).get("int", 0))
            update = Update(id, points, notified, datetime.now(UTC))
            self.updates.append(update)
            if self._changed is not None:
                self._changed(update)
        return _json(200, whole)

    def _token(self, body: bytes) -> Answer:
        assertion = dict(part.split("=", 1) for part in body.decode().split("&")).get("assertion", "")
        try:
            claims = jwt.decode(
                assertion,
                self._service.public_key(),
                algorithms=["RS256"],
                issuer=EMAIL,
                options={"verify_aud": False},
            )
        except PyJWTError as error:
            return _json(400, {"error": "invalid_grant", "error_description": str(error)})
        if claims.get("scope") != "https://www.googleapis.com/auth/wallet_object.issuer":
            return _json(400, {"error": "invalid_scope"})
        token = token_hex(16)
        self._tokens.add(token)
        self.tokens_issued += 1
        return _json(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _save(self, link: str) -> Answer:
        """What a browser is shown at a save link: it is saved, if the link is the shop's and the object is there."""
        try:
            claims = jwt.decode(link, self._service.public_key(), algorithms=["RS256"], audience="google", issuer=EMAIL)
        except PyJWTError:
            return Answer(400, b"Something went wrong", "text/plain")
        objects = claims.get("payload", {}).get("loyaltyObjects", [])
        there = claims.get("typ") == "savetowallet" and all(o["id"] in self.kept["loyaltyObject"] for o in objects)
        if not there or not objects:
            return Answer(400, b"Something went wrong", "text/plain")
        page = "<!doctype html><title>Saved</title><p>Saved to the simulated Google Wallet.</p>"
        return Answer(200, page.encode(), "text/html; charset=utf-8")

    def callback(self, object_id: str, event: str, *, nonce: str, issuer: str = ISSUER, good_for: int = 3600) -> bytes:
        """A callback as Google signs it: `event` is `save` or `del`; `good_for` seconds."""
        expires = datetime.now(UTC) + timedelta(seconds=good_for)
        message = json.dumps(
            {
                "classId": f"{ISSUER}.chorus-loyalty",
                "objectId": object_id,
                "eventType": event,
                "expTimeMillis": int(expires.timestamp() * 1000),
                "count": 1,
                "nonce": nonce,
            }
        )
        key = json.dumps(_public(self._intermediate, expires, short=True))
        by_root = _sign(self._root, ("GooglePayPasses", "ECv2SigningOnly", key))
        signature = _sign(self._intermediate, ("GooglePayPasses", issuer, "ECv2SigningOnly", message))
        return json.dumps(
            {
                "signature": signature,
                "intermediateSigningKey": {"signedKey": key, "signatures": [by_root]},
                "protocolVersion": "ECv2SigningOnly",
                "signedMessage": message,
            }
        ).encode()


def _public(key: ec.EllipticCurvePrivateKey, expires: datetime, *, short: bool = False) -> dict[str, str]:
    encoding = serialization.Encoding.DER
    der = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    shown = {"keyValue": base64.b64encode(der).decode(), "keyExpiration": str(int(expires.timestamp() * 1000))}
    return shown if short else {**shown, "protocolVersion": "ECv2SigningOnly"}


def _sign(key: ec.EllipticCurvePrivateKey, texts: Iterable[str]) -> str:
    signed = b"".join(struct.pack("<I", len(raw)) + raw for raw in (text.encode() for text in texts))
    return base64.b64encode(key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()


def _json(status: int, body: object) -> Answer:
    return Answer(status, json.dumps(body).encode())


def _error(status: int, name: str, message: str) -> Answer:
    return _json(status, {"error": {"code": status, "message": message, "status": name}})


def _missing() -> Answer:
    return _error(404, "NOT_FOUND", "Requested entity was not found.")
