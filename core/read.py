"""Reads for everything that shows: snapshots, versions, activity pages, purchases, who an identifier is.

Nothing here locks, and nothing here is used to decide. Each call reads one consistent instant (REPEATABLE READ), so an
account never belongs to another version than the one it is labelled with.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.engine import load
from core.engine.engine import CURRENCY
from core.members.identifiers import Identifier
from core.snapshot import RECENT, Change, Profile, Purchase, Snapshot


@contextlib.asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a read-only transaction of one instant."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


async def snapshots(engine: AsyncEngine, members: Collection[int]) -> dict[int, Snapshot]:
    """Snapshots by member id, a few statements for all of them; a member that does not exist is left out."""
    async with reading(engine) as connection:
        rows = (await connection.execute(_MEMBERS, {"ids": list(members)})).all()
        accounts = await load.accounts(connection, [row[0] for row in rows], CURRENCY)
        recent: dict[int, list[Change]] = {}
        for member, change in await connection.execute(_RECENT, {"ids": [row[0] for row in rows], "limit": RECENT}):
            recent.setdefault(member, []).append(_CHANGE.decode(change))
    return {
        member: Snapshot(
            member,
            version,
            recorded_at,
            Profile(code, display_name, locale),
            accounts[member],
            tuple(recent.get(member, ())),
        )
        for member, version, recorded_at, code, display_name, locale in rows
    }


async def versions(engine: AsyncEngine, members: Collection[int]) -> dict[int, int]:
    async with engine.connect() as connection:
        rows = await connection.execute(_VERSIONS, {"ids": list(members)})
        return {int(member): int(version) for member, version in rows}


async def newest_revision(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT max(revision) FROM programme_revision")) or 0)


async def member_of(engine: AsyncEngine, identifier: Identifier) -> int | None:
    async with engine.connect() as connection:
        return (await load.owners(connection, [identifier])).get(identifier)


async def activity(
    engine: AsyncEngine, member: int, *, before: int | None, limit: int
) -> tuple[list[Change], int | None]:
    """A page of changes, newest first, with the version the next page starts before; None at the end.

    A member's versions only grow, so a page is the same whatever happens meanwhile.
    """
    async with engine.connect() as connection:
        rows = await connection.execute(_ACTIVITY, {"id": member, "before": before, "limit": limit + 1})
        changes = [_CHANGE.decode(change) for (change,) in rows]
    more = len(changes) > limit
    return changes[:limit], changes[limit - 1].version if more else None


async def purchase(engine: AsyncEngine, member: int, version: int) -> Purchase | None:
    async with engine.connect() as connection:
        return (await load.purchases(connection, [(member, version)])).get((member, version))


async def latest_purchase(engine: AsyncEngine, member: int) -> int | None:
    """The version of a member's newest purchase."""
    async with engine.connect() as connection:
        newest = await connection.scalar(_LATEST_PURCHASE, {"id": member})
    return int(newest) if newest else None


async def due(engine: AsyncEngine, now: datetime, limit: int) -> list[int]:
    """Members with a lot or a hold whose time has passed, at most `limit`."""
    async with engine.connect() as connection:
        rows = await connection.execute(_DUE, {"now": now, "limit": limit})
        return [member for (member,) in rows]


_LATEST_PURCHASE = text("SELECT max(version) FROM purchase WHERE member_id = :id")

_CHANGE = msgspec.json.Decoder(Change)

_MEMBERS = text(
    """SELECT m.id, m.version, m.recorded_at, p.code, p.display_name, p.locale
         FROM member m JOIN profile p ON p.member_id = m.id
        WHERE m.id = ANY(CAST(:ids AS bigint[]))"""
)

_RECENT = text(
    """SELECT v.member_id, CAST(v.change AS text)
         FROM unnest(CAST(:ids AS bigint[])) AS wanted (id)
        CROSS JOIN LATERAL (SELECT member_id, version, change FROM member_version
                             WHERE member_id = wanted.id ORDER BY version DESC LIMIT :limit) v
        ORDER BY v.member_id, v.version DESC"""
)

_VERSIONS = text("SELECT id, version FROM member WHERE id = ANY(CAST(:ids AS bigint[]))")

_ACTIVITY = text(
    """SELECT CAST(change AS text) FROM member_version
        WHERE member_id = :id AND (CAST(:before AS bigint) IS NULL OR version < :before)
        ORDER BY version DESC LIMIT :limit"""
)

_DUE = text(
    """(SELECT member_id FROM lot WHERE remaining > 0 AND expires_at <= :now ORDER BY expires_at LIMIT :limit)
       UNION
       (SELECT member_id FROM hold WHERE state = 'open' AND expires_at <= :now ORDER BY expires_at LIMIT :limit)"""
)
