"""One browser and one whole demo for all tests of this folder: real servers, a real uvicorn, a real replay.

Every page a test opens is watched. A request to anywhere else, an error on the console (which is where a breach of the
Content-Security-Policy is told), an exception of a script: whatever a test did not say it expects fails it at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import date as DateOf
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nats
import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Route,
    WebError,
    async_playwright,
    expect,
)

from bff.demo.control import Control, ReplayRemote, Status
from bff.demo.log import Sale, sales
from bff.demo.player import Player
from bff.demo.till import Tills
from bff.demo.wallets.desk import PassDesk, pass_file
from bff.demo.wallets.rig import Rig
from core.embedded import Endpoints
from core.programme.validation import default_document, parse
from core.providers import Providers
from push.bus import nats_options
from tests.bff.house import House, Shopper, opened, until
from tests.browser.chromium import ARGUMENTS, executable
from tests.conftest import SettableClock, copy_of

PATIENCE_MS = 10_000
"""How long a page may take to show what a test waits for; nothing ever takes so long when it works."""
BALANCE = '[data-number$="balance.points"]'
RECORD_NUMBERS = f"""() => {{
    window.numbers = [];
    const el = document.querySelector('{BALANCE}');
    new MutationObserver(() => window.numbers.push(el.textContent)).observe(
        el, {{ childList: true, characterData: true, subtree: true }});
}}"""
"""Every text that the balance has from now on, in `window.numbers`."""
CUSTOMERS = 40
"""Of the log's 2,357: enough for a replay that has a sale every few days."""

WATCH_SHIFTS = """
window.realFrame = requestAnimationFrame.bind(window);
const shifts = [];
const corner = ({ x, y, width, height }) => `${x},${y} ${width}x${height}`;
const keep = (entries) => {
  for (const { sources } of entries)
    for (const { node, previousRect, currentRect } of sources)
      if (corner(previousRect) !== corner(currentRect))  // a text that was drawn anew in its place is told of too
        shifts.push(`${corner(previousRect)} -> ${corner(currentRect)}: ${node?.outerHTML?.slice(0, 90) ?? node?.data}`);
};
const observer = new PerformanceObserver((list) => keep(list.getEntries()));
observer.observe({ type: "layout-shift", buffered: true });
window.takeShifts = () => {
  keep(observer.takeRecords());
  return shifts.splice(0);
};
"""
"""`takeShifts()` tells what jumped from where to where since it was last asked, by the reader's doing or not."""


class RunningClock(SettableClock):
    """The real time, which a test may only put forward: what a browser measures against it is a real lag."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def forward(self, **by: float) -> datetime:
        self._ahead += timedelta(**by)
        return self()


@dataclass
class Visits:
    """The pages a test opens, and what went wrong in any of them.

    `profile` is shared by the tests, so that a page's files are fetched once, and has no cookies when a test begins.
    """

    browser: Browser
    profile: BrowserContext
    url: str
    faults: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    fresh: list[BrowserContext] = field(default_factory=list)

    async def open(self, path: str, *, width: int = 1440, height: int = 900) -> Page:
        """A page at `path`, in the shared profile."""
        page = await self.profile.new_page()
        await page.set_viewport_size({"width": width, "height": height})
        await self.go(page, path)
        return page

    async def open_fresh(self, path: str, **how: Any) -> Page:
        """A page at `path` in a profile of its own, for what a profile is asked for at its start."""
        page = await self.blank(**how)
        await self.go(page, path)
        return page

    async def blank(self, *, width: int = 1440, height: int = 900, **how: Any) -> Page:
        """A page that has not gone anywhere yet, in a profile of its own."""
        context = await self.browser.new_context(viewport={"width": width, "height": height}, **how)
        self.fresh.append(context)
        await context.add_init_script(WATCH_SHIFTS)
        self.watch(context)
        return await context.new_page()

    async def go(self, page: Page, path: str) -> None:
        """Until the page is drawn with its fonts."""
        await page.goto(f"{self.url}{path}")
        await page.evaluate("document.fonts.ready.then(() => true)")

    def watch(self, context: BrowserContext) -> None:
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", self._asked)
        context.on("console", self._said)
        context.on("weberror", self._threw)
        context.on("page", self._opened)

    async def leave(self) -> None:
        """Close everything; the shared profile is as it was."""
        for context in self.fresh:
            await context.close()
        for page in self.profile.pages:
            await page.close()
        await self.profile.set_offline(False)
        await self.profile.clear_cookies()
        self.profile.remove_listener("request", self._asked)
        self.profile.remove_listener("console", self._said)
        self.profile.remove_listener("weberror", self._threw)
        self.profile.remove_listener("page", self._opened)

    def expect_fault(self, text: str) -> None:
        """A fault that has `text` in it belongs to the test, and must come."""
        self.expected.append(text)

    def judge(self) -> None:
        unforeseen = [fault for fault in self.faults if not any(text in fault for text in self.expected)]
        assert not unforeseen
        for text in self.expected:
            assert any(text in fault for fault in self.faults), f"did not come: {text}"

    def _opened(self, page: Page) -> None:
        page.on("websocket", lambda socket: self._went(socket.url.replace("ws://", "http://", 1)))

    def _threw(self, fault: WebError) -> None:
        self.faults.append(f"exception: {fault.error}")

    def _asked(self, request: Request) -> None:
        self._went(request.url)

    def _went(self, url: str) -> None:
        if not url.startswith((f"{self.url}/", "data:image/")):
            self.faults.append(f"left the origin: {url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def rig() -> Iterator[Rig]:
    """The demo's push host, wallet server and phones."""
    with TemporaryDirectory(prefix="chorus-wallets-") as folder, Rig(Path(folder)) as rig:
        yield rig


@pytest.fixture(scope="package")
async def house(endpoints: Endpoints, template: str, rig: Rig) -> AsyncIterator[House]:
    """A demo's whole process; tests share it and make their own members, each of whom has a phone with the pass once the
    wall shows it."""
    roles = frozenset({"serve", "work"})
    providers = Providers.from_env(rig.settings())
    client = await nats.connect(endpoints.nats_url, **nats_options(endpoints.nats_token))
    async with (
        copy_of(endpoints, template) as database,
        opened(database, endpoints, RunningClock(), roles=roles, demo=True, providers=providers) as house,
        PassDesk(rig, client, lambda member: pass_file(house.http, house.services.tokens, member)),
    ):
        yield house
    await client.close()


@dataclass(frozen=True)
class Replay:
    """A real player at work, and the wall's line to it."""

    remote: ReplayRemote
    sales: list[Sale]

    @property
    def status(self) -> Status:
        """What it said last."""
        assert self.remote.status is not None
        return self.remote.status

    def due(self, date: str) -> int:
        """How many of its sales are rung up when `date` begins."""
        day = (DateOf.fromisoformat(date) - DateOf.fromisoformat(self.status.first)).days
        return sum(sale.day < day for sale in self.sales)


@pytest.fixture(scope="package")
async def replay(house: House, endpoints: Endpoints) -> AsyncIterator[Replay]:
    """The demo's replay of some of the log's customers, paused before the shown member's first purchase."""
    remote = house.services.replay
    assert remote is not None
    log = sales(parse(default_document()).tzinfo, house.clock())
    chosen = set(sorted({sale.card for sale in log})[:CUSTOMERS])
    client = await nats.connect(endpoints.nats_url, **nats_options(endpoints.nats_token))
    async with Tills(house.url, house.services.tokens) as tills:
        some = [sale for sale in log if sale.card in chosen]
        player = Player(tills, some, client, lambda done, total: None)
        await player.enrol(lambda done, total: None)
        playing = asyncio.create_task(player.play())
        await until(lambda: remote.status is not None, "the replay says where it is")
        await remote.tell(Control(playing=False))
        yield Replay(remote, some)
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
    await client.close()


@pytest.fixture(scope="package")
async def profile(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context()
    await context.add_init_script(WATCH_SHIFTS)
    yield context
    await context.close()


@pytest.fixture
async def visits(browser: Browser, profile: BrowserContext, house: House) -> AsyncIterator[Visits]:
    visits = Visits(browser, profile, house.url)
    visits.watch(profile)
    yield visits
    await visits.leave()
    visits.judge()


@pytest.fixture
async def regular(house: House) -> Shopper:
    """A member with two purchases and points for three rewards, who is next heard of at version 4."""
    who = await house.enrol()
    await house.buy(who, total=105_000)
    await house.buy(who)
    return who


def card_of(house: House, who: Shopper) -> str:
    return f"/card?token={house.token('web', who.member)}"


def phone_of(house: House, who: Shopper) -> str:
    return f"/phone?token={house.token('app', who.member)}"


@dataclass(frozen=True)
class Addresses:
    """Where each kind of page is for one member."""

    wall: str
    card: str
    phone: str
    bound: str
    idle: str
    receipt: str
    signed_out: str = "/card"
    error: str = "/r/not-a-receipt"


@pytest.fixture
async def addresses(house: House, regular: Shopper, replay: Replay) -> Addresses:
    sale = await house.buy(regular)
    return Addresses(
        wall=f"/wall?member={regular.code}",
        card=card_of(house, regular),
        phone=phone_of(house, regular),
        bound=f"/kiosk?token={await house.kiosk(regular)}",
        idle=f"/kiosk?token={await house.kiosk()}",
        receipt=sale["receipt"]["url"].removeprefix(house.url),
    )


async def settled(page: Page) -> None:
    """Wait until nothing moves any more and the last frame is drawn, whatever clock the page was given.

    A page behind another draws no frames for a while, so it is brought to the front.
    """
    await page.bring_to_front()
    await page.evaluate(
        """async () => {
            await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)));
            await new Promise((done) => realFrame(() => realFrame(done)));
        }"""
    )


async def live(page: Page) -> None:
    """Wait until the page, or every face of the wall, follows its member."""
    await expect(page.locator("[data-conn-chip], [data-conn-sum]")).to_have_class(re.compile(r"\blive\b"))


async def without_han_letters(page: Page) -> None:
    """Have the page find no Chinese letters on this machine, whether there are some or not, but those that are served."""
    fonts = re.compile(r'"Archivo Han",[^;]*?("Noto Sans .C Variable")')

    async def answer(route: Route) -> None:
        sheet = await route.fetch()
        await route.fulfill(response=sheet, body=fonts.sub(r'"Archivo Han", \1', await sheet.text()))

    await page.route(re.compile(r"/css/tokens\.css$"), answer)


async def jumps(page: Page) -> list[str]:
    """What jumped from one place to another since it was last asked, all that moves being done.

    Chromium takes a box that is sent elsewhere while it glides for one that jumped, though the eye sees no jump: a test
    that is quicker than a hand waits until all is `settled` before its next deed.
    """
    await settled(page)
    found: list[str] = await page.evaluate("window.takeShifts()")
    return found


async def read_code(code: Locator) -> str:
    """What a scanner reads off the QR code as it is drawn."""
    picture = Image.open(BytesIO(await code.screenshot())).convert("RGB")
    [found] = zxingcpp.read_barcodes(picture.resize((picture.width * 3, picture.height * 3)))
    return found.text
