"""The worker for Web Push: it shows whatever is pushed, leads to no other site, and renews a changed subscription."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Worker

from tests.bff.house import House, Shopper, until, until_async
from tests.browser.conftest import Visits
from tests.browser.push_switch import KEYS, PUSH_SERVICE, Switch, decide, opened, registration


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
