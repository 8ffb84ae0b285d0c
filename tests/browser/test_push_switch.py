"""The switch for Web Push on the member's page: it shows what is so, whichever of browser, push service, server fails."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from core import member_devices
from tests.bff.house import House, Shopper, until_async
from tests.browser.conftest import Addresses, Visits, card_of, jumps, live, settled
from tests.browser.push_switch import Line, Switch, decide, opened, p256, registration

SPOKEN_AFTER_MS = 1_000
WALLETS = {"apple": "/card/pass.pkpass", "google": "/card/google"}


async def test_it_is_turned_on_and_off_by_keys_alone(visits: Visits, house: House, regular: Shopper) -> None:
    """Nobody is asked before it is pressed; then the browser, the push service and the server are, once each."""
    switch = await opened(visits, house, regular, language="zh-Hant")
    page, line = switch.page, switch.line
    await switch.is_at("off")
    assert await page.evaluate("[window.asked, navigator.serviceWorker.controller]") == [0, None]
    assert line.take() == []

    await page.locator(".lapse summary").focus()  # what stands before it
    await page.keyboard.press("Tab")
    await expect(switch.button).to_be_focused()
    await page.keyboard.press("Space")
    await switch.is_at("on", on=True)
    assert line.take() == [registration(1, locale="zh-Hant")]
    [device] = await switch.devices()
    assert (device["channel"], device["app"], device["locale"]) == ("webpush", "web", "zh-Hant")
    assert await page.evaluate("window.asked") == 1
    await page.clock.fast_forward(SPOKEN_AFTER_MS)
    await expect(page.locator("#say")).to_have_text(switch.text("on"))
    worker = await page.evaluate("navigator.serviceWorker.ready.then((it) => [it.scope, it.active.scriptURL])")
    assert worker == [f"{house.url}/", f"{house.url}/sw.js"]

    await page.keyboard.press("Enter")
    await switch.is_at("off")
    await expect(switch.button).to_be_focused()
    assert line.take() == [("DELETE", f"devices/{device['id']}", None)]
    assert await switch.devices() == []
    assert await switch.unsubscribed()


async def test_a_reload_tells_the_server_once_more(
    visits: Visits, house: House, regular: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same subscription; with a new one when the shop has a new key. No answer leaves it on, and says so; a
    refusal does not."""
    visits.expect_fault("ERR_FAILED")
    visits.expect_fault("status of 422")
    switch = await opened(visits, house, regular)
    await switch.button.click()
    await switch.is_at("on", on=True)
    await switch.reload()
    await switch.is_at("on", on=True)
    assert switch.line.take() == [registration(1, locale="en")] * 2
    assert len(await switch.devices()) == 1
    assert await switch.page.evaluate("window.asked") == 0

    monkeypatch.setattr(house.services.outside.vapid, "public", p256())
    await switch.reload()
    await switch.is_at("on", on=True)
    assert switch.line.take() == [registration(2, locale="en")]

    switch.line.answers = [None]
    await switch.reload()
    await switch.is_at("unsure", on=True)
    assert switch.line.take() == [registration(2, locale="en")]
    await switch.button.click()
    await switch.is_at("off_here")
    assert await switch.unsubscribed()

    await switch.button.click()
    await switch.is_at("on", on=True)
    switch.line.answers = [(422, {"code": "invalid_input", "retryable": False})]
    await switch.reload()
    await switch.is_at("unsaved")
    assert await switch.unsubscribed()


async def test_what_the_server_will_not_have_stays_off(visits: Visits, house: House, regular: Shopper) -> None:
    """It says so, leaves no subscription that the next load would take for on, and can be pressed again."""
    switch = await opened(visits, house, regular)
    refusals: tuple[tuple[tuple[int, Any] | None, str, str], ...] = (
        ((503, {"code": "unavailable", "retryable": True}), "status of 503", "unsaved"),
        ((401, {"code": "token_expired", "retryable": False}), "status of 401", "signed_out"),
        (None, "ERR_FAILED", "unsaved"),
        ((401, {"code": "unauthenticated", "retryable": False}), "status of 401", "signed_out"),
        ((422, {"code": "invalid_input", "retryable": False}), "status of 422", "unsaved"),
    )
    for nth, (answer, fault, state) in enumerate(refusals, start=1):
        visits.expect_fault(fault)
        switch.line.answers = [answer]
        await switch.button.click()
        await switch.is_at(state)
        await until_async(switch.unsubscribed, "the subscription is given up")
        assert switch.line.take() == [registration(nth, locale="en")]
    await switch.page.clock.fast_forward(SPOKEN_AFTER_MS)
    await expect(switch.page.locator("#say")).to_have_text(switch.text("unsaved"))
    await switch.button.click()
    await switch.is_at("on", on=True)


async def test_off_is_off_without_a_server(visits: Visits, house: House, regular: Shopper) -> None:
    """The browser gives up its subscription whatever the server answers; one that the server forgot is just off."""
    visits.expect_fault("ERR_FAILED")
    visits.expect_fault("status of 404")
    switch = await opened(visits, house, regular)
    await switch.button.click()
    await switch.is_at("on", on=True)
    switch.line.answers = [None]
    await switch.button.click()
    await switch.is_at("off_here")
    assert await switch.unsubscribed()

    await switch.button.click()
    await switch.is_at("on", on=True)
    for device in await switch.devices():
        await member_devices.revoke(house.services.database, regular.member, int(device["id"]))
    await switch.button.click()
    await switch.is_at("off")
    assert await switch.unsubscribed()


async def test_a_push_service_that_fails_is_told(visits: Visits, house: House, regular: Shopper) -> None:
    """What it will not begin is off, what it will not end is still on; a press tries again."""
    visits.expect_fault("status of 404")
    switch = await opened(visits, house, regular)
    await switch.fail("subscribe")
    await switch.button.click()
    await switch.is_at("failed")
    assert switch.line.take() == []
    await switch.fail("unsubscribe")
    await switch.button.click()
    await switch.is_at("on", on=True)
    await switch.button.click()
    await switch.is_at("stuck", on=True)
    await switch.fail("")
    await switch.button.click()
    await switch.is_at("off")


async def test_a_browser_that_forbids_it_is_explained(visits: Visits, house: House, regular: Shopper) -> None:
    """The question waits for its answer; a press does nothing while it is forbidden; allowed again, it is off at once."""
    switch = await opened(visits, house, regular, allowed=False)
    page = switch.page
    await switch.is_at("off")
    await switch.button.click()
    await switch.is_at("asking")
    await expect(switch.button).to_have_attribute("aria-busy", "true")

    await decide(page, "denied")
    await switch.reload()
    await switch.is_at("blocked")
    await expect(switch.button).to_be_disabled()
    await switch.button.dispatch_event("click")
    assert await page.evaluate("window.asked") == 0
    await decide(page, "granted")
    await switch.is_at("off")
    await switch.button.click()
    await switch.is_at("on", on=True)
    await decide(page, "denied")
    await switch.is_at("blocked")


async def test_what_is_known_last_is_shown(visits: Visits, house: House, regular: Shopper) -> None:
    """An answer that comes late does not turn on what was forbidden meanwhile."""
    switch = await opened(visits, house, regular)
    await switch.button.click()
    await switch.is_at("on", on=True)
    switch.line.open.clear()
    await switch.reload()
    await expect(switch.button).to_have_attribute("aria-busy", "true")
    await decide(switch.page, "denied")
    await switch.is_at("blocked")
    async with switch.page.expect_event("requestfinished"):
        switch.line.open.set()
    await settled(switch.page)
    await switch.is_at("blocked")


async def test_a_browser_without_web_push_is_told_so(visits: Visits, house: House, regular: Shopper) -> None:
    page = await visits.blank(width=375, height=2600)
    await page.add_init_script("delete Navigator.prototype.serviceWorker")
    await visits.go(page, card_of(house, regular))
    await live(page)
    switch = Switch(page, Line(), "en", house, regular)
    await switch.is_at("unsupported")
    await expect(switch.button).to_be_disabled()


async def test_the_switch_and_the_wallets_are_for_everyone(
    visits: Visits, house: House, regular: Shopper, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """axe finds nothing, on and blocked, light and dark, on the card and on the receipt; a finger finds all of them."""
    monkeypatch.setattr("bff.pages.wallets", lambda services: WALLETS)
    monkeypatch.setattr("bff.receipt.wallets", lambda services: WALLETS)
    switch = await opened(visits, house, regular)
    page = switch.page
    await switch.button.click()
    await switch.is_at("on", on=True)
    await without_faults(page)
    await page.emulate_media(color_scheme="dark")
    await without_faults(page)
    await decide(page, "denied")
    await switch.is_at("blocked")
    await without_faults(page)
    await reachable(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 375

    receipt = await visits.open(addresses.receipt, width=375, height=2600)
    await live(receipt)
    assert await jumps(receipt) == []
    await without_faults(receipt)
    await reachable(receipt)
    for shown in (page, receipt):
        links = shown.locator(".wallets a")
        assert await links.evaluate_all("them => them.map((it) => it.getAttribute('href'))") == list(WALLETS.values())


async def without_faults(page: Page) -> None:
    await settled(page)
    found = (await Axe().run(page)).response["violations"]
    assert not [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found]


async def reachable(page: Page) -> None:
    """A touch 22 px above or below the middle, and as far to its sides, still hits the control."""
    missed = await page.evaluate(
        """() => [...document.querySelectorAll(".switch, .wallets a")].filter((el) => {
            const { x, y, width, height } = el.getBoundingClientRect();
            return [[0, -21.5], [0, 21.5], [-21.5, 0], [21.5, 0]].some(([dx, dy]) =>
                !el.contains(document.elementFromPoint(x + width / 2 + dx, y + height / 2 + dy)));
        }).map((el) => el.className)"""
    )
    assert missed == []
