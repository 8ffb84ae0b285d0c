"""The connection lost at the worst moment, and the whole database killed: each command counts once and is answered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from core.adjustments.decide import AdjustPoints
from core.database import connect, migrate
from core.embedded import Embedded
from core.engine.engine import Engine
from core.engine.submission import Answer, Committed
from core.errors import Rejected
from core.members.decide import Enrol, LinkIdentifier
from core.members.identifiers import Identifier, new_code
from core.programme.book import ProgrammeBook
from core.rewards.decide import HoldReward
from core.settings import Settings
from core.verify import verify
from tests.conftest import START, OpenEngine, SettableClock
from tests.core.door import bought, enrol, send, verified
from tests.databases import Database

COMMIT = b"COMMIT;\0"
_STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
STARTING_UP = b"E" + (len(_STARTING_UP) + 4).to_bytes(4) + _STARTING_UP
"""What PostgreSQL answers to a connection while it recovers."""
Moment = Literal["sent", "done"]


class CuttingProxy:
    """Stands between an engine and PostgreSQL; once armed, cuts the connection at its next COMMIT.

    "sent": before the server has seen it, so the transaction is lost. "done": after the server has answered it and
    before the engine has, so the transaction is durable and the engine cannot know.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._armed: Moment | None = None
        self._starting_up = 0
        self.cuts = 0
        self.url: Callable[[str], str] = lambda url: url

    def cut_at_commit(self, moment: Moment, *, then_starting_up: int) -> None:
        """Having cut, refuse so many connections as a server does that is recovering."""
        self._armed = moment
        self._starting_up = then_starting_up

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[CuttingProxy]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = lambda url: make_url(url).set(port=port).render_as_string(hide_password=False)
        try:
            yield self
        finally:
            server.close()

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.cuts and self._starting_up:
            self._starting_up -= 1
            await client.read(65536)  # whether TLS may be had
            to_client.write(b"N")
            await client.read(65536)
            to_client.write(STARTING_UP)
            to_client.close()
            return
        server, to_server = await asyncio.open_connection(*self._upstream)
        answers = asyncio.create_task(_pump(server, to_client))
        try:
            while data := await client.read(65536):
                if self._armed and COMMIT in data:
                    moment, self._armed = self._armed, None
                    self.cuts += 1
                    if moment == "done":
                        answers.cancel()
                        await asyncio.wait([answers])
                        to_server.write(data)
                        while b"COMMIT\0" not in await server.read(65536):
                            pass
                    break
                to_server.write(data)
        finally:
            answers.cancel()
            to_client.transport.abort()
            to_server.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.transport.abort()


@pytest.fixture
async def proxy(database: Database) -> AsyncIterator[CuttingProxy]:
    place = make_url(database.url)
    assert place.host is not None
    assert place.port is not None
    async with CuttingProxy(place.host, place.port).serve() as running:
        yield running


@pytest.mark.parametrize("starting_up", [0, 2])
@pytest.mark.parametrize("moment", ["sent", "done"])
async def test_an_unknown_commit_is_answered_as_the_first_answer_and_counts_once(
    database: Database, open_engine: OpenEngine, proxy: CuttingProxy, moment: Moment, starting_up: int
) -> None:
    told: list[Committed] = []
    engine = await open_engine(
        url=proxy.url(database.url), lanes=1, listener=lambda committed, seconds: told.extend(committed)
    )
    card = Identifier("card", "CARD1")
    member = await enrol(engine, card)
    told.clear()
    proxy.cut_at_commit(moment, then_starting_up=starting_up)
    with capture_logs() as logs:
        first, second, nothing, new, refused = await asyncio.gather(
            send(engine, bought(START, 1000), member, key="slip 1"),
            send(engine, AdjustPoints(7, "a gift"), member, key="gift 1"),
            send(engine, LinkIdentifier(card), member, key="link 1"),
            send(engine, Enrol(new_code(), (), "en", "Member 2"), None, key="enrol 2"),
            send(engine, HoldReward("off5"), member, key="cart 1"),
            return_exceptions=True,
        )
    assert proxy.cuts == 1
    assert [line["event"] for line in logs] == ["batch_retried"] * (1 + starting_up)
    assert isinstance(refused, Rejected)
    for answer in (first, second, nothing, new):
        assert isinstance(answer, Answer)
        assert not answer.replay
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert isinstance(nothing, Answer)
    assert isinstance(new, Answer)
    assert (first.version, second.version, nothing.version, nothing.change) == (2, 3, 3, None)
    assert new.profile is not None
    assert second.change is not None
    assert second.change.available == 107
    # Each version is told once; of one found after the fact only the record is known, so whoever shows it must read.
    assert [(c.change.member, c.change.version) for c in told] == [(member, 2), (member, 3), (new.member, 1)]
    assert [c.holdings is None for c in told] == [moment == "done"] * 3
    replay = await send(engine, bought(START, 1000), member, key="slip 1")
    assert (replay.replay, replay.change) == (True, first.change)
    report = await verified(database.url)
    assert report.findings == []
    assert (report.versions, report.members) == (4, 2)


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A PostgreSQL of this test's own, with every commit on the disk."""
    settings = Settings(data_dir=tmp_path / "data", secret="s" * 32, nats_url="nats://not.used")
    with Embedded(settings) as embedded:
        endpoints = embedded.start()
        await asyncio.to_thread(migrate, endpoints.owner_url, endpoints.app_role)
        yield embedded


async def test_a_killed_database_that_comes_back_loses_and_doubles_nothing(
    own_postgres: Embedded, clock: SettableClock
) -> None:
    """Killed with -9 twice while eight tills write; every purchase is answered, and all add up."""
    told: list[tuple[int, int]] = []

    def listen(committed: list[Committed], seconds: float) -> None:
        told.extend((c.change.member, c.change.version) for c in committed)

    pool = connect(own_postgres.endpoints().database_url, pool_size=3)
    engine = Engine(pool, ProgrammeBook(), listen, lanes=2, clock=clock)
    await engine.open()
    members = [await enrol(engine) for _ in range(8)]

    async def till(member: int) -> list[Answer]:
        return [await send(engine, bought(START, 100), member, key=f"{member} slip {i}") for i in range(25)]

    with capture_logs() as logs:
        tills = [asyncio.ensure_future(till(member)) for member in members]
        kill_at = [40, 120]
        while not all(task.done() for task in tills):
            if kill_at and len(told) >= kill_at[0]:
                os.kill(own_postgres.pids["PostgreSQL"], signal.SIGKILL)
                del kill_at[0]
            own_postgres.poll()
            await asyncio.wait(tills, timeout=0.01)
    assert kill_at == []
    for member, answers in zip(members, [task.result() for task in tills], strict=True):
        assert [(a.member, a.version, a.replay) for a in answers] == [(member, 2 + i, False) for i in range(25)]
    retried = [line for line in logs if line["event"] == "batch_retried"]
    failed = [line for line in logs if line["event"] in ("command_failed", "database_away")]
    assert retried
    assert failed == []
    assert sorted(told) == sorted((member, version) for member in members for version in range(1, 27))
    report = await verify(pool)
    assert report.findings == []
    assert (report.members, report.purchases, report.claims) == (8, 8 * 25, 8 * 26)
    await engine.close()
    await pool.dispose()
