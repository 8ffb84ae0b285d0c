"""A worker: one process that serves, works, or both, on a socket its supervisor opened.

Its end is an order: first live sockets are sent away with 4503 and told how long to wait at most, and intake stops; then
uvicorn answers what is under way and exits; then the lanes finish, and only then the connections go. Nothing that was
acknowledged is lost, and nothing waiting is dropped without an answer.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

# The metrics of all workers are added up from files; the library reads this when it is first imported.
METRICS = os.environ.get("PROMETHEUS_MULTIPROC_DIR")

from prometheus_client import values as metric_values  # noqa: E402

if METRICS:
    # A worker never forks: its id need not be asked of the system for each value of each request.
    multi_process: Any = metric_values.MultiProcessValue
    metric_values.ValueClass = multi_process(process_identifier=partial(int, os.getpid()))

import structlog  # noqa: E402
import uvicorn  # noqa: E402
import uvloop  # noqa: E402
from sqlalchemy.exc import DBAPIError  # noqa: E402

from bff.server import Application, running  # noqa: E402
from bff.services import Services  # noqa: E402
from bff.supervisor import LISTEN_FD, PARENT_PID, READY_FD, ROLES  # noqa: E402
from bff.wire import OneWriteHttp  # noqa: E402
from core.database import may_pass  # noqa: E402
from core.processes import die_with_parent  # noqa: E402
from core.settings import OperatorError, Settings  # noqa: E402
from push.session import MAX_CLIENT_FRAME, Close, Refused  # noqa: E402

COMING_BACK_SECONDS = 4
"""Clients sent away come back within so long, spread out by their own jitter, so the next instance meets no storm."""
FAREWELL_SECONDS = 0.3
"""Long enough for the close frames to leave."""
GRACE_SECONDS = 8

_log = structlog.get_logger("bff.worker")


class Server(uvicorn.Server):
    """uvicorn would close every socket with 1012 first; we say goodbye before it starts."""

    def __init__(self, config: uvicorn.Config, services: Services, ready: int | None) -> None:
        super().__init__(config)
        self._services = services
        self._ready = ready
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None and not self.should_exit:
            os.write(self._ready, b"1")
            os.close(self._ready)
            self._ready = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._leaving is None:
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._leaving = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        self._services.draining = True
        self._services.hub.close(
            Refused(Close.DRAINING, "this instance is stopping", error="draining", wait=COMING_BACK_SECONDS)
        )
        await asyncio.sleep(FAREWELL_SECONDS)
        self.should_exit = True


async def work(settings: Settings, roles: frozenset[str], listen: int | None, ready: int | None, demo: bool) -> None:
    metrics = Path(METRICS) if METRICS else None
    async with running(settings, roles=roles, demo=demo, metrics_dir=metrics) as services:
        if listen is None:
            await _work_only(ready)
            return
        config = uvicorn.Config(
            Application(services),
            loop="uvloop",
            http=OneWriteHttp,
            ws_per_message_deflate=False,
            ws_max_size=MAX_CLIENT_FRAME,
            ws_ping_interval=30,
            ws_ping_timeout=30,
            access_log=False,
            log_config=None,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            backlog=2048,
        )
        # What is loaded now stays: the collector need not walk it while a purchase waits, nor look up so often.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        await Server(config, services, ready).serve([socket.socket(fileno=listen)])


async def _work_only(ready: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if ready is not None:
        os.write(ready, b"1")
        os.close(ready)
    await stop.wait()


def main() -> int:
    environ = os.environ
    if PARENT_PID in environ:
        die_with_parent(int(environ[PARENT_PID]))
    try:
        settings = Settings.from_env(environ)
        roles = frozenset(environ.get(ROLES, "serve,work").split(","))
        listen = int(environ[LISTEN_FD]) if LISTEN_FD in environ else None
        ready = int(environ[READY_FD]) if READY_FD in environ else None
        uvloop.run(work(settings, roles, listen, ready, environ.get("CHORUS_DEMO") == "1"))
    except OperatorError as error:
        sys.stderr.write(f"chorus: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    except (DBAPIError, ConnectionError) as error:
        if not may_pass(error):
            raise
        # Begun while PostgreSQL recovers from a crash, most likely; our parent starts another.
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        sys.stderr.write(f"chorus: this worker ends, a server it needs is away: {cause}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
