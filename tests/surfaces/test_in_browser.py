"""The pages as a browser runs them: live, lost and found again, redeeming, readable by assistive technology.

Nothing listens on a port: the browser's requests are answered from the page functions and the static folder, its
sockets by the test itself.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect, sync_playwright

import surfaces
from core.snapshot import Snapshot
from surfaces import web
from surfaces.activity import causes
from surfaces.views import LOCALES
from surfaces.wording import formats
from tests.browser.chromium import ARGUMENTS, executable
from tests.surfaces.samples import NOW, PUBLISHED, change, snapshot
from tests.surfaces.test_pages import render

ORIGIN = "http://localhost"
STATIC = Path(surfaces.__file__).parent / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' ws://localhost; img-src 'self' data:; font-src 'self'"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)


class Shop:
    """The other end: sockets by surface, posts as they came, and what to answer."""

    def __init__(self) -> None:
        self.sockets: dict[str, WebSocketRoute] = {}
        self.hellos: list[dict[str, Any]] = []
        self.posts: list[tuple[str, Any, str | None]] = []
        self.answers: list[tuple[int, Any] | None] = []
        self.open = True

    def socket(self, ws: WebSocketRoute) -> None:
        def hello(text: str | bytes) -> None:
            said = json.loads(text)
            self.hellos.append(said)
            self.sockets[said["surface"]] = ws
            if self.open:
                ws.send(json.dumps({"type": "current", "epoch": 3, "version": 318, "as_of": "2026-12-12T06:32:07Z"}))
            else:
                ws.close(code=4503, reason="0.05")

        ws.on_message(hello)

    def route(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        if path.startswith("/static/"):
            file = STATIC / path.removeprefix("/static/")
            route.fulfill(path=file, content_type=mimetypes.guess_type(file)[0] or "font/woff2")
        elif route.request.method != "GET":
            self.posts.append((path, route.request.post_data_json, route.request.headers.get("idempotency-key")))
            answer = self.answers.pop(0) if self.answers else (201, {})
            if answer is None:
                route.abort()
            else:
                route.fulfill(status=answer[0], json=answer[1])
        elif path.startswith("/wall/v1/"):
            route.fulfill(status=503, json={"code": "unavailable", "retryable": True})
        else:
            _, which, locale = path.split("/")
            route.fulfill(
                body=render(which, locale), content_type="text/html", headers={"content-security-policy": CSP}
            )


Open = Callable[..., tuple[Page, Shop]]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    contexts, faults = [], list[str]()

    def visit(which: str, locale: str = "en", *, width: int = 1440, height: int = 900, **how: Any) -> tuple[Page, Shop]:
        context = browser.new_context(viewport={"width": width, "height": height}, **how)
        contexts.append(context)
        page, shop = context.new_page(), Shop()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security" in line.text else None)
        page.route("**/*", shop.route)
        page.route_web_socket("**/live", shop.socket)
        page.goto(f"{ORIGIN}/{which}/{locale}")
        return page, shop

    yield visit
    for context in contexts:
        context.close()
    assert not faults


def state(who: Snapshot, *, since: int, locale: str = "en", **fields: Any) -> str:
    newer = [one for one in who.recent if one.version > since]
    frame = {
        "type": "state", "epoch": 3, "version": who.version, "programme": 7, "valid_from": "2026-12-12T06:32:07Z",
        "valid_until": None, "as_of": "2026-12-12T06:33:00Z", "causes": causes(newer, PUBLISHED, locale),
        "view": web.view(who, PUBLISHED, NOW, locale),
    }  # fmt: skip
    return json.dumps(msgspec.to_builtins(frame | fields))


def sold(version: int, points: int) -> Snapshot:
    sale = change(version, "purchase", 445, points, sku="CD", quantity=3, base=356, bonus=89, place="harbour-street")
    return snapshot(sale, version=version, points=points)


def test_a_sale_reaches_the_page(visit: Open) -> None:
    page, shop = visit("card")
    expect(page.locator("[data-conn-chip]")).to_have_text("Live")
    assert shop.hellos[0]["have"]["version"] == 318
    assert (shop.hellos[0]["surface"], shop.hellos[0]["locale"]) == ("web", "en")
    shop.sockets["web"].send(state(sold(319, 13370), since=318))
    expect(page.locator(".bal")).to_have_text("13,370")
    expect(page.locator(".gain")).to_have_text("+445 just now")
    expect(page.locator(".acts > li")).to_have_count(1)
    expect(page.locator("[data-toast]")).to_be_visible()
    expect(page.locator("#say")).to_have_text("445 points added. Balance 13,370 points.")
    page.keyboard.press("Tab")
    page.locator("[data-toast-close]").click()
    expect(page.locator("[data-toast]")).to_be_hidden()


def test_an_older_state_is_ignored_and_a_second_one_retargets_the_count(visit: Open) -> None:
    page, shop = visit("card")
    expect(page.locator("[data-conn-chip]")).to_have_text("Live")
    for version, points in ((321, 14000), (319, 99999), (322, 15000), (320, 88888)):
        shop.sockets["web"].send(state(sold(version, points), since=version - 1))
    expect(page.locator(".bal")).to_have_text("15,000")
    shop.sockets["web"].send(state(sold(500, 1), since=499, epoch=2))
    shop.sockets["web"].send(state(sold(322, 16000), since=322, valid_from="2026-12-12T06:32:07.000001Z"))
    expect(page.locator(".bal")).to_have_text("16,000")


def test_a_lost_connection_says_so_and_catches_up(visit: Open) -> None:
    page, shop = visit("card")
    expect(page.locator("[data-conn-chip]")).to_have_text("Live")
    shop.open = False
    shop.sockets["web"].close(code=4503, reason="0.05")
    expect(page.locator("[data-conn-chip]")).to_have_text("Reconnecting")
    expect(page.locator(".gain")).to_have_text("as of 14:32:07")
    expect(page.locator("[data-redeem=off5]")).to_be_disabled()
    shop.open = True
    expect(page.locator("[data-conn-chip]")).to_have_text("Live")
    shop.sockets["web"].send(state(sold(320, 13370), since=318))
    expect(page.locator(".bal")).to_have_text("13,370")
    expect(page.locator("[data-redeem=off5]")).to_be_enabled()


def test_a_refused_client_does_not_come_back(visit: Open) -> None:
    page, shop = visit("card")
    expect(page.locator("[data-conn-chip]")).to_have_text("Live")
    shop.sockets["web"].close(code=4401, reason="bad token")
    expect(page.locator("[data-conn-chip]")).to_have_text("Not connected")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_timeout(50)
    assert len(shop.hellos) == 1


def test_a_press_keeps_its_key_until_it_is_answered(visit: Open) -> None:
    page, shop = visit("card", "zh-Hant", width=375)
    expect(page.locator("[data-conn-chip]")).to_have_text("即時")
    shop.answers = [None, (409, {"code": "insufficient_points", "detail": "x", "retryable": False}), (201, {})]
    button, error = page.locator("[data-redeem=off5]"), page.locator(".voucher").first.locator("[data-error]")
    button.click()
    expect(error).to_have_text("沒有回應。請檢查連線後再按一次，不會重複扣點。")
    button.click()
    expect(error).to_have_text("目前點數不足。")
    button.click()
    expect(error).to_have_text("")
    paths, bodies, keys = zip(*shop.posts, strict=True)
    assert set(paths) == {"/web/v1/holds"}
    assert bodies[0] == {"reward": "off5"}
    assert keys[0] == keys[1] != keys[2]


def test_a_scanner_opens_a_kiosks_session_and_done_clears_it(visit: Open) -> None:
    page, shop = visit("kiosk", width=768, height=1024)
    expect(page.locator(".acts2")).to_be_visible()
    page.locator("[data-choose]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-redeem=off5]")).to_be_focused()
    page.locator("[data-back]").click()
    page.locator("[data-done]").click()
    expect(page.locator("h1:visible")).to_have_text("Scan your code")
    assert "12,925" not in page.locator("main").inner_text()
    shop.answers = [(404, {"code": "unknown_member", "detail": "x", "retryable": False})]
    page.keyboard.type("0714")
    page.keyboard.press("Enter")
    expect(page.locator("form [data-error]")).to_have_text("No member has this code. Check the number and try again.")
    assert shop.posts[-1][:2] == ("/kiosk/v1/session", {"code": "0714"})


def test_the_code_view_takes_and_gives_back_the_focus(visit: Open) -> None:
    page, _ = visit("phone", width=375)
    page.locator("[data-code-open]").click()
    expect(page.locator("[data-code]")).to_be_visible()
    box = page.locator("[data-code] .qr").bounding_box()
    assert box
    assert box["width"] >= 240
    assert page.locator("[data-body]").evaluate("el => el.inert")
    page.keyboard.press("Escape")
    expect(page.locator("[data-code]")).to_be_hidden()
    expect(page.locator("[data-code-open]")).to_be_focused()


def test_less_motion_means_none(visit: Open) -> None:
    page, shop = visit("card", reduced_motion="reduce")
    expect(page.locator("[data-conn-chip]")).to_have_text("Live")
    shop.sockets["web"].send(state(sold(319, 13370), since=318))
    expect(page.locator(".gain")).to_have_text("+445 just now")
    assert page.locator(".bal").inner_text() == "13,370"


@pytest.mark.parametrize("locale", LOCALES)
def test_intl_and_babel_write_the_same(visit: Open, locale: str) -> None:
    page, _ = visit("error", locale)
    numbers = [0, 1, 999, 1000, 12925, -2500]
    instants = [NOW + timedelta(days=31 * n, hours=5 * n, seconds=n) for n in range(12)]
    script = """async ([locale, numbers, instants]) => {
        const f = (await import("/static/js/format.js")).formats(locale, "Asia/Hong_Kong");
        return [numbers.map(f.number), numbers.map(f.signed),
                instants.map((at) => f.date(new Date(at))), instants.map((at) => f.clock(new Date(at)))];
    }"""
    zone = ZoneInfo("Asia/Hong_Kong")
    assert page.evaluate(script, [locale, numbers, [at.isoformat() for at in instants]]) == [
        [formats.number(n) for n in numbers],
        [formats.signed(n) for n in numbers],
        [formats.date(at, zone, locale) for at in instants],
        [at.astimezone(zone).strftime("%H:%M:%S") for at in instants],
    ]


def test_the_rules_of_the_live_client(visit: Open) -> None:
    page, _ = visit("error")
    script = """async () => {
        const { applies, backoff } = await import("/static/js/chorus-live.js");
        const at = (version, session) => ({ epoch: 1, version, programme: 1, valid_from: "2026-01-01T00:00:00Z",
                                            session, view: { session } });
        return [applies(at(5, 2), at(9, 1)), applies(at(9, 1), at(5, 2)), applies(at(6, 2), at(5, 2)),
                applies(at(5), at(5)), backoff(0, undefined, () => 1), backoff(20, undefined, () => 1),
                backoff(3, 2, () => 0.5), backoff(3, 2, () => 0)];
    }"""
    assert page.evaluate(script) == [True, False, True, False, 500, 30000, 1000, 0]
