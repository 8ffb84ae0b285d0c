"""One live connection's side of `chorus.v1`, without I/O.

A `Session` decodes what the client says, decides whether a state is newer than what the client has, and encodes what
is sent. It knows no socket and no clock; `bff/live` feeds it, `push/hub` asks it. Whatever it is fed, it answers with a
`Hello` or raises `Refused` with the close code a client can act on: 4400-4499 do not come back as you are, 4500-4599
come back later.
"""

from __future__ import annotations

import codecs
import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Literal

import msgspec

from core.clock import rfc3339
from push.render import Subject
from surfaces.etag import Stamp
from surfaces.views import LOCALES, SURFACES, Locale, Surface

SUBPROTOCOL = "chorus.v1"
MAX_CLIENT_FRAME = 64 * 1024
BEAT_SECONDS = 20.0
"""Proxies and home routers drop a connection that is silent for 30-60 s, and a client that times the beat gives up after
two of them; live-protocol asks for 25 s at most, and the beat's own timer may be a few seconds late."""

FEW_LETTERS = 256
"""Bytes that a frame has beyond its letters: a name and some apostrophes; a frame in Chinese has thousands."""
_ESCAPING = "chorus-json"


class Close(IntEnum):
    BAD_MESSAGE = 4400
    BAD_TOKEN = 4401
    NOT_ALLOWED = 4403
    DRAINING = 4503
    TOO_SLOW = 4508
    OVERLOADED = 4529


class Refused(Exception):
    """The connection ends with `code`; `wait` is the longest wait in seconds before coming back (4500-4599)."""

    def __init__(self, code: Close, detail: str, *, error: str, wait: int | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.error, self.wait = code, detail, error, wait

    @property
    def reason(self) -> str:
        return str(self.wait) if self.wait is not None else self.error


class Have(msgspec.Struct, frozen=True):
    """The stamp of what the client shows; `session` is a kiosk's."""

    epoch: int
    version: int
    programme: int = 0
    valid_from: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    session: int = 0


class Who(msgspec.Struct, frozen=True):
    """The member a till follows, by what it looked it up with: so that nobody is followed by counting numbers."""

    kind: Literal["code", "email", "phone", "card"]
    value: str


class Hello(msgspec.Struct, frozen=True):
    type: Literal["hello"]
    surface: str
    who: Who | None = None
    """For `pos` alone."""
    token: str = ""
    locale: str = "en"
    have: Have | None = None


class State(msgspec.Struct, frozen=True, tag_field="type", tag="state", omit_defaults=True):
    epoch: int
    version: int
    programme: int
    valid_from: datetime
    valid_until: datetime | None
    as_of: datetime
    causes: msgspec.Raw
    view: msgspec.Raw
    committed_at: datetime | None = None


_HELLO = msgspec.json.Decoder(Hello)
_ENCODER = msgspec.json.Encoder()


def read_hello(text: str | bytes | None) -> Hello:
    """The client's first frame. Raises `Refused` 4400 that says what is wrong with it."""
    if text is None:
        raise _bad("the first frame must be text")
    if len(text) > MAX_CLIENT_FRAME:
        raise _bad(f"a frame is at most {MAX_CLIENT_FRAME} bytes")
    try:
        hello = _HELLO.decode(text)
    except msgspec.ValidationError as error:
        raise _bad(f"not a hello: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _bad("the frame is not JSON") from None
    if hello.surface not in SURFACES:
        raise _bad("surface: must be one of " + ", ".join(SURFACES))
    if hello.locale not in LOCALES:
        raise _bad("locale: must be one of " + ", ".join(LOCALES))
    if hello.have is not None and hello.have.valid_from.tzinfo is None:
        raise _bad("have.valid_from: needs its zone")
    return hello


def unexpected() -> Refused:
    """What any frame after the hello is answered with: a client of chorus.v1 has nothing more to say."""
    return _bad("only a hello is expected, once")


def _bad(detail: str) -> Refused:
    return Refused(Close.BAD_MESSAGE, detail, error="bad_message")


class Session:
    """What one client shows, as far as was sent. Slots: there is one of it per open socket."""

    __slots__ = ("kiosk_session", "locale", "stamp", "subject", "surface")

    def __init__(self, surface: Surface, locale: Locale, subject: Subject, have: Have | None) -> None:
        self.surface = surface
        self.locale = locale
        self.subject = subject
        """A receipt's purchase, a kiosk's running session; None elsewhere."""
        self.stamp = Stamp(have.epoch, have.version, have.programme, have.valid_from) if have else None
        self.kiosk_session = have.session if have else 0

    def needs(self, stamp: Stamp, kiosk_session: int = 0) -> bool:
        """Whether a state with `stamp` is news to the client. A kiosk's session comes before the stamp."""
        if self.stamp is None or kiosk_session > self.kiosk_session:
            return True
        return kiosk_session == self.kiosk_session and stamp > self.stamp

    def joined(self, version: int) -> None:
        """The member it showed went into another at that one's `version`: what the other did before is no news to it."""
        if self.stamp is not None and self.stamp.version < version - 1:
            self.stamp = msgspec.structs.replace(self.stamp, version=version - 1)

    def sent(self, stamp: Stamp, kiosk_session: int = 0) -> None:
        self.stamp, self.kiosk_session = stamp, kiosk_session


def state(
    stamp: Stamp,
    valid_until: datetime | None,
    as_of: datetime,
    causes: bytes,
    view: bytes,
    committed_at: datetime | None,
    *,
    for_many: bool = False,
) -> str:
    """A `state` frame; `causes` and `view` are JSON. `for_many`: many sockets will be sent it."""
    frame = State(
        stamp.epoch,
        stamp.version,
        stamp.programme,
        stamp.valid_from,
        valid_until,
        as_of,
        msgspec.Raw(causes),
        msgspec.Raw(view),
        committed_at,
    )
    text = _ENCODER.encode(frame).decode()
    return _plain(text) if for_many else text


def _plain(text: str) -> str:
    """The same JSON with its letters beyond ASCII escaped, where they are few: each socket encodes its text again, and
    one curved apostrophe makes that slower by a factor of thirty."""
    if text.isascii() or len(text.encode()) - len(text) > FEW_LETTERS:
        return text
    return text.encode("ascii", _ESCAPING).decode("ascii")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ESCAPING, _escaped)


def current(stamp: Stamp, as_of: datetime) -> str:
    return _ENCODER.encode(
        {"type": "current", "epoch": stamp.epoch, "version": stamp.version, "as_of": rfc3339(as_of)}
    ).decode()


def beat(as_of: datetime) -> str:
    return f'{{"type":"beat","as_of":"{rfc3339(as_of)}"}}'


def error(refused: Refused) -> str:
    return _ENCODER.encode({"type": "error", "code": refused.error, "detail": refused.detail}).decode()
