"""A strict reader of passes, written from Apple's description of the bundle and not from our builder."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

STYLE = "storeCard"
PARTS = ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "backFields")
UNSEEN = "\u200b"
"""What a phone draws as nothing."""

_LINE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=\s*"((?:[^"\\]|\\.)*)"\s*;\s*', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "r": "\r", "t": "\t"}


class BadPass(Exception):
    """Why a phone would not take it."""


class Shown(NamedTuple):
    """One field as a phone shows it."""

    label: str
    value: str
    change_message: str


@dataclass(frozen=True)
class Opened:
    files: dict[str, bytes]
    """By name, in the order in which they stand in the file."""

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["pass.json"])
        return found

    @property
    def manifest(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.files["manifest.json"])
        return found

    @property
    def languages(self) -> list[str]:
        return [name.partition(".lproj/")[0] for name in self.files if name.endswith(".lproj/pass.strings")]

    def table(self, language: str) -> dict[str, str]:
        return strings(self.files[f"{language}.lproj/pass.strings"])

    def shown(self, language: str) -> dict[str, Shown]:
        """All fields by key, as a phone in one of the pass's languages shows them."""
        table = self.table(language)
        return {
            field["key"]: Shown(*(table.get(text := field.get(name, ""), text) for name in _TEXTS))
            for part in PARTS
            for field in self.json[STYLE][part]
        }

    def value(self, key: str) -> str:
        """A field's value in pass.json itself."""
        return next(field["value"] for part in PARTS for field in self.json[STYLE][part] if field["key"] == key)


_TEXTS = ("label", "value", "changeMessage")


def opened(data: bytes) -> Opened:
    """A pass whose files are whole and are those of its manifest. Raises `BadPass`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (broken := archive.testzip()) is not None:
                raise BadPass(f"{broken} is broken")
            infos = archive.infolist()
            files = {info.filename: archive.read(info) for info in infos}
    except zipfile.BadZipFile as error:
        raise BadPass(str(error)) from None
    if len(files) != len(infos):
        raise BadPass("a name stands twice")
    found = Opened(files)
    if missing := {"pass.json", "manifest.json", "signature", "icon.png"} - files.keys():
        raise BadPass(f"{missing} is not there")
    listed = set(files) - {"manifest.json", "signature"}
    if listed != found.manifest.keys():
        raise BadPass(f"the manifest lists other files: {listed ^ found.manifest.keys()}")
    for name in listed:
        if hashlib.sha1(files[name]).hexdigest() != found.manifest[name]:
            raise BadPass(f"{name} is not what the manifest says")
    return found


def verified(data: bytes, root: Path, at: datetime | None = None) -> Opened:
    """As `opened`, of a pass whose signature leads to the certificate in `root`; certificates are judged as of `at`, by
    default now. Raises `BadPass`."""
    found = opened(data)
    check_signature(found.files["manifest.json"], found.files["signature"], root, at)
    return found


def check_signature(manifest: bytes, signature: bytes, root: Path, at: datetime | None = None) -> None:
    """What OpenSSL says of a detached signature. Raises `BadPass` with its words."""
    with TemporaryDirectory(prefix="chorus-pass-") as name:
        folder = Path(name)
        (folder / "manifest.json").write_bytes(manifest)
        (folder / "signature").write_bytes(signature)
        told = openssl(
            *("cms", "-verify", "-binary", "-inform", "DER", "-in", folder / "signature"),
            *("-content", folder / "manifest.json", "-CAfile", root, "-purpose", "any", "-out", folder / "out"),
            *(("-attime", int(at.timestamp())) if at is not None else ()),
        )
        if told.returncode:
            raise BadPass(told.stderr.decode())
        if (folder / "out").read_bytes() != manifest:
            raise BadPass("what was signed is something else")


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)


def strings(table: bytes) -> dict[str, str]:
    """The content of a `.strings` file in UTF-8. Raises `ValueError` at whatever is not `"text" = "text";`, at an unknown
    escape, and at a text that stands twice."""
    text, at, found = table.decode(), 0, dict[str, str]()
    while at < len(text):
        line = _LINE.match(text, at)
        if line is None:
            raise ValueError(f"not a line of strings: {text[at : at + 40]!r}")
        key, value = (_ESCAPE.sub(_unescaped, part) for part in line.groups())
        if key in found:
            raise ValueError(f"twice: {key!r}")
        found[key] = value
        at = line.end()
    return found


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] not in _ESCAPES:
        raise ValueError(f"unknown escape: {escape[0]!r}")
    return _ESCAPES[escape[1]]
