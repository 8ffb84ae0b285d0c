"""Web Push as a browser has it: the switch on the member's page, and the worker that shows what is pushed.

No push service can be reached from a test, so `PushManager` is a stand-in that keeps its subscription over a reload, as a
real one does. The permission, the worker, the push that is delivered to it and the notification are the browser's own,
and the server is the house's.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image
from playwright.async_api import Page, Route, Worker, expect

from core import member_devices
from surfaces.wording import words
from tests.bff.house import House, Shopper, bearer, until, until_async
from tests.browser.conftest import Addresses, Visits, card_of, jumps, live, settled

PUSH_SERVICE = "https://fcm.googleapis.com/fcm/send"
SPOKEN_AFTER_MS = 1_000
WALLETS = {"apple": "/card/pass.pkpass", "google": "/card/google"}


def p256() -> str:
    """A public key as Web Push writes one."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return urlsafe_b64encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode().rstrip("=")


KEYS = {"p256dh": p256(), "auth": urlsafe_b64encode(bytes(range(16))).decode().rstrip("=")}

_PUSH_MANAGER = """
(() => {
    const { service, keys } = %s;
    window.asked = 0;
    const ask = Notification.requestPermission;
    Notification.requestPermission = () => { window.asked += 1; return ask.call(Notification); };
    const kept = () => {
        const made = JSON.parse(localStorage.getItem("subscription"));
        return made && Object.create(PushSubscription.prototype, Object.getOwnPropertyDescriptors({
            endpoint: made.endpoint,
            expirationTime: null,
            options: { userVisibleOnly: true, applicationServerKey: new Uint8Array(made.key).buffer },
            toJSON: () => ({ endpoint: made.endpoint, expirationTime: null, keys }),
            async unsubscribe() {
                if (window.fault === "unsubscribe") throw new DOMException("no storage", "AbortError");
                localStorage.removeItem("subscription");
                return true;
            },
        }));
    };
    PushManager.prototype.getSubscription = async () => kept();
    PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
        if (Notification.permission !== "granted") throw new DOMException("not allowed", "NotAllowedError");
        if (!userVisibleOnly || kept()) throw new DOMException("another is there", "InvalidStateError");
        if (window.fault === "subscribe") throw new DOMException("push service error", "AbortError");
        const nth = Number(localStorage.getItem("nth")) + 1;
        localStorage.setItem("nth", nth);
        const made = { endpoint: `${service}/${nth}`, key: [...applicationServerKey] };
        localStorage.setItem("subscription", JSON.stringify(made));
        return kept();
    };
})();
"""


@dataclass
class Line:
    """The line to the server: what it was asked, and what comes back next (None: nothing) in place of its own answer."""

    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    answers: list[tuple[int, Any] | None] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def answer(self, route: Route) -> None:
        asked = route.request
        self.asked.append((asked.method, asked.url.partition("/web/v1/")[2], asked.post_data_json))
        await self.open.wait()
        if not self.answers:
            await route.continue_()
        elif said := self.answers.pop(0):
            await route.fulfill(status=said[0], json=said[1])
        else:
            await route.abort()

    def take(self) -> list[tuple[str, str, Any]]:
        taken, self.asked = self.asked, []
        return taken


def registration(nth: int, **more: str) -> tuple[str, str, Any]:
    """The request that tells the server the browser's `nth` subscription."""
    body = {"channel": "webpush", "app": "web", "token": f"{PUSH_SERVICE}/{nth}", "keys": KEYS, **more}
    return "POST", "devices", body


@dataclass(frozen=True)
class Switch:
    """The switch on a member's page of a phone's width, and the server behind it."""

    page: Page
    line: Line
    language: str
    house: House
    who: Shopper

    def text(self, key: str) -> str:
        return words(self.language)(f"push.{key}")

    @property
    def button(self) -> Any:
        return self.page.get_by_role("switch", name=self.text("title"))

    async def is_at(self, state: str, *, on: bool = False) -> None:
        """It shows `state` and says it, to a screen reader too; and nothing has jumped on the way there."""
        await expect(self.page.locator(".tell .shown")).to_have_text(self.text(state))
        await expect(self.button).to_have_accessible_description(self.text(state))
        await expect(self.button).to_have_attribute("aria-checked", str(on).lower())
        await expect(self.button).to_have_attribute("aria-busy", str(state == "asking").lower())
        assert await jumps(self.page) == [], state

    async def devices(self) -> list[dict[str, Any]]:
        """What the server lists."""
        headers = bearer(self.house.token("web", self.who.member))
        answer = await self.house.http.get("/web/v1/devices", headers=headers)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def unsubscribed(self) -> bool:
        return bool(await self.page.evaluate("localStorage.getItem('subscription') === null"))

    async def fail(self, what: str) -> None:
        """From now on the push service does not do `what`."""
        await self.page.evaluate("(what) => { window.fault = what; }", what)

    async def reload(self) -> None:
        await self.page.reload()
        await live(self.page)


async def opened(visits: Visits, house: House, who: Shopper, *, allowed: bool = True, language: str = "en") -> Switch:
    """At rest: what moves is told of in `test_steady`, and is waited for there."""
    page = await visits.blank(
        width=375, height=2600, reduced_motion="reduce", permissions=["notifications"] if allowed else None
    )
    await page.clock.install()
    line, context = Line(), page.context
    await context.add_init_script(_PUSH_MANAGER % json.dumps({"service": PUSH_SERVICE, "keys": KEYS}))
    await context.route(re.compile(r"/web/v1/devices(/\d+)?$"), line.answer)
    await visits.go(page, f"{card_of(house, who)}&lang={language}")
    await live(page)
    return Switch(page, line, language, house, who)


# -- the switch --------------------------------------------------------------------------------------------------------


async def test_it_is_turned_on_and_off_by_keys_alone(visits: Visits, house: House, regular: Shopper) -> None:
    """Nobody is asked before it is pressed; then the browser, the push service and the server are, once each."""
    switch = await opened(visits, house, regular, language="zh-Hant")
    page, line = switch.page, switch.line
    await switch.is_at("off")
    assert await page.evaluate("[window.asked, navigator.serviceWorker.controller]") == [0, None]
    assert line.take() == []

    await page.locator(".wallets a").last.focus()
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


async def decide(page: Page, setting: str) -> None:
    """As in the browser's own settings for the site; Playwright can grant a permission, not deny one. It holds as long as
    the browser's session does, which is therefore left open."""
    browser = page.context.browser
    assert browser
    target = (await (await page.context.new_cdp_session(page)).send("Target.getTargetInfo"))["targetInfo"]
    what = {"permission": {"name": "notifications"}, "setting": setting, "origin": page.url.partition("/card")[0]}
    session = await browser.new_browser_cdp_session()
    await session.send("Browser.setPermission", {**what, "browserContextId": target["browserContextId"]})


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


# -- the worker --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deliveries:
    """A browser that is told, and the push service's end of the line."""

    switch: Switch
    deliver: Any

    @property
    def worker(self) -> Worker:
        [worker] = self.switch.page.context.service_workers
        return worker

    async def push(self, text: str) -> list[dict[str, Any]]:
        """What is shown after `text` came. The browser takes one that is asked for too early to be closed and forgets it,
        so it is read when the worker knows that it is there."""
        before = await self.worker.evaluate("shown")
        await self.deliver(text)

        async def there() -> bool:
            return bool(await self.worker.evaluate("shown") > before)

        await until_async(there, "a notification")
        found: list[dict[str, Any]] = await self.switch.page.evaluate(_SHOWN)
        return found

    async def clear(self) -> None:
        await self.worker.evaluate("registration.getNotifications().then((all) => all.map((it) => it.close()))")
        await until_async(self.empty, "no notification")

    async def empty(self) -> bool:
        return not await self.switch.page.evaluate(_SHOWN)


_SHOWN = """() => navigator.serviceWorker.ready.then((it) => it.getNotifications()).then((all) => all.map(
    ({ title, body, tag, lang, icon, renotify, data }) => ({ title, body, tag, lang, icon, renotify, data })))"""

_COUNT_SHOWN = """() => {
    self.shown = 0;
    const show = registration.showNotification;
    registration.showNotification = async (...told) => { await show.apply(registration, told); self.shown += 1; };
}"""

SALE = {
    "title": "已加 445 點",
    "body": "目前共 12,925 點。",
    "tag": "m42",
    "url": "/card",
    "lang": "zh-Hant",
    "version": 318,
}


@pytest.fixture
async def deliveries(visits: Visits, house: House, regular: Shopper) -> Deliveries:
    switch = await opened(visits, house, regular)
    await switch.button.click()
    await switch.is_at("on", on=True)
    tools = await switch.page.context.new_cdp_session(switch.page)
    known: list[dict[str, Any]] = []
    tools.on("ServiceWorker.workerRegistrationUpdated", lambda told: known.extend(told["registrations"]))
    await tools.send("ServiceWorker.enable")
    await until(lambda: bool(known), "the worker's registration")

    async def deliver(text: str) -> None:
        where = {"origin": house.url, "registrationId": known[-1]["registrationId"], "data": text}
        await tools.send("ServiceWorker.deliverPushMessage", where)

    deliveries = Deliveries(switch, deliver)
    await deliveries.worker.evaluate(_COUNT_SHOWN)
    return deliveries


async def test_a_push_is_shown_once_a_tag_and_leads_to_its_page(deliveries: Deliveries, house: House) -> None:
    """In its own words and language, with the shop's picture; a second of the same tag takes its place and is silent. A
    click closes it and leads to the tab that shows its page already, or else to a new one."""
    [shown] = await deliveries.push(json.dumps(SALE))
    icon = await house.http.get(shown["icon"])
    assert Image.open(BytesIO(icon.content)).format == "PNG"
    assert {name: shown[name] for name in SALE if name in shown} == {
        name: SALE[name] for name in ("title", "body", "tag", "lang")
    }
    assert (shown["renotify"], shown["data"]) == (False, {"url": f"{house.url}/card"})

    [again] = await deliveries.push(json.dumps({**SALE, "body": "目前共 13,000 點。"}))
    assert (again["body"], again["renotify"]) == ("目前共 13,000 點。", False)
    other = await deliveries.push(json.dumps({**SALE, "tag": "m43", "body": "1 點"}))
    assert sorted(one["tag"] for one in other) == ["m42", "m43"]
    await deliveries.clear()

    for path, act in (("/card", "focus"), ("/r/abc", "open")):
        await deliveries.push(json.dumps({**SALE, "url": path}))
        assert await deliveries.worker.evaluate(_CLICK) == [[act, f"{house.url}{path}"]]
        await until_async(deliveries.empty, "the notification is closed")


async def test_garbage_is_shown_as_plain_news(deliveries: Deliveries, house: House) -> None:
    """A push that shows nothing costs the right to push, so whatever came is shown, and leads nowhere but home."""
    plain = {"title": "Your points have changed", "body": "Open your card to see them.", "tag": "points", "lang": "en"}
    home = {"url": f"{house.url}/card"}
    for text in ("", "\x00{", "null", "[]", '"text"', "{}", '{"title": 5, "body": {}, "tag": [], "url": 1}'):
        [shown] = await deliveries.push(text)
        assert {name: shown[name] for name in plain} == plain, text
        assert shown["data"] == home, text
        await deliveries.clear()
    for url in ("https://elsewhere.example/card", "//elsewhere.example", "javascript:alert(1)", "http://["):
        [shown] = await deliveries.push(json.dumps({"title": "T", "url": url}))
        assert (shown["title"], shown["data"]) == ("T", home), url
        await deliveries.clear()
    tongues = await deliveries.worker.evaluate("['en-GB', 'fr', 'zh-TW', 'zh-Hant-HK', 'zh-CN', 'zh'].map(languageOf)")
    assert tongues == ["en", "en", "zh-Hant", "zh-Hant", "zh-Hans", "zh-Hans"]


async def test_a_changed_subscription_is_renewed(deliveries: Deliveries) -> None:
    """By the browser or, where it leaves that to the page, by the worker with the old options; not once forbidden."""
    line, page = deliveries.switch.line, deliveries.switch.page
    line.take()
    old, new = {"options": {"userVisibleOnly": True, "applicationServerKey": "old"}}, {"nth": 7}
    assert await deliveries.worker.evaluate(_CHANGE, [old, new, KEYS, PUSH_SERVICE]) == []
    assert line.take() == [registration(7)]
    assert await deliveries.worker.evaluate(_CHANGE, [old, None, KEYS, PUSH_SERVICE]) == [old["options"]]
    assert line.take() == [registration(8)]
    assert await deliveries.worker.evaluate(_CHANGE, [None, None, KEYS, PUSH_SERVICE]) == []
    await decide(page, "denied")
    assert await deliveries.worker.evaluate(_CHANGE, [old, None, KEYS, PUSH_SERVICE]) == []
    assert line.take() == []


# Nothing can click a notification, nor change a subscription, from outside the browser: the events are made here, and
# so are the two acts that a browser allows after a real click only.
_CLICK = """async () => {
    const [notification] = await registration.getNotifications();
    const waits = [], done = [];
    WindowClient.prototype.focus = async function () { done.push(["focus", this.url.split("?")[0]]); };
    clients.openWindow = async (url) => { done.push(["open", url]); };
    const event = new NotificationEvent("notificationclick", { notification });
    dispatchEvent(Object.defineProperty(event, "waitUntil", { value: (promise) => waits.push(promise) }));
    await Promise.all(waits);
    return done;
}"""
_CHANGE = """async ([oldSubscription, renewed, keys, service]) => {
    const waits = [], done = [];
    const made = (nth) => ({ toJSON: () => ({ endpoint: `${service}/${nth}`, keys }) });
    PushManager.prototype.subscribe = async (options) => { done.push(options); return made(8); };
    const event = new ExtendableEvent("pushsubscriptionchange");
    Object.assign(event, { oldSubscription, newSubscription: renewed && made(renewed.nth) });
    dispatchEvent(Object.defineProperty(event, "waitUntil", { value: (promise) => waits.push(promise) }));
    await Promise.all(waits);
    return done;
}"""
