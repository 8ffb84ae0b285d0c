"""A process that sends purchases through `core.engine.Engine` with callers of its own: rows 1, 1b, 4 and 12.

It reads its `Orders` from standard input, opens the engine, warms up, says "ready", waits for the instant from which
to count (so that several processes count the same seconds), and prints what it counted.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from datetime import datetime

import msgspec
import uvloop

from core.database import connect
from core.earning.slip import RecordPurchase
from core.engine.engine import Engine
from core.engine.submission import Committed, Submission, input_hash
from core.members.identifiers import Identifier
from core.processes import die_with_parent
from core.programme.book import ProgrammeBook
from core.snapshot import Line
from tests.bench.shop import STORE, from_catalogue, purchase

SLICE_SECONDS = 0.5


class Orders(msgspec.Struct):
    parent: int
    number: int
    """Tells this process's keys from another's."""
    url: str
    lanes: int
    in_flight: int
    members: int
    """Purchases are spread over the first so many cards; 1 is one hot member."""
    warm_seconds: float
    seconds: float
    catalogue: bool = False
    """Whether what is bought is of the catalogue that row 12's campaigns speak of."""


class Counted(msgspec.Struct):
    """`acknowledged`: within the counted seconds. `total`: ever, for the proof that each is in the ledger."""

    acknowledged: int
    total: int
    seconds: float
    cpu_seconds: float
    slices: list[int]
    """Acknowledged in each `SLICE_SECONDS`: shows whether it holds its pace."""
    batches: int
    versions: int
    campaigns: int
    """Campaigns that gave something, on all purchases together."""
    faults: list[str]


class Load:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._sent = 0
        self._stop = False
        self._since = float("inf")
        self.total = 0
        self.batches = 0
        self.versions = 0
        self.campaigns = 0
        self.slices = [0] * (int(orders.seconds / SLICE_SECONDS) + 1)
        self.faults: list[str] = []

    def on_commit(self, committed: list[Committed], seconds: float) -> None:
        if time.monotonic() >= self._since:
            self.batches += 1
            self.versions += len(committed)

    async def run(self) -> Counted:
        orders = self._orders
        pool = connect(orders.url, pool_size=orders.lanes)
        engine = Engine(pool, ProgrammeBook(), self.on_commit, lanes=orders.lanes)
        await engine.open()
        async with asyncio.TaskGroup() as group:
            for _ in range(orders.in_flight):
                group.create_task(self._caller(engine))
            await asyncio.sleep(orders.warm_seconds)
            since = float(await asyncio.to_thread(_asked))
            await asyncio.sleep(since - time.monotonic())
            self._since, cpu = since, time.process_time()
            await asyncio.sleep(since + orders.seconds - time.monotonic())
            cpu = time.process_time() - cpu
            self._stop = True
        await engine.close()
        await pool.dispose()
        counted = self.slices[: int(orders.seconds / SLICE_SECONDS)]
        return Counted(
            sum(counted), self.total, orders.seconds, cpu, counted, self.batches, self.versions, self.campaigns,
            self.faults[:3],
        )  # fmt: skip

    async def _caller(self, engine: Engine) -> None:
        """One caller: a purchase with a new key, the wait for its answer, and the next."""
        while not self._stop:
            try:
                answer = await engine.submit(self._next())
            except Exception as error:
                self.faults.append(f"a purchase was refused: {error}")
                return
            if answer.replay or answer.change is None:
                self.faults.append("a new key was answered as a replay")
            elif self._orders.catalogue:
                self.campaigns += sum(award.rule == "campaign" for award in answer.change.awards)
            self.total += 1
            # Monotonic as everywhere here: one clock for all processes of the machine.
            place = int((time.monotonic() - self._since) / SLICE_SECONDS) if self._since < float("inf") else -1
            if 0 <= place < len(self.slices):
                self.slices[place] += 1

    def _next(self) -> Submission:
        """What a handler makes of a till's request, its hash and the card that finds the member included."""
        self._sent += 1
        key = f"{self._orders.number}-{self._sent}"
        made = from_catalogue if self._orders.catalogue else purchase
        body = made(key, random.randrange(self._orders.members))
        line = body["lines"][0]  # type: ignore[index]
        occurred_at = datetime.fromisoformat(str(body["occurred_at"]))
        command = RecordPurchase(
            key,
            occurred_at,
            "store",
            "USD",
            line["amount"],
            (Line(line["sku"], line["quantity"], line["amount"], line["name"], line.get("category", "")),),
        )
        return Submission(
            source=f"pos:bench-{self._orders.number}:purchase",
            key=key,
            hash=input_hash(body),
            command=command,
            who=Identifier("card", body["member"]["value"]),  # type: ignore[index]
            occurred_at=occurred_at,
            place=STORE,
            till="1",
        )


def _asked() -> str:
    """Say that we are warm, and read the instant to count from."""
    print("ready", flush=True)
    return sys.stdin.readline()


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.readline(), type=Orders)
    die_with_parent(orders.parent)
    counted = uvloop.run(Load(orders).run())
    print(msgspec.json.encode(counted).decode(), flush=True)
    os._exit(0)  # nothing is left to finish: what was acknowledged is durable


if __name__ == "__main__":
    main()
