"""The outbox: a queue of facts, written by the door and emptied by the one relay.

A row is deleted only after the stream has acknowledged it, so a crash repeats a fact and never loses one. Order is by
id; a member's rows entered under its lock, so they leave in version order.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_RELAY_LOCK = 0x52454C41  # "RELA"


class Fact(msgspec.Struct, frozen=True):
    id: int
    kind: str
    payload: str
    """A `Change` as JSON."""
    recorded_at: datetime


async def become_relay(connection: AsyncConnection) -> bool:
    """Try to be the one relay for as long as this connection lives."""
    return bool(await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _RELAY_LOCK}))


async def oldest(connection: AsyncConnection, limit: int) -> list[Fact]:
    rows = await connection.execute(_OLDEST, {"limit": limit})
    return [Fact(*row) for row in rows]


async def delete(connection: AsyncConnection, ids: Collection[int]) -> None:
    await connection.execute(_DELETE, {"ids": list(ids)})


_OLDEST = text("SELECT id, kind, CAST(payload AS text), recorded_at FROM outbox ORDER BY id LIMIT :limit")
_DELETE = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")
