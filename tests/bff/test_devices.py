"""A member's own devices over HTTP: register, refresh, list, revoke; a token is one member's, and nobody else's."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from core import member_devices
from core.allowance import Allowance
from core.clock import rfc3339
from core.database import transaction
from core.delivery import store
from core.delivery.carrier import Planned
from core.delivery.outcome import Delivered
from core.member_devices import MAX_DEVICES
from push.channels.contract import Message
from push.dispatch import Dispatcher
from push.notify import DeviceCarrier
from tests.bff.devices import Hand, hexes, numbers
from tests.bff.house import House, bearer
from tests.bff.problems import must_be_problem


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
        planned = Planned(next(numbers) + 10**6, ada.who.member, 1, "purchase", "apns", int(first["id"]))
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
