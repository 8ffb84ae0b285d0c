"""The kiosk in a browser, on real parts: its session, its clearing, its shapes, its clock."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import expect

from surfaces.wording import formats
from tests.bff.house import House, Shopper, bearer
from tests.browser.conftest import (
    BALANCE,
    RECORD_NUMBERS,
    Visits,
    live,
)


async def test_a_kiosks_session_from_code_to_clearing(visits: Visits, house: House, regular: Shopper) -> None:
    """A typed code opens it, the countdown runs, a touch extends it, and it clears, leaving nothing of the member."""
    page = await visits.blank(width=768, height=1024)
    await page.clock.install()
    await page.goto(f"{house.url}/kiosk?token={await house.kiosk()}")
    await live(page)

    async def pass_seconds(seconds: int) -> None:
        house.clock.forward(seconds=seconds)
        await page.clock.fast_forward(seconds * 1000)

    clears = page.locator("[data-clears]")
    await page.keyboard.type(regular.code)
    await page.keyboard.press("Enter")
    await expect(page.locator("h1:visible")).to_have_text("Welcome back, Ada")
    balance = await page.locator(BALANCE).inner_text()
    assert re.fullmatch(r"1\d,\d{3}", balance)
    await expect(page.locator("[data-choose]")).to_be_focused()
    await expect(clears).to_have_text(re.compile(r"clears in 4\d seconds\. Touch anywhere"))
    await pass_seconds(30)
    await expect(clears).to_have_text(re.compile(r"clears in (1[0-5]|\d) seconds?\."))
    await page.locator("h1:visible").click()
    await expect(clears).to_have_text(re.compile(r"clears in 4\d seconds\."))
    await pass_seconds(30)
    await expect(clears).to_have_text(re.compile(r"clears in (1[0-5]|\d) seconds?\."))
    await expect(page.locator("h1:visible")).to_have_text("Welcome back, Ada")
    await pass_seconds(16)
    await expect(page.locator("h1:visible")).to_have_text("Scan your code")
    left = await page.locator("body").evaluate("body => body.textContent + body.innerHTML")
    assert "Ada" not in left
    assert balance not in left
    assert regular.code not in left


async def test_a_kiosk_clears_itself_on_a_dead_network(visits: Visits, house: House, regular: Shopper) -> None:
    """What a member leaves behind is gone in time, with no server to say so, and is not spoken of when one is back."""
    page = await visits.blank(width=768, height=1024)
    await page.clock.install()
    await page.goto(f"{house.url}/kiosk?token={await house.kiosk(regular)}")
    await live(page)
    sale = await house.buy(regular)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))
    await page.context.set_offline(True)
    await expect(page.locator("[data-conn-chip]")).to_have_text("Offline")
    await expect(page.locator("[data-choose]")).to_be_disabled()
    await expect(page.locator("h1:visible")).to_have_text("Welcome back, Ada")
    await page.clock.fast_forward(46_000)
    await expect(page.locator("h1:visible")).to_have_text("Scan your code")
    await page.context.set_offline(False)
    await live(page)
    await page.clock.fast_forward(2_000)
    left = await page.locator("body").evaluate("body => body.textContent + body.innerHTML")
    for trace in ("Ada", formats.number(sale["balance"]), f"+{sale['earned']}", "qualifying", "Listener"):
        assert trace not in left, trace


@pytest.mark.parametrize(("width", "height"), [(800, 600), (1024, 768), (1440, 900), (768, 1024), (375, 812)])
async def test_a_kiosk_of_any_shape_shows_the_whole_number_and_every_control(
    visits: Visits, house: House, width: int, height: int
) -> None:
    """Six digits beside or above what may be done, four rewards to choose from, and the field of an idle one."""
    who = await house.enrol()
    await house.buy(who, total=1_200_000)
    token = await house.kiosk(who)
    page = await visits.open(f"/kiosk?token={token}", width=width, height=height)
    await live(page)
    number, panel = await page.locator(BALANCE).bounding_box(), await page.locator(".acts2").bounding_box()
    assert number
    assert panel
    assert number["x"] + number["width"] <= (panel["x"] or width)
    assert number["y"] + number["height"] <= panel["y"] or panel["x"]
    await page.locator("[data-choose]").click()
    assert await page.locator(".pick .vstack").evaluate("list => list.scrollHeight - list.clientHeight") <= 0
    await page.locator("[data-back]").click()
    await page.locator("[data-done]").click()
    button = await page.locator("form button").bounding_box()
    assert button
    assert button["y"] + button["height"] <= height


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_kiosks_own_clock_does_not_matter(visits: Visits, house: House, regular: Shopper, hours: int) -> None:
    """An hour before or after the server's: the session is there at the first paint, and lasts as long as elsewhere."""
    page = await visits.blank(width=768, height=1024)
    await page.clock.install(time=house.clock() + timedelta(hours=hours))
    await visits.go(page, f"/kiosk?token={await house.kiosk(regular)}")
    await live(page)
    await expect(page.locator("[data-clears]")).to_have_text(re.compile(r"clears in 4\d seconds\."))
    await expect(page.locator("h1:visible")).to_have_text("Welcome back, Ada")


async def test_a_kiosks_next_member_may_have_a_lower_version(visits: Visits, house: House, regular: Shopper) -> None:
    """A new session's view wins over any version shown, and its number is not counted up from the last member's."""
    token = await house.kiosk(regular)
    page = await visits.open(f"/kiosk?token={token}", width=768, height=1024)
    await live(page)
    sale = await house.buy(regular)
    await expect(page.locator(".gain")).to_have_text(f"+{sale['earned']} just now")
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))
    grace = await house.enrol("Grace Hopper")
    first = await house.buy(grace)
    assert first["version"] < sale["version"]
    await page.evaluate(RECORD_NUMBERS)
    await house.post("/kiosk/v1/session", {"code": grace.code}, bearer(token))
    await expect(page.locator("h1:visible")).to_have_text("Welcome back, Grace")
    await expect(page.locator(BALANCE)).to_have_text(formats.number(first["balance"]))
    assert await page.evaluate("window.numbers") == [formats.number(first["balance"])]
    await expect(page.locator(".gain")).to_have_text("")
    second = await house.buy(grace)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(second["balance"]))
