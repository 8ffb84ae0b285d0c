"""Points that are going to stop being good: how many, of how many members, in which month; and whose.

Read by the index of dates, so that it costs what ends in the span and not what there is. Points on hold and points that
are pending are not among them: they may yet be spent, taken back or become good.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connected, gradually, transaction


class Ending(msgspec.Struct, frozen=True):
    """`month` is "2026-12", of the last good day; None for all months together."""

    currency: str
    month: str | None
    points: int
    members: int


class Span(msgspec.Struct, frozen=True):
    """Lots of `currency` that stop being good from `start` until before `end`."""

    currency: str
    start: datetime
    end: datetime


async def ending(engine: AsyncEngine, now: datetime, until: datetime, zone: str) -> list[Ending]:
    """What is good now and stops being so by `until`, by currency and month, each currency's sum after its months."""
    async with transaction(engine, one_instant=True) as connection:
        return [Ending(*row) for row in await connection.fetch(_ENDING, now, until, zone)]


class Size(msgspec.Struct, frozen=True):
    members: int
    lots: int
    points: int


async def size(engine: AsyncEngine, span: Span) -> Size:
    async with transaction(engine, one_instant=True) as connection:
        return Size(*(await connection.fetch(_SIZE, span.currency, span.start, span.end))[0])


async def members(engine: AsyncEngine, span: Span, at_once: int) -> AsyncGenerator[list[int], None]:
    """Everybody who has such a lot now, once, `at_once` at a time."""
    async with (
        connected(engine) as connection,
        aclosing(gradually(connection, _MEMBERS, span.currency, span.start, span.end, at_once=at_once)) as batches,
    ):
        async for rows in batches:
            yield [member for (member,) in rows]


_LOTS = "FROM lot WHERE remaining > 0 AND currency = $1 AND expires_at >= $2 AND expires_at < $3"

_SIZE = f"SELECT count(DISTINCT member_id), count(*), CAST(coalesce(sum(remaining), 0) AS bigint) {_LOTS}"

_MEMBERS = f"SELECT member_id {_LOTS} GROUP BY member_id"

_ENDING = """WITH ends AS (
       SELECT member_id, currency, remaining, expires_at AS at FROM lot
        WHERE remaining > 0 AND expires_at > $1 AND expires_at <= $2
       UNION ALL
       SELECT l.member_id, l.currency, l.remaining, a.lapses_at
         FROM account a JOIN lot l ON l.member_id = a.member_id AND l.currency = a.currency
        WHERE a.lapses_at > $1 AND a.lapses_at <= $2 AND a.available + a.debt > 0
          AND l.remaining > 0 AND l.expires_at IS NULL)
       SELECT currency, to_char((at - interval '1 microsecond') AT TIME ZONE $3, 'YYYY-MM') AS month,
              CAST(sum(remaining) AS bigint), count(DISTINCT member_id)
         FROM ends
        GROUP BY GROUPING SETS ((currency, month), (currency))
        ORDER BY currency, month NULLS LAST"""
