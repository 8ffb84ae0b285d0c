"""A push host for the demo: HTTP/2 over TLS, as Apple's is. What it takes it hands to the phone with that token.

It asks for what a phone's delivery depends on (path, topic, id, a bearer token) and nothing more; the tests have a
stricter one, on another HTTP/2 stack.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

KEY_ID, TEAM = "DEMOKEY001", "CHORUSDEV0"
_PATH = re.compile(r"/3/device/([0-9a-f]{64})")

Pushed = Callable[[str], None]
"""Told the device token of each push."""


class PushHost:
    """Files of its own (certificate, the shop's key) lie in `folder`."""

    def __init__(self, folder: Path, pushed: Pushed) -> None:
        self._pushed = pushed
        self.ca_file, self.key_file = folder / "apns.pem", folder / "apns.p8"
        self._tls = _certificate(self.ca_file)
        shop = ec.generate_private_key(ec.SECP256R1())
        self.key_file.write_bytes(_pem(shop))
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self._pushed), "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def settings(self) -> dict[str, str]:
        """What the shop's server must be told to push here."""
        return {
            "CHORUS_APNS_URL": f"https://127.0.0.1:{self.port}",
            "CHORUS_APNS_CA": str(self.ca_file),
            "CHORUS_APNS_KEY": str(self.key_file),
            "CHORUS_APNS_KEY_ID": KEY_ID,
            "CHORUS_APNS_TEAM_ID": TEAM,
        }


class _Connection(asyncio.Protocol):
    def __init__(self, pushed: Pushed) -> None:
        self._pushed = pushed
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, dict[str, str]] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._http.initiate_connection()
        transport.write(self._http.data_to_send())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            for event in self._http.receive_data(data):
                match event:
                    case RequestReceived():
                        self._requests[event.stream_id] = {str(k): str(v) for k, v in event.headers or ()}
                    case DataReceived():
                        self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                    case StreamEnded():
                        self._answer(event.stream_id, self._requests.pop(event.stream_id))
                    case ConnectionTerminated():
                        self._transport.close()
        except ProtocolError:
            self._transport.close()
        self._transport.write(self._http.data_to_send())

    def _answer(self, stream: int, headers: dict[str, str]) -> None:
        path = _PATH.fullmatch(headers.get(":path", ""))
        reason = _refusal(headers, path)
        shown = [(":status", "200" if reason is None else "400"), ("apns-id", headers.get("apns-id", ""))]
        self._http.send_headers(stream, shown, end_stream=reason is None)
        if reason is not None:
            self._http.send_data(stream, msgspec.json.encode({"reason": reason}), end_stream=True)
        elif path is not None:
            self._pushed(path[1])


def _refusal(headers: dict[str, str], path: re.Match[str] | None) -> str | None:
    if path is None:
        return "BadDeviceToken"
    if not headers.get("authorization", "").startswith("bearer "):
        return "MissingProviderToken"
    return None if headers.get("apns-topic") else "MissingTopic"


def _certificate(file: Path) -> ssl.SSLContext:
    """A context with a certificate for this machine, signed by itself, which lies in `file` for whoever must trust it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Chorus demo push host")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = file.with_suffix(".both.pem")
    both.write_bytes(_pem(key) + file.read_bytes())
    both.chmod(0o600)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    context.set_alpn_protocols(["h2"])
    return context


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
