"""`chorus serve` as an operator runs it: a process of its own on a data folder, whose every part can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.auth import Principal, Tokens
from core.clock import system_clock
from core.database import connect
from core.embedded import find_running
from core.settings import Settings
from tests.bff.house import until

READY = "chorus is ready at "
START_SECONDS = 60.0
WORKERS = 2


class Plant:
    """`outside`: settings of what it speaks to."""

    def __init__(self, folder: Path, outside: Mapping[str, str]) -> None:
        self.folder, self.outside = folder, outside
        self.port = 0
        self.url = ""
        self.parent: psutil.Popen | None = None
        self.log = folder.parent / "serve.log"

    @property
    def environ(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("CHORUS_")}
        return {**own, **self.outside, "CHORUS_DATA_DIR": str(self.folder), "CHORUS_PORT": str(self.port)}

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.environ)

    def token(self, surface: str, member: int = 0, **more: Any) -> str:
        tokens = Tokens(self.settings.secret, system_clock)
        return tokens.issue(Principal(surface, member=member, **more), timedelta(hours=2))

    async def start(self) -> None:
        """Until it says that it is ready; on the port it had before, so that clients find it again."""
        with self.log.open("ab") as log:
            self.parent = psutil.Popen(
                [sys.executable, "-m", "bff.cli", "serve", "--workers", str(WORKERS)],
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        line = await asyncio.to_thread(self._first_line)
        assert line.startswith(READY), f"{line!r}: {self.log.read_text()[-2_000:]}"
        self.url = line.removeprefix(READY).strip()
        self.port = int(self.url.rpartition(":")[2])

    def _first_line(self) -> str:
        assert self.parent is not None
        assert self.parent.stdout is not None
        for line in self.parent.stdout:
            if line.startswith(READY):
                return str(line)
        return f"ended with {self.parent.wait()}"

    def processes(self, kind: str) -> list[psutil.Process]:
        """Living children of the parent: "worker", "postgres" (the postmaster) or "nats"."""
        assert self.parent is not None
        told = {"worker": "bff.worker", "postgres": "postgres", "nats": "nats-server"}[kind]
        found = []
        for child in self.parent.children():
            with contextlib.suppress(psutil.Error):
                line = " ".join(child.cmdline())
                if (
                    told in line
                    and child.status() != psutil.STATUS_ZOMBIE
                    and (kind == "worker") == ("bff.worker" in line)
                ):
                    found.append(child)
        return found

    async def whole(self) -> None:
        """Every part is there and the process says it is ready."""

        def ready() -> bool:
            if len(self.processes("worker")) < WORKERS or not self.processes("postgres") or not self.processes("nats"):
                return False
            try:
                return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready, "all parts are back", START_SECONDS)

    async def kill(self, kind: str) -> None:
        """`kill -9` of one, and wait until it is really gone."""
        victim = self.processes(kind)[0]
        victim.send_signal(signal.SIGKILL)
        await until(lambda: not alive(victim), f"{kind} is gone")

    async def kill_parent(self) -> None:
        """`kill -9` of the parent; its workers and servers go with it, by the kernel's promise."""
        assert self.parent is not None
        family = self.parent.children(recursive=True)
        self.parent.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.parent.wait)
        assert self.parent.stdout is not None
        self.parent.stdout.close()
        await until(lambda: not any(alive(one) for one in family), "nothing is left of it", 30)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.parent is not None
        if self.parent.poll() is None:
            self.parent.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(self.parent.wait, 60)
        assert self.parent.stdout is not None
        self.parent.stdout.close()
        return int(status)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[AsyncEngine]:
        endpoints = find_running(self.folder)
        assert endpoints is not None
        pool = connect(endpoints.database_url, pool_size=2, whole_tables=True)
        try:
            yield pool
        finally:
            await pool.dispose()

    async def purchases(self) -> dict[str, str]:
        """What is on record: the till's number -> the purchase's id. A number that is there twice fails here."""
        async with self.database() as pool, pool.connect() as connection:
            rows = await connection.execute(
                text("SELECT record->>'external_id', member_id, version FROM purchase ORDER BY member_id, version")
            )
            listed = [(key, f"p{member}-{version}") for key, member, version in rows]
        assert len(dict(listed)) == len(listed), "a purchase was recorded twice"
        return dict(listed)

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Another `chorus` command on the same folder: its status, its output, its errors."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bff.cli", *arguments, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
