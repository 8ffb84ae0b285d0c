"""`/live` over real sockets: who may open one, how each refusal closes, and how a process says goodbye."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from bff import live
from bff.auth import SESSION_COOKIE
from core import devices
from core.devices import Device
from core.embedded import Endpoints
from push.session import Close, Refused
from tests.bff.house import House, Shopper, fresh, opened, receipt_token, until
from tests.conftest import SettableClock, copy_of

V1 = [Subprotocol("chorus.v1")]


@pytest.fixture(scope="module")
async def house(endpoints: Endpoints, template: str) -> AsyncIterator[House]:
    async with copy_of(endpoints, template) as database, opened(database, endpoints, SettableClock()) as house:
        yield house


@pytest.fixture(scope="module")
async def shopper(house: House) -> Shopper:
    who = await house.enrol()
    await house.buy(who)
    return who


def dial(house: House, subprotocols: Any = V1, **more: Any) -> connect:
    return connect(
        house.url.replace("http", "ws", 1) + "/live",
        subprotocols=subprotocols,
        ping_interval=None,
        compression=None,
        **more,
    )


async def ended(connection: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """The frames until the close, its code and reason."""
    frames = []
    try:
        async with asyncio.timeout(10):
            while True:
                frames.append(json.loads(await connection.recv()))
    except ConnectionClosed:
        return frames, connection.close_code or 0, connection.close_reason or ""


async def refused(house: House, hello: Any, code: int, error: str, **more: Any) -> None:
    """The hello is answered with one error frame and this close."""
    async with dial(house, **more) as connection:
        await connection.send(hello if isinstance(hello, str | bytes) else json.dumps(hello))
        frames, closed, reason = await ended(connection)
    assert [frame["type"] for frame in frames] == ["error"]
    assert frames[0]["code"] == error
    assert frames[0]["detail"]
    assert (closed, reason) == (code, error)


def hello(surface: str, token: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "hello", "surface": surface, "locale": "en", **({"token": token} if token else {}), **more}


@pytest.mark.parametrize("frame", ["{", b"\x00\x01", '"hello"', '{"type":"hello","surface":"toaster"}', "[" * 60_000])
async def test_what_is_no_hello_ends_with_4400(house: House, frame: str | bytes) -> None:
    await refused(house, frame, 4400, "bad_message")


async def test_a_frame_over_64_kb_is_not_taken_in(house: House) -> None:
    async with dial(house) as connection:
        await connection.send(json.dumps(hello("app", "x" * 65 * 1024)))
        _, code, _ = await ended(connection)
    assert code in (1009, 4400)


async def test_without_our_subprotocol_there_is_no_talk(house: House) -> None:
    for offered in (None, [Subprotocol("chorus.v2")]):
        async with dial(house, offered) as connection:
            frames, code, _ = await ended(connection)
            assert (connection.subprotocol, code, frames[0]["code"]) == (None, 4400, "bad_message")
    async with dial(house) as connection:
        assert connection.subprotocol == "chorus.v1"


async def test_silence_instead_of_a_hello_is_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HELLO_SECONDS", 0.02)
    async with dial(house) as connection:
        _, code, _ = await ended(connection)
    assert code == 4400


async def test_a_second_word_ends_the_talk_and_frees_the_socket(house: House, shopper: Shopper) -> None:
    async with dial(house) as connection:
        await connection.send(json.dumps(hello("app", house.token("app", shopper.member))))
        assert json.loads(await connection.recv())["type"] == "state"
        await connection.send("more")
        frames, code, _ = await ended(connection)
    assert (code, frames[-1]["code"]) == (4400, "bad_message")
    await until(lambda: house.services.hub.members() == {}, "nothing is left of it")


async def test_a_token_opens_only_what_it_is_for(house: House, shopper: Shopper) -> None:
    app, kiosk = house.token("app", shopper.member), await house.kiosk(shopper)
    expired = house.token("app", shopper.member, lifetime=timedelta(seconds=0))
    receipt, till = receipt_token(await house.buy(shopper)), house.token("pos", device="till-1")
    for said, code, error in (
        (hello("app"), 4401, "unauthenticated"),
        (hello("app", "x"), 4401, "unauthenticated"),
        (hello("app", expired), 4401, "token_expired"),
        (hello("web", app), 4403, "wrong_surface"),
        (hello("wallet", app), 4403, "wrong_surface"),
        (hello("kiosk", app), 4403, "wrong_surface"),
        (hello("app", kiosk), 4403, "wrong_surface"),
        (hello("kiosk"), 4401, "unauthenticated"),
        (hello("receipt", app), 4403, "unknown_receipt"),
        (hello("receipt", receipt[:-1] + "A" if receipt[-1] != "A" else receipt[:-1] + "B"), 4403, "unknown_receipt"),
        (hello("receipt"), 4403, "unknown_receipt"),
        (
            {**hello("pos", till), "who": {"kind": "card", "value": "NOBODYS"}},
            4403,
            "unknown_member",
        ),
        ({**hello("pos", app), "who": {"kind": "code", "value": shopper.code}}, 4403, "wrong_surface"),
        (hello("pos", till), 4400, "bad_message"),
        (
            {**hello("pos", till), "who": {"kind": "code", "value": "1"}},
            4400,
            "bad_message",
        ),
        (hello("app", house.token("app", 999_999)), 4403, "unknown_member"),
    ):
        await refused(house, said, code, error)
    for said in (hello("app", app), hello("kiosk", kiosk), hello("receipt", receipt)):
        async with dial(house) as connection:
            await connection.send(json.dumps(said))
            assert json.loads(await connection.recv())["type"] == "state"


async def test_a_till_follows_whom_it_looked_up_until_it_is_revoked(house: House) -> None:
    who, device = await house.enrol(), fresh("till")
    await devices.add(house.services.database, Device(device, "till", "harbour-street", "9"), house.clock())
    said = {**hello("pos", house.token("pos", device=device)), "who": {"kind": "code", "value": who.code}}
    async with dial(house) as connection:
        await connection.send(json.dumps(said))
        assert json.loads(await connection.recv())["view"]["member"] == str(who.member)
        await house.adjust(who, 70)
        frame = json.loads(await connection.recv())
        assert (frame["view"]["balance"]["points"], frame["causes"][0]["points"]) == (70, 70)
        house.services.hub.cut({device}, Refused(Close.NOT_ALLOWED, "this device was revoked", error="device_revoked"))
        assert json.loads(await connection.recv())["code"] == "device_revoked"


async def test_a_cookie_opens_the_web_from_our_own_pages_only(house: House, shopper: Shopper) -> None:
    cookie = {"Cookie": f"a=b; {SESSION_COOKIE}={house.token('web', shopper.member)}"}
    async with dial(house, additional_headers=cookie, origin=Origin(house.url)) as connection:
        await connection.send(json.dumps(hello("web")))
        assert json.loads(await connection.recv())["view"]["member"]["code"] == shopper.code
    for origin in (None, Origin("https://evil.example"), Origin("null"), Origin(house.url + ".evil.example")):
        await refused(house, hello("web"), 4403, "wrong_origin", additional_headers=cookie, origin=origin)
    await refused(house, hello("app"), 4401, "unauthenticated", additional_headers=cookie, origin=Origin(house.url))
    wrong = {"Cookie": f"{SESSION_COOKIE}=x"}
    await refused(house, hello("web"), 4401, "unauthenticated", additional_headers=wrong, origin=Origin(house.url))


async def test_a_revoked_device_may_not_come_back(house: House) -> None:
    device = fresh("kiosk")
    await devices.add(house.services.database, devices.Device(device, "kiosk", "harbour-street", device), house.clock())
    token = house.token("kiosk", device=device)
    async with dial(house) as connection:
        await connection.send(json.dumps(hello("kiosk", token)))
        assert json.loads(await connection.recv())["type"] == "state"
        await devices.revoke(house.services.database, device, house.clock())
        frames, code, reason = await ended(connection)
    assert (code, reason, frames[-1]["code"]) == (4403, "device_revoked", "device_revoked")
    await refused(house, hello("kiosk", token), 4403, "device_revoked")


async def test_a_process_that_stops_sends_everyone_away_with_a_wait(
    endpoints: Endpoints, template: str, house: House, shopper: Shopper
) -> None:
    async with dial(house) as waiting, dial(house) as connection:
        await connection.send(json.dumps(hello("app", house.token("app", shopper.member))))
        assert json.loads(await connection.recv())["type"] == "state"
        house.services.draining = True
        try:
            house.services.hub.close(Refused(Close.DRAINING, "stopping", error="draining", wait=4))
            frames, code, reason = await ended(connection)
            assert (code, reason, frames[-1]["code"]) == (4503, "4", "draining")
            await waiting.send(json.dumps(hello("app", house.token("app", shopper.member))))
            _, code, reason = await ended(waiting)
            assert code == 4503
            assert 1 <= int(reason) <= 10
        finally:
            house.services.draining = False
            house.services.hub._closing = None
