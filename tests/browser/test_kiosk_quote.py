"""What would I earn? On the kiosk: an amount is typed, the answer is the member's own, and nothing of it stays."""

from __future__ import annotations

from playwright.async_api import expect

from tests.bff.house import House, Shopper, bearer
from tests.browser.conftest import Visits, live


async def test_an_amount_is_quoted_for_whoever_stands_there(visits: Visits, house: House, regular: Shopper) -> None:
    token = await house.kiosk(regular)
    page = await visits.open(f"/kiosk?token={token}", width=768, height=1024)
    await live(page)
    await page.locator("[data-quote-open]").click()
    await expect(page.locator("[data-bind=amount]")).to_have_text("US$0.00")
    for key in ("3", "5", "6", "0", "back", "00"):
        await page.locator(f"[data-key='{key}']").click()
    await expect(page.locator("[data-bind=amount]")).to_have_text("US$356.00")
    await page.keyboard.press("Backspace")
    body = {
        "channel": "store",
        "currency": "USD",
        "total": 3_560,
        "lines": [{"sku": "BASKET", "quantity": 1, "amount": 3_560}],
    }
    truth = await house.post("/kiosk/v1/quotes", body, bearer(token))
    await expect(page.locator(".kq-earn")).to_have_text(f"{truth['earned']} points")
    await expect(page.locator(".kq .why li")).to_have_count(len(truth["awards"]))
    # What happens to the member meanwhile is drawn behind it, not over it.
    await house.buy(regular)
    await expect(page.locator("[data-bind=amount]")).to_have_text("US$35.60")
    await expect(page.locator(".kq-earn")).to_have_text(f"{truth['earned']} points")
    await page.locator("[data-quote-close]").click()
    await expect(page.locator("[data-quote-open]")).to_be_focused()


async def test_it_closes_with_the_session_and_a_key_keeps_it(visits: Visits, house: House, regular: Shopper) -> None:
    page = await visits.open(f"/kiosk?token={await house.kiosk(regular)}", width=1280, height=800)
    await live(page)
    await page.locator("[data-quote-open]").click()
    # A touch in a session's first seconds tells the server nothing new.
    await page.evaluate("new Promise((done) => setTimeout(done, 3_050 - performance.now()))")
    async with page.expect_request("**/kiosk/v1/session/touch"):
        await page.locator("[data-key='5']").click()
    await page.locator("[data-key='00']").click()
    await expect(page.locator(".kq-earn")).not_to_be_empty()
    await page.evaluate("document.querySelector('[data-done]').click()")
    await expect(page.locator("[data-quote]")).to_be_hidden()
    await expect(page.locator("[data-scan] input")).to_be_focused()
    assert "points" not in await page.locator("[data-quote]").inner_text()
