"""A pass as a file: a ZIP whose bytes follow from its contents alone.

The parts that every pass of a tier shares (its images) are hashed, compressed and laid out once, as a `Template`; a pass
adds its texts, the manifest and the signature behind them. No time of day, no attributes of a file system, and always the
same order are in it, so the same contents give the same bytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping

import msgspec

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_NEEDS = 20
"""ZIP 2.0: deflate and folders."""
_UTF8 = 0x0800
_DATE = (1 << 5) | 1
"""1 January 1980, the first a ZIP can say."""


class Entry(msgspec.Struct, frozen=True):
    """One file of the bundle, compressed."""

    name: str
    sha1: str
    """Empty for what the manifest does not list: itself and the signature."""
    method: int
    crc: int
    size: int
    data: bytes


class Template(msgspec.Struct, frozen=True):
    """The shared head of many bundles."""

    entries: tuple[Entry, ...]
    manifest: str
    """Its lines of the manifest, without braces."""
    body: bytes
    directory: bytes


def stored(name: str, content: bytes) -> Entry:
    """As it is: to compress the few KB of a pass's own texts takes longer than to sign them, and saves a twentieth of the
    file."""
    return Entry(name, _sha1(content), 0, zlib.crc32(content), len(content), content)


def unlisted(name: str, content: bytes) -> Entry:
    """As `stored`, for what the manifest does not list."""
    return Entry(name, "", 0, zlib.crc32(content), len(content), content)


def deflated(name: str, content: bytes) -> Entry:
    """Compressed, unless that would not make it smaller (PNG is compressed already)."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(content) + deflate.flush()
    if len(packed) >= len(content):
        return stored(name, content)
    return Entry(name, _sha1(content), 8, zlib.crc32(content), len(content), packed)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def template(files: Mapping[str, bytes]) -> Template:
    entries = tuple(deflated(name, content) for name, content in files.items())
    body, directory = _laid_out(entries, 0)
    return Template(entries, _lines(entries), body, directory)


def manifest(shared: Template, own: tuple[Entry, ...]) -> bytes:
    """`manifest.json`: the SHA-1 of every other file but the signature."""
    return f"{{{shared.manifest},{_lines(own)}}}".encode()


def bundle(shared: Template, own: tuple[Entry, ...]) -> bytes:
    """The whole file. `own` has the manifest and the signature too."""
    body, directory = _laid_out(own, len(shared.body))
    count, size = len(shared.entries) + len(own), len(shared.directory) + len(directory)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, size, len(shared.body) + len(body), 0)
    return b"".join((shared.body, body, shared.directory, directory, end))


def _lines(entries: tuple[Entry, ...]) -> str:
    return ",".join(f'"{one.name}":"{one.sha1}"' for one in entries)


def _laid_out(entries: tuple[Entry, ...], offset: int) -> tuple[bytes, bytes]:
    """The entries as they stand in the file from `offset` on, and their part of the directory."""
    body, directory = [], []
    for one in entries:
        name = one.name.encode()
        common = (_UTF8, one.method, 0, _DATE, one.crc, len(one.data), one.size, len(name), 0)
        head = _LOCAL.pack(b"PK\3\4", _NEEDS, *common)
        directory += [_CENTRAL.pack(b"PK\1\2", _NEEDS, _NEEDS, *common, 0, 0, 0, 0, offset), name]
        body += [head, name, one.data]
        offset += len(head) + len(name) + len(one.data)
    return b"".join(body), b"".join(directory)
