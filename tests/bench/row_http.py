"""Row 2: purchases over HTTP, one a request, against a bare Litestar POST. Both behind the same client."""

from __future__ import annotations

import asyncio
import random
import sys
from functools import partial

import uvloop

from tests.bench.figures import Reading, Row, interleave
from tests.bench.ground import Ground, counted, started, verified
from tests.bench.http_client import Hammer, Hammered
from tests.bench.row_engine import PURCHASES
from tests.bench.shop import Requests

CLIENT_LIMIT = 0.9
"""Of a core: a client that used more may have been what was measured."""


def http_rows(ground: Ground) -> list[Row]:
    peer, ours = interleave("2", ground.plan.repeats, partial(bare, ground), partial(served, ground))
    return [
        Row(
            row="2", measure="purchases/s over HTTP, one a request", unit="/s", peer_name="bare Litestar POST",
            peer=peer, ours=ours, floor=0.3, goal=0.6, better="higher",
        )
    ]  # fmt: skip


def bare(ground: Ground) -> Reading:
    with started([sys.executable, "-m", "tests.bench.bare_http"]) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        return _reading(ground, _hammer(ground, "127.0.0.1", port))


def served(ground: Ground) -> Reading:
    with ground.database() as database:
        with ground.serving(database) as serving:
            hammered = _hammer(ground, serving.host, serving.port)
        faults = asyncio.run(verified(database.url))
        recorded = asyncio.run(counted(database.url, PURCHASES))
    if recorded != hammered.total[201]:
        faults.append(f"{hammered.total[201]} purchases were acknowledged, {recorded} are recorded")
    reading = _reading(ground, hammered)
    reading.faults += faults
    return reading


def _hammer(ground: Ground, host: str, port: int) -> Hammered:
    plan, requests = ground.plan, Requests(f"{host}:{port}", ground.secret)

    async def run() -> Hammered:
        hammer = Hammer(host, port, plan.http_connections, lambda: requests.next(random.randrange(plan.members)))
        return await hammer.run(plan.warm_seconds, plan.http_seconds)

    return uvloop.run(run())


def _reading(ground: Ground, hammered: Hammered) -> Reading:
    faults = []
    if hammered.lost or set(hammered.total) != {201}:
        faults.append(f"answers {dict(hammered.total)}, lost {hammered.lost}: {hammered.last[:200]!r}")
    if hammered.cpu_share > CLIENT_LIMIT:
        faults.append(f"the client used {hammered.cpu_share:.0%} of a core: it may have measured itself")
    details = {"client_cpu_share": round(hammered.cpu_share, 3), "answer_bytes": len(hammered.last)}
    return Reading(hammered.answered / ground.plan.http_seconds, details, faults)
