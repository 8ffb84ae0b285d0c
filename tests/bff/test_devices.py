"""A member's own devices over HTTP: register, refresh, list, revoke; what is refused; and the end of letters."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core import member_devices
from core.allowance import Allowance
from core.clock import rfc3339
from core.database import transaction
from core.delivery import store
from core.delivery.carrier import Planned
from core.delivery.outcome import Delivered
from core.member_devices import MAX_DEVICES, MAX_TOKEN
from push.channels.contract import Message
from push.dispatch import Dispatcher
from push.notify import DeviceCarrier
from tests.bff.house import House, Shopper, bearer, fresh
from tests.bff.problems import must_be_problem

ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/"

_numbers = itertools.count(1)


def hexes() -> str:
    """A device token nobody had before."""
    return f"abcdef{next(_numbers):058x}"


def text_of(size: int) -> str:
    return base64.urlsafe_b64encode(b"\x04" * size).decode().rstrip("=")


KEYS = {"p256dh": text_of(65), "auth": text_of(16)}


class Hand:
    """What a member's app or page sends."""

    def __init__(self, house: House, who: Shopper, surface: str = "app") -> None:
        self.house, self.who, self.surface = house, who, surface
        self.path = f"/{surface}/v1/devices"
        self.headers = bearer(house.token(surface, who.member))

    async def post(self, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        right = {"channel": "apns", "app": "com.example.chorus", "token": hexes()}
        sent = {name: value for name, value in {**right, **body}.items() if value is not ...}
        return await self.house.http.post(self.path, json=sent, headers={**self.headers, **(headers or {})})

    async def register(self, **body: Any) -> dict[str, Any]:
        answer = await self.post(**body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def listed(self) -> list[dict[str, Any]]:
        answer = await self.house.http.get(self.path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def revoke(self, id: object) -> httpx.Response:
        return await self.house.http.delete(f"{self.path}/{id}", headers=self.headers)


@pytest.fixture
async def ada(house: House) -> Hand:
    return Hand(house, await house.enrol("Ada"))


@pytest.fixture
async def bob(house: House) -> Hand:
    return Hand(house, await house.enrol("Bob"))


# -- registered, refreshed, listed, revoked ----------------------------------------------------------------------------


async def test_a_device_is_registered_refreshed_listed_and_revoked(house: House, ada: Hand) -> None:
    token = hexes()
    first = await ada.post(token=token, headers={"Accept-Language": "zh-TW"})
    assert first.status_code == 201
    device = first.json()
    assert device == {
        "id": device["id"],
        "channel": "apns",
        "app": "com.example.chorus",
        "locale": "zh-Hant",
        "registered_at": rfc3339(house.clock()),
        "refreshed_at": rfc3339(house.clock()),
        "until": None,
    }
    again = await ada.post(token=token.upper(), locale="en")
    assert (again.status_code, again.json()) == (200, {**device, "locale": "en"})
    other = await ada.register(channel="fcm", token="android:1-x_Y", app="shop")
    assert await ada.listed() == [other, {**device, "locale": "en"}]
    assert token not in str(await ada.listed())
    gone = await ada.revoke(device["id"])
    assert (gone.status_code, gone.content) == (204, b"")
    must_be_problem(await ada.revoke(device["id"]), 404, "unknown_device")
    assert await ada.listed() == [other]
    assert await Hand(house, ada.who, "web").listed() == [other]


async def test_nobody_revokes_or_sees_anothers(ada: Hand, bob: Hand) -> None:
    device = await ada.register()
    wrong = ["0", "-1", "x", "9" * 18, "9" * 40, "1.5", "%00", "٣", device["id"]]
    for id in wrong:
        must_be_problem(await bob.revoke(id), 404, "unknown_device")
    assert (await bob.listed(), await ada.listed()) == ([], [device])


async def test_a_refreshed_device_keeps_the_day_it_was_registered(own_house: House) -> None:
    ada, token = Hand(own_house, await own_house.enrol()), hexes()
    first = await ada.register(token=token)
    later = own_house.clock.forward(days=3)
    again = await ada.register(token=token)
    (listed,) = await ada.listed()
    assert listed["registered_at"] == first["registered_at"]
    assert listed["refreshed_at"] == again["refreshed_at"] == rfc3339(later)
    assert again["registered_at"] == first["registered_at"]


# -- one token, one member ---------------------------------------------------------------------------------------------


async def test_a_token_that_moves_leaves_the_first_and_nothing_planned_for_it_reaches_the_second(
    house: House, ada: Hand, bob: Hand
) -> None:
    """A phone that is handed on: what was about to be sent to Ada is sent to nobody."""
    token, database = hexes(), house.services.database
    first = await ada.register(token=token)
    async with transaction(database) as connection:
        planned = Planned(next(_numbers) + 10**6, ada.who.member, 1, "purchase", "apns", int(first["id"]))
        assert await store.add(connection, 1, [planned], (), house.clock()) == 1
    second = await bob.post(token=token)
    assert second.status_code == 201
    assert second.json()["id"] != first["id"]
    assert await ada.listed() == []
    channel = Recorded()
    carrier = DeviceCarrier(channel, database, house.services.book, lambda: "https://x", house.clock)
    dispatcher = Dispatcher(database, [carrier], house.clock)
    assert await dispatcher.turn() == 1
    await dispatcher.idle()
    assert channel.sent == []
    async with transaction(database) as connection:
        (row,) = await store.listed(connection, states=["rejected"], member=ada.who.member, channel="apns", limit=10)
    assert row.reason == "the device is gone"


class Recorded:
    """A channel that sends nothing anywhere."""

    name: member_devices.DeviceChannel = "apns"
    hides_repeats = True
    at_once = 10

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, message: Message) -> Delivered:
        self.sent.append(message)
        return Delivered()

    async def close(self) -> None:
        pass


async def test_twenty_registrations_of_one_token_by_two_members_end_with_one_owner(ada: Hand, bob: Hand) -> None:
    token = hexes()
    answers = await asyncio.gather(*((ada, bob)[n % 2].post(token=token) for n in range(20)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    left = await ada.listed() + await bob.listed()
    assert len(left) == 1
    assert left[0]["id"] in {answer.json()["id"] for answer in answers}


async def test_a_member_has_at_most_so_many(own_house: House) -> None:
    ada = Hand(own_house, await own_house.enrol())
    made = []
    for _ in range(MAX_DEVICES + 3):
        own_house.clock.forward(seconds=1)
        made.append((await ada.register())["id"])
    assert [device["id"] for device in await ada.listed()] == made[:2:-1]


async def test_a_storm_is_asked_to_come_back_and_stops_nobody_else(
    house: House, ada: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("bff.devices._REGISTERING", Allowance(0.5, 30, lambda: now))
    token = hexes()
    answers = [await ada.post(token=token) for _ in range(33)]
    assert [answer.status_code for answer in answers] == [201, *[200] * 29, *[429] * 3]
    problem = answers[-1].json()
    assert (problem["code"], problem["retryable"]) == ("too_many", True)
    assert (await bob.post()).status_code == 201
    assert len(await ada.listed()) == 1
    now = 2.0
    assert [(await ada.post(token=token)).status_code for _ in range(2)] == [200, 429]


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", ["app", "web"])
async def test_only_the_surfaces_own_token_opens_them(house: House, ada: Hand, surface: str) -> None:
    hand = Hand(house, ada.who, surface)
    body = {"channel": "email", "app": "x", "token": "a@example.com"}

    async def all_three(headers: dict[str, str]) -> list[httpx.Response]:
        return [
            await house.http.post(hand.path, json=body, headers=headers),
            await house.http.get(hand.path, headers=headers),
            await house.http.delete(f"{hand.path}/1", headers=headers),
        ]

    for answer in await all_three({}):
        must_be_problem(answer, 401, "unauthenticated")
    for other in {"app", "web", "wallet", "kiosk", "pos", "staff"} - {surface}:
        for answer in await all_three(bearer(house.token(other, ada.who.member, device="d"))):
            must_be_problem(answer, 403, "wrong_surface")


# -- what is refused ---------------------------------------------------------------------------------------------------

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
    address, number = f"{fresh('ada')}@example.com", f"+852512{next(_numbers):05d}"
    identifiers = [{"kind": "email", "value": address}, {"kind": "phone", "value": number}]
    ada = Hand(house, await house.enrol(identifiers=identifiers))
    bob = Hand(house, await house.enrol())
    first = await ada.register(channel="email", app="mail", token=f" {address.upper()} ")
    assert (await ada.post(channel="email", app="mail", token=address)).status_code == 200
    await ada.register(channel="sms", app="mail", token=f"{number[:4]} {number[4:8]} {number[8:]}")
    tokens = {one.channel: one.token for one in await member_devices.of_member(house.services.database, ada.who.member)}
    assert tokens == {"email": address, "sms": number}
    for channel, token in tokens.items():
        problem = must_be_problem(await bob.post(channel=channel, app="mail", token=token), 422, "invalid_input")
        assert [error["pointer"] for error in problem["errors"]] == ["/token"]
    assert first["id"] in {device["id"] for device in await ada.listed()}


async def test_the_link_in_a_letter_asks_first_and_then_ends_them(house: House) -> None:
    """Links are opened by machines too: only a POST ends, as a mail program sends it by itself (RFC 8058)."""
    address = f"{fresh('ada')}@example.com"
    ada = Hand(house, await house.enrol(identifiers=[{"kind": "email", "value": address}]))
    device = await ada.register(channel="email", app="mail", token=address)
    kept = await ada.register()
    link = f"/u/{house.services.tokens.device_token(int(device['id']))}"
    for lang in ("en", "zh-Hant", "zh-Hans"):
        asked = await house.http.get(f"{link}?lang={lang}")
        house.http.cookies.clear()  # the language was remembered, for whoever shares this client
        assert asked.status_code == 200
        assert 'method="post"' in asked.text.lower()
        assert address not in asked.text
    assert len(await ada.listed()) == 2
    one_click = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):  # twice is once
        ended = await house.http.post(link, data=one_click)
        assert ended.status_code == 200, ended.text
        assert await ada.listed() == [kept]
    assert (await house.http.get(link)).status_code == 200


async def test_a_forged_link_ends_nothing(house: House, ada: Hand) -> None:
    device = await ada.register()
    right = house.services.tokens.device_token(int(device["id"]))
    other = house.services.tokens.device_token(int(device["id"]) + 1)
    raw = base64.urlsafe_b64decode(right)
    forged = [
        "x",
        "",
        right[:-1],
        right + "A",
        right.swapcase(),
        right[:11] + other[11:],
        other[:11] + right[11:],
        base64.urlsafe_b64encode(raw[:8] + bytes(13)).decode(),
        base64.urlsafe_b64encode(raw[:8]).decode(),
        house.services.tokens.receipt_token(ada.who.member, 1),
        "ü" * 28,
        "%00",
        "..%2f" * 3,
    ]
    for token in forged:
        for method in ("GET", "POST"):
            answer = await house.http.request(method, f"/u/{token}")
            assert answer.status_code in (404, 405), (token, answer.status_code)
    assert [one["id"] for one in await ada.listed()] == [device["id"]]
