"""Nothing on a page jumps: not while it loads, and not when a number, a row or a word changes.

The browser itself is asked, by its layout-shift entries: a box that is somewhere else in the next frame, without having
moved there, is one. The windows are tall, so that what is below the fold counts too.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from surfaces.wording import formats
from tests.bff.house import House, Shopper, until
from tests.browser.conftest import (
    BALANCE,
    Visits,
    jumps,
    live,
    without_han_letters,
)

GAIN_IS_GONE_MS = 9_000
SESSION_IS_OVER_MS = 61_000


@dataclass(frozen=True)
class Screens:
    """Every page of one member, in one language and width, each in a profile of its own: of several pages in one, only
    the foremost draws every frame."""

    pages: dict[str, Page]

    async def steady(self, why: str) -> None:
        found = await asyncio.gather(*map(jumps, self.pages.values()))
        assert dict(zip(self.pages, found, strict=True)) == {which: [] for which in self.pages}, why

    async def pass_time(self) -> None:
        for page in self.pages.values():
            await page.clock.fast_forward(GAIN_IS_GONE_MS)

    async def show(self, answer: dict[str, Any]) -> None:
        text = formats.number(answer["balance"])
        for page in self.pages.values():
            for balance in await page.locator(BALANCE).all():
                await expect(balance).to_have_text(text)


async def screens_of(visits: Visits, house: House, who: Shopper, width: int, language: str) -> Screens:
    sale = await house.buy(who, total=20_000)
    addresses = {
        "card": (f"/card?token={house.token('web', who.member)}", 2600),
        "phone": (f"/phone?token={house.token('app', who.member)}", 2600),
        "kiosk": (f"/kiosk?token={await house.kiosk(who)}", 1024),
        "receipt": (sale["receipt"]["url"].removeprefix(house.url), 1400),
        "wall": (f"/wall?member={who.code}", 900 if width == 1440 else 2000),
    }

    async def open_at(address: str, height: int) -> Page:
        wide = max(width, 768) if address.startswith("/kiosk") else width
        page = await visits.blank(width=wide, height=height)
        await page.context.add_cookies([{"name": "chorus_lang", "value": language, "url": house.url}])
        await page.clock.install()
        await without_han_letters(page)
        await visits.go(page, address)
        await live(page)
        await expect(page.locator(f"html[lang={language}]")).to_have_count(1)
        return page

    opened = await asyncio.gather(*(open_at(*where) for where in addresses.values()))
    return Screens(dict(zip(addresses, opened, strict=True)))


@pytest.mark.parametrize(("width", "language", "purchases"), [(375, "zh-Hant", 0), (1440, "en", 12)])
@pytest.mark.usefixtures("replay")
async def test_nothing_jumps(visits: Visits, house: House, width: int, language: str, purchases: int) -> None:
    """From the first paint on: a sale, a new tier, a return, a reward set aside elsewhere, a lost network and its
    return, a kiosk's clearing. For a member of no history and with full lists, a kiosk upright and on its side."""
    who = await house.enrol()
    for _ in range(purchases):
        await house.buy(who, total=60_000)
    screens = await screens_of(visits, house, who, width, language)
    await screens.steady("the load")

    sale = await house.buy(who)
    await screens.show(sale)
    await screens.steady("a sale")
    await screens.pass_time()
    await screens.steady("the end of a gain")

    await screens.show(await house.buy(who, total=3_000_000))
    await screens.steady("a new tier")

    back = await house.post(f"/pos/v1/purchases/{sale['purchase_id']}/returns", {"id": f"r{who.member}"}, house.till)
    await screens.show(back)
    await screens.steady("a return")

    await screens.show(await house.hold(who))
    await screens.steady("a reward set aside")

    visits.expect_fault("ERR_INTERNET_DISCONNECTED")
    for page in screens.pages.values():
        await page.context.set_offline(True)
    for page in screens.pages.values():
        await expect(page.locator("[data-conn-chip], [data-conn-sum]")).to_have_class(re.compile(r"\bwarn\b"))
    await until(lambda: "ERR_INTERNET_DISCONNECTED" in str(visits.faults), "the wall's bar asks in vain")
    await screens.steady("a loss")
    for page in screens.pages.values():
        await page.context.set_offline(False)
    await asyncio.gather(*map(live, screens.pages.values()))
    await screens.steady("the way back")

    await screens.pages["kiosk"].clock.fast_forward(SESSION_IS_OVER_MS)
    await expect(screens.pages["kiosk"].locator("form")).to_be_visible()
    await screens.steady("the clearing")


@pytest.mark.parametrize(("width", "language"), [(375, "zh-Hans"), (1440, "en")])
async def test_a_page_without_a_member_does_not_jump(visits: Visits, house: House, width: int, language: str) -> None:
    """An idle kiosk that comes alive, and the pages that say something went wrong."""
    visits.expect_fault("status of 40")
    for address in ("/card", "/r/not-a-receipt", f"/kiosk?token={await house.kiosk()}"):
        page = await visits.blank(width=width, height=900)
        await page.context.add_cookies([{"name": "chorus_lang", "value": language, "url": house.url}])
        await without_han_letters(page)
        await visits.go(page, address)
        if address.startswith("/kiosk"):
            await live(page)
        assert await jumps(page) == [], address


async def test_what_goes_wrong_is_said_without_a_jump(visits: Visits, house: House, regular: Shopper) -> None:
    """A redemption that gets no answer and a code nobody has, each told late, beside its button."""
    visits.expect_fault("ERR_")
    visits.expect_fault("status of 404")
    card = await visits.blank(width=375, height=2600)
    kiosk = await visits.blank(width=768, height=1024)
    await visits.go(card, f"/card?token={house.token('web', regular.member)}")
    await visits.go(kiosk, f"/kiosk?token={await house.kiosk()}")
    asked = asyncio.Queue[Route]()
    for page in (card, kiosk):
        await live(page)
        await page.route(re.compile("/(holds|session)$"), asked.put)
    await card.locator("[data-redeem=off5]").click()
    await expect(card.locator("[data-redeem=off5]")).to_have_attribute("aria-busy", "true")
    assert await jumps(card) == [], "asking"
    await (await asked.get()).abort()
    await expect(card.locator(".voucher [data-error]").first).to_contain_text("No answer.")
    assert await jumps(card) == []

    await kiosk.locator("form input").fill("000000000000")
    await kiosk.keyboard.press("Enter")
    await (await asked.get()).continue_()
    await expect(kiosk.locator("form [data-error]")).to_contain_text("No member has this code.")
    assert await jumps(kiosk) == []


async def test_a_kiosks_choice_moves_without_a_jump(visits: Visits, house: House, regular: Shopper) -> None:
    """Choosing a reward rearranges the screen; it glides there and back."""
    page = await visits.open(f"/kiosk?token={await house.kiosk(regular)}", width=768, height=1024)
    await live(page)
    await page.locator("[data-choose]").click()
    await expect(page.locator("[data-back]")).to_be_visible()
    assert await jumps(page) == []
    await page.locator("[data-back]").click()
    await expect(page.locator("[data-choose]")).to_be_visible()
    assert await jumps(page) == []


async def test_letters_that_do_not_come_hold_a_page_up_for_three_seconds(visits: Visits, house: House) -> None:
    """A machine without Chinese letters, on a network that loses ours; they are used when they come after all."""
    who = await house.enrol()
    page = await visits.blank(width=375, height=900)
    await page.context.add_cookies([{"name": "chorus_lang", "value": "zh-Hant", "url": house.url}])
    asked = asyncio.Queue[Route]()
    await without_han_letters(page)
    await page.route(re.compile(r"/fonts/noto-tc/.*\.woff2$"), asked.put)
    await page.clock.install(time=0)
    await page.clock.pause_at(1)
    await page.goto(f"{house.url}/card?token={house.token('web', who.member)}", wait_until="domcontentloaded")
    first = await asked.get()
    balance = page.locator(BALANCE).first
    await expect(balance).to_be_hidden()
    await page.clock.fast_forward(2_900)
    await expect(balance).to_be_hidden()
    await page.clock.fast_forward(100)
    await expect(balance).to_be_visible()
    await first.continue_()
    while not asked.empty():
        await asked.get_nowait().continue_()
