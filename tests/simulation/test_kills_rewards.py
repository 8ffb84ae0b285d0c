"""`kill -9` of every part while members spend: vouchers, stock that two want, tickets of a draw, holds, returns.

Each member does one thing after another and repeats each under its key until it is answered. So every answer of success
is one version of that member, in order, and no version is anything else: what was doubled or lost would show as a number
that is twice there, or missing.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core import read
from core.clock import rfc3339, system_clock
from core.verify import verify
from tests.bff.house import STORE, bearer, until, until_async
from tests.core.naive.rules import Campaign, Caps, Reward, Rules, Worth
from tests.core.programmes import written
from tests.simulation.plant import Plant

MEMBERS = 12
STOCK = 30
"""Of what is claimed and of what is held: fewer than are wanted."""
REFUSED = {"sold_out", "insufficient_points", "action_limit", "hold_not_open"}
RULES = Rules(
    actions={"check_in": (5, Caps(per_member_day=4))},
    campaigns=[Campaign("first", bonus=7, min_spend=1_000, caps=Caps(in_all=60))],
    worth=Worth(points=10, amount=10, cap="0.5"),
    rewards=[
        Reward("voucher", 50, kind="voucher", value=100),
        Reward("flash", 20, kind="voucher", value=10, stock=STOCK),
        Reward("piece", 20, stock=STOCK),
        Reward("draw", 10, kind="draw", closes="2029-01-01T00:00:00"),
    ],
    stores=(STORE,),
)


class Shopper:
    """One member, one thing at a time."""

    def __init__(self, plant: Plant, client: httpx.AsyncClient, no: int) -> None:
        self.plant, self.client, self.no = plant, client, no
        self.member, self.balance = 0, 0
        self.versions: list[int] = []
        self.had: list[str] = []
        self.refused: list[str] = []
        self._keys = itertools.count()
        self._chance = random.Random(no)
        self._vouchers: list[str] = []
        self._bought: list[str] = []
        self._pos = bearer(plant.token("pos", device="till-1", store=STORE, till="1"))

    async def say(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> dict[str, Any] | None:
        """The answer, asked for again under the same key until there is one; None where it was refused."""
        key = f"k{self.no}-{next(self._keys)}"
        if body is not None and "id" in body:
            body = {**body, "id": key}
        for pause in itertools.chain((0.05, 0.1, 0.2, 0.4), itertools.repeat(0.5, 120)):
            try:
                answer = await self.client.post(path, json=body, headers={**headers, "Idempotency-Key": key})
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code < 500:
                return self._heard(path, answer)
            await asyncio.sleep(pause)
        raise AssertionError(f"{path} was not answered")

    def _heard(self, path: str, answer: httpx.Response) -> dict[str, Any] | None:
        told: dict[str, Any] = answer.json()
        if answer.status_code >= 400:
            assert told["code"] in REFUSED, f"{path}: {answer.text}"
            self.refused.append(told["code"])
            return None
        self.versions.append(told["version"])
        self.balance = told.get("balance", self.balance)
        return told

    async def begin(self) -> None:
        card = {"kind": "card", "value": f"SPEND{self.no}"}
        joined = await self.say("/pos/v1/members", {"id": "", "identifiers": [card], "locale": "en"}, self._pos)
        assert joined is not None
        self.member = int(joined["member"])
        self._web = bearer(self.plant.token("web", self.member))
        staff = bearer(self.plant.token("staff", device="desk-1", store=STORE, scopes=("adjust",)))
        await self.say(f"/staff/v1/members/{self.member}/adjustments", {"points": 2_000, "reason": "a gift"}, staff)

    async def deed(self) -> None:
        deeds = (
            self.buy,
            self.buy,
            self.claim_voucher,
            self.flash,
            self.piece,
            self.ticket,
            self.check_in,
            self.give_back,
        )
        await self._chance.choice(deeds)()

    async def buy(self) -> None:
        vouchers = [self._vouchers.pop()] if self._vouchers and self._chance.random() < 0.6 else []
        body = {
            "id": "",
            "member": {"kind": "card", "value": f"SPEND{self.no}"},
            "occurred_at": rfc3339(system_clock()),
            "channel": "store",
            "currency": "USD",
            "total": 2_000,
            "lines": [{"sku": "CD", "quantity": 2, "amount": 2_000}],
            "points": self._chance.choice((0, 0, 50)),
            "vouchers": vouchers,
        }
        if sold := await self.say("/pos/v1/purchases", body, self._pos):
            self._bought.append(sold["purchase_id"])
        else:
            self._vouchers += vouchers

    async def give_back(self) -> None:
        if self._bought:
            lines = [{"sku": "CD", "quantity": 1, "amount": 1_000}] if self._chance.random() < 0.5 else None
            purchase = self._bought.pop()
            await self.say(f"/pos/v1/purchases/{purchase}/returns", {"id": "", "lines": lines}, self._pos)

    async def claim_voucher(self) -> None:
        if claimed := await self._claim("voucher"):
            self._vouchers.append(claimed["code"])

    async def flash(self) -> None:
        await self._claim("flash")

    async def ticket(self) -> None:
        await self._claim("draw")

    async def _claim(self, reward: str) -> dict[str, Any] | None:
        claimed = await self.say("/web/v1/claims", {"reward": reward}, self._web)
        if claimed:
            self.had.append(reward)
        return claimed

    async def piece(self) -> None:
        held = await self.say("/web/v1/holds", {"reward": "piece"}, self._web)
        if held is None:
            return
        holds = f"/pos/v1/members/{self.member}/holds/{held['hold_id']}"
        if self._chance.random() < 0.7:
            if await self.say(f"{holds}/capture", {"paid": 0}, self._pos):
                self.had.append("piece")
        else:
            await self.say(f"{holds}/void", None, self._pos)

    async def check_in(self) -> None:
        await self.say("/web/v1/actions", {"kind": "check_in"}, self._web)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    plant = Plant(tmp_path / "data", {})
    await plant.start()
    yield plant
    await plant.stop()


async def test_every_part_is_killed_while_members_spend(plant: Plant, tmp_path: Path) -> None:
    document = tmp_path / "kills.toml"
    document.write_text(written(RULES))
    status, _, err = await plant.run("programme", "publish", str(document))
    assert status == 0, err
    ending = False
    async with httpx.AsyncClient(base_url=plant.url, timeout=40) as client:
        shoppers = [Shopper(plant, client, no) for no in range(MEMBERS)]
        await asyncio.gather(*(one.begin() for one in shoppers))

        async def draw_is_open() -> bool:
            return (await client.get("/web/v1/draws/draw")).status_code == 200

        await until_async(draw_is_open, "the draw's seed is committed")

        async def spend(one: Shopper) -> None:
            while not ending:
                await one.deed()

        tasks = [asyncio.create_task(spend(one)) for one in shoppers]

        async def more(count: int) -> None:
            wanted = sum(len(one.versions) for one in shoppers) + count
            await until(
                lambda: sum(len(one.versions) for one in shoppers) >= wanted or any(task.done() for task in tasks),
                "they spend",
                60,
            )

        try:
            await more(40)
            for kind in ("worker", "postgres", "worker", "nats", "postgres"):
                await plant.kill(kind)
                await more(20)
                await plant.whole()
                await more(20)
            await plant.kill_parent()
            await plant.start()
            await more(60)
        finally:
            ending = True
            await asyncio.gather(*tasks)
    await _reckon(plant, shoppers)
    assert "Traceback" not in plant.log.read_text(), "an operator is told in a line"


async def _reckon(plant: Plant, shoppers: list[Shopper]) -> None:
    """Every version was answered once and in order, the last answer's balance is the balance, no stock was oversold."""
    async with plant.database() as pool:
        truth = await read.snapshots(pool, [one.member for one in shoppers])
        for one in shoppers:
            assert one.versions == list(range(1, truth[one.member].version + 1))
            assert one.balance == truth[one.member].account.available
        for reward in ("flash", "piece"):
            had = sum(one.had.count(reward) for one in shoppers)
            assert had <= STOCK
            if reward == "flash":
                assert had == STOCK, "the test wants more to ask for it than there is"
        async with pool.connect() as connection:
            tickets = (await connection.execute(text("SELECT count(*) FROM draw_ticket"))).scalar_one()
        assert tickets == sum(one.had.count("draw") for one in shoppers) > 0
        report = await verify(pool)
    assert (report.findings, report.clean) == ([], True)
    assert {"sold_out", "action_limit"} <= {code for one in shoppers for code in one.refused}
