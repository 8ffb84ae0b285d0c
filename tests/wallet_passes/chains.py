"""Chains of certificates as Apple issues them, and what comes out wrong when an operator picks the wrong file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

TYPE, TEAM = "pass.com.example.loyalty", "TEAM123456"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Chain:
    """A pass certificate, the intermediate that signed it, and the root above."""

    root: x509.Certificate
    intermediate: x509.Certificate
    leaf: x509.Certificate
    key: Key

    def pem(self, *which: str) -> bytes:
        return b"".join(getattr(self, name).public_bytes(Encoding.PEM) for name in which)

    def key_pem(self, password: str = "") -> bytes:
        how: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)

    def p12(self, password: str, *, with_chain: bool = True, old: bool = False) -> bytes:
        """`old`: with the ciphers of Apple's Keychain."""
        how: KeySerializationEncryption = BestAvailableEncryption(password.encode())
        if old:
            builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2048).hmac_hash(hashes.SHA1())
            how = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).build(password.encode())
        more = [self.intermediate] if with_chain else None
        return pkcs12.serialize_key_and_certificates(b"a pass", self.key, self.leaf, more, how)

    def root_file(self, folder: Path) -> Path:
        path = folder / "root.pem"
        path.write_bytes(self.pem("root"))
        return path


def chain(
    uid: str = TYPE,
    team: str = TEAM,
    *,
    key: Key | None = None,
    days: int = 365,
    intermediate_days: int = 3650,
    number: int = 0,
) -> Chain:
    """Good from yesterday, by the machine's time: OpenSSL knows no other. Another `number` has other keys."""
    root_key, intermediate_key = a_key(10 + 2 * number), a_key(11 + 2 * number)
    key = key or a_key(number)
    root_name, intermediate_name = _named("Example Root"), _named("Example WWDR G4")
    leaf_name = _named(f"Pass Type ID: {uid}", uid, team)
    root = _signed(root_name, root_key, root_name, root_key, 3650, ca=True)
    intermediate = _signed(intermediate_name, intermediate_key, root_name, root_key, intermediate_days, ca=True)
    leaf = _signed(leaf_name, key, intermediate_name, intermediate_key, days, ca=False)
    return Chain(root, intermediate, leaf, key)


@cache
def a_key(number: int) -> rsa.RSAPrivateKey:
    """One of a few keys: making one takes its time."""
    return rsa.generate_private_key(65537, 2048)


def _named(common_name: str, uid: str = "", team: str = "") -> x509.Name:
    given = {NameOID.USER_ID: uid, NameOID.COMMON_NAME: common_name, NameOID.ORGANIZATIONAL_UNIT_NAME: team}
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in given.items() if text])


def _signed(subject: x509.Name, key: Key, issuer: x509.Name, by: Key, days: int, *, ca: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )
