"""Phones for the wall: whichever member is shown has one, and what it shows is told on the bus.

What is told is read out of the pass as the phone fetched it, in each of its languages; nothing of it comes from the
ledger by another way.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from bff.auth import Principal, Tokens
from bff.demo.control import PHONES, WANT_PHONE, PassEvent, PassStatus, Refusal, Want
from bff.demo.wallets.phone import Held, Phone, PhoneFault
from bff.demo.wallets.rig import Rig
from surfaces.pages import PassFace
from surfaces.views import LOCALES, PassField

_LINE = re.compile(r'"((?:[^"\\]|\\.)*)" = "((?:[^"\\]|\\.)*)";\n')

PassFile = Callable[[int], Awaitable[bytes]]
"""The pass of a member, as its app gets it."""


class PassDesk:
    """Use as an async context manager."""

    def __init__(self, rig: Rig, bus: Client, file: PassFile) -> None:
        self._rig, self._bus, self._file = rig, bus, file
        self._phones: dict[int, Phone] = {}
        self._asked: dict[int, asyncio.Lock] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> PassDesk:
        self._subscription = await self._bus.subscribe(WANT_PHONE, cb=self._wanted)
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            await self._subscription.unsubscribe()

    async def _wanted(self, message: Msg) -> None:
        member = msgspec.json.decode(message.data, type=Want).member
        try:
            async with self._asked.setdefault(member, asyncio.Lock()):
                if member not in self._phones:
                    data = await self._file(member)
                    self._phones[member] = await self._rig.add(data, lambda: self._changed(member))
            answer = msgspec.json.encode(self._status(member))
        except (PhoneFault, httpx.HTTPError) as error:
            answer = msgspec.json.encode(Refusal(str(error)))
        await message.respond(answer)

    def _changed(self, member: int) -> None:
        """Called in the phones' thread."""
        self._loop.call_soon_threadsafe(self._tell, member)

    def _tell(self, member: int) -> None:
        if member in self._phones and self._bus.is_connected:
            task = self._loop.create_task(self._bus.publish(PHONES, msgspec.json.encode(self._status(member))))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _status(self, member: int) -> PassStatus:
        phone = self._phones[member]
        held = phone.passes[str(member)]
        strip = held.files["strip@2x.png"]
        return PassStatus(
            member=member,
            changes=phone.changes,
            version=held.version,
            faces={locale: face(held, locale) for locale in LOCALES},
            strip=base64.b64encode(strip).decode(),
            strip_name=hashlib.sha256(strip).hexdigest()[:16],
            events=tuple(PassEvent(one.kind, one.at, one.version, one.size) for one in phone.events),
        )


def face(held: Held, locale: str) -> PassFace:
    """The pass as a phone in that language draws it."""
    table = _table(held.files.get(f"{locale}.lproj/pass.strings", b""))
    document = held.document

    def said(text: str) -> str:
        return table.get(text, text)

    def fields(style: str) -> tuple[PassField, ...]:
        shown: list[dict[str, Any]] = document["storeCard"][style]
        return tuple(PassField(key=one["key"], label=said(one["label"]), value=said(one["value"])) for one in shown)

    return PassFace(
        brand=said(document["logoText"]),
        background=document["backgroundColor"],
        foreground=document["foregroundColor"],
        label=document["labelColor"],
        barcode=document["barcodes"][0]["message"],
        barcode_text=document["barcodes"][0]["altText"],
        header=fields("headerFields"),
        primary=fields("primaryFields"),
        secondary=fields("secondaryFields"),
        auxiliary=fields("auxiliaryFields"),
    )


def _table(content: bytes) -> dict[str, str]:
    return {_plain(key): _plain(value) for key, value in _LINE.findall(content.decode())}


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


async def pass_file(app: httpx.AsyncClient, tokens: Tokens, member: int) -> bytes:
    """The pass of a member, as its app gets it from the server that `app` speaks to."""
    token = tokens.issue(Principal("app", member=member), timedelta(hours=1))
    answer = await app.get("/app/v1/passes/apple", headers={"Authorization": f"Bearer {token}"})
    return answer.raise_for_status().content
