"""The till and the shop in a browser, on real parts: a sale by keys alone, quotes that follow, nothing done twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Error, Page, Route, expect

from bff import assets
from surfaces.wording import formats
from tests.bff.house import House, Shopper, bearer, fresh
from tests.browser.conftest import Visits, card_of, jumps, settled
from tests.browser.test_for_everyone import SETTINGS, tab_through


def till_of(house: House) -> str:
    return f"/till?token={house.token('pos', device=fresh('till'))}"


async def scan(page: Page, *texts: str) -> None:
    """As a scanner does: it types and ends with Enter, wherever the focus is."""
    for text in texts:
        await page.keyboard.type(text)
        await page.keyboard.press("Enter")


async def view_of(house: House, who: Shopper) -> dict[str, Any]:
    query = {"kind": "code", "value": who.code}
    answer = await house.http.get("/pos/v1/members", params=query, headers=house.till)
    found: dict[str, Any] = answer.json()["view"]
    return found


async def versions(house: House, who: Shopper) -> int:
    """How much has happened to a member."""
    query = {"kind": "code", "value": who.code}
    answer = await house.http.get("/pos/v1/members", params=query, headers=house.till)
    found: int = answer.json()["version"]
    return found


@pytest.fixture
async def guest(house: House, regular: Shopper) -> Shopper:
    """A member of the second tier, with a voucher and points to pay with."""
    await house.post("/web/v1/claims", {"reward": "voucher10"}, bearer(house.token("web", regular.member)))
    return regular


# -- the till ----------------------------------------------------------------------------------------------------------


async def test_a_sale_by_keys_alone(visits: Visits, house: House, guest: Shopper) -> None:
    """Articles, a member, a voucher, points, Enter: the member then has what the screen said, and nothing jumps."""
    page = await visits.open(till_of(house), width=1280, height=800)
    assert page.url == f"{house.url}/till"
    await expect(page.locator("#scan")).to_be_focused()
    await page.evaluate("window.takeShifts()")

    await scan(page, "BOX", "2*jazz")
    await expect(page.locator(".lines > li")).to_have_count(2)
    await expect(page.locator(".will h3")).to_have_text("A new member would get")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("+")
    await expect(page.locator(".lines > li").first.locator(".qty .num")).to_have_text("2")
    await page.keyboard.press("-")
    await scan(page, guest.code)
    await expect(page.locator(".mem h2")).to_have_text("Ada L.")
    # The tier's own price is taken as soon as it is known whose basket this is.
    await expect(page.locator(".lines > li").first).to_contain_text("Member price US$54.00")
    await expect(page.locator(".due strong")).to_have_text("US$79.80")
    await settled(page)

    await page.keyboard.press("F6")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-voucher]")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".due strong")).to_have_text("US$69.80")
    await settled(page)
    await page.keyboard.press("F4")
    await page.keyboard.type("550")
    await page.keyboard.press("Enter")
    await expect(page.locator(".due strong")).to_have_text("US$68.70")
    await expect(page.locator("#scan")).to_be_focused()
    before = (await view_of(house, guest))["balance"]["points"]
    gain = int((await page.locator(".wh b").inner_text()).replace(",", ""))
    await settled(page)
    await page.keyboard.press("Enter")

    await expect(page.locator("[data-told]")).to_contain_text(f"Sale complete, +{gain} points.")
    await expect(page.locator(".due")).to_have_text("Last saleUS$68.70")
    after = await view_of(house, guest)
    assert after["balance"]["points"] == before - 550 + gain
    assert after["vouchers"] == []
    await expect(page.locator(".last")).to_contain_text(formats.number(after["balance"]["points"]))
    await expect(page.locator(".mem")).to_be_hidden()
    await expect(page.locator("#scan")).to_be_focused()
    assert not await jumps(page)


async def test_a_late_answer_to_an_earlier_basket_is_not_shown(visits: Visits, house: House) -> None:
    """The answer to one article is kept back until that to two is there: the two stay."""
    page = await visits.open(till_of(house), width=1280, height=800)
    asked, second_there = [], asyncio.Event()

    async def answer(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        asked.append(body["lines"][0]["quantity"])
        first = len(asked) == 1
        found = await route.fetch()
        if first:
            await second_there.wait()
        # The first is given up by the page; whether its answer still comes is the network's affair.
        try:
            await route.fulfill(response=found)
        except Error:
            assert first

    await page.route("**/pos/v1/quotes*", answer)
    await scan(page, "LP")
    await expect(page.locator(".due strong")).to_have_class("num from-right waiting")
    while not asked:  # noqa: ASYNC110 - the page's request is no event of ours
        await asyncio.sleep(0.01)
    await page.keyboard.press("+")
    await expect(page.locator(".due strong")).to_have_text("US$57.80")
    await expect(page.locator(".wh b")).to_have_text("+578")
    second_there.set()
    await settled(page)
    await expect(page.locator(".wh b")).to_have_text("+578")
    assert asked == [1, 2]


async def test_quick_edits_are_asked_as_one(visits: Visits, house: House) -> None:
    page = await visits.open(till_of(house), width=1280, height=800)
    asked = []
    page.on("request", lambda request: request.url.count("/quotes") and asked.append(request.post_data_json))
    await page.locator("[data-article=SLEEVES]").dblclick()
    await expect(page.locator(".wh b")).to_have_text("+178")
    assert [body["lines"][0]["quantity"] for body in asked][-1:] == [2]
    assert len(asked) <= 2


async def test_a_lost_answer_is_sent_again_and_nothing_is_done_twice(
    visits: Visits, house: House, guest: Shopper
) -> None:
    """The server has the sale and the till does not know: the same number goes out again, also after a reload."""
    visits.expect_fault("net::ERR_FAILED")
    page = await visits.open(till_of(house), width=1280, height=800)
    sent, lose = [], 2

    async def answer(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "{}"))
        found = await route.fetch()
        if len(sent) <= lose:
            await route.abort()
        else:
            await route.fulfill(response=found)

    await page.route("**/pos/v1/purchases*", answer)
    before = await versions(house, guest)
    await scan(page, guest.code, "CD-SOUL")
    await expect(page.locator(".due strong")).to_have_class("num from-right")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-told]")).to_contain_text("nothing is charged twice")
    await expect(page.locator("[data-complete]")).to_have_attribute("aria-busy", "true")
    await page.keyboard.press("Escape")
    await expect(page.locator(".lines > li")).to_have_count(1)
    await expect(page.locator("[data-told]")).to_contain_text("Sale complete")
    assert len(sent) == 3
    assert sent[0] == sent[1] == sent[2]
    assert await versions(house, guest) == before + 1

    lose = len(sent) + 1
    await scan(page, guest.code, "CD-SOUL")
    await expect(page.locator(".will h3")).to_have_text("This sale adds")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-told]")).to_contain_text("nothing is charged twice")
    lose = 99
    await page.reload()
    await expect(page.locator("[data-told]")).to_contain_text("nothing is charged twice")
    lose = 0
    await expect(page.locator("[data-told]")).to_contain_text("Sale complete")
    assert await versions(house, guest) == before + 2
    assert await page.evaluate("localStorage.length") == 0


async def test_a_fault_is_told_at_its_line(visits: Visits, house: House, guest: Shopper) -> None:
    visits.expect_fault("status of 422")
    page = await visits.open(till_of(house), width=1280, height=800)
    fault = {"pointer": "/lines/1/amount", "detail": "must be 0 to 1000 minor units"}
    problem = {"code": "invalid_input", "detail": "wrong fields", "retryable": False, "errors": [fault]}
    await scan(page, guest.code, "LP")
    await expect(page.locator(".wh b")).not_to_have_class("num from-right waiting")
    await page.route("**/pos/v1/quotes*", lambda route: route.fulfill(status=422, json=problem))
    await scan(page, "BOX")
    await expect(page.locator(".lines > li").nth(1).locator(".err")).to_have_text(fault["detail"])
    await expect(page.locator(".lines > li").first.locator(".err")).to_be_empty()
    await expect(page.locator("[data-told]")).to_have_class("told bad")


async def test_escape_backs_out_one_step_and_can_be_taken_back(visits: Visits, house: House, guest: Shopper) -> None:
    page = await visits.open(till_of(house), width=1280, height=800)
    await scan(page, guest.code, "LP")
    await expect(page.locator(".mem h2")).to_have_text("Ada L.")
    await page.keyboard.type("BO")
    await page.keyboard.press("Escape")
    await expect(page.locator("#scan")).to_have_value("")
    await expect(page.locator(".lines > li")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page.locator(".lines > li")).to_have_count(0)
    await expect(page.locator(".mem")).to_be_hidden()
    await page.locator("[data-undo]").click()
    await expect(page.locator(".lines > li")).to_have_count(1)
    await expect(page.locator(".mem h2")).to_have_text("Ada L.")
    await expect(page.locator(".will h3")).to_have_text("This sale adds")


async def test_what_happens_elsewhere_reaches_the_till(visits: Visits, house: House, guest: Shopper) -> None:
    """The member buys at another till: the balance here follows, and so does what points may pay."""
    page = await visits.open(till_of(house), width=1280, height=800)
    await scan(page, guest.code, "BOX")
    await expect(page.locator(".will h3")).to_have_text("This sale adds")
    answer = await house.adjust(guest, -3_000)
    await expect(page.locator(".bigline .bal")).to_have_text(formats.number(answer["balance"]))
    await expect(page.locator("#points-most")).to_contain_text(formats.number(answer["balance"])[:2])


async def test_a_refund_needs_a_reason(visits: Visits, house: House, guest: Shopper) -> None:
    page = await visits.open(till_of(house), width=1280, height=800)
    sale = await house.buy(guest)
    await page.keyboard.press("F8")
    await page.keyboard.type(sale["purchase_id"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#refund-error")).to_have_text("A refund needs a reason.")
    await expect(page.locator("#refund-why")).to_be_focused()
    await page.locator("#refund-why").select_option("faulty")
    await page.locator("[data-refund-send]").click()
    await expect(page.locator("[data-told]")).to_contain_text("Taken back: US$35.60 to hand out")
    await expect(page.locator("#scan")).to_be_focused()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CD-1", {"kind": "article", "quantity": 1}),
        ("12* jazz", {"kind": "article", "quantity": 12}),
        ("3x12.90", {"kind": "amount", "amount": 1290, "quantity": 3}),
        ("12,5", {"kind": "amount", "amount": 1250, "quantity": 1}),
        ("1.234", {"kind": "unknown"}),
        ("0714 3298 1174", {"kind": "member", "identifier": {"kind": "code", "value": "071432981174"}}),
        ("a@b.example", {"kind": "member", "identifier": {"kind": "email", "value": "a@b.example"}}),
        ("+852 2345 6789", {"kind": "member", "identifier": {"kind": "phone", "value": "+852 2345 6789"}}),
        ("card-00071", {"kind": "member", "identifier": {"kind": "card", "value": "CARD00071"}}),
        ("7q2m nb40 xz31", {"kind": "voucher", "code": "7Q2MNB40XZ31"}),
        ("?", {"kind": "unknown"}),
    ],
)
async def test_a_code_says_what_it_is(visits: Visits, house: House, text: str, found: dict[str, Any]) -> None:
    page = await visits.open("/shop")
    shelf = [{"sku": "CD-1", "name": "Jazz CD"}, {"sku": "CD-2", "name": "Soul CD"}]
    read = await page.evaluate(
        "async ([address, text, shelf]) => (await import(address)).read(text, shelf, 2)",
        [f"{assets.prefix()}/js/till-scan.js", text, shelf],
    )
    read.pop("article", None)
    assert read == found


# -- the shop ----------------------------------------------------------------------------------------------------------


async def test_the_shop_follows_the_members_balance(visits: Visits, house: House, guest: Shopper) -> None:
    """Signed in: what the article and the cart earn, points to pay with; spent elsewhere, they are asked for again."""
    visits.expect_fault("status of 409")  # the points of the basket, once they are not there any more
    page = await visits.open(card_of(house, guest))
    await visits.go(page, "/shop?sku=BOX")
    await page.evaluate("window.takeShifts()")
    await expect(page.locator("chorus-earn .ce-price")).to_have_text("Your price US$54.00")
    await expect(page.locator("chorus-earn")).to_contain_text("to Gold Disc")
    await page.locator("[data-add]").click()
    await expect(page.locator("chorus-cart .cc-due strong")).to_have_text("US$54.00")
    await settled(page)
    await page.locator("[data-most]").click()
    most = int(54.00 * 0.3 * 500)
    points = (await view_of(house, guest))["balance"]["points"]
    assert points < most, "the test wants a member who cannot pay all that may be paid"
    paying = points // 5 * 5
    await expect(page.locator("chorus-cart .hint").first).to_contain_text(f"{formats.number(paying)} points pay")
    await settled(page)
    answer = await house.adjust(guest, -2_000)
    left = answer["balance"] // 5 * 5
    await expect(page.locator("chorus-cart .hint").first).to_contain_text(f"{formats.number(left)} points pay")
    await expect(page.locator("chorus-cart [role=alert]")).to_contain_text(f"lowered to {formats.number(left)}")
    await expect(page.locator("[data-balance] b")).to_have_text(formats.number(answer["balance"]))
    assert not await jumps(page)


async def test_a_visitor_is_told_what_joining_gives(visits: Visits) -> None:
    page = await visits.open_fresh("/shop?sku=LP", locale="en")
    earn = page.locator("chorus-earn")
    await expect(earn.locator(".ce-earn")).to_have_text("Join and earn 289 points")
    await expect(earn.locator(".ce-join")).to_have_attribute("href", "/card")
    await page.locator("[data-add]").click()
    await expect(page.locator("chorus-cart .ce-earn")).to_have_text("Join and earn 289 points")
    await expect(page.locator("chorus-cart .cc-points")).to_be_hidden()
    await page.locator("chorus-cart [data-more]").click()
    await expect(page.locator("chorus-cart .ce-earn")).to_have_text("Join and earn 578 points")
    # The shop keeps the cart; the modules are given it again.
    await page.reload()
    await expect(page.locator("chorus-cart .cc-due strong")).to_have_text("US$57.80")
    await page.locator("chorus-cart [data-less]").click(click_count=2)
    await expect(page.locator("chorus-cart .cc-empty")).to_be_visible()


async def test_a_page_of_somebody_elses_embeds_the_modules(visits: Visits) -> None:
    """With the script's address alone: words and settings are asked for, in the page's language."""
    page = await visits.blank()
    body = """<!doctype html><html lang="zh-Hant"><script type="module" src="/embed/chorus-shop.js"></script>
    <chorus-earn sku="LP" name="LP" category="vinyl" amount="2890" join-href="/join"></chorus-earn>"""
    await page.route("**/own-shop", lambda route: route.fulfill(content_type="text/html; charset=utf-8", body=body))
    await page.goto(f"{visits.url}/own-shop")
    await expect(page.locator(".ce-earn")).to_have_text("加入會員即得 289 點")
    await expect(page.locator(".ce-join")).to_have_attribute("href", "/join")
    await page.locator("chorus-earn").evaluate("(el) => el.setAttribute('quantity', '2')")
    await expect(page.locator(".ce-earn")).to_have_text("加入會員即得 578 點")


# -- for everyone ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "language"), [("till", "zh-Hant"), ("till", "en"), ("shop", "zh-Hans"), ("visit", "en")]
)
async def test_the_counter_is_for_everyone(
    visits: Visits, house: House, guest: Shopper, which: str, language: str
) -> None:
    """As the other pages are: axe finds nothing, nothing scrolls sideways, Tab reaches every control with a ring."""
    if which == "till":
        page = await visits.open(f"{till_of(house)}&lang={language}", width=1280, height=800)
        await scan(page, guest.code, "BOX", "LP")
        await expect(page.locator("[data-voucher]")).to_have_count(1)
    else:
        page = await visits.open(card_of(house, guest) if which == "shop" else "/shop")
        await visits.go(page, f"/shop?sku=BOX&lang={language}")
        await page.locator("[data-add]").click()
        await expect(page.locator("chorus-cart .why li").first).to_be_visible()
    await expect(page.locator(f"html[lang={language}]")).to_have_count(1)
    await expect(page.locator(".waiting")).to_have_count(0)
    for scheme, width in SETTINGS:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 900})
        await settled(page)
        found = (await Axe().run(page)).response["violations"]
        told = [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found]
        assert not told, (scheme, width)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if (scheme == "light") == (width == 1440):
            await tab_through(page)
