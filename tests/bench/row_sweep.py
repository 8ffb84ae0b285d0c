"""Row 13: the sweep of a million lots that are past their date, `kill -9` in the middle of it.

One process sweeps and is killed with a part of the members done; the next one goes on where it was, and is what is
measured. A member's settling is one commit of as many entries as it has lots, so its peer is a whole post of pgbench.
Measured once, however many repeats the others have: making the ledger and proving it afterwards take minutes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from functools import partial
from statistics import median

import msgspec

from core.database import migrate
from tests.bench.aged import age
from tests.bench.figures import Reading, Row, interleave
from tests.bench.ground import Ground, counted, started, verified
from tests.bench.pgbench import l1
from tests.bench.row_engine import line_of, tell
from tests.bench.sweep_load import SweepOrders, Swept
from tests.databases import Database

KILLED_AT = 0.25
"""Of the members, done."""
_SETTLED = "SELECT count(*) FROM claim WHERE source = 'sweep' AND changed"
_OPEN = "SELECT count(*) FROM lot WHERE remaining > 0"


def sweep_rows(ground: Ground) -> list[Row]:
    peer, ours = interleave("13", 1, partial(l1, ground), partial(_sweep, ground))
    return [
        Row(
            row="13", measure=f"members/s, sweep of {ground.plan.due_lots:,} lots, resumed after kill -9", unit="/s",
            peer_name="L1 (pgbench)", peer=peer, ours=ours, floor=0.3, goal=0.6, better="higher",
        )
    ]  # fmt: skip


def _sweep(ground: Ground) -> Reading:
    with ground.database("template0") as database:
        migrate(database.owner_url, ground.endpoints.app_role)
        members = asyncio.run(age(database, ground.plan.due_lots))
        lots = asyncio.run(counted(database.url, _OPEN))
        before_kill = _killed(ground, database, members)
        left = asyncio.run(counted(database.url, _OPEN))
        swept = _swept(ground, database)
        still = asyncio.run(counted(database.url, _OPEN))
        settled = asyncio.run(counted(database.url, _SETTLED))
        faults = asyncio.run(verified(database.url))
    if still:
        faults.append(f"{still} lots past their date are still open")
    if settled != members:
        faults.append(f"{members} members had points that expired, {settled} versions say so")
    if not lots > left > 0:
        faults.append(f"of {lots} lots {left} were left by the one that was killed: nothing was resumed")
    reads = swept.reads_ms
    return Reading(
        swept.members / swept.seconds,
        {
            "members": members,
            "lots": lots,
            "members_before_the_kill": before_kill,
            "lots_a_second": round((left - still) / swept.seconds),
            "seconds": round(swept.seconds, 1),
            "cpu_share": round(swept.cpu_seconds / swept.seconds, 3),
            "waited_for_the_lock_seconds": round(swept.waited_seconds, 2),
            "memory_grown_mib": round(swept.grown_kib / 1024, 1),
            "look_ms": reads[0],
            "turns": len(reads) - 2,
            "turn_ms_median_max": [median(reads[1:-1]), max(reads[1:-1])],
            "last_look_ms": reads[-1],
        },
        faults,
    )


def _killed(ground: Ground, database: Database, members: int) -> int:
    """Sweep until a part is on record, and kill wherever it is then. Returns how many members are."""
    with started([sys.executable, "-m", "tests.bench.sweep_load"]) as process:
        _order(ground, database, process)
        while (done := asyncio.run(counted(database.url, _SETTLED))) < KILLED_AT * members:
            if process.poll() is not None:
                raise RuntimeError("the sweep ended before it could be killed")
            time.sleep(0.02)
        process.kill()
        process.wait()
    return done


def _swept(ground: Ground, database: Database) -> Swept:
    with started([sys.executable, "-m", "tests.bench.sweep_load"]) as process:
        _order(ground, database, process)
        return msgspec.json.decode(line_of(process), type=Swept)


def _order(ground: Ground, database: Database, process: subprocess.Popen[str]) -> None:
    orders = SweepOrders(os.getpid(), database.url, ground.plan.lanes)
    tell(process, msgspec.json.encode(orders).decode())
    if line_of(process) != "ready":
        raise RuntimeError("a sweep did not start")
    tell(process, "go")
