"""`kill -9` of every part of a running shop, in turn, while it sells: nothing acknowledged is lost, nothing is doubled,
and every screen comes to the truth by itself.

Real processes on a real folder on disk: `chorus serve --workers 2` with its own PostgreSQL and NATS. The tills are the
demo's, which repeat under the same key until they are answered; the screens are the demo's, which come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bff.auth import Tokens
from bff.demo.log import COUNTERS, Sale
from bff.demo.till import Tills
from bff.demo.wallets.rig import Rig
from bff.demo.watch import Screen
from core import read
from core.clock import system_clock
from core.verify import verify
from tests.bff.house import bearer, until
from tests.peers.http import FakeHttp
from tests.simulation.outside import Outside
from tests.simulation.plant import Plant

MEMBERS = 12
MESSAGED = 2
AT_ONCE = 6
SURFACES = ("app", "web", "receipt", "wallet")


class Load:
    """Tills that never stop selling. `answered` is what they were told: number -> the answer."""

    def __init__(self, tills: Tills, name: str) -> None:
        self._tills = tills
        self._numbers = itertools.count()
        self._name = name
        self.answered: dict[str, dict[str, Any]] = {}
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []

    def sale(self, card: str) -> Sale:
        n = next(self._numbers)
        store, till = COUNTERS[n % len(COUNTERS)]
        return Sale(f"{self._name}-{n}", card, 0, system_clock().replace(microsecond=0), store, till, 1, 100)

    async def sell(self, card: str) -> dict[str, Any]:
        sale = self.sale(card)
        answer = await self._tills.ring(sale)
        assert sale.key not in self.answered
        self.answered[sale.key] = answer
        return answer

    async def _go_on(self, cards: list[str]) -> None:
        for card in itertools.cycle(cards):
            if self._ending:
                return
            await self.sell(card)

    def sold_to(self, members: list[int]) -> int:
        """Purchases of these members that were answered."""
        return sum(int(answer["purchase_id"][1:].partition("-")[0]) in members for answer in self.answered.values())

    async def more(self, count: int) -> None:
        """Until so many more were answered: the shop sells."""
        wanted = len(self.answered) + count
        await until(lambda: len(self.answered) >= wanted or any(task.done() for task in self._tasks), "it sells", 60)
        assert not any(task.done() for task in self._tasks), "a till gave up"

    @contextlib.asynccontextmanager
    async def running(self, cards: list[str]) -> AsyncIterator[None]:
        self._tasks = [asyncio.create_task(self._go_on(cards[i:] + cards[:i])) for i in range(AT_ONCE)]
        try:
            yield
        finally:
            self._ending = True
            await asyncio.gather(*self._tasks)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("wallets")) as rig:
        yield rig


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[FakeHttp]:
    async with FakeHttp() as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def plant(tmp_path_factory: pytest.TempPathFactory, rig: Rig, gateway: FakeHttp) -> AsyncIterator[Plant]:
    folder: Path = tmp_path_factory.mktemp("plant") / "data"
    plant = Plant(folder, {**rig.settings(), "CHORUS_SMS_URL": gateway.sms_url})
    await plant.start()
    yield plant
    await plant.stop()


@pytest.fixture
async def outside(plant: Plant, rig: Rig, gateway: FakeHttp) -> AsyncIterator[Outside]:
    async with httpx.AsyncClient(base_url=plant.url, timeout=30) as client:
        yield Outside(plant, client, rig, gateway)


@pytest.fixture
async def tills(plant: Plant) -> AsyncIterator[Tills]:
    async with Tills(plant.url, Tokens(plant.settings.secret, system_clock)) as tills:
        yield tills


async def test_every_part_is_killed_while_the_shop_sells(plant: Plant, tills: Tills, outside: Outside) -> None:
    """A worker, PostgreSQL, NATS, then the parent with all of them; a plain start brings everything back, and the passes
    in phones and at Google. No short message was sent twice."""
    cards = [f"KILLED{i}" for i in range(MEMBERS)]
    members = [int((await tills.enrol(card, ""))["member"]) for card in cards]
    for n in range(MESSAGED):
        cards.append(f"TOLD{n}")
        members.append(await outside.enrol_with_messages(cards[-1], f"+8525123456{n}"))
    load = Load(tills, "kills")
    receipts = [(await load.sell(card))["receipt"]["url"].rpartition("/")[2] for card in cards[:4]]
    live = plant.url.replace("http", "ws", 1) + "/live"
    screens = [
        Screen(live, surface, member, receipts[i] if surface == "receipt" else plant.token(surface, member))
        for i, member in enumerate(members[:4])
        for surface in SURFACES
    ]
    watching = [asyncio.create_task(screen.run()) for screen in screens]
    try:
        await asyncio.gather(*(screen.first() for screen in screens))
        for member in members[:4]:
            await outside.give_pass(member)
        async with load.running(cards):
            await load.more(50)
            for kind in ("worker", "postgres", "nats"):
                await plant.kill(kind)
                await load.more(20)
                await plant.whole()
                await load.more(20)
            await plant.kill_parent()
            await plant.start()
            await load.more(50)
        await _reckon(plant, load, members, screens)
        await outside.passes_are_true()
        await outside.messages_went_once(load.sold_to(members[MEMBERS:]))
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _reckon(plant: Plant, load: Load, members: list[int], screens: list[Screen]) -> None:
    """The answers against the record, the balances against the sum, the screens against the balances, the journal."""
    recorded = await plant.purchases()
    assert {key: answer["purchase_id"] for key, answer in load.answered.items()} == recorded
    async with plant.database() as pool:
        truth = await read.snapshots(pool, members)
        sold = dict.fromkeys(members, 0)
        for answer in load.answered.values():
            sold[int(answer["purchase_id"][1:].partition("-")[0])] += answer["earned"]
        assert {member: snapshot.account.available for member, snapshot in truth.items()} == sold
        report = await verify(pool)
    assert (report.findings, report.clean, report.purchases) == ([], True, len(recorded))
    await until(
        lambda: all(
            screen.shows() == (truth[screen.member].account.available, truth[screen.member].version)
            for screen in screens
        ),
        "every screen shows the truth",
    )
    assert not any(screen.refused for screen in screens)


async def test_while_the_database_is_away_sales_wait_and_reads_are_told_to_come_back(
    plant: Plant, tills: Tills
) -> None:
    """The parent is stopped, so nobody restarts PostgreSQL until we let it: reads are refused as retryable at once, the
    process is alive but not ready, and a purchase in flight is answered when the database is back, without a repeat."""
    assert plant.parent is not None
    member = int((await tills.enrol("AWAY1", ""))["member"])
    await plant.whole()
    before = await plant.purchases()
    sale = Load(tills, "away").sale("AWAY1")
    pos = bearer(plant.token("pos", device="till-away", store=sale.store, till=sale.till))
    async with httpx.AsyncClient(base_url=plant.url, timeout=40) as client:
        plant.parent.send_signal(signal.SIGSTOP)
        try:
            await plant.kill("postgres")
            buying = asyncio.create_task(client.post("/pos/v1/purchases", json=sale.body(), headers=pos))
            app = bearer(plant.token("app", member))
            for _ in range(6):
                refused = await client.get("/app/v1/me", headers=app)
                assert (refused.status_code, refused.json()["code"]) == (503, "database_away"), refused.text
                assert refused.json()["retryable"] is True
                assert refused.headers["retry-after"] == "1"
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()["database"]["ok"]) == (503, False)
            assert (await client.get("/health/live")).status_code == 200
            assert not buying.done()
        finally:
            plant.parent.send_signal(signal.SIGCONT)
        answer = await buying
        assert answer.status_code == 201, answer.text
        again = await client.post("/pos/v1/purchases", json=sale.body(), headers=pos)
        assert (again.status_code, again.headers["idempotency-hit"], again.json()) == (200, "true", answer.json())
    await plant.whole()
    assert await plant.purchases() == {**before, sale.key: answer.json()["purchase_id"]}


async def test_sigterm_sends_screens_away_answers_what_it_took_and_ends_well(plant: Plant, tills: Tills) -> None:
    """4503 with a wait on every socket, exit status 0, every answer on record; the tills go on after the next start."""
    member = int((await tills.enrol("TERM1", ""))["member"])
    before = await plant.purchases()
    load = Load(tills, "term")
    closes: list[tuple[int, str]] = []

    async def watch() -> None:
        url = plant.url.replace("http", "ws", 1) + "/live"
        async with connect(url, subprotocols=[Subprotocol("chorus.v1")], ping_interval=None) as connection:
            hello = {"type": "hello", "surface": "app", "token": plant.token("app", member)}
            await connection.send(json.dumps(hello))
            opened.append(await connection.recv())
            with contextlib.suppress(ConnectionClosed):
                async for _ in connection:
                    pass
            closes.append((connection.close_code or 0, connection.close_reason or ""))

    opened: list[object] = []
    watching = [asyncio.create_task(watch()) for _ in range(10)]
    await until(lambda: len(opened) == len(watching), "the screens are open")
    async with load.running(["TERM1"]):
        await load.more(30)
        assert await plant.stop() == 0
        await asyncio.gather(*watching)
        assert {code for code, _ in closes} == {4503}
        assert all(1 <= int(reason) <= 10 for _, reason in closes)
        answered = dict(load.answered)
        status, out, err = await plant.run("verify", "--json")
        assert (status, json.loads(out)["clean"]) == (0, True), err
        assert json.loads(out)["purchases"] >= len(before) + len(answered)
        await plant.start()
        await load.more(30)
    recorded = await plant.purchases()
    assert {key: answer["purchase_id"] for key, answer in load.answered.items()}.items() <= recorded.items()
    assert len(recorded) == len(before) + len(load.answered)
    async with plant.database() as pool:
        assert (await verify(pool)).clean
