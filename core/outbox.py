"""The outbox: a queue of facts, written by the door and emptied by the one relay.

A row is deleted only after the stream has acknowledged it, so a crash repeats a fact and never loses one. Order is by
id; a member's rows entered under its lock, so they leave in version order.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from core.database import Driver

_RELAY_LOCK = 0x52454C41  # "RELA"


class Fact(msgspec.Struct, frozen=True):
    id: int
    kind: str
    payload: str
    """A `Change` as JSON."""
    recorded_at: datetime


async def become_relay(connection: Driver) -> bool:
    """Try to be the one relay for as long as this connection lives."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _RELAY_LOCK))


async def oldest(connection: Driver, limit: int) -> list[Fact]:
    return [Fact(*row) for row in await connection.fetch(_OLDEST, limit)]


async def delete(connection: Driver, ids: Collection[int]) -> None:
    await connection.execute(_DELETE, list(ids))


_OLDEST = "SELECT id, kind, CAST(payload AS text), recorded_at FROM outbox ORDER BY id LIMIT $1"
_DELETE = "DELETE FROM outbox WHERE id = ANY(CAST($1 AS bigint[]))"
