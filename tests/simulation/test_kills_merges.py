"""`kill -9` of workers, PostgreSQL and NATS while members turn out to be one person and both their cards are used.

Each till repeats a purchase under its key until it is answered, and each desk its merge. Whatever was answered is there
once, with whoever lives on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from core import read
from core.verify import verify
from tests.bff.house import STORE, bearer, until
from tests.core.naive.rules import Rules, Worth
from tests.core.programmes import written
from tests.simulation.plant import Plant
from tests.simulation.test_kills_rewards import Shopper

PAIRS = 8


class Pair:
    """Two cards of one person, a till that sells to either, and a desk."""

    def __init__(self, plant: Plant, client: httpx.AsyncClient, no: int) -> None:
        self.cards = [Shopper(plant, client, 2 * no + one) for one in range(2)]
        self._staff = bearer(plant.token("staff", device="desk-1", store=STORE, scopes=("adjust",)))
        self.lives_on = 0

    async def begin(self) -> None:
        for card in self.cards:
            await card.begin()

    async def merge(self) -> None:
        one, other = self.cards
        body = {"other": str(other.member), "reason": "one person"}
        told = await one.say(f"/staff/v1/members/{one.member}/merge", body, self._staff)
        assert told is not None
        assert told["changed"]
        self.lives_on = int(told["member"])


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    plant = Plant(tmp_path / "data", {"CHORUS_WORKERS": "2"})
    await plant.start()
    yield plant
    await plant.stop()


async def test_parts_are_killed_while_members_become_one(plant: Plant, tmp_path: Path) -> None:
    document = tmp_path / "merges.toml"
    document.write_text(written(Rules(worth=Worth(points=10, amount=10, cap="0.5"), stores=(STORE,))))
    status, _, err = await plant.run("programme", "publish", str(document))
    assert status == 0, err
    ending = False
    async with httpx.AsyncClient(base_url=plant.url, timeout=40) as client:
        pairs = [Pair(plant, client, no) for no in range(PAIRS)]
        await asyncio.gather(*(pair.begin() for pair in pairs))

        async def sell(card: Shopper) -> None:
            while not ending:
                await card.buy()
                await card.give_back()

        cards = [card for pair in pairs for card in pair.cards]
        selling = [asyncio.create_task(sell(card)) for card in cards]

        async def more(count: int) -> None:
            wanted = sum(len(card.versions) for card in cards) + count
            await until(
                lambda: sum(len(card.versions) for card in cards) >= wanted or any(task.done() for task in selling),
                "they sell",
                60,
            )

        try:
            for batch, kind in zip(range(0, PAIRS, 2), ("worker", "postgres", "nats", "worker"), strict=True):
                await more(20)
                merging = [asyncio.create_task(pair.merge()) for pair in pairs[batch : batch + 2]]
                await plant.kill(kind)
                await asyncio.gather(*merging)
                await plant.whole()
            await more(20)
        finally:
            ending = True
            await asyncio.gather(*selling)
    await _reckon(plant, pairs)
    assert "Traceback" not in plant.log.read_text(), "an operator is told in a line"


async def _reckon(plant: Plant, pairs: list[Pair]) -> None:
    """Every answer is a version of one of the two, and no version is anything else; both ids show the one balance."""
    async with plant.database() as pool:
        for pair in pairs:
            members = [card.member for card in pair.cards]
            snapshots, versions = await read.snapshots(pool, members), await read.versions(pool, members)
            assert {one.member for one in snapshots.values()} == {pair.lives_on}
            # The version by which one of them left is the answer to no request.
            answered = sum(len(card.versions) for card in pair.cards)
            assert sum(versions.values()) == answered + 1
            last = max(pair.cards, key=lambda card: card.versions[-1])
            assert last.balance == snapshots[pair.lives_on].account.available
        report = await verify(pool)
    assert (report.findings, report.clean) == ([], True)
