"""What is read over HTTP: views with ETags, pages of activity, receipts in three forms, three languages."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from core.clock import rfc3339
from surfaces.wording import words
from tests.bff.house import House, Shopper, bearer, fresh, receipt_token
from tests.bff.test_bad_input import must_be_problem
from tests.conftest import START

VIEWS = ["/app/v1/me", "/web/v1/me", "/wallet/v1/me", "/pos/v1/members", "/kiosk/v1/me", "/r/{receipt}/receipt.json"]


MAX_PAGES = 20


async def ask(house: House, path: str, who: Shopper, receipt: str, kiosk: str, **headers: str) -> Any:
    """GET a view as the surface it belongs to."""
    surface = path.split("/")[1]
    given = {"pos": house.till, "kiosk": bearer(kiosk), "r": {}}.get(surface)
    given = bearer(house.token(surface, who.member)) if given is None else given
    params = {"kind": "code", "value": who.code} if surface == "pos" else None
    return await house.http.get(path.format(receipt=receipt), params=params, headers={**given, **headers})


@pytest.mark.parametrize("path", VIEWS)
async def test_an_etag_holds_until_the_view_changes(house: House, path: str) -> None:
    """304 without a body while nothing changed; another locale or a new version has another ETag."""
    who = await house.enrol()
    receipt = receipt_token(await house.buy(who))
    kiosk = await house.kiosk(who)
    first = await ask(house, path, who, receipt, kiosk)
    assert first.status_code == 200
    tag = first.headers["etag"]
    assert tag.startswith('W/"'), "weak: two bodies of one tag differ in as_of"
    assert "Authorization" in first.headers["vary"]
    assert first.headers["cache-control"] == "private, no-cache"
    same = await ask(house, path, who, receipt, kiosk, **{"If-None-Match": f'"other", {tag}'})
    if "kiosk" in path or "receipt" in path:
        # Their view has parts the stamp does not cover (a session, a return's note): they are sent whole each time.
        assert (same.status_code, same.headers["etag"], same.json()["view"]) == (200, tag, first.json()["view"])
    else:
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    other = await ask(house, path, who, receipt, kiosk, **{"If-None-Match": tag, "Accept-Language": "zh-Hant"})
    assert (other.status_code, other.headers["etag"] != tag) == (200, True)
    assert other.json()["view"] != first.json()["view"]
    await house.buy(who)
    newer = await ask(house, path, who, receipt, kiosk, **{"If-None-Match": tag})
    assert (newer.status_code, newer.headers["etag"] != tag) == (200, True)
    assert newer.json()["version"] == first.json()["version"] + 1


async def test_what_the_clock_changes_has_another_etag(own_house: House) -> None:
    """A hold runs out: nobody wrote anything, yet the view is another, and says since when."""
    house = own_house
    who = await house.enrol()
    await house.adjust(who, 3_000)
    await house.hold(who)
    headers = bearer(house.token("app", who.member))
    before = await house.http.get("/app/v1/me", headers=headers)
    assert before.json()["valid_until"] == rfc3339(START + timedelta(minutes=15))
    house.clock.forward(minutes=15)
    after = await house.http.get("/app/v1/me", headers={**headers, "If-None-Match": before.headers["etag"]})
    assert (after.status_code, after.json()["view"]["balance"]["points"]) == (200, 3_000)
    assert after.json()["version"] == before.json()["version"]
    assert after.json()["valid_from"] == before.json()["valid_until"]


async def pages(house: House, who: Shopper, limit: int, between: bool = False) -> list[Any]:
    """Every row of the activity, page by page; `between` pages the ledger grows."""
    headers, cursor, rows = bearer(house.token("app", who.member)), None, list[Any]()
    for _ in range(MAX_PAGES):
        params = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        page = (await house.http.get("/app/v1/activity", params=params, headers=headers)).json()
        assert len(page["items"]) <= limit or limit == 1
        rows += page["items"]
        cursor = page["next"]
        if cursor is None:
            return rows
        if between:
            await house.buy(who, total=100)
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("limit", [1, 4, 9, 10, 100])
async def test_pages_join_into_the_whole_list_while_the_ledger_grows(house: House, limit: int) -> None:
    """Newest first, no row twice, none missing: what was there at the first page is what the pages show."""
    who = await house.enrol()
    for cents in range(1, 10):
        await house.buy(who, total=cents * 100)
    whole = await pages(house, who, 100)
    assert [row["points"] for row in whole] == [cents * 10 for cents in range(9, 0, -1)] + [0]
    assert await pages(house, who, limit, between=True) == whole


async def test_a_kiosk_lives_by_its_session(own_house: House) -> None:
    """Bound by code, kept by touches, ended by a word or by the clock, and never shows the one who left."""
    house = own_house
    ada, bob = await house.enrol("Ada Lovelace"), await house.enrol("Bob Bell")
    await house.adjust(ada, 3_000)
    kiosk = bearer(await house.kiosk())
    lasts = house.services.book.current.programme.limits.kiosk_clears_seconds

    async def shown() -> Any:
        return (await house.http.get("/kiosk/v1/me", headers=kiosk)).json()["view"]

    idle = await shown()
    assert (idle["member"], idle["clears_at"], idle["session"]) == (None, None, 0)
    session = await house.post("/kiosk/v1/session", {"code": f" {ada.code[:4]}-{ada.code[4:]} "}, kiosk)
    assert session == {"session": 1, "bound": True, "clears_at": rfc3339(house.clock() + timedelta(seconds=lasts))}
    view = await shown()
    assert ("Ada" in view["member"]["greeting"], "Lovelace" in str(view), ada.code in str(view)) == (True, False, False)
    house.clock.forward(seconds=lasts - 1)
    touched = await house.post("/kiosk/v1/session/touch", None, kiosk)
    assert touched["clears_at"] == rfc3339(house.clock() + timedelta(seconds=lasts))
    assert touched["session"] == 1
    house.clock.forward(seconds=lasts - 1)
    assert (await shown())["clears_at"] == touched["clears_at"]
    assert (await house.post("/kiosk/v1/session", {"code": bob.code}, kiosk))["session"] == 2
    assert "Bob" in (await shown())["member"]["greeting"]
    ended = (await house.http.delete("/kiosk/v1/session", headers=kiosk)).json()
    assert ended == {"session": 3, "bound": False, "clears_at": None}
    assert (await shown())["member"] is None
    await house.post("/kiosk/v1/session", {"code": ada.code}, kiosk)
    house.clock.forward(seconds=lasts)
    assert (await shown())["member"] is None
    page = await house.http.get("/kiosk", params={"token": kiosk["Authorization"].removeprefix("Bearer ")})
    assert "Ada" not in page.text
    for path, body in (("/kiosk/v1/session/touch", None), ("/kiosk/v1/holds", {"reward": "off5"})):
        late = await house.http.post(path, json=body, headers={**kiosk, "Idempotency-Key": fresh("key")})
        must_be_problem(late, 409, "no_session")


async def test_a_receipt_is_a_page_a_picture_and_a_document(house: House) -> None:
    """All three say what was sold and earned; the picture's code leads back to the same link; none names the member."""
    who = await house.enrol("Ada Lovelace")
    sold = await house.buy(who)
    link = sold["receipt"]["url"]
    page = await house.http.get(link)
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    document = await house.http.get(f"{link}/receipt.json")
    view = document.json()["view"]
    assert (view["earned"], view["balance_after"], view["total_text"]) == (356, 356, "US$35.60")
    assert view["link"] == link
    picture = await house.http.get(f"{link}/receipt.png")
    assert picture.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(picture.content)).convert("RGBA").convert("RGB")
    assert [code.text for code in zxingcpp.read_barcodes(image)] == [link]
    for text in (page.text, document.text):
        assert "US$35.60" in text
        assert "356" in text
        assert "Lovelace" not in text
        assert who.code not in text


async def test_a_receipt_tells_of_a_return_and_loses_its_balance_in_time(own_house: House) -> None:
    house = own_house
    who = await house.enrol()
    sold = await house.buy(who)
    path = f"/r/{receipt_token(sold)}/receipt.json"
    first = (await house.http.get(path)).json()
    assert (first["view"]["returned_note"], first["view"]["balance"]["points"]) == ("", 356)
    await house.post(f"/pos/v1/purchases/{sold['purchase_id']}/returns", {"id": fresh("R")}, house.till)
    returned = (await house.http.get(path)).json()
    assert "356" in returned["view"]["returned_note"]
    assert (returned["view"]["balance"]["points"], returned["view"]["balance_after"]) == (0, 356)
    days = house.services.book.current.programme.limits.receipt_live_days
    assert returned["valid_until"] == rfc3339(START + timedelta(days=days))
    house.clock.forward(days=days)
    late = (await house.http.get(path)).json()
    assert (late["view"]["balance"], late["view"]["earned"]) == (None, 356)
    assert late["valid_from"] == returned["valid_until"]


LANGUAGES = [
    ("", "", "en"),
    ("zh-TW", "", "zh-Hant"),
    ("zh-HK,en;q=0.5", "", "zh-Hant"),
    ("zh", "", "zh-Hans"),
    ("zh-CN", "", "zh-Hans"),
    ("zh-Hant-HK", "", "zh-Hant"),
    ("fr,zh-Hans;q=0.3", "", "zh-Hans"),
    ("fr", "", "en"),
    ("en-GB", "zh-Hant", "zh-Hant"),
    ("zh", "fr", "zh-Hans"),
    ("*;q=\x01", "%00", "en"),
]


@pytest.mark.parametrize(("accepted", "asked", "locale"), LANGUAGES)
async def test_the_language_is_the_one_asked_for(house: House, accepted: str, asked: str, locale: str) -> None:
    who = await house.enrol()
    headers = bearer(house.token("app", who.member)) | ({"Accept-Language": accepted.replace("\x01", "x")})
    answer = await house.http.get("/app/v1/me", params={"lang": asked} if asked else None, headers=headers)
    assert (
        answer.json()["view"]["tier"]["name"]
        == {"en": "Listener", "zh-Hans": "聆听会员", "zh-Hant": "聆聽會員"}[locale]
    )


async def test_a_member_without_a_wish_is_met_in_the_language_of_enrolment(house: House) -> None:
    who = await house.enrol("陳大文", locale="zh-Hant")
    answer = await house.http.get("/app/v1/me", headers=bearer(house.token("app", who.member)))
    assert answer.json()["view"]["tier"]["name"] == "聆聽會員"


@pytest.mark.parametrize("locale", ["en", "zh-Hans", "zh-Hant"])
async def test_every_page_is_served_in_every_language_and_a_wish_is_remembered(house: House, locale: str) -> None:
    who = await house.enrol()
    link = (await house.buy(who))["receipt"]["url"].removeprefix(house.url)
    card = await house.http.get("/card", params={"token": house.token("web", who.member)})
    cookie = {"Cookie": card.headers["set-cookie"].partition(";")[0]}
    house.http.cookies.clear()
    phone, kiosk = house.token("app", who.member), await house.kiosk(who)
    for path in ("/card?x=1", f"{link}?x=1", f"/phone?token={phone}", f"/kiosk?token={kiosk}"):
        page = await house.http.get(f"{path}&lang={locale}", headers=cookie)
        assert page.status_code == 200
        assert f'lang="{locale}"' in page.text
        assert words(locale)("tier.period", year=2026)[:2] in page.text or "/r/" in path
        assert f"chorus_lang={locale}" in page.headers["set-cookie"]
    house.http.cookies.clear()
    remembered = await house.http.get("/card", headers={"Cookie": f"{cookie['Cookie']}; chorus_lang={locale}"})
    assert f'lang="{locale}"' in remembered.text
    house.http.cookies.clear()
