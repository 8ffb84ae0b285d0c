"""The wall in a browser, on real parts: what happens at a till shows on all five faces, by itself.

The tills and the replay's buttons go by HTTP to a real server; nothing of the far end is played by a test.
"""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from surfaces.views import LOCALES
from surfaces.wording import formats
from tests.bff.house import House, Shopper, until, until_async
from tests.browser.conftest import Replay, Visits, live, read_code, settled

FACES = ("phone", "web", "kiosk", "receipt", "pass")
MEASURED = re.compile(r"^[\d,]+ ms$")


async def shows(page: Page, points: int, version: int) -> None:
    """All five faces show this balance, at this version."""
    for face in FACES:
        article = page.locator(f"[data-live={face}]")
        balance = "[data-bind='header.0.value']" if face == "pass" else '[data-number$="balance.points"]'
        await expect(article.locator(balance).first).to_have_text(formats.number(points))
        await expect(article.locator("[data-version]")).to_have_text(f"v{formats.number(version)}")
    await expect(page.locator("[data-newest]")).to_have_text(formats.number(version))
    await expect(page.locator("[data-sync]")).to_have_text("5/ 5")


async def wall_of(visits: Visits, who: Shopper) -> Page:
    """The wall of `who`, with all its faces live, and a mark that a reload would wipe off."""
    page = await visits.open(f"/wall?member={who.code}")
    await live(page)
    await expect(page.locator("[data-conn-sum]")).to_have_text("Live, 5 of 5")
    await page.evaluate("window.mark = 'not reloaded'")
    return page


async def was_not_reloaded(page: Page) -> None:
    assert await page.evaluate("window.mark") == "not reloaded"


async def test_a_sale_at_the_till_moves_every_face(visits: Visits, house: House, regular: Shopper) -> None:
    """All five show the new balance and version with a lag of their own, and the receipt goes on to the new one."""
    page = await wall_of(visits, regular)
    for face in FACES:
        await expect(page.locator(f"[data-live={face}] [data-lag]")).to_have_text("—")
    old = await read_code(page.locator("[data-receipt-qr] .qr"))

    sale = await house.buy(regular, total=4_200, quantity=2)

    await shows(page, sale["balance"], sale["version"])
    for face in FACES:
        await expect(page.locator(f"[data-live={face}] [data-lag]")).to_have_text(MEASURED)
        await expect(page.locator(f"[data-lane={face}] .ms")).to_have_text(MEASURED)
    for name in ("median", "p95"):
        await expect(page.locator(f"[data-{name}]")).to_have_text(re.compile(r"^\d+ms$"))
    await expect(page.locator("[data-event-points]")).to_have_text(f"+{sale['earned']}")
    await expect(page.locator("[data-event-what]")).to_have_text("Sale at Harbour Street, till 2: 2 CDs, US$42.00")
    receipt = page.locator("[data-live=receipt]")
    await expect(receipt.locator(".earn")).to_have_text(f"+{sale['earned']}")
    await expect(receipt.locator('[data-bind="total_text"]')).to_have_text("US$42.00")
    assert await read_code(receipt.locator(".qr")) == sale["receipt"]["url"] != old
    await was_not_reloaded(page)

    # The socket of the new receipt is a new one; the next sale finds it.
    after = await house.buy(regular)
    await shows(page, after["balance"], after["version"])
    await expect(receipt.locator(".earn")).to_have_text(f"+{after['earned']}")
    await was_not_reloaded(page)


async def test_a_reward_from_its_hold_to_the_till_and_a_return(visits: Visits, house: House, regular: Shopper) -> None:
    """Redeeming on the web face sets points aside on all; the till captures, then takes a purchase back: all follow."""
    sale = await house.buy(regular)
    page = await wall_of(visits, regular)
    balance, version = sale["balance"], sale["version"]
    await shows(page, balance, version)
    tickets = page.locator(".ticket:visible")
    await expect(tickets).to_have_count(0)

    await page.locator("[data-live=web] [data-redeem=off5]").click()
    await shows(page, balance - 2_500, version + 1)
    for face in ("phone", "web", "kiosk"):
        await expect(page.locator(f"[data-live={face}] .ticket")).to_have_count(1)
    await expect(page.locator("[data-event-points]")).to_have_text("−2,500")
    assert await page.evaluate("document.documentElement.scrollHeight") <= 900, "a ticket makes the wall scroll"

    hold = await page.locator("[data-live=web] .tickets li").get_attribute("data-key")
    await house.post(f"/pos/v1/members/{regular.member}/holds/{hold}/capture", {}, house.till)
    await shows(page, balance - 2_500, version + 2)
    await expect(tickets).to_have_count(0)

    await house.post(f"/pos/v1/purchases/{sale['purchase_id']}/returns", {"id": f"back-{version}"}, house.till)
    await shows(page, balance - 2_500 - sale["earned"], version + 3)
    await expect(page.locator('[data-live=receipt] [data-bind="returned_note"]')).to_have_text(
        f"Returned since. {sale['earned']} points taken back."
    )
    await was_not_reloaded(page)


async def test_a_lost_network_is_told_and_caught_up(
    visits: Visits, house: House, regular: Shopper, replay: Replay
) -> None:
    """Words, a shape and a dashed outline say what is stale, nothing can be redeemed, and what was missed comes after."""
    visits.expect_fault("net::ERR_INTERNET_DISCONNECTED")
    page = await wall_of(visits, regular)
    before = await page.locator("[data-live=web] .bal").inner_text()
    redeem = page.locator("[data-live=web] [data-redeem=off5]")
    choose = page.locator("[data-live=kiosk] [data-choose]")
    await expect(redeem).to_be_enabled()
    await expect(choose).to_be_enabled()

    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/wall/v1/replay")):
        await page.context.set_offline(True)
        for face in FACES:
            article = page.locator(f"[data-live={face}]")
            await expect(article.locator("[data-lag]")).to_have_text("Offline")
            await expect(article.locator("[data-lag] svg circle")).to_have_attribute("fill", "none")
            await expect(article.locator(".dev")).to_have_css("outline-style", "dashed")
            await expect(page.locator(f"[data-lane={face}] .ms")).to_have_text("no signal")
    await expect(page.locator("[data-conn-sum]")).to_have_text("0 of 5 live")
    for face in ("web", "kiosk", "receipt"):
        told = page.locator(f"[data-live={face}] [data-gain]")
        await expect(told).to_have_text(re.compile(r"^as of \d\d:\d\d:\d\d$"))
    await expect(redeem).to_be_disabled()
    await expect(choose).to_be_disabled()
    await expect(page.locator("[data-clears]")).to_contain_text("Redeeming waits for the connection.")

    await house.buy(regular)
    sale = await house.buy(regular)
    await expect(page.locator("[data-live=web] .bal")).to_have_text(before)
    await until_async(lambda: phone_has(replay, regular, sale["version"]), "the phone has fetched the pass")

    await page.context.set_offline(False)
    for face in ("phone", "web", "kiosk", "pass"):
        await expect(page.locator(f"[data-live={face}] [data-lag]")).to_have_text("Caught up, 2 events")
    await shows(page, sale["balance"], sale["version"])
    await expect(page.locator("[data-conn-sum]")).to_have_text("Live, 5 of 5")
    await expect(redeem).to_be_enabled()
    await expect(choose).to_be_enabled()
    await expect(page.locator("[data-clears]")).not_to_contain_text("Redeeming waits")
    await expect(page.locator("[data-live=receipt] .earn")).to_have_text(f"+{sale['earned']}")
    await was_not_reloaded(page)


async def phone_has(replay: Replay, who: Shopper, version: int) -> bool:
    held = await replay.remote.pass_of(who.member)
    return held is not None and held.version == version


async def next_poll(page: Page) -> None:
    """Let the bar's second pass, and wait for the answer to the question it asks then."""
    async with page.expect_request(lambda request: request.url.endswith("/wall/v1/replay")) as asked:
        await page.clock.fast_forward(1_100)
    answer = await (await asked.value).response()
    assert answer
    assert answer.ok


async def test_the_transport_bar_moves_a_real_replay(visits: Visits, replay: Replay) -> None:
    """Ring up, play, faster, pause, on to a date: each told to the player and shown on the faces; never back."""
    page = await visits.blank()
    await page.clock.install()
    await page.goto(f"{visits.url}/wall")
    await live(page)
    # Before the first purchase there is no receipt, and four faces to follow.
    await expect(page.locator("[data-conn-sum]")).to_have_text("Live, 4 of 4")
    await expect(page.locator(".blankpaper")).to_be_visible()
    version = int(await page.locator("[data-newest]").inner_text())

    await page.locator("[data-ring]").click()
    await expect(page.locator("[data-conn-sum]")).to_have_text("Live, 5 of 5")
    await expect(page.locator("[data-sync]")).to_have_text("5/ 5")
    await expect(page.locator("[data-newest]")).to_have_text(str(version + 1))
    await expect(page.locator(".blankpaper")).to_be_hidden()
    earned = await page.locator("[data-event-points]").inner_text()
    await expect(page.locator("[data-live=receipt] .earn")).to_have_text(earned)

    play, date, slider = page.locator("[data-play]"), page.locator("[data-date]"), page.locator("[data-seek]")
    await expect(play).to_have_attribute("aria-label", "Play")
    start = await date.inner_text()
    await play.click()
    await expect(play).to_have_attribute("aria-label", "Pause")
    await expect(date).not_to_have_text(start)
    await page.locator("[data-speed]").select_option("64")
    await until(lambda: replay.status.speed == 64 and replay.status.playing, "the player goes 64 times as fast")
    await play.click()
    await expect(play).to_have_attribute("aria-label", "Play")
    assert not replay.status.playing
    stopped = replay.status.date
    await next_poll(page)
    assert replay.status.date == stopped, "a day would have passed in a 64th of a second"

    box = await slider.bounding_box()
    assert box
    await slider.click(position={"x": box["width"] * 0.7, "y": box["height"] / 2})
    await page.clock.fast_forward(600)
    await until(lambda: replay.status.date > stopped, "the player goes on to the date")
    reached = replay.status.date
    await until(lambda: replay.status.posted == replay.due(reached), "all sales before the date are rung up")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile(rf"\b{replay.due(reached)} of \d+ sales"))
    assert not replay.status.playing
    await expect(page.locator("[data-sync]")).to_have_text("5/ 5")

    shown = await date.inner_text()
    await slider.press("Home")
    await next_poll(page)
    assert replay.status.date == reached
    await expect(date).to_have_text(shown)


async def test_the_wall_fits_its_screen(visits: Visits, regular: Shopper, replay: Replay) -> None:
    """1440 x 900 without scrolling in any language, the transport bar and all five devices inside it and whole."""
    for language in LOCALES:
        page = await visits.open(f"/wall?member={regular.code}&lang={language}")
        await live(page)
        await settled(page)
        root = "document.documentElement"
        assert await page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == [1440, 900], language
        for place in ("[data-replay]", *(f"[data-live={face}] .dev" for face in FACES)):
            box = await page.locator(place).bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= 1440, (language, place)
            assert box["y"] + box["height"] <= 900, (language, place)
        cut = await page.evaluate(
            """() => [...document.querySelectorAll(".dev button, .dev .bal, .dev .qr, [data-replay] button")]
                .filter((el) => el.checkVisibility() && el.clientWidth > 0 && el.scrollWidth > el.clientWidth + 1)
                .map((el) => el.outerHTML)"""
        )
        assert not cut, language
