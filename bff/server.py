"""The composition root: every part of a serving process, put together once.

`running` opens the parts in order and closes them in reverse: the door finishes what it took before the database goes.
`Application` is the ASGI callable: live sockets go straight to `LiveApp`, everything else to Litestar with a request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from prometheus_client import Histogram

from bff import assets
from bff.actions import AppActionsController, PosActionsController, WebActionsController
from bff.admin import AdminController
from bff.apple import AppleController
from bff.auth import Tokens
from bff.counter import CounterController, ShopController
from bff.demo.control import ReplayRemote
from bff.devices import AppDevicesController, UnsubscribeController, WebDevicesController
from bff.draws import DrawsController
from bff.errors import HANDLERS
from bff.health import HealthController
from bff.kiosk import KioskController
from bff.live import LiveApp
from bff.member import AppController, WalletController, WebController
from bff.outside import outside
from bff.pages import PagesController
from bff.passes import (
    AppPassesController,
    GoogleController,
    PassPagesController,
    PicturesController,
    WebPassesController,
)
from bff.pos import PosController
from bff.purchases import PurchasesController
from bff.quotes import AppQuotesController, KioskQuotesController, PosQuotesController, WebQuotesController
from bff.receipt import ReceiptController
from bff.requests import StrictRequest
from bff.services import Services
from bff.staff import StaffController
from bff.vouchers import AppClaimsController, KioskClaimsController, PosVouchersController, WebClaimsController
from bff.wall import WallController
from core import logs, sweep
from core.clock import Clock, system_clock
from core.database import connect
from core.devices import KioskSession
from core.engine.engine import Engine
from core.engine.submission import Committed
from core.metrics import BATCH_SIZE, COMMIT_SECONDS, REQUESTS
from core.programme.book import ProgrammeBook
from core.settings import Settings
from push.bus import Bus, Heard
from push.hub import Hub
from push.reader import Reader
from push.relay import Relay
from push.repair import Repair

MAX_BODY = 256 * 1024
"""A purchase of 500 lines with long names is about 150 KB."""
READ_CONNECTIONS = 6
"""A process's connections for reading; its lanes have their own, so that no crowd of readers delays a commit."""

_log = structlog.get_logger("bff.server")


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    roles: frozenset[str] = frozenset({"serve", "work"}),
    clock: Clock = system_clock,
    demo: bool = False,
    metrics_dir: Path | None = None,
) -> AsyncIterator[Services]:
    """Open everything a process with these roles needs; `settings` must have both servers' URLs."""
    logs.configure()
    assert settings.database_url is not None
    assert settings.nats_url is not None
    lanes = connect(settings.database_url, pool_size=settings.lanes)
    reads = connect(settings.database_url, pool_size=READ_CONNECTIONS)
    single = connect(settings.database_url, pool_size=1)
    book, reader, bus = ProgrammeBook(clock), Reader(reads), Bus(settings.nats_url, settings.nats_token)
    hub = Hub(reader, book, clock)
    repair = Repair(reads, hub, book, clock)
    background = _Background()

    def on_commit(committed: list[Committed], seconds: float) -> None:
        committed_at = datetime.now(UTC) if clock is system_clock else clock()
        for one in committed:
            hub.hear(one.change, one.holdings, committed_at)
        if committed:
            hub.flush()
            bus.tell(committed, committed_at)
            BATCH_SIZE.observe(len(committed))
        COMMIT_SECONDS.observe(seconds)

    engine = Engine(lanes, book, on_commit, lanes=settings.lanes, clock=clock, foresight=hub.foresee)
    tokens = Tokens(settings.secret, clock, lambda: repair.revoked)
    beyond = outside(settings, reads, book, bus, tokens, lambda: engine.epoch, clock)
    services = Services(
        settings=settings,
        database=reads,
        book=book,
        engine=engine,
        reader=reader,
        hub=hub,
        bus=bus,
        tokens=tokens,
        clock=clock,
        outside=beyond,
        reload=lambda: _reload(repair),
        replay=ReplayRemote() if demo else None,
        metrics_dir=metrics_dir,
    )
    try:
        await engine.open()
        hub.epoch = engine.epoch
        await bus.open(
            lambda heard: _hear(hub, heard),
            lambda session: background.start(_rebind(hub, session)),
            lambda: background.start(_reload(repair)),
        )
        if services.replay is not None:
            await services.replay.open(bus.client)
        if "serve" in roles:
            await repair.turn()
            background.start(repair.run())
        else:
            background.start(repair.follow_programme())
        if "work" in roles:
            background.start(Relay(single, bus, clock).run())
            background.start(sweep.run(reads, engine, book, clock))
            for job in beyond.jobs():
                background.start(job)
        yield services
    finally:
        await engine.close()
        await background.stop()
        await beyond.close()
        await bus.close()
        for database in (lanes, reads, single):
            await database.dispose()


def _hear(hub: Hub, heard: Heard) -> None:
    if hub.wants(heard.member):
        hub.hear(heard.change(), heard.holdings(), heard.committed_at)


async def _rebind(hub: Hub, session: KioskSession) -> None:
    try:
        await hub.rebind(session)
    except Exception as error:
        _log.warning("rebind_failed", device=session.device, error=str(error))


async def _reload(repair: Repair) -> None:
    try:
        await repair.programme()
    except Exception as error:
        _log.warning("reload_failed", error=str(error))


class _Background:
    """Tasks that live as long as the process; one that ends with an error is told, never silently lost."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("background_task_died", exc_info=error)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Application:
    """The ASGI application of one process."""

    def __init__(self, services: Services) -> None:
        self._live = LiveApp(services)
        self._http = litestar_app(services)
        # A request id names one request of one process: a random prefix, and a count.
        self._prefix, self._count = secrets.token_hex(4), itertools.count(1)
        self._measures: dict[tuple[str, str], Histogram] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and scope["path"] == "/live":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _request(self, scope: Any, receive: Any, send: Any) -> None:
        request_id = f"{self._prefix}{next(self._count):x}"
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = perf_counter(), 0

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        await self._http(scope, receive, sending)
        route = scope.get("path_template") or "other"
        key = (route, str(status))
        measure = self._measures.get(key)
        if measure is None:
            measure = self._measures[key] = REQUESTS.labels(*key)
        measure.observe(perf_counter() - started)


def litestar_app(services: Services) -> Litestar:
    controllers: list[Any] = [
        PosController,
        PurchasesController,
        PosQuotesController,
        PosVouchersController,
        PosActionsController,
        AppController,
        AppQuotesController,
        AppClaimsController,
        AppActionsController,
        WebController,
        WebQuotesController,
        WebClaimsController,
        WebActionsController,
        DrawsController,
        WalletController,
        KioskController,
        KioskQuotesController,
        KioskClaimsController,
        StaffController,
        AdminController,
        ReceiptController,
        AppDevicesController,
        WebDevicesController,
        UnsubscribeController,
        AppleController,
        AppPassesController,
        WebPassesController,
        GoogleController,
        PassPagesController,
        PicturesController,
        PagesController,
        CounterController,
        HealthController,
    ]
    if services.replay is not None:
        controllers += [WallController, ShopController]
    return Litestar(
        [*controllers, assets.router()],
        dependencies={"services": Provide(lambda: services, sync_to_thread=False)},
        exception_handlers=HANDLERS,
        request_class=StrictRequest,
        request_max_body_size=MAX_BODY,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Chorus",
            version="1",
            description="One ledger; every touchpoint shows the same balance. Live views: see docs/live-protocol.md.",
            path="/openapi",
            render_plugins=[JsonRenderPlugin()],
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
            ),
            security=[{"token": []}],
        ),
    )
