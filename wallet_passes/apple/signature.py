"""A detached PKCS #7 signature in the form of one that the library made: only what differs is written anew.

`cryptography` builds the whole structure each time, certificates and all, which takes nearly half as long as the
signature itself. Here it builds one, when a signer is loaded; a pass puts its manifest's digest, the time and the RSA
signature in their places, each of which has always the same length. What comes out has the library's own form, bit for
bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

_OPTIONS = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.DetachedSignature]
_SIGNING_TIME = bytes.fromhex("06092a864886f70d010905 310f 170d")
"""The attribute's identifier (PKCS #9), then a set of one UTCTime of 13 characters."""
_SET, _ATTRIBUTES = 0x31, 0xA0
_PADDING, _HASH = padding.PKCS1v15(), hashes.SHA256()
_LAST_UTC_YEAR = 2049
"""A UTCTime has two digits for the year."""


class SignatureForm:
    """Not valid for a key of another size than it was made with, nor after 2049."""

    def __init__(self, certificate: x509.Certificate, intermediate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        sample = b"{}"
        builder = pkcs7.PKCS7SignatureBuilder().set_data(sample).add_signer(certificate, key, hashes.SHA256())
        whole = builder.add_certificate(intermediate).sign(serialization.Encoding.DER, _OPTIONS)
        start, end = _signed_attributes(whole)
        attributes = whole[start:end]
        self._head = whole[:start]
        # What is signed says plainly that it is a set; in its place it says which part of the whole it is.
        self._before, self._after = attributes, whole[end : len(whole) - key.key_size // 8]
        self._digest = attributes.index(hashlib.sha256(sample).digest())
        self._time = attributes.index(_SIGNING_TIME) + len(_SIGNING_TIME)

    def sign(self, manifest: bytes, now: datetime) -> bytes:
        """The signature of `manifest`, DER. `now` is the signing time."""
        assert now.year <= _LAST_UTC_YEAR
        attributes = bytearray(self._before)
        attributes[self._digest : self._digest + 32] = hashlib.sha256(manifest).digest()
        attributes[self._time : self._time + 13] = _utc_time(now)
        signed = bytes((_SET,)) + attributes[1:]
        signature = self._key.sign(signed, _PADDING, _HASH)
        return b"".join((self._head, attributes, self._after, signature))


def _utc_time(instant: datetime) -> bytes:
    utc = instant.astimezone(UTC)
    return b"%02d%02d%02d%02d%02d%02dZ" % (utc.year % 100, utc.month, utc.day, utc.hour, utc.minute, utc.second)


def _signed_attributes(whole: bytes) -> tuple[int, int]:
    """Where the signed attributes of a PKCS #7 message with one signer begin and end (RFC 5652, section 5)."""
    [content_info] = _parts(whole, 0, len(whole))
    _, wrapped = _parts(whole, *content_info[1:])
    [signed_data] = _parts(whole, *wrapped[1:])
    *_, signers = _parts(whole, *signed_data[1:])
    [signer] = _parts(whole, *signers[1:])
    fields = list(_parts(whole, *signer[1:]))
    at = next(i for i, (start, _, _) in enumerate(fields) if whole[start] == _ATTRIBUTES)
    return fields[at][0], fields[at][2]


def _parts(der: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(start, start of the content, end) of each value that follows another between two places of a DER text."""
    while start < end:
        length, content = der[start + 1], start + 2
        if length & 0x80:
            content += length & 0x7F
            length = int.from_bytes(der[start + 2 : content])
        yield start, content, content + length
        start = content + length
