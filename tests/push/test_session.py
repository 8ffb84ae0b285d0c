"""The protocol without I/O: what a hello must be, and when a state is news to a client."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from push import session
from push.session import MAX_CLIENT_FRAME, Close, Have, Refused, Session, read_hello
from surfaces.etag import Stamp

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
HELLO = {"type": "hello", "surface": "app", "locale": "zh-Hans", "token": "t"}
HAVE = {"epoch": 3, "version": 41, "programme": 7, "valid_from": "2026-03-14T09:26:53.000001Z"}


def said(**changed: Any) -> str:
    return json.dumps({**HELLO, **changed})


def test_a_hello_is_read_whole() -> None:
    hello = read_hello(said(have=HAVE))
    assert (hello.surface, hello.locale, hello.token) == ("app", "zh-Hans", "t")
    assert hello.have == Have(3, 41, 7, NOW + timedelta(microseconds=1))


def test_the_least_a_client_may_say() -> None:
    """A browser with a cookie leaves the token out, a first visit `have`; a field of a later protocol is passed over."""
    hello = read_hello('{"type":"hello","surface":"web","future":[1]}')
    assert (hello.token, hello.locale, hello.have) == ("", "en", None)


BAD: list[tuple[str, str | bytes | None, str]] = [
    ("a binary frame", None, "text"),
    ("not JSON", "{", "not JSON"),
    ("empty", "", "not JSON"),
    ("without its type", '{"surface":"web"}', "`type`"),
    ("a lone surrogate", '{"type":"hello","surface":"\\ud800"}', "not JSON"),
    ("not UTF-8", b'{"type":"hello","surface":"\xff"}', "not JSON"),
    ("deep", "[" * 60_000, "hello"),
    ("deep inside", '{"type":"hello","future":' + "[" * 60_000, "not JSON"),
    ("65 KB", said(token="x" * 66_000), "bytes"),
    ("a list", "[]", "hello"),
    ("another type", said(type="bye"), "hello"),
    ("no surface", '{"type":"hello"}', "surface"),
    ("unknown surface", said(surface="toaster"), "surface"),
    ("staff's surface", said(surface="staff"), "surface"),
    ("surface of another kind", said(surface=1), "surface"),
    ("unknown locale", said(locale="fr"), "locale"),
    ("locale as a region", said(locale="zh-TW"), "locale"),
    ("naive time", said(have={**HAVE, "valid_from": "2026-03-14T09:26:53"}), "zone"),
    ("not a time", said(have={**HAVE, "valid_from": "yesterday"}), "have.valid_from"),
    ("a float version", said(have={**HAVE, "version": 4.5}), "have.version"),
    ("a text epoch", said(have={**HAVE, "epoch": "3"}), "have.epoch"),
    ("half a stamp", said(have={"epoch": 3}), "version"),
]


@pytest.mark.parametrize(("frame", "told"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_anything_else_is_refused_with_a_reason(frame: str | bytes | None, told: str) -> None:
    with pytest.raises(Refused) as refused:
        read_hello(frame)
    assert (refused.value.code, refused.value.error, refused.value.reason) == (4400, "bad_message", "bad_message")
    assert told in refused.value.detail
    assert len(session.error(refused.value)) < 1_000


def test_a_frame_of_just_the_limit_is_read() -> None:
    empty = len(said(token=""))
    assert read_hello(said(token="x" * (MAX_CLIENT_FRAME - empty))).surface == "app"
    with pytest.raises(Refused):
        read_hello(said(token="x" * (MAX_CLIENT_FRAME - empty + 1)))


def test_close_codes_say_whether_to_come_back() -> None:
    """4400-4499 do not, 4500-4599 later; only these carry a wait, as their reason."""
    for_good = {Close.BAD_MESSAGE, Close.BAD_TOKEN, Close.NOT_ALLOWED}
    assert {code for code in Close if 4400 <= code < 4500} == for_good
    assert {code for code in Close if 4500 <= code < 4600} == set(Close) - for_good
    assert Refused(Close.DRAINING, "stopping", error="draining", wait=4).reason == "4"


BASE = Stamp(3, 41, 7, NOW)
LATER = NOW + timedelta(microseconds=1)
# stamp of a state, its kiosk session, whether a client at BASE in session 5 needs it
ORDER = [
    (Stamp(3, 41, 7, NOW), 5, False),
    (Stamp(3, 41, 7, LATER), 5, True),
    (Stamp(3, 41, 7, NOW - timedelta(days=1)), 5, False),
    (Stamp(3, 41, 8, NOW - timedelta(days=1)), 5, True),
    (Stamp(3, 41, 6, LATER), 5, False),
    (Stamp(3, 42, 1, NOW - timedelta(days=1)), 5, True),
    (Stamp(3, 40, 9, LATER), 5, False),
    (Stamp(4, 1, 1, NOW - timedelta(days=1)), 5, True),
    (Stamp(2, 99, 99, LATER), 5, False),
    (Stamp(1, 0, 1, NOW - timedelta(days=1)), 6, True),
    (Stamp(9, 99, 99, LATER), 4, False),
]


@pytest.mark.parametrize(("stamp", "kiosk", "needed"), ORDER)
def test_stamps_are_compared_field_by_field_and_a_kiosks_session_before_all(
    stamp: Stamp, kiosk: int, needed: bool
) -> None:
    client = Session("kiosk", "en", None, Have(3, 41, 7, NOW, session=5))
    assert client.needs(stamp, kiosk) is needed
    assert Session("kiosk", "en", None, None).needs(stamp, kiosk)
    client.sent(stamp, kiosk)
    assert not client.needs(stamp, kiosk)


@pytest.mark.parametrize(
    ("said", "plain"),
    [("plain", True), ("You’ve – é 😀", True), ("好" * 50, True), ("好" * 5_000, False), ("", True)],
)
def test_a_frame_for_many_says_the_same_in_plain_letters_while_others_are_few(said: str, plain: bool) -> None:
    view = json.dumps({"said": said}, ensure_ascii=False).encode()
    one, many = (session.state(BASE, None, NOW, b"[]", view, None, for_many=many) for many in (False, True))
    assert json.loads(one) == json.loads(many)
    assert (many.isascii(), one.isascii()) == (plain, said.isascii())


def test_frames_are_what_the_protocol_says() -> None:
    state = json.loads(session.state(BASE, None, NOW, b"[]", b'{"balance":1}', None))
    assert state == {
        "type": "state",
        "epoch": 3,
        "version": 41,
        "programme": 7,
        "valid_from": "2026-03-14T09:26:53Z",
        "valid_until": None,
        "as_of": "2026-03-14T09:26:53Z",
        "causes": [],
        "view": {"balance": 1},
    }
    caused = json.loads(session.state(BASE, LATER, NOW, b"[]", b"{}", NOW))
    assert (caused["valid_until"], caused["committed_at"]) == ("2026-03-14T09:26:53.000001Z", "2026-03-14T09:26:53Z")
    assert json.loads(session.current(BASE, NOW)) == {
        "type": "current",
        "epoch": 3,
        "version": 41,
        "as_of": "2026-03-14T09:26:53Z",
    }
    assert json.loads(session.beat(NOW)) == {"type": "beat", "as_of": "2026-03-14T09:26:53Z"}
    told = session.error(Refused(Close.BAD_TOKEN, 'a "quote"', error="token_expired"))
    assert json.loads(told) == {"type": "error", "code": "token_expired", "detail": 'a "quote"'}
