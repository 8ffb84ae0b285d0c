"""`chorus demo --once`: the whole log as fast as it goes, with a thousand screens watching, and then the reckoning.

Some of the watched members have the pass too, in a phone and at Google. Each watched member's first purchase is rung up
before its screens open, because a receipt's screen needs a receipt; all others are rung up under their eyes. At the end
every screen and every pass is compared with the ledger, and the journal is verified.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

import httpx
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.auth import Principal, Tokens
from bff.console import say
from bff.demo.log import Sale
from bff.demo.till import Tills
from bff.demo.wallets.rig import Rig
from bff.demo.wallets.watch import WatchedPasses
from bff.demo.watch import Screen
from core import devices, read
from core.clock import system_clock
from core.devices import Device
from core.snapshot import Snapshot
from core.verify import Report, verify

SURFACES = ("app", "web", "kiosk", "receipt", "wallet")
WALLETS = 20
"""Members with a pass in a phone and one at Google: at the replay's pace, within Google's twenty requests a second."""
SETTLE_SECONDS = 15.0
"""How long after the last answer every screen may take to show the truth; what is missing then is a mismatch."""
LOOK_AGAIN_SECONDS = 0.25
TOUCH_SECONDS = 15.0
LIFETIME = timedelta(hours=2)

Progress = Callable[[str, int, int], None]


class SurfaceResult(msgspec.Struct):
    screens: int
    frames: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    mismatches: int


class OnceResult(msgspec.Struct):
    purchases: int
    members: int
    watched: int
    workers: int
    seconds: float
    per_second: float
    surfaces: dict[str, SurfaceResult]
    verify: Report

    @property
    def good(self) -> bool:
        return self.verify.clean and not any(surface.mismatches for surface in self.surfaces.values())


class Once:
    def __init__(
        self,
        url: str,
        tokens: Tokens,
        database: AsyncEngine,
        sales: list[Sale],
        watched: int,
        rig: Rig,
        progress: Progress,
    ) -> None:
        self._url = url
        self._client = httpx.AsyncClient(base_url=url, timeout=30)
        self._passes = WatchedPasses(rig, self._client, tokens, LIFETIME)
        self._tokens = tokens
        self._database = database
        self._sales = sales
        self._watched = watched
        self._progress = progress
        self._members: dict[str, tuple[int, str]] = {}
        self._screens: list[Screen] = []

    async def run(self, workers: int) -> OnceResult:
        """The whole demonstration."""
        async with Tills(self._url, self._tokens) as tills:
            await self._each(
                "members", sorted({sale.card for sale in self._sales}), lambda card: self._enrol(tills, card)
            )
            firsts, rest = self._split()
            receipts: dict[str, str] = {}
            await self._each("first purchases", firsts, lambda sale: self._first(tills, sale, receipts))
            await self._each("passes", [self._members[card][0] for card in receipts][:WALLETS], self._passes.open)
            async with asyncio.TaskGroup() as group:
                tasks = await self._open_screens(receipts, group)
                started = perf_counter()
                await self._replay(tills, rest)
                seconds = perf_counter() - started
                await self._settle()
                for task in tasks:
                    task.cancel()
        await self._client.aclose()
        report = await verify(self._database)
        return OnceResult(
            purchases=len(self._sales),
            members=len(self._members),
            watched=self._watched,
            workers=workers,
            seconds=round(seconds, 3),
            per_second=round(len(rest) / seconds, 1),
            surfaces=await self._judge(),
            verify=report,
        )

    async def _each(self, what: str, items: list[Any], do: Callable[[Any], Any]) -> None:
        """`do` for each of `items`, a few at once, in order of their start."""
        waiting, done = iter(items), 0

        async def take() -> None:
            nonlocal done
            for item in waiting:
                await do(item)
                done += 1
                self._progress(what, done, len(items))

        async with asyncio.TaskGroup() as group:
            for _ in range(48):
                group.create_task(take())

    async def _enrol(self, tills: Tills, card: str) -> None:
        answer = await tills.enrol(card, "")
        self._members[card] = (int(answer["member"]), answer["code"])

    def _split(self) -> tuple[list[Sale], list[Sale]]:
        """The first purchase of each watched member (the best customers), and all the other purchases."""
        best = [card for card, _ in Counter(sale.card for sale in self._sales).most_common(self._watched)]
        firsts: dict[str, Sale] = {}
        for sale in self._sales:
            if sale.card in best:
                firsts.setdefault(sale.card, sale)
        chosen = {sale.key for sale in firsts.values()}
        return list(firsts.values()), [sale for sale in self._sales if sale.key not in chosen]

    async def _first(self, tills: Tills, sale: Sale, receipts: dict[str, str]) -> None:
        answer = await tills.ring(sale)
        receipts[sale.card] = answer["receipt"]["url"].rpartition("/")[2]

    async def _replay(self, tills: Tills, rest: list[Sale]) -> None:
        await self._each("purchases", rest, tills.ring)

    async def _open_screens(self, receipts: dict[str, str], group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        live = self._url.replace("http", "ws", 1) + "/live"
        client = self._client
        kiosks = []
        for card, receipt in receipts.items():
            member, code = self._members[card]
            device = Device(f"once-{card}", "kiosk", "harbour-street", f"Kiosk of {card}")
            await devices.add(self._database, device, system_clock())
            kiosk = self._tokens.issue(Principal("kiosk", device=device.id, store=device.store), LIFETIME)
            kiosks.append((kiosk, code))
            tokens = {"kiosk": kiosk, "receipt": receipt}
            for surface in SURFACES:
                own = self._tokens.issue(Principal(surface, member=member), LIFETIME)
                self._screens.append(Screen(live, surface, member, tokens.get(surface, own)))
        await self._each("kiosks", kiosks, lambda kiosk: _bind(client, *kiosk))
        tasks = []
        for i, screen in enumerate(self._screens, start=1):
            tasks.append(group.create_task(screen.run()))
            if i % 50 == 0:
                await asyncio.gather(*(screen.first() for screen in self._screens[i - 50 : i]))
                self._progress("screens", i, len(self._screens))
        await asyncio.gather(*(screen.first() for screen in self._screens))
        tasks.append(group.create_task(_keep_touching(client, [kiosk for kiosk, _ in kiosks])))
        return tasks

    async def _settle(self) -> None:
        """Give the last frames their time; ends as soon as every screen is right."""
        for _ in range(int(SETTLE_SECONDS / LOOK_AGAIN_SECONDS)):
            if not await self._wrong() and not any(self._passes.wrong(await self._truth()).values()):
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _truth(self) -> dict[int, Snapshot]:
        return await read.snapshots(self._database, {screen.member for screen in self._screens})

    async def _wrong(self) -> list[Screen]:
        truth = await self._truth()
        return [
            screen
            for screen in self._screens
            if screen.shows() != (truth[screen.member].account.available, truth[screen.member].version)
        ]

    async def _judge(self) -> dict[str, SurfaceResult]:
        wrong = Counter(screen.surface for screen in await self._wrong())
        results = {}
        for surface in SURFACES:
            screens = [screen for screen in self._screens if screen.surface == surface]
            lags = [lag for screen in screens for lag in screen.lags]
            frames = sum(screen.frames for screen in screens)
            results[surface] = _result(len(screens), frames, lags, wrong[surface])
        passes, wrong_passes = await self._passes.lags(self._database), self._passes.wrong(await self._truth())
        for fault in self._passes.faults():
            say(f"a phone: {fault}")
        for channel, lags in passes.items():
            results[channel] = _result(self._passes.count, len(lags), lags, wrong_passes[channel])
        return results


def _result(screens: int, frames: int, lags: list[float], mismatches: int) -> SurfaceResult:
    lags = sorted(lags)
    return SurfaceResult(
        screens=screens,
        frames=frames,
        p50_ms=_percentile(lags, 50),
        p99_ms=_percentile(lags, 99),
        max_ms=round(lags[-1], 2) if lags else 0.0,
        mismatches=mismatches,
    )


async def _bind(client: httpx.AsyncClient, token: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    (await client.post("/kiosk/v1/session", json={"code": code}, headers=headers)).raise_for_status()


async def _keep_touching(client: httpx.AsyncClient, kiosks: list[str]) -> None:
    """A kiosk clears itself when nobody touches it; somebody stands at each of these."""
    while True:
        await asyncio.sleep(TOUCH_SECONDS)
        for token in kiosks:
            await client.post("/kiosk/v1/session/touch", headers={"Authorization": f"Bearer {token}"})


def _percentile(ordered: list[float], percent: int) -> float:
    """Nearest rank; 0 when there is nothing."""
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 2)
