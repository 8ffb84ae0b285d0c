"""The link that ends letters: it asks first, only a POST ends, and a forged one ends nothing."""

from __future__ import annotations

import base64

import pytest

from tests.bff.devices import Hand
from tests.bff.house import House, fresh


@pytest.fixture
async def ada(house: House) -> Hand:
    return Hand(house, await house.enrol("Ada"))


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
