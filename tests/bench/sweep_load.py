"""A process that sweeps, as a worker does: row 13's. It may be killed at any moment.

It reads its `SweepOrders` from standard input, opens the engine, says "ready", waits for a line, sweeps until nothing is
due, and prints what it `Swept`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from time import perf_counter, process_time

import msgspec
import uvloop

from core import read
from core.clock import system_clock
from core.database import Driver, connect
from core.engine.engine import Engine
from core.processes import die_with_parent
from core.programme.book import ProgrammeBook
from core.sweep import sweep

Due = Callable[[Driver, datetime, int], AsyncGenerator[list[int], None]]

WAITS_SECONDS = 30.0
"""For the lock of a sweeper that was killed: its server learns of it from the socket."""


class SweepOrders(msgspec.Struct):
    parent: int
    url: str
    lanes: int


class Swept(msgspec.Struct):
    members: int
    seconds: float
    cpu_seconds: float
    waited_seconds: float
    """Until the lock was had."""
    grown_kib: int
    """By how much the highest resident memory grew over the sweep."""
    reads_ms: list[float]
    """Each time it asked whose turn it is, in order; the first is the look at all that is due."""


async def run(orders: SweepOrders) -> Swept:
    # As many connections for reads as a worker has beside its lanes.
    pool, reads = connect(orders.url, pool_size=orders.lanes), connect(orders.url, pool_size=4)
    engine = Engine(pool, ProgrammeBook(), lambda committed, seconds: None, lanes=orders.lanes)
    await engine.open()
    taken: list[float] = []
    read.due = _timed(read.due, taken)  # type: ignore[assignment]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    members, before, started = 0, _highest_kib(), perf_counter()
    while not taken and perf_counter() < started + WAITS_SECONDS:
        waited, cpu = perf_counter(), process_time()
        members = await sweep(reads, engine, system_clock)
    swept = Swept(
        members,
        perf_counter() - waited,
        process_time() - cpu,
        waited - started,
        _highest_kib() - before,
        [round(one * 1e3, 2) for one in taken],
    )
    await engine.close()
    await pool.dispose()
    await reads.dispose()
    return swept


def _timed(due: Due, taken: list[float]) -> Due:
    async def timed(connection: Driver, now: datetime, at_once: int) -> AsyncGenerator[list[int], None]:
        async with aclosing(due(connection, now, at_once)) as batches:
            while True:
                started = perf_counter()
                members = await anext(batches, None)
                taken.append(perf_counter() - started)
                if members is None:
                    return
                yield members

    return timed


def _highest_kib() -> int:
    """The kernel's own high-water mark of this process's resident memory."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.readline(), type=SweepOrders)
    die_with_parent(orders.parent)
    print(msgspec.json.encode(uvloop.run(run(orders))).decode(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
