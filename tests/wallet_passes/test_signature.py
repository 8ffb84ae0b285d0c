"""The signature written into a form is the one that the library would have made, bit for bit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from tests.wallet_passes.chains import Chain, chain
from tests.wallet_passes.opening import BadPass, check_signature
from wallet_passes.apple.signature import SignatureForm

SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
MANIFESTS = [b"", b"{}", b'{"a":"b"}\n', b"\r\n\n\r", "é".encode(), b"x" * 100_000]


@pytest.fixture(scope="module", params=[2048, 3072])
def one(request: pytest.FixtureRequest) -> Chain:
    return chain(key=rsa.generate_private_key(65537, request.param), team="É" * 60)


def the_librarys(one: Chain, manifest: bytes) -> tuple[bytes, datetime]:
    """Its signature, and the time that it put into it."""
    assert isinstance(one.key, rsa.RSAPrivateKey)
    builder = PKCS7SignatureBuilder().set_data(manifest).add_signer(one.leaf, one.key, hashes.SHA256())
    options = [PKCS7Options.Binary, PKCS7Options.DetachedSignature]
    made = builder.add_certificate(one.intermediate).sign(Encoding.DER, options)
    at = made.rindex(SIGNING_TIME) + len(SIGNING_TIME) + 4
    return made, datetime.strptime(made[at : at + 13].decode(), "%y%m%d%H%M%SZ").replace(tzinfo=UTC)


def form_of(one: Chain) -> SignatureForm:
    assert isinstance(one.key, rsa.RSAPrivateKey)
    return SignatureForm(one.leaf, one.intermediate, one.key)


def test_it_is_the_librarys(one: Chain) -> None:
    form = form_of(one)
    for manifest in MANIFESTS:
        theirs, at = the_librarys(one, manifest)
        assert form.sign(manifest, at) == theirs
        elsewhere = (at + timedelta(microseconds=999_999)).astimezone(timezone(timedelta(hours=8)))
        assert form.sign(manifest, elsewhere) == theirs


def test_openssl_verifies_it_and_nothing_else(one: Chain, tmp_path: Path) -> None:
    form, root, now = form_of(one), one.root_file(tmp_path), datetime.now(UTC)
    for manifest in MANIFESTS:
        check_signature(manifest, form.sign(manifest, now), root)
    signature = form.sign(b"{}", now)
    with pytest.raises(BadPass):
        check_signature(b"{} ", signature, root)
    for at in (signature.rindex(SIGNING_TIME) + len(SIGNING_TIME) + 6, len(signature) - 1):  # its time, its end
        changed = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
        with pytest.raises(BadPass):
            check_signature(b"{}", changed, root)


def test_each_second_has_its_own(one: Chain) -> None:
    form, now = form_of(one), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    signatures = [form.sign(b"{}", now + timedelta(seconds=seconds)) for seconds in (0, 1)]
    assert len(set(signatures)) == 2
    assert {len(signature) for signature in signatures} == {len(signatures[0])}
