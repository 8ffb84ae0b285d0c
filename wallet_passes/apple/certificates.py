"""The certificate passes are signed with: Apple's, from files; or one of our own, so that everything runs without Apple.

A pass is signed detached (PKCS #7, DER) over its manifest, with the signing time, the Pass Type ID certificate and the
intermediate that signed it. The manifest is signed as bytes, not as text: otherwise its line ends would be rewritten
first, and one with line feeds would not verify.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.providers import Providers
from core.settings import OperatorError, make_data_dir
from wallet_passes.apple.signature import SignatureForm

WARN_BEFORE = timedelta(days=30)
DEVELOPMENT_TYPE = "pass.dev.chorus.loyalty"
DEVELOPMENT_TEAM = "CHORUSDEV0"
_DEVELOPMENT_YEARS = 10


@dataclass(frozen=True)
class Signer:
    """`development`: no phone will accept what it signs, but every other program reads it."""

    certificate: x509.Certificate
    intermediate: x509.Certificate
    key: rsa.RSAPrivateKey
    development: bool

    @cached_property
    def pass_type(self) -> str:
        return _name(self.certificate, NameOID.USER_ID)

    @cached_property
    def team(self) -> str:
        return _name(self.certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)

    @cached_property
    def expires_at(self) -> datetime:
        """When the first of the two certificates is no longer good."""
        return min(self.certificate.not_valid_after_utc, self.intermediate.not_valid_after_utc)

    @cached_property
    def _form(self) -> SignatureForm:
        return SignatureForm(self.certificate, self.intermediate, self.key)

    def sign(self, manifest: bytes) -> bytes:
        """The detached signature of a manifest, DER, with the real time: certificates are judged by it."""
        return self._form.sign(manifest, datetime.now(UTC))


def load_signer(providers: Providers, data_dir: Path, now: datetime) -> Signer:
    """The signer of the settings; without settings that of the data folder, made on first use. Raises `OperatorError`."""
    if providers.apple_pass_certificate:
        return _from_files(providers)
    folder = data_dir / "apple-development"
    try:
        if not folder.is_dir():
            _make_development(folder, now)
        return Signer(
            certificate=x509.load_pem_x509_certificate((folder / "pass.pem").read_bytes()),
            intermediate=x509.load_pem_x509_certificate((folder / "intermediate.pem").read_bytes()),
            key=_rsa(serialization.load_pem_private_key((folder / "pass.key").read_bytes(), None), "CHORUS_DATA_DIR"),
            development=True,
        )
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"cannot keep a development certificate in {folder} ({_reason(error)}): set CHORUS_DATA_DIR to a folder this"
            " user may write, and remove that one if it is there"
        ) from None


def _from_files(providers: Providers) -> Signer:
    path = Path(providers.apple_pass_certificate)
    whose = "CHORUS_APPLE_PASS_KEY" if providers.apple_pass_key else "CHORUS_APPLE_PASS_CERTIFICATE"
    password = providers.apple_pass_password.encode() or None
    try:
        certificate, key, others = _opened(path, Path(providers.apple_pass_key or path), password)
    except (ValueError, TypeError, UnsupportedAlgorithm, OSError) as error:
        raise OperatorError(
            f"CHORUS_APPLE_PASS_CERTIFICATE: {path} cannot be opened ({_reason(error)}): give a .p12 or PEM file with its"
            " key, and CHORUS_APPLE_PASS_PASSWORD where it has one"
        ) from None
    if providers.apple_wwdr:
        others = [_certificate(Path(providers.apple_wwdr))]
    rsa_key = _rsa(key, whose)
    if rsa_key.public_key() != certificate.public_key():
        raise OperatorError(f"{whose} has not the key of the certificate in {path}")
    signer = Signer(certificate, _issuer(certificate, others), rsa_key, development=False)
    if not signer.pass_type.startswith("pass.") or not signer.team:
        raise OperatorError(f"CHORUS_APPLE_PASS_CERTIFICATE: {path} is no Pass Type ID certificate (no UID, or no OU)")
    return signer


def _opened(
    path: Path, key_path: Path, password: bytes | None
) -> tuple[x509.Certificate, object, list[x509.Certificate]]:
    data = path.read_bytes()
    if b"-----BEGIN" in data:
        first, *others = x509.load_pem_x509_certificates(data)
        return first, serialization.load_pem_private_key(key_path.read_bytes(), password), others
    found, certificate, more = pkcs12.load_key_and_certificates(data, password)
    if found is None or certificate is None:
        raise ValueError("it holds no certificate with a key")
    return certificate, found, list(more)


def _issuer(certificate: x509.Certificate, others: list[x509.Certificate]) -> x509.Certificate:
    for other in others:
        try:
            certificate.verify_directly_issued_by(other)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return other
    raise OperatorError(
        "CHORUS_APPLE_WWDR must be the intermediate that signed the pass certificate: get Apple's WWDR G4 and set it"
    )


def _certificate(path: Path) -> x509.Certificate:
    try:
        data = path.read_bytes()
        pem = b"-----BEGIN" in data
        return x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except (ValueError, OSError) as error:
        raise OperatorError(f"CHORUS_APPLE_WWDR: {path} is no certificate ({_reason(error)})") from None


def _rsa(key: object, variable: str) -> rsa.RSAPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey):
        raise OperatorError(f"{variable} has a key that is not an RSA key, as a pass needs")
    return key


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _name(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _make_development(folder: Path, now: datetime) -> None:
    """A root, an intermediate and a pass certificate in `folder`. It appears whole; where two processes make one at once,
    the first one's stays."""
    root_key, intermediate_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    root_name, intermediate_name = _subject("Chorus development root"), _subject("Chorus development intermediate")
    root = _signed(root_name, root_name, root_key, root_key, now, ca=True)
    intermediate = _signed(intermediate_name, root_name, intermediate_key, root_key, now, ca=True)
    name = _subject(f"Pass Type ID: {DEVELOPMENT_TYPE}", DEVELOPMENT_TYPE, DEVELOPMENT_TEAM)
    certificate = _signed(name, intermediate_name, key, intermediate_key, now, ca=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    make_data_dir(folder.parent)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    for file, content in {
        "root.pem": root.public_bytes(pem),
        "intermediate.pem": intermediate.public_bytes(pem),
        "pass.pem": certificate.public_bytes(pem),
        "pass.key": private,
    }.items():
        (draft / file).write_bytes(content)
        (draft / file).chmod(0o600)
    try:
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft)
        if not folder.is_dir():
            raise


def _subject(common_name: str, uid: str = "", team: str = "") -> x509.Name:
    given = {NameOID.USER_ID: uid, NameOID.COMMON_NAME: common_name, NameOID.ORGANIZATIONAL_UNIT_NAME: team}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in given.items() if value])


def _signed(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, by: rsa.RSAPrivateKey, now: datetime, *, ca: bool
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * _DEVELOPMENT_YEARS))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(_usage(ca), critical=True)
    )
    if not ca:
        client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(client, critical=False)
    return builder.sign(by, hashes.SHA256())


def _usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
