"""Changes at scheduled instants under the eyes of a crowd, and how long each took to be seen.

Open loop: a change is due at its instant whether or not the one before was answered, and every latency counts from that
instant, so a server that stalls pays for all who waited (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tests.bench.crowd import Arrival, Crowd
from tests.bench.http_client import Pool
from tests.bench.shop import Requests

LAST_FRAMES_SECONDS = 1.5
"""After the last change: longer than the repair lane takes, which would mend a lost frame."""


class Answer(msgspec.Struct):
    """Of a purchase's answer what tells which version it made."""

    version: int


_ANSWER = msgspec.json.Decoder(Answer)

Changed = Callable[[int], None]
"""Called with the version a change made, when it is acknowledged."""


class Shop(Protocol):
    """Something that changes members; `members[i]` is the name the crowd's screens know member i by."""

    members: Sequence[int]
    faults: list[str]

    def change(self, index: int, changed: Changed) -> None: ...

    async def close(self) -> None: ...


class RealShop:
    """Purchases over HTTP."""

    def __init__(self, pool: Pool, requests: Requests, members: Sequence[int]) -> None:
        self.members = members
        self.faults: list[str] = []
        self._pool = pool
        self._requests = requests

    def change(self, index: int, changed: Changed) -> None:
        def answered(status: int, body: bytes) -> None:
            if status == 201:
                changed(_ANSWER.decode(body).version)
            else:
                self.faults.append(f"a purchase was answered {status}: {body[:200]!r}")

        self._pool.send(self._requests.next(index), answered)

    async def close(self) -> None:
        await self._pool.close()
        if self._pool.lost:
            self.faults.append(f"{self._pool.lost} purchases were never answered")


class BareShop:
    """Triggers of the bare server; it acknowledges nothing, and its versions count from 1."""

    def __init__(self, transport: asyncio.Transport, members: int) -> None:
        self.members: Sequence[int] = range(members)
        self.faults: list[str] = []
        self.versions = [1] * members
        self._transport = transport

    @classmethod
    async def open(cls, host: str, port: int, members: int) -> BareShop:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
        return cls(transport, members)

    def change(self, index: int, changed: Changed) -> None:
        self.versions[index] += 1
        self._transport.write(b"%d\n" % index)
        changed(self.versions[index])

    async def close(self) -> None:
        self._transport.close()


async def pace(crowd: Crowd, shop: Shop, *, rate: float, seconds: float) -> dict[str, list[float]]:
    """Milliseconds: `screen` from commit to each frame's arrival, `scheduled` from the instant a change was due to each
    frame's arrival, `answer` from that instant to its acknowledgement."""
    due: dict[tuple[int, int], float] = {}
    answers: list[float] = []

    def changing(index: int, at: float) -> None:
        def changed(version: int) -> None:
            due[(shop.members[index], version)] = at
            answers.append((time.time() - at) * 1000)

        shop.change(index, changed)

    arrivals: list[Arrival] = []
    crowd.arrivals = arrivals
    gc.collect()
    gc.disable()  # a pause of the client would count as the server's
    try:
        start = time.time() + 0.1
        for number in range(round(rate * seconds)):
            at = start + number / rate
            if (wait := at - time.time()) > 0:
                await asyncio.sleep(wait)
            changing(random.randrange(len(shop.members)), at)
        await asyncio.sleep(LAST_FRAMES_SECONDS)
    finally:
        gc.enable()
    await shop.close()
    crowd.arrivals = None
    lags: dict[str, list[float]] = defaultdict(list)
    lags["answer"] = answers
    for arrival in arrivals:
        lags["screen"].append((arrival.arrived - arrival.committed) * 1000)
        if (at_ := due.get((arrival.member, arrival.version))) is not None:
            lags["scheduled"].append((arrival.arrived - at_) * 1000)
    return lags
