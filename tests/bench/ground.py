"""Where the runs take place: one PostgreSQL with the product's own settings, databases copied from a template that has
every member already, and the real `chorus serve` on such a copy.

Peer and ours use the same PostgreSQL process, each on a fresh copy. A copy is made by `FILE_COPY`, which writes a
checkpoint: every reading then starts from the same state of the log, and pays for its own full-page writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import asyncpg
import psutil
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.console import say
from core import devices
from core.clock import system_clock
from core.database import connect, migrate
from core.devices import Device
from core.earning.slip import RecordPurchase
from core.embedded import Embedded, Endpoints
from core.engine.engine import Engine
from core.engine.submission import Submission, input_hash
from core.members.decide import Enrol
from core.members.identifiers import Identifier, new_code
from core.processes import die_with_parent
from core.programme.book import ProgrammeBook
from core.settings import Settings
from core.snapshot import Line
from core.verify import verify
from tests.bench.plan import Plan
from tests.bench.shop import STORE, amount, card, kiosk
from tests.databases import Database, at_database, drop, execute, plain

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = "bench_template"
STOP_SECONDS = 40
_READY = "chorus is ready at "


class Serving(NamedTuple):
    """A `chorus serve` that answers."""

    url: str
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, the one that started last at the end."""
        children = psutil.Process(self.process.pid).children()
        found = [child for child in children if "bff.worker" in _command(child)]
        return sorted(found, key=lambda child: child.create_time())


class Ground:
    """Use as a context manager; everything lies in `folder`, and nothing is left running."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.secret = secrets.token_hex(32)
        self.members: list[int] = []
        """Member ids; `members[i]` has the card `card(i)`."""
        # Each `chorus serve` starts its own NATS, so that no stream outlives its reading; this one names a server that
        # does not exist, so that only PostgreSQL is started here.
        settings = Settings(data_dir=folder / "servers", secret=self.secret, nats_url="nats://127.0.0.1:1")
        self._embedded = Embedded(settings)
        self._numbers = itertools.count(1)
        self._endpoints: Endpoints | None = None

    def __enter__(self) -> Self:
        self._endpoints = self._embedded.start()
        try:
            say(f"enrolling {self.plan.members} members ...")
            asyncio.run(execute(self.endpoints.owner_url, f"CREATE DATABASE {TEMPLATE} TEMPLATE template0"))
            template = self._at(TEMPLATE)
            migrate(template.owner_url, self.endpoints.app_role)
            self.members = asyncio.run(_populate(template.url, self.plan))
            asyncio.run(execute(template.owner_url, "VACUUM ANALYZE"))
        except BaseException:
            self._embedded.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._embedded.stop()

    @property
    def endpoints(self) -> Endpoints:
        assert self._endpoints is not None
        return self._endpoints

    def server_settings(self) -> dict[str, str]:
        """What PostgreSQL itself says of its settings. Raises `RuntimeError` where a commit would not be durable."""
        names = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "wal_sync_method")
        shown = asyncio.run(_show(self.endpoints.owner_url, names))
        if shown["fsync"] != "on" or shown["synchronous_commit"] != "on":
            raise RuntimeError(f"PostgreSQL does not wait for the disk: {shown}")
        return shown

    @contextlib.contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[Database]:
        """A copy of `template`, dropped at the end."""
        name = f"bench_{next(self._numbers)}"
        create = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
        asyncio.run(execute(self.endpoints.owner_url, create))
        try:
            yield self._at(name)
        finally:
            asyncio.run(drop(self.endpoints.owner_url, name))

    @contextlib.contextmanager
    def serving(self, database: Database, workers: int = 1) -> Iterator[Serving]:
        """The real `chorus serve`, in processes of its own, with its own NATS."""
        folder = self.folder / f"serve-{next(self._numbers)}"
        folder.mkdir()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CHORUS_")}
        environ |= {
            "CHORUS_DATA_DIR": str(folder / "data"),
            "CHORUS_SECRET": self.secret,
            "CHORUS_DATABASE_URL": database.url,
            "CHORUS_OWNER_URL": database.owner_url,
            "CHORUS_LANES": str(self.plan.lanes),
            "CHORUS_PORT": "0",
        }
        command = [sys.executable, "-m", "bff.cli", "serve", "--workers", str(workers)]
        with (folder / "serve.log").open("w") as log, started(command, environ, log=log.fileno()) as process:
            yield Serving(_word(process, _READY, folder / "serve.log"), process)

    def _at(self, name: str) -> Database:
        own = self.endpoints
        return Database(*(at_database(url, name) for url in (own.database_url, own.owner_url)))


@contextlib.contextmanager
def started(
    command: list[str], environ: dict[str, str] | None = None, *, log: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes to its standard input and output, ended by SIGTERM at the end, or with us."""
    me = os.getpid()
    process = subprocess.Popen(
        command,
        env=environ,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(me, signal.SIGTERM),
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _word(process: subprocess.Popen[str], start: str, log: Path) -> str:
    """The rest of the first line that starts so. Raises `RuntimeError` when the process ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line.removeprefix(start).strip()
    raise RuntimeError(f"chorus serve did not start: {log.read_text()[-500:]}")


async def verified(url: str) -> list[str]:
    """What `core.verify` finds wrong with the database: entries sum to zero, balances equal their lots, versions have
    no gap, and the rest. Empty when all is well."""
    pool = connect(url, pool_size=1, whole_tables=True)
    try:
        report = await verify(pool)
    finally:
        await pool.dispose()
    return [] if report.clean else [f"verify: {report.found} findings: {report.findings[0]}"]


async def counted(url: str, query: str) -> int:
    """The one number a query gives."""
    connection = await asyncpg.connect(plain(url))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _show(url: str, names: tuple[str, ...]) -> dict[str, str]:
    connection = await asyncpg.connect(plain(url))
    try:
        return {name: str(await connection.fetchval(f"SHOW {name}")) for name in names}
    finally:
        await connection.close()


async def _populate(url: str, plan: Plan) -> list[int]:
    """Enrol everybody through the one door; who is watched has bought once (a receipt needs it) and stands at a kiosk."""
    pool = connect(url, pool_size=4)
    engine = Engine(pool, ProgrammeBook(), lambda committed, seconds: None, lanes=4)
    try:
        await engine.open()
        members = []
        for start in range(0, plan.members, 1_000):
            batch = range(start, min(start + 1_000, plan.members))
            answers = await asyncio.gather(*(engine.submit(_enrolment(index)) for index in batch))
            members += [answer.member for answer in answers]
        first = await asyncio.gather(*(engine.submit(_first_purchase(members, i)) for i in range(plan.watched)))
        assert {answer.version for answer in first} == {2}
    finally:
        await engine.close()
    try:
        for index in range(plan.watched):
            await _at_kiosk(pool, index, members[index])
    finally:
        await pool.dispose()
    return members


async def _at_kiosk(pool: AsyncEngine, index: int, member: int) -> None:
    now = system_clock()
    await devices.add(pool, Device(kiosk(index), "kiosk", STORE, f"Kiosk {index}"), now)
    # A day: the benchmark measures screens that show something, not the clearing of idle ones.
    await devices.bind(pool, kiosk(index), member, now + timedelta(days=1))


def _enrolment(index: int) -> Submission:
    enrol = Enrol(new_code(), (Identifier("card", card(index)),), "en", "")
    return Submission(source="bench:enrol", key=str(index), hash=input_hash(index), command=enrol, who=None)


def _first_purchase(members: list[int], index: int) -> Submission:
    now, total = system_clock(), amount()
    lines = (Line("CD", 1, total, "Compact disc"),)
    return Submission(
        source="bench:first",
        key=str(index),
        hash=input_hash(index),
        command=RecordPurchase(f"first-{index}", now, "store", "USD", total, lines),
        who=members[index],
        occurred_at=now,
        place=STORE,
        till="1",
    )


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
