"""Rows 1, 1b, 4 and 12: purchases through the engine, without HTTP, against pgbench and against themselves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import partial

import msgspec

from core.clock import system_clock
from tests.bench import campaigns
from tests.bench.deciding import deciding
from tests.bench.engine_load import Counted, Orders
from tests.bench.figures import Reading, Row, interleave
from tests.bench.ground import Ground, counted, started, verified
from tests.bench.pgbench import l1
from tests.core.door import publish_programme

PURCHASES = "SELECT count(*) FROM purchase WHERE record->>'external_id' NOT LIKE 'first-%'"
_L1 = "L1 (pgbench)"


def engine_rows(ground: Ground, wanted: Iterable[str]) -> list[Row]:
    plan, rows = ground.plan, []
    if "1" in wanted:
        peer, ours = interleave("1", plan.repeats, partial(l1, ground), partial(through_engine, ground, 1))
        rows.append(
            Row(
                row="1", measure="purchases/s, engine, one process", unit="/s", peer_name=_L1, peer=peer, ours=ours,
                floor=0.6, goal=1.2, better="higher",
            )
        )  # fmt: skip
    if "1b" in wanted:
        peer, ours = interleave("1b", plan.repeats, partial(l1, ground), partial(through_engine, ground, 2))
        rows.append(
            Row(
                row="1b", measure="purchases/s, engine, two processes", unit="/s", peer_name=_L1, peer=peer, ours=ours,
                floor=0.8, goal=1.6, better="higher",
            )
        )  # fmt: skip
    if "4" in wanted:
        peer, ours = interleave(
            "4", plan.repeats, partial(through_engine, ground, 1), partial(through_engine, ground, 1, members=1)
        )
        rows.append(
            Row(
                row="4", measure="purchases/s, engine, one hot member", unit="/s", peer_name="uniform members",
                peer=peer, ours=ours, floor=0.5, goal=0.9, better="higher",
            )
        )  # fmt: skip
    if "12" in wanted:
        peer, ours = interleave("12", plan.repeats, partial(_without, ground), partial(_with_hundred, ground))
        rows.append(
            Row(
                row="12", measure="purchases/s, engine, 100 campaigns in force", unit="/s", peer_name="no campaign",
                peer=peer, ours=ours, floor=0.5, goal=0.8, better="higher",
            )
        )  # fmt: skip
    return rows


def _without(ground: Ground) -> Reading:
    return through_engine(ground, 1, programme=campaigns.without())


def _with_hundred(ground: Ground) -> Reading:
    programme = campaigns.with_hundred(system_clock())
    reading = through_engine(ground, 1, programme=programme)
    reading.details |= deciding(programme)
    return reading


def through_engine(ground: Ground, processes: int, members: int | None = None, programme: str | None = None) -> Reading:
    """Acknowledged purchases a second of `processes` together, over all members or the first `members`; under a
    `programme` of its own, what is bought is of the catalogue."""
    plan = ground.plan
    with ground.database() as database:
        if programme is not None:
            asyncio.run(publish_programme(database.owner_url, programme))
        with contextlib.ExitStack() as stack:
            command = [sys.executable, "-m", "tests.bench.engine_load"]
            loads = [stack.enter_context(started(command)) for _ in range(processes)]
            for number, load in enumerate(loads, 1):
                orders = Orders(
                    os.getpid(), number, database.url, plan.lanes, plan.in_flight // processes, members or plan.members,
                    plan.warm_seconds, plan.engine_seconds, catalogue=programme is not None,
                )  # fmt: skip
                tell(load, msgspec.json.encode(orders).decode())
            for load in loads:
                if line_of(load) != "ready":
                    raise RuntimeError("an engine's load did not start")
            since = time.monotonic() + 0.2
            for load in loads:
                tell(load, repr(since))
            counts = [msgspec.json.decode(line_of(load), type=Counted) for load in loads]
        faults = [fault for count in counts for fault in count.faults] + asyncio.run(verified(database.url))
        recorded = asyncio.run(counted(database.url, PURCHASES))
    if recorded != sum(count.total for count in counts):
        faults.append(f"{sum(count.total for count in counts)} purchases were acknowledged, {recorded} are recorded")
    return Reading(
        sum(count.acknowledged for count in counts) / plan.engine_seconds,
        {
            "slices": [count.slices for count in counts],
            "cpu_share": [round(count.cpu_seconds / count.seconds, 3) for count in counts],
            "cpu_us_a_purchase": round(
                sum(c.cpu_seconds for c in counts) / max(1, sum(c.acknowledged for c in counts)) * 1e6
            ),
            "versions_a_batch": [round(count.versions / max(1, count.batches), 1) for count in counts],
            "campaigns_a_purchase": round(sum(c.campaigns for c in counts) / max(1, sum(c.total for c in counts)), 1),
        },
        faults,
    )


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
