"""A ledger in which everything is past its date and nobody has swept: row 13's.

A few members are given points through the real engine, two years ago; then all their rows are written again under other
ids, as the owner, by a statement a table. So the ledger is exactly as the door leaves one, and `verify` holds it to
that, at the price of a bulk load. The points are adjustments: a purchase's record would triple the ledger and the time
of its proof, and a sweep never looks at one.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import asyncpg

from core.adjustments.decide import AdjustPoints
from core.clock import system_clock
from core.database import connect
from core.engine.engine import Engine
from core.engine.submission import Submission, input_hash
from core.members.decide import Enrol
from core.members.identifiers import Identifier, new_code
from core.programme.book import ProgrammeBook
from tests.bench.shop import amount
from tests.databases import Database, plain

LOTS = tuple(range(6, 15))
"""Of a member: ten on average."""
PROTOTYPES = 2 * len(LOTS)
FIRST_DAYS_AGO = 830
"""So long that points of 24 months are past their date, the last that are given too."""
BLOCK = 1_000
"""Ids of one copy of the prototypes are so far from the next one's."""

_ANOTHER = {
    "member": ("id", {}),
    "profile": ("member_id", {"code": "lpad(CAST(old.member_id + {by} AS text), 12, '0')"}),
    "identifier": ("member_id", {"value": "old.value || '-' || copy"}),
    "account": ("member_id", {}),
    "progress": ("member_id", {}),
    "member_version": ("member_id", {"change": "old.change || jsonb_build_object('member', old.member_id + {by})"}),
    "entry": ("member_id", {}),
    "posting": ("member_id", {}),
    "claim": ("member_id", {"id": "old.id || '-' || copy"}),
    "lot": ("member_id", {}),
}
"""For each table the column that names the member, and what else must differ in a copy."""


async def age(database: Database, lots: int) -> int:
    """Fill an empty, migrated database with members of `lots` lots together, near enough, all past their date. Returns
    how many members."""
    made = await _prototypes(database.url)
    copies = max(1, round(lots / made))
    owner = await asyncpg.connect(plain(database.owner_url))
    try:
        await owner.execute("SET work_mem = '256MB'")
        # The trigger would sum up each of these statements in memory; `verify` sums up all there is.
        await owner.execute("ALTER TABLE posting DISABLE TRIGGER zero_sum")
        for table, (key, others) in _ANOTHER.items():
            await owner.execute(await _copy(owner, table, key, others, copies - 1))
        await owner.execute("ALTER TABLE posting ENABLE TRIGGER zero_sum")
        await owner.execute("SELECT setval('member_id', (SELECT max(id) + 1000 FROM member))")
        await owner.execute("DELETE FROM outbox")
        await owner.execute("VACUUM (FREEZE, ANALYZE)")
    finally:
        await owner.close()
    return PROTOTYPES * copies


async def _copy(owner: asyncpg.Connection, table: str, key: str, others: dict[str, str], copies: int) -> str:
    """The statement that writes a table's rows `copies` times more, column by column as the table has them. Lots come to
    lie as a shop makes them, by when they were earned: those of a member are far apart."""
    rows = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = CAST($1 AS regclass) AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum",
        table,
    )
    by = f"copy * {BLOCK}"
    columns = [name for (name,) in rows]
    values = [
        f"old.{name} + {by}" if name == key else others.get(name, f"old.{name}").format(by=by) for name in columns
    ]
    order = "old.earned_at, copy" if table == "lot" else f"copy, old.{key}"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
        f"FROM {table} old CROSS JOIN generate_series(1, {copies}) AS copy ORDER BY {order}"
    )


async def _prototypes(url: str) -> int:
    """The first members, each given points some days apart. Returns their lots."""
    now = system_clock() - timedelta(days=FIRST_DAYS_AGO)
    pool = connect(url, pool_size=2)
    engine = Engine(pool, ProgrammeBook(), lambda committed, seconds: None, lanes=1, clock=lambda: now)
    shuffled = random.Random(13)  # every run sweeps a ledger of the same shape
    lots = LOTS * 2
    try:
        await engine.open()
        enrolled = await asyncio.gather(*(engine.submit(_enrolment(index)) for index in range(PROTOTYPES)))
        members = [answer.member for answer in enrolled]
        assert max(members) - min(members) < BLOCK
        for n in range(max(lots)):
            now += timedelta(days=shuffled.randint(2, 6), minutes=shuffled.randint(0, 600))
            given = [index for index in range(PROTOTYPES) if n < lots[index]]
            await asyncio.gather(*(engine.submit(_points(members[index], index, n)) for index in given))
        assert now < system_clock() - timedelta(days=740)
    finally:
        await engine.close()
        await pool.dispose()
    return sum(lots)


def _enrolment(index: int) -> Submission:
    enrol = Enrol(new_code(), (Identifier("card", f"AGED{index:04}"),), "en", "")
    return Submission(source="bench:enrol", key=f"aged-{index}", hash=input_hash(index), command=enrol, who=None)


def _points(member: int, index: int, n: int) -> Submission:
    command, key = AdjustPoints(amount() // 10, "Opening balance"), f"aged-{index}-{n}"
    return Submission(source="bench:adjust", key=key, hash=input_hash(key), command=command, who=member)
