"""A phone's Wallet, as Apple describes it: it adds a pass, registers, is woken, asks what changed, fetches, shows.

It is strict: an answer that the protocol does not have is an error, told once and kept in `faults`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import secrets
import zipfile
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
import msgspec

EVENTS = 6
AT_ONCE = 8


class Event(msgspec.Struct, frozen=True):
    """`size` is of what was fetched, in bytes."""

    kind: Literal["added", "pushed", "fetched"]
    at: datetime
    version: int = 0
    size: int = 0


class Held(msgspec.Struct, frozen=True):
    """A pass as the phone has it. `files` are the bundle's."""

    document: dict[str, Any]
    files: dict[str, bytes]
    modified: str
    shown_at: datetime

    @property
    def version(self) -> int:
        return int(self.document["userInfo"]["version"])


class PhoneFault(Exception):
    """The server does not keep to the protocol."""


class Phone:
    """`changed` is told after each event."""

    def __init__(self, client: httpx.AsyncClient, changed: Callable[[], None] | None = None) -> None:
        self._client, self._changed = client, changed
        self.device, self.push_token = secrets.token_hex(16), secrets.token_hex(32)
        self.passes: dict[str, Held] = {}
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.shown: list[tuple[int, datetime]] = []
        """(version, instant) of everything it ever showed."""
        self.changes = 0
        """Events so far; with each, what it shows may be another."""
        self.faults: list[str] = []
        self._tag = ""
        self._woken = asyncio.Event()

    async def add(self, data: bytes) -> None:
        """Add a pass from its file, and register for its changes. Raises `PhoneFault`."""
        held = opened(data, "")
        self._show(held, "added", len(data))
        where, token = self._addresses(held)
        answer = await self._client.post(where, json={"pushToken": self.push_token}, headers=_key(token))
        if answer.status_code not in (200, 201):
            raise PhoneFault(f"registering was answered {answer.status_code}")

    def push(self) -> None:
        """The push host has something for this phone."""
        self._happened(Event("pushed", datetime.now(UTC)))
        self._woken.set()

    async def run(self) -> None:
        """Follow pushes until cancelled. One that comes while it fetches has it ask again."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.poll()
            except (PhoneFault, httpx.HTTPError) as error:
                self.faults.append(f"{type(error).__name__}: {error}")

    async def poll(self) -> None:
        """Ask what changed, and fetch it. Raises `PhoneFault`."""
        held = next(iter(self.passes.values()))
        service, kind = held.document["webServiceURL"], held.document["passTypeIdentifier"]
        asked = {"passesUpdatedSince": self._tag} if self._tag else {}
        answer = await self._client.get(f"{service}/v1/devices/{self.device}/registrations/{kind}", params=asked)
        if answer.status_code == 204:
            return
        if answer.status_code != 200:
            raise PhoneFault(f"asking what changed was answered {answer.status_code}")
        told = answer.json()
        for serial in told["serialNumbers"]:
            await self._fetch(serial)
        self._tag = told["lastUpdated"]

    async def _fetch(self, serial: str) -> None:
        held = self.passes[serial]
        document = held.document
        address = f"{document['webServiceURL']}/v1/passes/{document['passTypeIdentifier']}/{serial}"
        headers = (
            {**_key(document["authenticationToken"]), "If-Modified-Since": held.modified}
            if held.modified
            else _key(document["authenticationToken"])
        )
        answer = await self._client.get(address, headers=headers)
        if answer.status_code == 304:
            return
        if answer.status_code != 200:
            raise PhoneFault(f"fetching was answered {answer.status_code}")
        self._show(opened(answer.content, answer.headers["last-modified"]), "fetched", len(answer.content))

    def _show(self, held: Held, kind: Literal["added", "fetched"], size: int) -> None:
        self.passes[str(held.document["serialNumber"])] = held
        self.shown.append((held.version, held.shown_at))
        self._happened(Event(kind, held.shown_at, held.version, size))

    def _happened(self, event: Event) -> None:
        self.events.append(event)
        self.changes += 1
        if self._changed is not None:
            self._changed()

    def _addresses(self, held: Held) -> tuple[str, str]:
        document = held.document
        registration = f"{document['passTypeIdentifier']}/{document['serialNumber']}"
        where = f"{document['webServiceURL']}/v1/devices/{self.device}/registrations/{registration}"
        return where, document["authenticationToken"]


def opened(data: bytes, modified: str) -> Held:
    """A pass from its file. Raises `PhoneFault` where a file is not what the manifest says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            files = {name: bundle.read(name) for name in bundle.namelist()}
    except zipfile.BadZipFile:
        raise PhoneFault("the pass is no ZIP file") from None
    manifest = json.loads(files["manifest.json"])
    listed = {name for name in files if name not in ("manifest.json", "signature")}
    wrong = [
        name for name in listed if hashlib.sha1(files[name], usedforsecurity=False).hexdigest() != manifest.get(name)
    ]
    if wrong or set(manifest) != listed:
        raise PhoneFault("the pass is not what its manifest says")
    return Held(json.loads(files["pass.json"]), files, modified, datetime.now(UTC))


def _key(token: str) -> dict[str, str]:
    return {"Authorization": f"ApplePass {token}"}
