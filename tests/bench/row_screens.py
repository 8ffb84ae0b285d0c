"""Rows 5, 6 and 7: from a commit to thousands of screens, against a bare `websockets` server.

The crowd: 1,000 members (a quick run: 200), each with one socket of each of the five surfaces. Peer and ours get the same
sockets from the same client, the same rate at the same scheduled instants, and frames of the same size.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import msgspec
import psutil
import uvloop

from bff.auth import Principal, Tokens
from core import read
from core.clock import system_clock
from core.database import connect
from tests.bench.crowd import Crowd, Target
from tests.bench.figures import Reading, Row, interleave, percentile
from tests.bench.ground import Ground, Serving, started, verified
from tests.bench.http_client import Pool
from tests.bench.pace import BareShop, RealShop, Shop, pace
from tests.bench.plan import SURFACES
from tests.bench.shop import LIFETIME, STORE, Requests, kiosk
from tests.databases import Database

WARM_SCREENS = 50
"""Opened and closed before memory is read: what the first socket makes a server load belongs to no socket."""
SETTLE_SECONDS = 15.0


def screen_rows(ground: Ground, wanted: Iterable[str]) -> list[Row]:
    """One crowd gives rows 5 and 7: first its memory, then its lags."""
    rows: list[Row] = []
    wanted = set(wanted)
    if wanted & {"5", "6", "7"}:
        crowd_bytes, app_bytes = _frame_sizes(ground)
    if wanted & {"5", "7"}:
        plan = ground.plan
        peer, ours = interleave(
            "5 and 7 (p99 ms)",
            plan.repeats,
            partial(_bare_crowd, ground, crowd_bytes),
            partial(_real_crowd, ground),
        )
        sockets = f"{plan.sockets:,} sockets of {plan.watched:,} members"
        if "5" in wanted:
            rows += [
                Row(
                    row="5", measure=f"commit -> screen {name[:3]}, {sockets}, {plan.rate:.0f} purchases/s",
                    unit="ms", peer_name="bare websockets", peer=_part(peer, name), ours=_part(ours, name),
                    floor=3, goal=1.3, better="lower",
                )
                for name in ("p50_ms", "p99_ms")
            ]  # fmt: skip
        if "7" in wanted:
            rows.append(
                Row(
                    row="7", measure=f"memory an idle socket, {sockets}", unit="KiB", peer_name="bare websockets",
                    peer=_part(peer, "kib_a_socket"), ours=_part(ours, "kib_a_socket"),
                    floor=2.2, goal=1.5, better="lower",
                )
            )  # fmt: skip
    if "6" in wanted:
        peer, ours = interleave(
            "6", ground.plan.repeats, partial(_bare_hot, ground, app_bytes), partial(_real_hot, ground)
        )
        rows.append(
            Row(
                row="6", measure=f"frames/s of one core, {ground.plan.hot_sockets:,} sockets of one member", unit="/s",
                peer_name="websockets.broadcast()", peer=peer, ours=ours, floor=0.5, goal=0.9, better="higher",
            )
        )  # fmt: skip
    return rows


def _part(readings: list[Reading], name: str) -> list[Reading]:
    """The same readings with another of their figures as the value."""
    return [msgspec.structs.replace(reading, value=reading.details[name]) for reading in readings]


# The two servers


@contextlib.contextmanager
def _bare(frame_bytes: int) -> Iterator[tuple[int, int, psutil.Process]]:
    """The bare server: its port for sockets, its port for triggers, its process."""
    with started([sys.executable, "-m", "tests.bench.bare_sockets", str(frame_bytes)]) as process:
        assert process.stdout is not None
        sockets, triggers = map(int, process.stdout.readline().split())
        yield sockets, triggers, psutil.Process(process.pid)


def _bare_target(index: int, surface: str = "app") -> Target:
    return Target(index, surface, f'{{"member":{index}}}')


def _targets(ground: Ground, members: range, surfaces: Iterable[str] = SURFACES) -> list[Target]:
    """Screens of members, each with a token of its own as a real client has."""
    tokens = Tokens(ground.secret, system_clock)
    found = []
    for index in members:
        member = ground.members[index]
        for surface in surfaces:
            if surface == "receipt":
                token = tokens.receipt_token(member, 2)  # the version of everybody's first purchase
            elif surface == "kiosk":
                token = tokens.issue(Principal("kiosk", device=kiosk(index), store=STORE), LIFETIME)
            else:
                token = tokens.issue(Principal(surface, member=member), LIFETIME)
            hello = {"type": "hello", "surface": surface, "token": token, "locale": "en"}
            found.append(Target(member, surface, msgspec.json.encode(hello).decode()))
    return found


def _frame_sizes(ground: Ground) -> tuple[int, int]:
    """The mean bytes of a state frame over all surfaces, and of the app's, from a few purchases under real screens."""
    with ground.database() as database, ground.serving(database) as serving:

        async def run() -> list[tuple[int, str]]:
            crowd = Crowd(serving.host, serving.port, "/live")
            await crowd.open(_targets(ground, range(10)))
            await pace(crowd, await _real_shop(ground, serving, 10), rate=20.0, seconds=2.0)
            sizes = [(len(screen.last), screen.target.surface) for screen in crowd.screens]
            await crowd.close()
            return sizes

        sizes = uvloop.run(run())
    app = [size for size, surface in sizes if surface == "app"]
    return round(sum(size for size, _ in sizes) / len(sizes)), round(sum(app) / len(app))


# Rows 5 and 7


def _bare_crowd(ground: Ground, frame_bytes: int) -> Reading:
    plan = ground.plan
    with _bare(frame_bytes) as (port, triggers, process):
        targets = [_bare_target(index, surface) for index in range(plan.watched) for surface in SURFACES]

        async def run() -> Reading:
            crowd = Crowd("127.0.0.1", port, "/")
            kib = await _memory(ground, crowd, targets, process)
            shop = await BareShop.open("127.0.0.1", triggers, plan.watched)
            lags = await pace(crowd, shop, rate=plan.rate, seconds=plan.pace_seconds)
            wrong = [
                screen for screen in crowd.screens if screen.stamp and screen.stamp[1] != shop.versions[screen.member]
            ]
            faults = crowd.faults[:3] + ([f"{len(wrong)} bare screens are behind"] if wrong else [])
            await crowd.close()
            return _crowd_reading(lags, kib, faults) if lags else Reading(0, {}, ["no frame arrived"])

        return uvloop.run(run())


def _real_crowd(ground: Ground) -> Reading:
    plan = ground.plan
    with ground.database() as database:
        with ground.serving(database) as serving:
            targets = _targets(ground, range(plan.watched))

            async def run() -> Reading:
                crowd = Crowd(serving.host, serving.port, "/live")
                kib = await _memory(ground, crowd, targets, serving.workers()[0])
                cpu = _cpu(serving.workers()[0])
                shop = await _real_shop(ground, serving, plan.watched)
                lags = await pace(crowd, shop, rate=plan.rate, seconds=plan.pace_seconds)
                cpu = _cpu(serving.workers()[0]) - cpu
                faults = crowd.faults[:3] + shop.faults[:3] + await _wrong(database, crowd)
                await crowd.close()
                reading = _crowd_reading(lags, kib, faults)
                reading.details["server_cpu_share"] = round(cpu / plan.pace_seconds, 3)
                return reading

            reading = uvloop.run(run())
        reading.faults += asyncio.run(verified(database.url))
    return reading


async def _memory(ground: Ground, crowd: Crowd, targets: list[Target], process: psutil.Process) -> float:
    """Open the crowd; KiB of resident memory that each of its sockets added to the server."""
    await crowd.open(targets[:WARM_SCREENS])
    await crowd.close()
    await asyncio.sleep(ground.plan.idle_seconds)
    before = process.memory_info().rss
    await crowd.open(targets)
    await asyncio.sleep(ground.plan.idle_seconds)
    return (process.memory_info().rss - before) / 1024 / len(targets)


def _crowd_reading(lags: dict[str, list[float]], kib: float, faults: list[str]) -> Reading:
    """The lags in milliseconds, each kind sorted; `value` is the p99 from commit to screen."""
    details: dict[str, Any] = {"frames": len(lags["screen"]), "kib_a_socket": round(kib, 2)}
    for kind, prefix in (("screen", ""), ("scheduled", "scheduled_"), ("answer", "answer_")):
        if ordered := sorted(lags[kind]):
            details |= {f"{prefix}p{p}_ms": round(percentile(ordered, p), 3) for p in (50, 99)}
            details[f"{prefix}max_ms"] = round(ordered[-1], 3)
    if not lags["screen"]:
        return Reading(0, {**details, "p50_ms": 0.0, "p99_ms": 0.0}, [*faults, "no frame arrived"])
    return Reading(details["p99_ms"], details, faults)


# Row 6


def _bare_hot(ground: Ground, frame_bytes: int) -> Reading:
    with _bare(frame_bytes) as (port, triggers, process):

        async def run() -> Reading:
            crowd = Crowd("127.0.0.1", port, "/")
            await crowd.open([_bare_target(0)] * ground.plan.hot_sockets)
            shop = await BareShop.open("127.0.0.1", triggers, 1)
            reading = await _fan_out(ground, crowd, shop, process, 1)
            await crowd.close()
            return reading

        return uvloop.run(run())


def _real_hot(ground: Ground) -> Reading:
    with ground.database() as database:
        with ground.serving(database) as serving:

            async def run() -> Reading:
                crowd = Crowd(serving.host, serving.port, "/live")
                await crowd.open(_targets(ground, range(1), ("app",)) * ground.plan.hot_sockets)
                shop = await _real_shop(ground, serving, 1)
                reading = await _fan_out(ground, crowd, shop, serving.workers()[0], 2)
                reading.faults += await _wrong(database, crowd)
                await crowd.close()
                return reading

            reading = uvloop.run(run())
        reading.faults += asyncio.run(verified(database.url))
    return reading


async def _fan_out(ground: Ground, crowd: Crowd, shop: Shop, process: psutil.Process, version: int) -> Reading:
    """Change the one member again as soon as every screen shows the last change: frames received for each second of
    processor time that the serving process used, its kernel time and the commits themselves included."""
    loop = asyncio.get_running_loop()
    for round_ in range(2):  # the first is to warm up
        seconds = ground.plan.hot_seconds if round_ else ground.plan.warm_seconds
        frames, cpu, start, commits = crowd.frames, _cpu(process), loop.time(), 0
        while loop.time() < start + seconds and not crowd.faults and not shop.faults:
            version += 1
            crowd.expect(version)
            shop.change(0, lambda version: None)
            try:
                await crowd.all_there()
            except TimeoutError:
                return Reading(
                    0, {}, [*crowd.faults[:2], *shop.faults[:2], f"version {version} did not reach everybody"]
                )
            commits += 1
        frames, cpu, passed = crowd.frames - frames, _cpu(process) - cpu, loop.time() - start
    await shop.close()
    details = {
        "frames": frames,
        "changes": commits,
        "cpu_seconds": round(cpu, 2),
        "frames_a_second": round(frames / passed),
    }
    return Reading(frames / cpu if cpu else 0.0, details, crowd.faults[:3] + shop.faults[:3])


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


# What both need


async def _real_shop(ground: Ground, serving: Serving, members: int) -> RealShop:
    pool = Pool(serving.host, serving.port, ground.plan.pace_connections)
    await pool.open()
    requests = Requests(f"{serving.host}:{serving.port}", ground.secret)
    return RealShop(pool, requests, ground.members[:members])


async def _wrong(database: Database, crowd: Crowd) -> list[str]:
    """The screens that do not show the ledger's balance and version, after the time a repair may take."""
    pool = connect(database.url, pool_size=2)
    try:
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while True:
            truth = await read.snapshots(pool, {screen.member for screen in crowd.screens})
            right = {member: (one.account.available, one.version) for member, one in truth.items()}
            wrong = [screen for screen in crowd.screens if screen.shows() != right[screen.member]]
            if not wrong or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.2)
    finally:
        await pool.dispose()
    return [f"{len(wrong)} screens do not show the last version, {wrong[0].target.surface} first"] if wrong else []
