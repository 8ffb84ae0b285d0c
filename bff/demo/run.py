"""`chorus demo`: a server of its own in a folder of its own, and the replay beside it.

The server is the real one, `chorus serve` in a child process; this process only plays the shop and prints where to look.
It takes the server down with it: at the end, at Ctrl-C, and (by the kernel's promise) if it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import nats

from bff.auth import Principal, Tokens
from bff.console import Progress, in_words, say
from bff.demo.log import COUNTERS, sales
from bff.demo.once import Once, OnceResult
from bff.demo.player import Player
from bff.demo.till import TillError, Tills
from bff.demo.wallets.desk import PassDesk, pass_file
from bff.demo.wallets.rig import Rig
from core.clock import system_clock
from core.database import connect
from core.embedded import Endpoints, find_running
from core.processes import die_with_parent
from core.programme.validation import default_document, parse
from core.settings import OperatorError, Settings
from push.bus import nats_options

STOP_SECONDS = 40
_READY = "chorus is ready at "


def demonstrate(*, workers: int, port: int, keep: bool) -> int:
    """Serve and replay until interrupted. Returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(".chorus/demo").absolute()
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    with (
        Rig(folder.with_name("demo-wallets")) as rig,
        _server(folder, rig, workers=workers, port=port, wall=True) as (settings, url),
        contextlib.suppress(KeyboardInterrupt),
    ):
        asyncio.run(_replay(settings, url, rig))
    return 0


def demonstrate_once(*, workers: int, watched: int, port: int, as_json: bool) -> int:
    """Replay everything, judge, print. Returns 1 when a screen or the ledger was wrong."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="chorus-once-") as folder,
        Rig(Path(folder) / "wallets") as rig,
        _server(Path(folder) / "data", rig, workers=workers, port=port, wall=False) as (settings, url),
    ):
        result = asyncio.run(_once(settings, url, rig, workers, watched))
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        _print(result)
    return 0 if result.good else 1


async def _replay(settings: Settings, url: str, rig: Rig) -> None:
    tokens = Tokens(settings.secret, system_clock)
    log = sales(parse(default_document()).tzinfo, system_clock())
    endpoints = _endpoints(settings)
    client = await nats.connect(endpoints.nats_url, max_reconnect_attempts=-1, **_without_limit(endpoints))
    try:
        async with (
            Tills(url, tokens) as tills,
            httpx.AsyncClient(base_url=url, timeout=30) as app,
            PassDesk(rig, client, lambda member: pass_file(app, tokens, member)),
        ):
            with Progress("purchases") as progress:
                player = Player(tills, log, client, progress.to)
                await player.enrol(lambda done, total: progress.step("members", done, total))
                card = tokens.issue(Principal("web", member=player.status().member), timedelta(days=1))
                say(f"The wall:      {url}/wall")
                say(f"Member's page: {url}/card?token={card}")
                say(f"The shop:      {url}/shop (signed in once the member's page was opened)")
                say(f"A till:        {url}/till?token={_till(tokens)}")
                say("Ctrl-C ends it.")
                await player.play()
    except* TillError as errors:
        raise OperatorError(str(errors.exceptions[0])) from None
    finally:
        await client.close()


def _till(tokens: Tokens) -> str:
    """A till of its own beside the replay's: its numbers are never taken for theirs."""
    store, _ = COUNTERS[0]
    return tokens.issue(Principal("pos", device=f"till-{store}-9", store=store, till="9"), timedelta(days=1))


def _without_limit(endpoints: Endpoints) -> dict[str, object]:
    options = nats_options(endpoints.nats_token)
    del options["max_reconnect_attempts"]
    return options


async def _once(settings: Settings, url: str, rig: Rig, workers: int, watched: int) -> OnceResult:
    database = connect(_endpoints(settings).database_url, pool_size=4, whole_tables=True)
    try:
        with Progress("once") as progress:
            log = sales(parse(default_document()).tzinfo, system_clock())
            tokens = Tokens(settings.secret, system_clock)
            return await Once(url, tokens, database, log, watched, rig, progress.step).run(workers)
    finally:
        await database.dispose()


def _endpoints(settings: Settings) -> Endpoints:
    endpoints = find_running(settings.data_dir)
    if endpoints is None:
        raise OperatorError("the demo's servers are gone; start it again")
    return endpoints


@contextlib.contextmanager
def _server(folder: Path, rig: Rig, *, workers: int, port: int, wall: bool) -> Iterator[tuple[Settings, str]]:
    """`chorus serve` on a folder of its own; yields its settings and address."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CHORUS_")}
    environ |= {"CHORUS_DATA_DIR": str(folder), "CHORUS_PORT": str(port), **rig.settings()}
    if wall:
        environ["CHORUS_DEMO"] = "1"
    settings = Settings.from_env(environ)
    me = os.getpid()
    command = [sys.executable, "-m", "bff.cli", "serve", "--workers", str(workers)]
    child = subprocess.Popen(  # noqa: S603 - our own command
        command,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(me, signal.SIGTERM),
    )
    try:
        yield settings, _wait_until_ready(child)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


def _wait_until_ready(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip()
    raise OperatorError(f"the server did not start (exit status {child.wait()}); what it said is above")


def _print(result: OnceResult) -> None:
    print(f"{result.purchases} purchases, {result.per_second}/s over HTTP with {result.workers} worker(s)")
    for name, surface in result.surfaces.items():
        print(
            f"{name:8} {surface.frames:6} frames  p50 {surface.p50_ms:7.1f} ms  p99 {surface.p99_ms:7.1f} ms  "
            f"max {surface.max_ms:7.1f} ms  mismatches {surface.mismatches}"
        )
    print(in_words(result.verify))
