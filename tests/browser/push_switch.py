"""The switch for Web Push in a test's hand: a member's page, the push service behind it, and the line to the server.

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
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Page, Route, expect

from surfaces.wording import words
from tests.bff.house import House, Shopper, bearer
from tests.browser.conftest import Visits, card_of, jumps, live

PUSH_SERVICE = "https://fcm.googleapis.com/fcm/send"


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


async def decide(page: Page, setting: str) -> None:
    """As in the browser's own settings for the site; Playwright can grant a permission, not deny one. It holds as long as
    the browser's session does, which is therefore left open."""
    browser = page.context.browser
    assert browser
    target = (await (await page.context.new_cdp_session(page)).send("Target.getTargetInfo"))["targetInfo"]
    what = {"permission": {"name": "notifications"}, "setting": setting, "origin": page.url.partition("/card")[0]}
    session = await browser.new_browser_cdp_session()
    await session.send("Browser.setPermission", {**what, "browserContextId": target["browserContextId"]})
