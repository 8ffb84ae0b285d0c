"""Row 11: `kill -9` of workers in the middle of a load with screens open; what was lost, doubled or out of order.

Two workers. One of them is killed a third of the way, the one that has served longest at two thirds. The tills are the
demo's: they repeat a purchase under the same key until it is answered. Counted are
- purchases that were acknowledged and are not in the ledger as answered, or not there at all (lost),
- keys with more than one purchase (doubled),
- frames on one connection that are not newer than the one before, and screens that went back (reordered),
- screens that do not show the ledger's last balance and version at the end,
- and whatever `core.verify` finds, a gap in versions for one.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import uvloop

from bff.auth import Principal, Tokens
from bff.demo.log import COUNTERS, Sale
from bff.demo.till import TillError, Tills
from bff.demo.watch import _FRAME, Screen
from core import read
from core.clock import system_clock
from core.database import connect
from surfaces.etag import Stamp
from tests.bench.figures import Reading, Row, interleave
from tests.bench.ground import Ground, Serving, verified
from tests.bench.plan import SURFACES
from tests.bench.shop import LIFETIME, STORE, amount, card, kiosk
from tests.databases import Database, plain

SETTLE_SECONDS = 15.0

Ring = Callable[[Sale, int], Coroutine[Any, Any, None]]
"""Rings a sale of member `index` up until it is answered."""


class Witness(Screen):
    """A screen of the demo that also remembers what it was sent on one connection."""

    def __init__(self, url: str, surface: str, member: int, token: str) -> None:
        super().__init__(url, surface, member, token)
        self.connections = 0
        self.out_of_order = 0
        self._newest: Stamp | None = None

    def _hello(self) -> dict[str, object]:
        self.connections += 1
        self._newest = self.stamp  # the server is told what we have, and may send only what is newer
        return super()._hello()

    def _take(self, text: str | bytes) -> None:
        frame = _FRAME.decode(text)
        if frame.type == "state" and frame.valid_from is not None:
            stamp = Stamp(frame.epoch, frame.version, frame.programme, frame.valid_from)
            self.out_of_order += self._newest is not None and stamp <= self._newest
            self._newest = stamp
        super()._take(text)


def crash_rows(ground: Ground) -> list[Row]:
    _, ours = interleave("11", ground.plan.repeats, None, lambda: _crash(ground))
    return [
        Row(
            row="11", measure="lost, doubled, reordered versions; kill -9 of both workers in turn", unit="", peer_name="",
            peer=[], ours=ours, floor=0, goal=0, better="lower",
        )
    ]  # fmt: skip


def _crash(ground: Ground) -> Reading:
    with ground.database() as database:
        with ground.serving(database, workers=2) as serving:
            reading = uvloop.run(_run(ground, database, serving))
        reading.faults += asyncio.run(verified(database.url))
    return reading


async def _run(ground: Ground, database: Database, serving: Serving) -> Reading:
    plan = ground.plan
    tokens = Tokens(ground.secret, system_clock)
    screens = _screens(ground, serving, tokens)
    watching = [asyncio.create_task(screen.run()) for screen in screens]
    answered: dict[str, tuple[int, int]] = {}
    faults: list[str] = []
    try:
        await asyncio.wait_for(asyncio.gather(*(screen.first() for screen in screens)), 60)
        async with Tills(serving.url, tokens) as tills:

            async def ring(sale: Sale, index: int) -> None:
                try:
                    answer = await tills.ring(sale)
                    answered[sale.key] = (ground.members[index], int(answer["version"]))
                except TillError as error:
                    faults.append(str(error))

            await _load(ground, serving, ring)
        counts = Counter(await _ledger(database, answered))
        counts["reordered"] = sum(screen.out_of_order for screen in screens)
        counts["screens_behind"] = await _behind(database, screens)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    sent = round(plan.crash_rate * plan.crash_seconds)
    if len(answered) != sent:
        faults.append(f"{sent - len(answered)} purchases were never answered")
    details = {
        **counts,
        "purchases": len(answered),
        "screens": len(screens),
        "reconnected": sum(screen.connections - 1 for screen in screens),
    }
    if not details["reconnected"]:
        faults.append("no screen lost its connection: nothing was tried")
    return Reading(float(sum(counts.values())), details, faults)


async def _load(ground: Ground, serving: Serving, ring: Ring) -> None:
    """Ring at the plan's instants, and kill a worker a third and two thirds of the way."""
    plan = ground.plan
    total, start = round(plan.crash_rate * plan.crash_seconds), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(total):
            if number in (total // 3, 2 * total // 3):
                serving.workers()[0].send_signal(signal.SIGKILL)
            await asyncio.sleep(max(0.0, start + number / plan.crash_rate - time.monotonic()))
            index, (store, till) = random.randrange(plan.crash_members), COUNTERS[number % len(COUNTERS)]
            sale = Sale(f"crash-{number}", card(index), 0, system_clock(), store, till, 1, amount())
            group.create_task(ring(sale, index))


def _screens(ground: Ground, serving: Serving, tokens: Tokens) -> list[Witness]:
    live, found = serving.url.replace("http", "ws", 1) + "/live", []
    for index in range(ground.plan.crash_members):
        member = ground.members[index]
        own = {
            "kiosk": tokens.issue(Principal("kiosk", device=kiosk(index), store=STORE), LIFETIME),
            "receipt": tokens.receipt_token(member, 2),
        }
        for surface in SURFACES:
            token = own.get(surface) or tokens.issue(Principal(surface, member=member), LIFETIME)
            found.append(Witness(live, surface, member, token))
    return found


async def _ledger(database: Database, answered: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Acknowledged purchases that are not in the ledger as they were answered, and keys that are there twice."""
    connection = await asyncpg.connect(plain(database.url))
    try:
        rows = await connection.fetch("SELECT record->>'external_id', member_id, version FROM purchase")
    finally:
        await connection.close()
    recorded = Counter(key for key, _, _ in rows)
    places = {key: (member, version) for key, member, version in rows}
    return {
        "lost": sum(places.get(key) != place for key, place in answered.items()),
        "doubled": sum(times - 1 for times in recorded.values()),
    }


async def _behind(database: Database, screens: list[Witness]) -> int:
    pool = connect(database.url, pool_size=2)
    deadline = time.monotonic() + SETTLE_SECONDS
    try:
        while True:
            truth = await read.snapshots(pool, {screen.member for screen in screens})
            right = {member: (one.account.available, one.version) for member, one in truth.items()}
            behind = sum(screen.shows() != right[screen.member] for screen in screens)
            if not behind or time.monotonic() > deadline:
                return behind
            await asyncio.sleep(0.2)
    finally:
        await pool.dispose()
