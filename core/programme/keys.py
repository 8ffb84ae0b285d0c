"""Idempotency keys of publishing: a key publishes once, for ever.

The key is claimed before anything is published, in the same transaction. Who comes with it meanwhile waits for that
one's end; if it failed, the key is free again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import IdempotencyConflict


async def claim(connection: AsyncConnection, source: str, key: str, digest: bytes, now: datetime) -> int | None:
    """None where the key is now this transaction's; else the revision that it published. Raises `IdempotencyConflict`
    where it was used for another request."""
    values = {"source": source, "id": key, "hash": digest, "now": now}
    if await connection.scalar(_CLAIM, values) is not None:
        return None
    used, revision = (await connection.execute(_CLAIMED, {"source": source, "id": key})).one()
    if bytes(used) != digest:
        raise IdempotencyConflict(f"the key {key!r} was used for another request")
    return int(revision)


async def settle(connection: AsyncConnection, source: str, key: str, revision: int) -> None:
    """What the claimed key published."""
    await connection.execute(_SETTLE, {"source": source, "id": key, "revision": revision})


_CLAIM = text(
    """INSERT INTO programme_key (source, id, hash, claimed_at) VALUES (:source, :id, :hash, :now)
       ON CONFLICT DO NOTHING RETURNING id"""
)

_CLAIMED = text("SELECT hash, revision FROM programme_key WHERE source = :source AND id = :id")

_SETTLE = text("UPDATE programme_key SET revision = :revision WHERE source = :source AND id = :id")
