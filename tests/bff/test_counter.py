"""The counter's pages over HTTP: how a till signs in, what is embedded, and what only a demo has."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest

from tests.bff.house import House


@pytest.fixture(autouse=True)
def nobodys_cookies(house: House) -> Iterator[None]:
    """The tests' client is shared, and keeps what it is given."""
    yield
    house.http.cookies.clear()


async def test_a_tills_token_becomes_a_cookie_of_its_page_alone(house: House) -> None:
    token = house.token("pos", device="till-9")
    answer = await house.http.get("/till", params={"token": token, "lang": "zh-Hant"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/till?lang=zh-Hant")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"chorus_till={token}")
    for part in ("HttpOnly", "Path=/till;", "SameSite=lax"):
        assert part in cookie
    page = await house.http.get("/till", headers={"Cookie": f"chorus_till={token}"})
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "Harbour Street, till 2" in page.text


async def test_a_till_without_a_good_token_is_told_what_to_do(house: House) -> None:
    for headers in ({}, {"Cookie": "chorus_till=stale"}, {"Cookie": f"chorus_till={house.token('kiosk', device='k')}"}):
        page = await house.http.get("/till", headers={"Accept": "text/html", **headers})
        assert page.status_code == 401
        assert "This till is not signed in" in page.text
    # A token that is not a till's never becomes a cookie.
    refused = await house.http.get("/till", params={"token": house.token("web", 1)})
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


async def test_without_a_demo_there_is_no_price_list_and_no_shop(house: House) -> None:
    token = house.token("pos", device="till-9")
    page = await house.http.get("/till", headers={"Cookie": f"chorus_till={token}"})
    block = re.search(r'id="chorus">(.*?)</script>', page.text, re.S)
    assert block
    config = msgspec.json.decode(block[1])
    assert config["articles"] == []
    assert config["money"] == {"code": "USD", "symbol": "US$", "digits": 2}
    assert (await house.http.get("/shop")).status_code == 404


async def test_modules_are_embedded_by_an_address_that_stays(house: House) -> None:
    for name in ("chorus-shop.js", "chorus-quote.js", "chorus-live.js"):
        answer = await house.http.get(f"/embed/{name}")
        assert answer.status_code == 307
        found = await house.http.get(answer.headers["location"])
        assert found.status_code == 200
        assert found.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    assert (await house.http.get("/embed/wall.js")).status_code == 404


async def test_what_the_modules_are_told_is_in_the_readers_language(house: House) -> None:
    told = {
        lang: (await house.http.get("/embed/shop.json", params={"lang": lang})).json()
        for lang in ("en", "zh-Hant", "zh-Hans")
    }
    assert {one["words"]["due"] for one in told.values()} == {"To pay", "應付", "应付"}
    assert {lang: one["locale"] for lang, one in told.items()} == {lang: lang for lang in told}
    assert all(one["channel"] == "web" for one in told.values())
