"""Talking to an engine in a test: keys by themselves, purchases in one word."""

from __future__ import annotations

import itertools
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connect
from core.earning.slip import RecordPurchase
from core.engine.commands import Command
from core.engine.engine import Engine
from core.engine.submission import Answer, Submission, input_hash
from core.members.decide import Enrol
from core.members.identifiers import Identifier, new_code
from core.programme.book import publish
from core.snapshot import Line
from core.verify import Report, verify

LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00Z")

_keys = itertools.count(1)


def submission(
    command: Command,
    who: int | Identifier | None,
    *,
    key: str = "",
    request: object = None,
    occurred_at: datetime | None = None,
    place: str = "",
    staff: bool = False,
) -> Submission:
    """`key` is a new one unless given; `request` is what was sent, where that is not the command itself."""
    return Submission(
        source="test",
        key=key or f"key-{next(_keys)}",
        hash=input_hash(repr(command) if request is None else request),
        command=command,
        who=who,
        occurred_at=occurred_at,
        place=place,
        staff=staff,
    )


async def send(engine: Engine, command: Command, who: int | Identifier | None, *, key: str = "") -> Answer:
    return await engine.submit(submission(command, who, key=key))


async def enrol(engine: Engine, *identifiers: Identifier) -> int:
    """A new member's id."""
    answer = await send(engine, Enrol(new_code(), identifiers, "en", "Member 1"), None)
    return answer.member


def bought(now: datetime, amount: int, *, channel: str = "store", currency: str = "USD") -> RecordPurchase:
    """One line of `amount` minor units."""
    return RecordPurchase("till-1", now, channel, currency, amount, (Line("CD", 1, amount),))


async def publish_programme(owner_url: str, source: str, now: datetime = LONG_AGO) -> None:
    """Put a TOML programme in force from `now`, by default for anything that ever occurred."""
    pool = connect(owner_url, pool_size=1)
    try:
        async with pool.begin() as connection:
            await publish(connection, source, by="test", now=now)
    finally:
        await pool.dispose()


async def verified(url: str) -> Report:
    """The report on a database."""
    pool = connect(url, pool_size=1, whole_tables=True)
    try:
        return await verify(pool)
    finally:
        await pool.dispose()


async def scalar(pool: AsyncEngine, query: str) -> object:
    async with pool.connect() as connection:
        return await connection.scalar(text(query))
