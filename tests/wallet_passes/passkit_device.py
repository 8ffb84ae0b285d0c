"""An iPhone's Wallet, as far as its maker tells how it behaves: adds a pass, registers, and fetches what changed.

It is written from Apple's table of five requests, not from our service, and is stricter than a phone: whatever a phone
would merely log, or silently get wrong, is a `Broken` here. What it knows of the service it knows from the pass.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.wallet_passes.opening import Opened, verified

PASS_TYPE = "application/vnd.apple.pkpass"
_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")

Key = tuple[str, str]
"""Pass type and serial."""


class Broken(AssertionError):
    """The service broke the protocol."""


@dataclass(frozen=True)
class Held:
    """A pass in the wallet. `last_modified` is the header it came with, to be given back as it is; empty for one that was
    added from a file."""

    opened: Opened
    last_modified: str

    @property
    def key(self) -> Key:
        return self.opened.json["passTypeIdentifier"], self.opened.json["serialNumber"]

    @property
    def service(self) -> str:
        service: str = self.opened.json["webServiceURL"]
        return service

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"ApplePass {self.opened.json['authenticationToken']}"}

    def shows(self, key: str, language: str = "en") -> str:
        return self.opened.shown(language)[key].value


class PassKitDevice:
    """`http` reaches the service behind any host; `root` is what the device trusts, and `clock` by when it judges it."""

    def __init__(self, http: httpx.AsyncClient, root: Path, clock: Callable[[], datetime]) -> None:
        self._http, self._root, self._clock = http, root, clock
        self.id = secrets.token_hex(16)
        self.push_token = secrets.token_hex(32)
        self.passes: dict[Key, Held] = {}
        self.tags: dict[str, str] = {}

    # -- what a person does -----------------------------------------------------------------------------------------

    def add(self, data: bytes) -> Held:
        """Put a pass into the wallet; it is not registered yet."""
        held = self._taken(data, "")
        known = self.passes.get(held.key)
        if known is not None:
            _same_identity(known, held)
        self.passes[held.key] = held
        return held

    async def remove(self, held: Held) -> None:
        """Delete a pass, and tell its service."""
        del self.passes[held.key]
        answer = await self._http.delete(self._registration(held), headers=held.authorization)
        _must(answer.status_code == 200, f"DELETE answers {answer.status_code}")

    async def set_up_again(self) -> None:
        """The device has a new push token: it registers every pass again."""
        self.push_token = secrets.token_hex(32)
        for held in list(self.passes.values()):
            await self.register(held, known=True)

    async def reboot(self) -> list[str]:
        """Ask for everything anew, by pass type and without a tag; the serials that were fetched anew."""
        self.tags.clear()
        return [serial for kind in sorted({kind for kind, _ in self.passes}) for serial in await self.update(kind)]

    # -- the protocol -----------------------------------------------------------------------------------------------

    async def register(self, held: Held, *, known: bool = False) -> None:
        """`known`: the service has this registration."""
        answer = await self._http.post(
            self._registration(held),
            content=json.dumps({"pushToken": self.push_token}),
            headers={**held.authorization, "Content-Type": "application/json"},
        )
        wanted = 200 if known else 201
        _must(answer.status_code == wanted, f"registering answers {answer.status_code}, not {wanted}: {answer.text}")

    async def changed(self, kind: str) -> list[str] | None:
        """The serials that changed since the tag of this pass type, which is replaced; None where none did."""
        services = {held.service for held in self.passes.values() if held.key[0] == kind}
        _must(len(services) == 1, "passes of one type are kept at one place")
        tag = self.tags.get(kind)
        query = "" if tag is None else f"?passesUpdatedSince={quote(tag, safe='')}"
        url = f"{services.pop()}/v1/devices/{self.id}/registrations/{quote(kind, safe='')}{query}"
        answer = await self._http.get(_path(url))
        if answer.status_code == 204:
            _must(answer.content == b"", "204 has a body")
            return None
        _must(answer.status_code == 200, f"what changed is answered {answer.status_code}: {answer.text}")
        _must(answer.headers["content-type"].partition(";")[0] == "application/json", "what changed is not JSON")
        return self._read_changed(kind, tag, answer.json())

    async def update(self, kind: str) -> list[str]:
        """Ask what changed and fetch it, as after a push; the serials of the passes that were replaced."""
        had_tag = kind in self.tags
        serials = await self.changed(kind) or []
        # What was said to have changed since a tag has changed. Without one, every pass is named, also what is here.
        return [serial for serial in serials if await self.fetch((kind, serial), must_be_new=had_tag)]

    async def fetch(self, key: Key, *, must_be_new: bool = False) -> bool:
        """Whether the pass was replaced."""
        held = self.passes[key]
        since = {"If-Modified-Since": held.last_modified} if held.last_modified else {}
        url = f"{held.service}/v1/passes/{quote(key[0], safe='')}/{quote(key[1], safe='')}"
        answer = await self._http.get(_path(url), headers={**held.authorization, **since})
        if answer.status_code == 304:
            _must(bool(since), "304 to a question without a date")
            _must(answer.content == b"", "304 has a body")
            _must(not must_be_new, f"{key[1]} was said to have changed, and is then said not to have")
            return False
        _must(answer.status_code == 200, f"a pass is answered {answer.status_code}: {answer.text}")
        _must(answer.headers["content-type"] == PASS_TYPE, f"a pass is {answer.headers['content-type']}")
        fresh = self._taken(answer.content, answer.headers.get("last-modified", "-"))
        _must(fresh.key == key, f"asked for {key}, given {fresh.key}")
        _same_identity(held, fresh)
        _must(_when(fresh.last_modified) > _when(held.last_modified), f"{held.last_modified} -> {fresh.last_modified}")
        self.passes[key] = fresh
        return True

    async def complain(self, *messages: str) -> None:
        """What a phone tells of a service that it found wanting."""
        (service,) = {held.service for held in self.passes.values()}
        answer = await self._http.post(_path(f"{service}/v1/log"), json={"logs": messages})
        _must(answer.status_code == 200, f"a log is answered {answer.status_code}")

    # -- within -----------------------------------------------------------------------------------------------------

    def _taken(self, data: bytes, last_modified: str) -> Held:
        """A pass that a phone would take. An empty date: it comes from a file."""
        found = verified(data, self._root, self._clock())
        service, token = found.json["webServiceURL"], found.json["authenticationToken"]
        _must(service.startswith("https://") and not service.endswith("/"), f"webServiceURL is {service}")
        _must(len(token) >= 16, "authenticationToken has less than 16 characters")
        if last_modified:
            _must(_DATE.fullmatch(last_modified) is not None, f"Last-Modified is {last_modified!r}")
            again = format_datetime(parsedate_to_datetime(last_modified), usegmt=True)
            _must(again == last_modified, f"Last-Modified is {last_modified!r}, a day that is none")
        return Held(found, last_modified)

    def _read_changed(self, kind: str, tag: str | None, told: Any) -> list[str]:
        _must(isinstance(told, dict) and told.keys() == {"serialNumbers", "lastUpdated"}, f"what changed: {told}")
        serials, new = told["serialNumbers"], told["lastUpdated"]
        _must(isinstance(new, str) and new != "", f"lastUpdated is {new!r}")
        _must(new != tag, "serials are named, and the tag stayed the same")
        _must(isinstance(serials, list) and bool(serials), "200 without serials")
        _must(len(set(serials)) == len(serials), f"a serial is named twice: {serials}")
        for serial in serials:
            _must((kind, serial) in self.passes, f"{serial!r} is not on this device")
        self.tags[kind] = new
        return list(serials)

    def _registration(self, held: Held) -> str:
        kind, serial = (quote(part, safe="") for part in held.key)
        return _path(f"{held.service}/v1/devices/{self.id}/registrations/{kind}/{serial}")


def _path(url: str) -> str:
    """Of an address behind whose host `http` stands in."""
    return "/" + url.removeprefix("https://").partition("/")[2]


def _same_identity(one: Held, other: Held) -> None:
    for name in ("authenticationToken", "webServiceURL", "teamIdentifier"):
        _must(one.opened.json[name] == other.opened.json[name], f"{name} of {one.key} is another")


def _when(last_modified: str) -> float:
    return parsedate_to_datetime(last_modified).timestamp() if last_modified else float("-inf")


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)
