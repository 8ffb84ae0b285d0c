"""What handlers are given: the parts of a running process, composed once in `bff.server`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.auth import Principal, Tokens, bearer
from bff.demo.control import ReplayRemote
from bff.outside import Outside
from core import devices
from core.clock import Clock
from core.devices import KioskSession
from core.engine.commands import Command
from core.engine.engine import Engine
from core.engine.submission import Answer, Submission, input_hash
from core.errors import InvalidInput, Unavailable
from core.members.identifiers import Identifier
from core.programme.book import ProgrammeBook
from core.settings import Settings
from push.bus import Bus
from push.hub import Hub
from push.reader import Reader
from surfaces.etag import Stamp
from surfaces.views import LOCALES, Locale

MAX_KEY = 200
"""An idempotency key: a UUID has 36 characters, a till's own number fewer."""
LANGUAGE_COOKIE = "chorus_lang"


@dataclass
class Services:
    settings: Settings
    database: AsyncEngine
    book: ProgrammeBook
    engine: Engine
    reader: Reader
    hub: Hub
    bus: Bus
    tokens: Tokens
    clock: Clock
    outside: Outside
    reload: Callable[[], Awaitable[None]]
    """See at once, here, what was published; the repair lane would within a second."""
    replay: ReplayRemote | None = None
    """Set in a demo; with it comes the wall."""
    metrics_dir: Path | None = None
    simulating: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One simulation at a time: it has a connection and much of the processor."""
    draining: bool = False

    def principal(self, request: Request[Any, Any, Any], surface: str) -> Principal:
        """Who sent a request to `surface`. Raises `Unauthenticated`, `NotAllowed`; `Unavailable` while draining."""
        if self.draining:
            raise Unavailable("this instance is stopping; send it again", code="draining")
        return self.tokens.verify(bearer(header(request, b"authorization")), surface)

    async def submit(
        self,
        principal: Principal,
        kind: str,
        key: str,
        sent: Any,
        command: Command,
        who: Identifier | int | None,
        **details: Any,
    ) -> Answer:
        """Put a command through the door under the principal's own key; `sent` is the request as it came."""
        check_key(key)
        if self.draining:
            raise Unavailable("this instance is stopping; send it again", code="draining")
        return await self.engine.submit(
            Submission(
                source=f"{principal.source}:{kind}",
                key=key,
                hash=input_hash(sent),
                command=command,
                who=who,
                place=principal.store,
                till=principal.till,
                **details,
            )
        )

    async def kiosk_session(self, device: str) -> KioskSession:
        """The session a kiosk shows now. One whose time has passed is ended here, by whoever asks first: a kiosk that was
        off meanwhile must not greet the next person with the last one's name."""
        session, now = await devices.session_of(self.database, device), self.clock()
        if session.clears_at is not None and session.clears_at <= now:
            session = await devices.clear(self.database, device, session.session, now)
            self.bus.tell_device(session)
            await self.hub.rebind(session)
        return session

    def receipt_url(self, member: int, version: int) -> str:
        return f"{self.settings.public_url}/r/{self.tokens.receipt_token(member, version)}"

    def stamp(self, answer: Answer) -> dict[str, Any]:
        """The stamp fields of an answer that made a version: what the member was at it."""
        assert answer.change is not None
        stamp = Stamp(answer.epoch, answer.version, answer.change.programme, answer.change.recorded_at)
        return stamp_fields(stamp)


Given = NamedDependency[Services]
"""How a handler asks for them."""


def stamp_fields(stamp: Stamp) -> dict[str, Any]:
    return {
        "epoch": stamp.epoch,
        "version": stamp.version,
        "programme": stamp.programme,
        "valid_from": stamp.valid_from,
    }


def check_key(key: str) -> None:
    """Raises `InvalidInput` where `key` cannot be claimed."""
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidInput.at("/id", f"must be 1 to {MAX_KEY} printable characters")


def idempotency_key(request: Request[Any, Any, Any]) -> str:
    """The required `Idempotency-Key` header."""
    key = request.headers.get("idempotency-key", "")
    if not key:
        raise InvalidInput(
            "send an Idempotency-Key header: any text of your own, new for each intent", code="key_required"
        )
    return key


def header(request: Request[Any, Any, Any], name: bytes) -> str:
    """One header, empty when absent; `name` in lower case. Litestar's own mapping of all of them costs more than the
    rest of a till's request."""
    for known, value in request.scope["headers"]:
        if known == name:
            return value.decode("latin-1")
    return ""


def locale_of(request: Request[Any, Any, Any], fallback: str = "en") -> Locale:
    """`?lang=`, then the cookie, then `Accept-Language`, then `fallback`; always one we have."""
    wishes = [request.query_params.get("lang")] if request.scope["query_string"] else []
    if header(request, b"cookie"):
        wishes.append(request.cookies.get(LANGUAGE_COOKIE))
    wishes += [part.partition(";")[0].strip() for part in header(request, b"accept-language").split(",")]
    for wish in (*wishes, fallback):
        if wish and (found := _known_locale(wish)):
            return found
    return "en"


def _known_locale(wish: str) -> Locale | None:
    """The best of our locales for a BCP 47 tag: a Chinese one without a script is told by its region."""
    tag = wish.lower()
    for locale in LOCALES:
        if tag == locale.lower() or tag.startswith(locale.lower() + "-"):
            return locale
    if tag.split("-")[0] == "zh":
        return "zh-Hant" if tag.endswith(("-tw", "-hk", "-mo")) else "zh-Hans"
    return "en" if tag.split("-")[0] == "en" else None
