"""A whole Chorus in the test's own process: the real parts, a real uvicorn on a free port, a till and a staff desk.

Only the clock is the test's. Everything else is what `chorus serve` runs: the composition root of `bff.server`, the same
ASGI application, the same WebSocket implementation, on real sockets.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import uvicorn
from nats.js.errors import NotFoundError

from bff.auth import Principal
from bff.server import Application, running
from bff.services import Services
from bff.supervisor import bind
from bff.wire import OneWriteHttp
from core import devices
from core.clock import rfc3339
from core.devices import Device
from core.embedded import Endpoints
from core.providers import Providers
from core.settings import Settings
from push.bus import nats_options
from push.relay import STREAM
from push.session import MAX_CLIENT_FRAME
from tests.conftest import SettableClock
from tests.databases import Database, plain

PATIENCE_SECONDS = 10.0
"""How long a condition may take before a test fails; nothing ever waits so long when it works."""
LIFETIME = timedelta(days=3650)
SURFACES = ("app", "web", "kiosk", "receipt", "wallet")
STORE = "harbour-street"

_numbers = itertools.count(1)


def fresh(what: str) -> str:
    """A name nobody used before."""
    return f"{what}-{next(_numbers)}"


async def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until `condition` holds; fails with `what` when it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for is no event of ours
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


async def until_async(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """As `until`, for a condition that has to ask."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


@dataclass(frozen=True)
class Shopper:
    """A member, as the test came to know it: by the till's answers."""

    member: int
    code: str


@dataclass(frozen=True)
class House:
    """One serving process's worth of Chorus, and the hands that use it."""

    services: Services
    url: str
    http: httpx.AsyncClient
    clock: SettableClock
    database: Database

    def token(
        self,
        surface: str,
        member: int = 0,
        *,
        device: str = "",
        scopes: tuple[str, ...] = (),
        name: str = "",
        lifetime: timedelta = LIFETIME,
    ) -> str:
        principal = Principal(
            surface,
            member=member,
            device=device,
            store=STORE if device else "",
            till="2" if device else "",
            scopes=scopes,
            name=name,
        )
        return self.services.tokens.issue(principal, lifetime)

    @property
    def till(self) -> dict[str, str]:
        """The headers of a till of Harbour Street."""
        return bearer(self.token("pos", device="till-1"))

    def staff(self, *scopes: str) -> dict[str, str]:
        return bearer(self.token("staff", device="desk-1", scopes=scopes or ("adjust",)))

    def owner(self, *scopes: str, name: str = "ada") -> dict[str, str]:
        return bearer(self.token("admin", scopes=scopes, name=name))

    async def post(self, path: str, body: object, headers: dict[str, str], key: str = "") -> dict[str, Any]:
        """The answer to a request that must succeed."""
        answer = await self.http.post(path, json=body, headers={**headers, "Idempotency-Key": key or fresh("key")})
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def enrol(self, name: str = "Ada Lovelace", **body: Any) -> Shopper:
        answer = await self.post("/pos/v1/members", {"id": fresh("enrol"), "display_name": name, **body}, self.till)
        return Shopper(int(answer["member"]), answer["code"])

    def purchase_body(self, who: Shopper, total: int = 3560, quantity: int = 3, **changed: Any) -> dict[str, Any]:
        """The request of a sale of `quantity` CDs for `total` cents, now."""
        line = {"sku": "CD", "quantity": quantity, "amount": total, "name": "Compact disc"}
        body = {
            "id": fresh("S1-T2"),
            "member": {"kind": "code", "value": who.code},
            "occurred_at": rfc3339(self.clock()),
            "channel": "store",
            "currency": "USD",
            "total": total,
            "lines": [line],
        }
        return {**body, **changed}

    async def buy(self, who: Shopper, total: int = 3560, quantity: int = 3, **changed: Any) -> dict[str, Any]:
        return await self.post("/pos/v1/purchases", self.purchase_body(who, total, quantity, **changed), self.till)

    async def adjust(self, who: Shopper, points: int) -> dict[str, Any]:
        body = {"points": points, "reason": "a gift"}
        return await self.post(f"/staff/v1/members/{who.member}/adjustments", body, self.staff())

    async def hold(self, who: Shopper, reward: str = "off5") -> dict[str, Any]:
        return await self.post(f"/pos/v1/members/{who.member}/holds", {"reward": reward}, self.till)

    async def kiosk(self, who: Shopper | None = None) -> str:
        """The token of a new kiosk, bound to `who`."""
        device = fresh("kiosk")
        await devices.add(self.services.database, Device(device, "kiosk", STORE, device), self.clock())
        token = self.token("kiosk", device=device)
        if who is not None:
            await self.post("/kiosk/v1/session", {"code": who.code}, bearer(token))
        return token

    async def ledger(self) -> tuple[int, ...]:
        """Counts of everything a request could have written: versions, postings, claims, outbox rows' ids, members."""
        connection = await asyncpg.connect(plain(self.database.url))
        try:
            row = await connection.fetchrow(
                """SELECT (SELECT count(*) FROM member_version), (SELECT count(*) FROM posting),
                          (SELECT count(*) FROM claim), (SELECT count(*) FROM member),
                          (SELECT coalesce(sum(version), 0) FROM member)::bigint, (SELECT count(*) FROM identifier),
                          (SELECT count(*) FROM purchase),
                          (SELECT coalesce(sum(session), 0) FROM device_session)::bigint"""
            )
        finally:
            await connection.close()
        return tuple(row)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def receipt_token(answer: dict[str, Any]) -> str:
    """The key in the receipt's link of a till's answer."""
    link: str = answer["receipt"]["url"]
    return link.rpartition("/r/")[2]


@contextlib.asynccontextmanager
async def opened(
    database: Database,
    endpoints: Endpoints,
    clock: SettableClock,
    *,
    roles: frozenset[str] = frozenset({"serve"}),
    demo: bool = False,
    metrics_dir: Path | None = None,
    public_url: str = "",
    providers: Providers | None = None,
) -> AsyncIterator[House]:
    """A house on `database`. `roles` without "serve" has neither the repair lane nor its tick: what is shown then came
    by the direct lane or the bus. `public_url`: for one of several that stand behind the same name. `providers`: the
    outside it speaks to; nothing where there are none."""
    if "work" in roles:
        await _forget_stream(endpoints)
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = Settings(
        data_dir=_keys(),
        secret="s" * 32,
        database_url=database.url,
        nats_url=endpoints.nats_url,
        nats_token=endpoints.nats_token,
        port=port,
        public_url=public_url or f"http://127.0.0.1:{port}",
        providers=providers or Providers(),
    )
    with listener:
        async with (
            running(settings, roles=roles, clock=clock, demo=demo, metrics_dir=metrics_dir) as services,
            _listening(services, listener),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
        ):
            yield House(services, f"http://127.0.0.1:{port}", http, clock, database)


@cache
def _keys() -> Path:
    """Where all houses of a run keep the keys that are made on first use; gone when the run ends."""
    folder = Path(tempfile.mkdtemp(prefix="chorus-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


async def _forget_stream(endpoints: Endpoints) -> None:
    """All databases of a run share one stream, and number their facts alike: another house's would pass for ours."""
    client = await nats.connect(endpoints.nats_url, **nats_options(endpoints.nats_token))
    with contextlib.suppress(NotFoundError):
        await client.jetstream().delete_stream(STREAM)
    await client.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which are pytest's here; tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _listening(services: Services, listener: socket.socket) -> AsyncIterator[None]:
    # What bff.worker gives uvicorn, so that the frames and limits are those of production.
    config = uvicorn.Config(
        Application(services),
        http=OneWriteHttp,
        ws_per_message_deflate=False,
        ws_max_size=MAX_CLIENT_FRAME,
        access_log=False,
        log_config=None,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    await server.serving.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await task
