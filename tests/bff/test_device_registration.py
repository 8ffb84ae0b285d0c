"""What a registration of a device must say: one that is wrong is refused by its field's name, and writes nothing."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from core import member_devices
from core.clock import rfc3339
from core.member_devices import MAX_TOKEN
from tests.bff.devices import Hand, numbers
from tests.bff.house import House, fresh
from tests.bff.problems import must_be_problem

ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/"


def text_of(size: int) -> str:
    return base64.urlsafe_b64encode(b"\x04" * size).decode().rstrip("=")


KEYS = {"p256dh": text_of(65), "auth": text_of(16)}


@pytest.fixture
async def ada(house: House) -> Hand:
    return Hand(house, await house.enrol("Ada"))


# -- every field -------------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("an unknown channel", "app", {"channel": "pigeon"}, "/channel"),
    ("no channel", "app", {"channel": ...}, "/channel"),
    ("no token", "app", {"token": ...}, "/token"),
    ("no app", "app", {"app": ...}, "/app"),
    ("an unknown field", "app", {"colour": "red"}, "/colour"),
    ("a number for a token", "app", {"token": 7}, "/token"),
    ("null", "app", {"token": None}, "/token"),
    ("no hex", "app", {"token": "xyz" * 20}, "/token"),
    ("half a byte", "app", {"token": "a" * 63}, "/token"),
    ("too short a token", "app", {"token": "ab" * 15}, "/token"),
    ("too long a token", "app", {"token": "ab" * 201}, "/token"),
    ("a path", "app", {"token": "../" * 12}, "/token"),
    ("hex of other alphabets", "app", {"token": "٣" * 64}, "/token"),
    ("an empty app", "app", {"app": ""}, "/app"),
    ("an app with a path", "app", {"app": "com/example"}, "/app"),
    ("an app with a line", "app", {"app": "com.example\nx"}, "/app"),
    ("an app too long", "app", {"app": "a" * 101}, "/app"),
    ("a language we do not have", "app", {"locale": "fr"}, "/locale"),
    ("blanks in a token", "app", {"channel": "fcm", "token": "a b"}, "/token"),
    ("NUL in a token", "app", {"channel": "fcm", "token": "a\0b"}, "/token"),
    ("nothing for a token", "app", {"channel": "fcm", "token": ""}, "/token"),
    ("a token of another alphabet", "app", {"channel": "fcm", "token": "ü"}, "/token"),
    ("a token without end", "app", {"channel": "fcm", "token": "x" * (MAX_TOKEN + 1)}, "/token"),
    ("an iPhone on the web", "web", {}, "/channel"),
    ("an Android phone on the web", "web", {"channel": "fcm"}, "/channel"),
    ("an end for what has none", "app", {"until": "2026-03-14T10:00:00Z"}, "/until"),
    ("an endpoint of a neighbour", "web", {"channel": "webpush", "token": "https://169.254.169.254/x"}, "/token"),
    ("an endpoint without TLS", "web", {"channel": "webpush", "token": ENDPOINT.replace("https", "http")}, "/token"),
    ("no endpoint", "web", {"channel": "webpush", "token": "x"}, "/token"),
    ("no keys", "web", {"channel": "webpush", "token": ENDPOINT}, "/keys/p256dh"),
    ("one key", "web", {"channel": "webpush", "token": ENDPOINT, "keys": {"p256dh": KEYS["p256dh"]}}, "/keys/auth"),
    (
        "a short key",
        "web",
        {"channel": "webpush", "token": ENDPOINT, "keys": {**KEYS, "auth": text_of(15)}},
        "/keys/auth",
    ),
    ("no base64", "web", {"channel": "webpush", "token": ENDPOINT, "keys": {**KEYS, "p256dh": "*"}}, "/keys/p256dh"),
    (
        "a key with NUL",
        "web",
        {"channel": "webpush", "token": ENDPOINT, "keys": {**KEYS, "auth": KEYS["auth"] + "\0"}},
        "/keys/auth",
    ),
    (
        "a key of another alphabet",
        "web",
        {"channel": "webpush", "token": ENDPOINT, "keys": {**KEYS, "auth": "ü" * 22}},
        "/keys/auth",
    ),
    ("keys for what is no browser", "app", {"keys": {"auth": "x"}}, "/keys"),
    ("keys with NUL for what is no browser", "app", {"channel": "fcm", "token": "x", "keys": {"auth": "\0"}}, "/keys"),
    ("NUL in an address", "app", {"channel": "email", "token": "a\0b@example.com"}, "/token"),
    ("a letter to no address", "app", {"channel": "email", "token": "ada"}, "/token"),
    ("a message to no number", "app", {"channel": "sms", "token": "12"}, "/token"),
    ("a letter to somebody", "app", {"channel": "email", "token": "somebody@example.com"}, "/token"),
    ("a message to somebody", "web", {"channel": "sms", "token": "+85251234567"}, "/token"),
]


@pytest.mark.parametrize(("what", "surface", "body", "pointer"), WRONG, ids=[row[0] for row in WRONG])
async def test_a_wrong_registration_names_its_field_and_writes_nothing(
    house: House, ada: Hand, what: str, surface: str, body: dict[str, Any], pointer: str
) -> None:
    hand = Hand(house, ada.who, surface)
    problem = must_be_problem(await hand.post(**body), 422, "invalid_input")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert await hand.listed() == []


async def test_a_browsers_subscription_is_taken_as_it_comes(house: House, ada: Hand) -> None:
    """With its keys' padding or without."""
    hand = Hand(house, ada.who, "web")
    padded = {name: key + "=" * (-len(key) % 4) for name, key in KEYS.items()}
    for keys in (KEYS, padded):
        await hand.register(channel="webpush", app="web", token=ENDPOINT + "A-b_c", keys=keys)
    (device,) = await member_devices.of_member(house.services.database, ada.who.member)
    assert (device.token, device.keys) == (ENDPOINT + "A-b_c", padded)


# -- Live Activities ---------------------------------------------------------------------------------------------------

UNTIL: list[tuple[str, timedelta | str | None, bool]] = [
    ("in an hour", timedelta(hours=1), True),
    ("in twelve hours", timedelta(hours=12), True),
    ("now", timedelta(), False),
    ("a moment ago", timedelta(seconds=-1), False),
    ("in more than twelve hours", timedelta(hours=12, seconds=1), False),
    ("never", None, False),
    ("without a zone", "2026-03-14T10:00:00", False),
    ("at no instant", "tonight", False),
    ("at the end of time", "9999-12-31T23:59:59-23:59", False),
    ("before time", "0001-01-01T00:00:00+23:59", False),
]


@pytest.mark.parametrize(("what", "until", "good"), UNTIL, ids=[row[0] for row in UNTIL])
async def test_a_live_activity_has_an_end_within_the_visit(
    house: House, ada: Hand, what: str, until: timedelta | str | None, good: bool
) -> None:
    given = rfc3339(house.clock() + until) if isinstance(until, timedelta) else until
    answer = await ada.post(channel="liveactivity", until=given)
    if good:
        assert answer.status_code == 201
        assert answer.json()["until"] == given
    else:
        problem = must_be_problem(answer, 422, "invalid_input")
        assert [error["pointer"] for error in problem["errors"]] == ["/until"]


# -- letters and short messages ----------------------------------------------------------------------------------------


async def test_letters_go_to_the_members_own_address_only(house: House) -> None:
    """In whichever spelling it is given."""
    address, number = f"{fresh('ada')}@example.com", f"+852512{next(numbers):05d}"
    identifiers = [{"kind": "email", "value": address}, {"kind": "phone", "value": number}]
    ada = Hand(house, await house.enrol(identifiers=identifiers))
    bob = Hand(house, await house.enrol())
    first = await ada.register(channel="email", app="mail", token=f" {address.upper()} ")
    assert (await ada.post(channel="email", app="mail", token=address)).status_code == 200
    await ada.register(channel="sms", app="mail", token=f"{number[:4]} {number[4:8]} {number[8:]}")
    tokens = {one.channel: one.token for one in await member_devices.of_member(house.services.database, ada.who.member)}
    assert (await ada.post(channel="email", app="another", token=address)).json()["id"] == first["id"]
    assert (await ada.post(channel="sms", app="another", token=number)).status_code == 200
    assert len(await ada.listed()) == 2, "an address is told once, whichever apps named it"
    assert tokens == {"email": address, "sms": number}
    for channel, token in tokens.items():
        problem = must_be_problem(await bob.post(channel=channel, app="mail", token=token), 422, "invalid_input")
        assert [error["pointer"] for error in problem["errors"]] == ["/token"]
    assert first["id"] in {device["id"] for device in await ada.listed()}
