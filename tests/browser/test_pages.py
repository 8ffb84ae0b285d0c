"""The members' pages and the kiosk in a browser, on real parts: signing in, languages, live numbers, loss, keys, axe."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from surfaces.wording import formats
from tests.bff.house import House, Shopper
from tests.browser.conftest import (
    BALANCE,
    RECORD_NUMBERS,
    Addresses,
    Visits,
    card_of,
    jumps,
    live,
    phone_of,
    read_code,
)

# -- the watch itself ------------------------------------------------------------------------------------------------


async def test_the_watch_sees_what_it_is_for(visits: Visits, house: House) -> None:
    """An inline script, a request elsewhere, an exception, a shift: none of them could pass unseen in another test."""
    visits.expect_fault("Content Security Policy")
    visits.expect_fault("left the origin: http://localhost:")
    visits.expect_fault("exception: thrown")
    visits.expect_fault("status of 401")
    page = await visits.open("/card")
    async with page.expect_event("pageerror"):
        await page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    await page.evaluate("""document.body.append(Object.assign(document.createElement("script"), { text: "1" }))""")
    await page.evaluate("document.querySelector('h1').style.marginTop = '200px'")
    assert await jumps(page)
    await page.goto(house.url.replace("127.0.0.1", "localhost") + "/card")


# -- signing in and languages ------------------------------------------------------------------------------------------


async def test_a_sign_in_link_leaves_nothing_in_the_address(visits: Visits, house: House, regular: Shopper) -> None:
    """The token becomes a cookie no script can read; a reload and the live socket go by it; without it, signed out."""
    visits.expect_fault("status of 401")
    page = await visits.open(card_of(house, regular))
    assert page.url == f"{house.url}/card"
    [cookie] = await page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("chorus_web", True, "Lax")
    assert await page.evaluate("document.cookie") == ""
    await live(page)
    await page.reload()
    await live(page)
    sale = await house.buy(regular)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))

    await page.context.clear_cookies()
    answer = await page.reload()
    assert answer
    assert answer.status == 401
    await expect(page.locator("h1")).to_have_text("You are signed out")
    assert formats.number(sale["balance"]) not in await page.locator("body").inner_text()


async def test_the_language_links_change_the_page_and_what_arrives(
    visits: Visits, house: House, addresses: Addresses, regular: Shopper
) -> None:
    """A language by its link, the page staying the same member's; what happens after comes in it, and it is kept."""
    page = await visits.blank()
    await page.clock.install()
    hant, hans, english = ("zh-Hant", "點", "即時"), ("zh-Hans", "分", "实时"), ("en", "points", "Live")
    for address, chosen in (
        (addresses.card, (hant, hans, english)),
        (addresses.phone, (hans,)),
        (addresses.bound, (hant,)),
    ):
        await page.goto(f"{house.url}{address}")
        for language, unit, word in chosen:
            await page.locator(f"a[hreflang={language}]").click()
            await expect(page.locator(f"html[lang={language}]")).to_have_count(1)
            await expect(page.locator(f"a[hreflang={language}]")).to_have_attribute("aria-current", "true")
            await expect(page.locator("[data-conn-chip]")).to_have_text(word)
            sale = await house.buy(regular)
            balance = formats.number(sale["balance"])
            await expect(page.locator(BALANCE)).to_have_text(balance)
            await expect(page.locator('[data-bind$="balance.unit"]')).to_have_text(unit)
            await page.clock.fast_forward(1_000)
            said = {
                "zh-Hant": f"已加 {sale['earned']} 點，目前共 {balance} 點。",
                "zh-Hans": f"已加 {sale['earned']} 分，当前共 {balance} 分。",
                "en": f"{sale['earned']} points added. Balance {balance} points.",
            }[language]
            await expect(page.locator("#say")).to_have_text(said)
    await page.locator("a[hreflang=zh-Hans]").click()
    await expect(page.locator("html[lang=zh-Hans]")).to_have_count(1)
    await page.goto(f"{house.url}/card")
    await expect(page.locator("html[lang=zh-Hans]")).to_have_count(1)


# -- each page ---------------------------------------------------------------------------------------------------------


async def test_the_phone_shows_its_code_and_sets_a_reward_aside(visits: Visits, house: House, regular: Shopper) -> None:
    """The code that a scanner reads is the member's; a reward is set aside and given back, the balance with it."""
    page = await visits.open(phone_of(house, regular), width=375, height=812)
    await live(page)
    await page.locator("[data-code-open]").click()
    assert await read_code(page.locator("[data-code] .qr")) == regular.code
    await page.locator("[data-code] [data-code-close]").click()
    sale = await house.buy(regular)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))
    await expect(page.locator("[data-toast]")).to_contain_text(f"{sale['earned']} points added.")
    await page.locator("[data-redeem=off5]").click()
    await expect(page.locator(".ticket")).to_have_count(1)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"] - 2_500))
    await page.locator("[data-cancel]").click()
    await expect(page.locator(".ticket")).to_have_count(0)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))


@pytest.mark.parametrize(("surface", "base"), [("card", "/web/v1"), ("phone", "/app/v1")])
async def test_a_voucher_from_its_claim_to_the_till(
    visits: Visits, house: House, regular: Shopper, surface: str, base: str
) -> None:
    """Points buy it, it arrives by itself with its code, a scanner reads that off the screen, and once the till has used
    it the code closes and it is gone."""
    page = await visits.open((card_of if surface == "card" else phone_of)(house, regular), width=375, height=812)
    await live(page)
    before = await page.locator(BALANCE).inner_text()
    await expect(page.locator("[data-voucher]")).to_have_count(0)
    async with page.expect_request(lambda request: request.url.endswith(f"{base}/claims")) as asked:
        await page.locator("[data-redeem=voucher10]").click()
    request = await asked.value
    assert request.post_data_json == {"reward": "voucher10"}
    assert request.headers["idempotency-key"]
    show = page.locator("[data-voucher]")
    await expect(show).to_have_count(1)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(int(before.replace(",", "")) - 5_000))
    await expect(page.locator(".acts > li").first).to_contain_text("Redeemed: US$10 voucher")

    await show.click()
    dialog = page.locator("[data-voucher-code]")
    await expect(dialog).to_be_visible()
    code = await read_code(dialog.locator(".qr"))
    assert code == (await dialog.locator("[data-shown=code]").inner_text()).replace(" ", "")
    box = await dialog.locator(".qr").bounding_box()
    assert box
    assert box["width"] >= 240
    assert await jumps(page) == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(show).to_be_focused()

    await show.click()
    await house.post(f"/pos/v1/vouchers/{code}/use", {}, house.till)
    await expect(dialog).to_be_hidden()
    await expect(show).to_have_count(0)
    await expect(page.locator(".acts > li").first).to_contain_text("US$10 voucher, used")
    assert await jumps(page) == []


async def test_a_voucher_is_given_back_for_its_points(visits: Visits, house: House, regular: Shopper) -> None:
    """From where its code is shown; the points come back, and the code with it goes."""
    page = await visits.open(card_of(house, regular))
    await live(page)
    before = await page.locator(BALANCE).inner_text()
    await page.locator("[data-redeem=voucher10]").click()
    await page.locator("[data-voucher]").click()
    back = page.locator("[data-give-back]")
    await expect(back).to_have_text("Give back for 5,000 points")
    await back.click()
    await expect(page.locator("[data-voucher-code]")).to_be_hidden()
    await expect(page.locator("[data-voucher]")).to_have_count(0)
    await expect(page.locator(BALANCE)).to_have_text(before)
    assert await jumps(page) == []


async def test_a_gift_and_a_ticket_are_had_at_once(visits: Visits, house: House, regular: Shopper) -> None:
    """On the web and at a kiosk: no voucher, but a row that says so, on every page."""
    card = await visits.open(card_of(house, regular))
    kiosk = await visits.open(f"/kiosk?token={await house.kiosk(regular)}", width=768, height=1024)
    await live(card)
    await live(kiosk)
    before = int((await card.locator(BALANCE).inner_text()).replace(",", ""))
    await card.locator("[data-redeem=music-lessons]").click()
    await expect(card.locator(".acts > li").first).to_contain_text("Given: A music lesson for a child")
    for page in (card, kiosk):
        await expect(page.locator(BALANCE)).to_have_text(formats.number(before - 1_000))
    await kiosk.locator("[data-choose]").click()
    await expect(kiosk.locator(".pick .vstack > li")).to_have_count(4)
    await kiosk.locator(".pick [data-redeem=voucher10]").click()
    await expect(kiosk.locator("[data-menu]")).to_be_visible()
    await expect(kiosk.locator('[data-bind="member.vouchers_text"]')).to_contain_text("1 voucher, use by")
    code = await card.locator('.own [data-bind="code_text"]').inner_text()
    left = await kiosk.locator("body").evaluate("body => body.textContent + body.innerHTML")
    assert code not in left
    assert code.replace(" ", "") not in left


async def test_a_reward_is_sent_to_a_store(visits: Visits, house: House, regular: Shopper) -> None:
    """Where it is to be collected is chosen beside its button, and said until when on what is set aside."""
    await house.buy(regular, total=160_000)
    page = await visits.open(phone_of(house, regular), width=375, height=812)
    await live(page)
    row = page.locator("li", has=page.locator("[data-redeem=box]"))
    await row.locator("select").select_option("pier-road")
    await row.locator("[data-redeem]").click()
    await expect(page.locator(".ticket")).to_contain_text("Collect at Pier Road until")
    await expect(row.locator("select")).to_have_value("pier-road")


async def test_a_new_tier_is_celebrated_on_every_page(visits: Visits, house: House) -> None:
    """A band that comes with the purchase that earned it, and its benefits; nothing jumps. Each page in a profile of its
    own: of several in one, only the foremost draws every frame."""
    who = await house.enrol()
    card = await visits.open_fresh(card_of(house, who), width=375, height=2600)
    phone = await visits.open_fresh(phone_of(house, who), width=375, height=2600)
    kiosk = await visits.open_fresh(f"/kiosk?token={await house.kiosk(who)}", width=768, height=1024)
    told = ((card, "celebration.title"), (phone, "celebration.title"), (kiosk, "member.celebration.title"))
    for page, path in told:
        await live(page)
        await expect(page.locator(f'[data-bind="{path}"]')).to_be_hidden()
        assert await jumps(page) == []
    await house.buy(who, total=120_000)
    for page, path in told:
        await expect(page.locator(f'[data-bind="{path}"]')).to_have_text("You’ve reached Silver Disc")
        assert await jumps(page) == []
    for page in (card, phone):
        await expect(page.locator(".benefits li")).to_have_text(["A quarter more points", "New releases held for you"])


async def test_a_list_unfolds_without_a_jump(visits: Visits, house: House, regular: Shopper) -> None:
    """Every date on which points lapse, on request; by the keyboard too."""
    for address, height in ((card_of(house, regular), 2600), (phone_of(house, regular), 2600)):
        page = await visits.open(address, width=375, height=height)
        await live(page)
        dates = page.locator("[data-each=expiry_schedule]")
        await expect(dates).to_be_hidden()
        await page.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(dates).to_be_visible()
        assert await jumps(page) == []
        await page.locator("summary").click()
        await expect(dates).to_be_hidden()
        assert await jumps(page) == []


async def test_a_receipt_keeps_what_was_printed_and_a_live_balance(
    visits: Visits, house: House, regular: Shopper
) -> None:
    """Points earned stay; the balance follows later sales; a return is noted; its QR opens the same receipt."""
    sale = await house.buy(regular, total=4_200, quantity=2)
    page = await visits.open(sale["receipt"]["url"].removeprefix(house.url), width=390, height=844)
    await live(page)
    assert await read_code(page.locator(".qr")) == sale["receipt"]["url"]
    await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))
    later = await house.buy(regular)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(later["balance"]))
    await expect(page.locator(".earn")).to_have_text(f"+{sale['earned']}")
    await expect(page.locator('[data-bind="returned_note"]')).to_be_hidden()
    await house.post(f"/pos/v1/purchases/{sale['purchase_id']}/returns", {"id": f"r{regular.member}"}, house.till)
    await expect(page.locator(BALANCE)).to_have_text(formats.number(later["balance"] - sale["earned"]))
    await expect(page.locator('[data-bind="returned_note"]')).to_have_text(
        f"Returned since. {sale['earned']} points taken back."
    )
    await expect(page.locator(".earn")).to_have_text(f"+{sale['earned']}")


async def test_what_cannot_be_shown_is_a_page_too(visits: Visits) -> None:
    """A person is told in words, with the right status, and without a socket being tried."""
    visits.expect_fault("status of 401")
    visits.expect_fault("status of 404")
    page = await visits.blank(width=375, height=812)
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    for path, status, title in (
        ("/card", 401, "You are signed out"),
        ("/card?token=x", 401, "You are signed out"),
        ("/phone", 401, "You are signed out"),
        ("/kiosk?token=x", 401, "You are signed out"),
        ("/r/x", 404, "Nothing here"),
        ("/wall?member=000000000000", 404, "Nothing here"),
    ):
        answer = await page.goto(f"{visits.url}{path}")
        assert answer
        assert answer.status == status, path
        await expect(page.locator("h1")).to_have_text(title)
    assert not sockets


async def test_another_surfaces_token_opens_no_page(visits: Visits, house: House, regular: Shopper) -> None:
    """A member's app token on the kiosk's address: 403, in words."""
    visits.expect_fault("status of 403")
    page = await visits.open(f"/kiosk?token={house.token('app', regular.member)}")
    await expect(page.locator("h1")).to_have_text("Not yours to see")


async def test_a_lost_network_is_told_and_caught_up(
    visits: Visits, house: House, addresses: Addresses, regular: Shopper
) -> None:
    """The number stays, with its age, a word and a shape; nothing can be redeemed; what was missed comes after."""
    card = await visits.open(addresses.card, width=375, height=812)
    phone = await visits.open(addresses.phone, width=375, height=812)
    receipt = await visits.open(addresses.receipt, width=375, height=812)
    pages = ((card, 7), (phone, 7), (receipt, 0))
    before = await card.locator(BALANCE).inner_text()
    for page, offered in pages:
        await live(page)
        await expect(page.locator("[data-redeem]:visible:enabled")).to_have_count(offered)
    await card.context.set_offline(True)
    aged = r"as of \d\d:\d\d:\d\d"
    for page, offered in pages:
        chip = page.locator("[data-conn-chip]")
        await expect(chip).to_have_text("Offline")
        await expect(chip.locator("svg circle")).to_have_attribute("fill", "none")
        await expect(page.locator("[data-gain]")).to_have_text(re.compile(f"^{aged}$"))
        await expect(page.locator("#say")).to_have_text(re.compile(rf"^Connection lost\. Balance {aged}\.$"))
        await expect(page.locator("[data-redeem]:visible:disabled")).to_have_count(offered)
    sale = await house.buy(regular)
    for page, _ in pages:
        await expect(page.locator(BALANCE)).to_have_text(before)
    await card.context.set_offline(False)
    for page, offered in pages:
        chip = page.locator("[data-conn-chip]")
        await expect(chip).to_have_text("Caught up, 1 event")
        await expect(chip.locator("svg path")).to_have_count(1)
        await expect(page.locator(BALANCE)).to_have_text(formats.number(sale["balance"]))
        await expect(page.locator("[data-redeem]:visible:enabled")).to_have_count(offered)


# -- how it moves ------------------------------------------------------------------------------------------------------


async def test_less_motion_sets_the_number_at_once(
    visits: Visits, house: House, addresses: Addresses, regular: Shopper
) -> None:
    """For a reader who asked for less motion the balance has one new value; for others it counts up to the same."""
    calm = [
        await visits.open(address) for address in (addresses.card, addresses.phone, addresses.bound, addresses.receipt)
    ]
    for page in calm:
        await page.emulate_media(reduced_motion="reduce")
    lively = await visits.open(addresses.card)
    for page in (*calm, lively):
        await live(page)
        await page.evaluate(RECORD_NUMBERS)
    sale = await house.buy(regular)
    final = formats.number(sale["balance"])
    for page in (*calm, lively):
        await expect(page.locator(BALANCE)).to_have_text(final)
        assert not await page.evaluate("document.hidden")
    for page in calm:
        assert await page.evaluate("window.numbers") == [final], page.url
    counted = await lively.evaluate("window.numbers")
    assert len(counted) > 2
    assert counted == sorted(counted)
    assert counted[-1] == final
