"""L1: how many posts a second PostgreSQL does for a ledger written by hand, one post a transaction, by pgbench.

What such a ledger does at the least, and nothing more: claim the till's key with the entry itself (its primary key),
two postings in one INSERT, one lot, and the member's balance and version, in one transaction of prepared statements.
It has no JSON, no outbox, no journal of versions, no identifier to look up (the member's id is known), no programme to
decide by, and it answers nobody. All of that is in ours; so L1 is a limit of the machine, not an equal product.

Keys grow by client as a till's do, so its indexes are as well-behaved as ours. It runs on the same PostgreSQL process.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from core.embedded.postgres import find_programs
from tests.bench.figures import Reading
from tests.bench.ground import Ground
from tests.databases import Database, plain

_TABLES = """
CREATE TABLE member (
    id          bigint PRIMARY KEY,
    balance     bigint NOT NULL,
    version     bigint NOT NULL,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE entry (
    key         text PRIMARY KEY,
    member_id   bigint NOT NULL,
    kind        text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE TABLE posting (
    key         text NOT NULL,
    side        smallint NOT NULL,
    member_id   bigint NOT NULL,
    account     text NOT NULL,
    amount      bigint NOT NULL,
    PRIMARY KEY (key, side)
);
CREATE TABLE lot (
    member_id   bigint NOT NULL,
    key         text NOT NULL,
    amount      bigint NOT NULL,
    remaining   bigint NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (member_id, key)
);
"""

_SCRIPT = """
\\set n :n + 1
\\set member random(1, :members)
\\set points random(30, 700)
BEGIN;
INSERT INTO entry (key, member_id, kind, recorded_at)
    VALUES (CAST(:client_id AS text) || '-' || CAST(:n AS text), :member, 'earn', now());
INSERT INTO posting (key, side, member_id, account, amount)
    VALUES (CAST(:client_id AS text) || '-' || CAST(:n AS text), 0, :member, 'issued', - CAST(:points AS bigint)),
           (CAST(:client_id AS text) || '-' || CAST(:n AS text), 1, :member, 'available', :points);
INSERT INTO lot (member_id, key, amount, remaining, expires_at)
    VALUES (:member, CAST(:client_id AS text) || '-' || CAST(:n AS text), :points, :points, now() + interval '2 years');
UPDATE member SET balance = balance + :points, version = version + 1, recorded_at = now() WHERE id = :member;
COMMIT;
"""

_TPS = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")
_LATENCY = re.compile(r"latency average = ([\d.]+) ms")


def l1(ground: Ground) -> Reading:
    """Posts a second of the hand-written ledger."""
    plan = ground.plan
    with ground.database("template0") as database:
        asyncio.run(_prepare(database, plan.members))
        script = ground.folder / "l1.sql"
        script.write_text(_SCRIPT)
        _run(ground, database, script, plan.warm_seconds, first=0)
        said = _run(ground, database, script, plan.engine_seconds, first=10**9)
        faults = asyncio.run(_faults(database))
    tps, latency = _TPS.search(said), _LATENCY.search(said)
    if tps is None or latency is None:
        raise RuntimeError(f"pgbench said something else: {said[-300:]}")
    return Reading(float(tps[1]), {"latency_ms": float(latency[1])}, faults)


def _run(ground: Ground, database: Database, script: Path, seconds: float, *, first: int) -> str:
    plan, url = ground.plan, make_url(database.owner_url)
    command = [
        str(find_programs() / "pgbench"), "--no-vacuum", "--protocol=prepared",
        f"--client={plan.pgbench_clients}", f"--jobs={plan.pgbench_threads}", f"--time={max(1, round(seconds))}",
        f"--file={script}", f"--define=members={plan.members}", f"--define=n={first}",
        "-h", str(url.host), "-p", str(url.port), "-U", str(url.username), str(url.database),
    ]  # fmt: skip
    environ = {**os.environ, "PGPASSWORD": str(url.password)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr[-500:]}")
    return done.stdout


async def _prepare(database: Database, members: int) -> None:
    connection = await asyncpg.connect(plain(database.owner_url))
    try:
        await connection.execute(_TABLES)
        fill = "INSERT INTO member SELECT id, 0, 0, now() FROM generate_series(1, $1::bigint) AS id"
        await connection.execute(fill, members)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _faults(database: Database) -> list[str]:
    """The peer is held to the truth as well."""
    query = """SELECT (SELECT sum(amount) FROM posting) = 0
        AND (SELECT sum(balance) FROM member) = (SELECT sum(remaining) FROM lot)
        AND (SELECT sum(version) FROM member) = (SELECT count(*) FROM entry)"""
    connection = await asyncpg.connect(plain(database.owner_url))
    try:
        return [] if await connection.fetchval(query) else ["pgbench's ledger does not add up"]
    finally:
        await connection.close()
