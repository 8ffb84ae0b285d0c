"""Reads for everything that shows: snapshots, versions, activity pages, purchases, who an identifier is.

Nothing here locks, and nothing here is used to decide. Each call reads one consistent instant (REPEATABLE READ), so an
account never belongs to another version than the one it is labelled with.

A member that was merged into another is shown as that one: what a token or a link names reads on. What is named by a
version (`purchase`, `changes`), and `versions` itself, stay with the member that made it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import Driver, connected, gradually, transaction
from core.decision import State
from core.engine import load, purchases
from core.holdings import Voucher
from core.members.identifiers import Identifier
from core.snapshot import RECENT, Change, Profile, Purchase, Snapshot


async def snapshots(engine: AsyncEngine, members: Collection[int]) -> dict[int, Snapshot]:
    """Snapshots by the member id asked for, a few statements for all of them; a member that does not exist is left out.
    Of one that was merged, the snapshot is the one's that lives on, as its `member` says."""
    async with transaction(engine, one_instant=True) as connection:
        rows = await connection.fetch(_MEMBERS, list(members))
        shown = list({row[1] for row in rows})
        holdings = await load.holdings(connection, shown)
        recent: dict[int, list[Change]] = {}
        for member, change in await connection.fetch(_RECENT, shown, RECENT):
            recent.setdefault(member, []).append(_CHANGE.decode(change))
    return {
        asked: Snapshot(
            member,
            version,
            recorded_at,
            Profile(code, display_name, locale),
            holdings[member],
            tuple(recent.get(member, ())),
        )
        for asked, member, version, recorded_at, code, display_name, locale in rows
    }


async def living(engine: AsyncEngine, member: int) -> int:
    """The member that `member` lives on as: itself, or the one that it was merged into."""
    async with connected(engine) as connection:
        return int(await connection.fetchval(_LIVING, member) or member)


async def quotable(
    engine: AsyncEngine, member: int, keys: Collection[str], codes: Collection[str]
) -> tuple[State | None, dict[str, int], frozenset[str]]:
    """A member as a decider takes it, with the vouchers of `codes` though they be spent, but without a lock; shared
    counts by key, and those that take nothing more. To quote from, never to decide on. None: there is no such member."""
    async with transaction(engine, one_instant=True) as connection:
        rows = await connection.fetch(_STATE, member)
        holdings = await load.holdings(connection, [row[0] for row in rows], named=load.Named(codes=codes))
        counts = await connection.fetch(_COUNTS, list(keys)) if keys else []
    tallies, closed = {key: used for key, used, _ in counts}, frozenset(key for key, _, shut in counts if shut)
    if not rows:
        return None, tallies, closed
    member, version, recorded_at = rows[0]
    return State(member, version, holdings[member], recorded_at=recorded_at), tallies, closed


async def voucher(engine: AsyncEngine, identifier: Identifier) -> tuple[State, Voucher] | None:
    """A voucher by its code, whatever became of it, and its member as of the same instant."""
    async with transaction(engine, one_instant=True) as connection:
        owner = (await load.owners(connection, [identifier])).get(identifier)
        if owner is None:
            return None
        member, version, recorded_at = (await connection.fetch(_STATE, owner))[0]
        named = load.Named(codes=(identifier.value,))
        holdings = (await load.holdings(connection, [member], named=named))[member]
    found = next((one for one in holdings.vouchers or () if one.code == identifier.value), None)
    return None if found is None else (State(member, version, holdings, recorded_at=recorded_at), found)


async def versions(engine: AsyncEngine, members: Collection[int]) -> dict[int, int]:
    """Each member's own last version: by its growing past what is shown, whoever was merged is found."""
    async with connected(engine) as connection:
        rows = await connection.fetch(_VERSIONS, list(members))
        return {int(member): int(version) for member, version in rows}


async def newest_revision(engine: AsyncEngine) -> int:
    async with connected(engine) as connection:
        return int(await connection.fetchval("SELECT max(revision) FROM programme_revision") or 0)


async def member_of(engine: AsyncEngine, identifier: Identifier) -> int | None:
    async with connected(engine) as connection:
        return (await load.owners(connection, [identifier])).get(identifier)


async def activity(
    engine: AsyncEngine, member: int, *, before: int | None, limit: int
) -> tuple[list[Change], int | None]:
    """A page of changes, newest first, with the version the next page starts before; None at the end.

    A member's versions only grow, so a page is the same whatever happens meanwhile. The first page is of whom `member`
    lives on as, which its changes name; those after it are of the very member asked for.
    """
    async with connected(engine) as connection:
        rows = await connection.fetch(_ACTIVITY, member, before, limit + 1)
        changes = [_CHANGE.decode(change) for (change,) in rows]
    more = len(changes) > limit
    return changes[:limit], changes[limit - 1].version if more else None


async def purchase(engine: AsyncEngine, member: int, version: int) -> Purchase | None:
    async with connected(engine) as connection:
        return (await purchases.purchases(connection, [(member, version)])).get((member, version))


async def latest_purchase(engine: AsyncEngine, member: int) -> int | None:
    """The version of a member's newest purchase; those of members merged into it stay at their own links."""
    async with connected(engine) as connection:
        newest = await connection.fetchval(_LATEST_PURCHASE, member)
    return int(newest) if newest else None


async def changes(engine: AsyncEngine, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], Change]:
    """Changes by (member, version), those that exist."""
    async with connected(engine) as connection:
        rows = await connection.fetch(_CHANGES, [member for member, _ in wanted], [version for _, version in wanted])
    found = [_CHANGE.decode(change) for (change,) in rows]
    return {(change.member, change.version): change for change in found}


async def due(connection: Driver, now: datetime, at_once: int) -> AsyncGenerator[list[int], None]:
    """Members for whom the clock did something that is not on record, each once, by what fell due first; all that there
    are at the first look, `at_once` at a time (`core.database.gradually`)."""
    async with aclosing(gradually(connection, _DUE, now, at_once=at_once)) as batches:
        async for rows in batches:
            yield [member for (member,) in rows]


async def become_sweeper(connection: Driver) -> bool:
    """Try to be the one that sweeps, until `retire_sweeper` or the connection's end."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _SWEEP_LOCK))


async def retire_sweeper(connection: Driver) -> None:
    await connection.fetchval("SELECT pg_advisory_unlock($1)", _SWEEP_LOCK)


_SWEEP_LOCK = 0x53574545  # "SWEE"

_CHANGE = msgspec.json.Decoder(Change)

# One step leads to whoever lives on: a merge moves those that were merged into its member before.
_LIVING = "SELECT coalesce(merged_into, id) FROM member WHERE id = $1"

_LATEST_PURCHASE = f"SELECT max(version) FROM purchase WHERE member_id = ({_LIVING})"  # noqa: S608 - our own text

_MEMBERS = """SELECT asked.id, m.id, m.version, m.recorded_at, p.code, p.display_name, p.locale
         FROM member asked
         JOIN member m ON m.id = coalesce(asked.merged_into, asked.id)
         JOIN profile p ON p.member_id = m.id
        WHERE asked.id = ANY(CAST($1 AS bigint[]))"""

_RECENT = """SELECT v.member_id, CAST(v.change AS text)
         FROM unnest(CAST($1 AS bigint[])) AS wanted (id)
        CROSS JOIN LATERAL (SELECT member_id, version, change FROM member_version
                             WHERE member_id = wanted.id ORDER BY version DESC LIMIT $2) v
        ORDER BY v.member_id, v.version DESC"""

_STATE = f"SELECT id, version, recorded_at FROM member WHERE id = ({_LIVING})"  # noqa: S608 - our own text

_COUNTS = "SELECT key, used, closed FROM tally WHERE key = ANY(CAST($1 AS text[]))"

_VERSIONS = "SELECT id, version FROM member WHERE id = ANY(CAST($1 AS bigint[]))"

_ACTIVITY = f"""SELECT CAST(change AS text) FROM member_version
        WHERE member_id = CASE WHEN CAST($2 AS bigint) IS NULL THEN ({_LIVING}) ELSE $1 END
          AND (CAST($2 AS bigint) IS NULL OR version < $2)
        ORDER BY version DESC LIMIT $3"""  # noqa: S608 - our own text

_CHANGES = """SELECT CAST(v.change AS text)
         FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS wanted (member, version)
         JOIN member_version v ON v.member_id = wanted.member AND v.version = wanted.version"""

_DUE = """SELECT member_id FROM (
       SELECT member_id, expires_at AS due FROM lot WHERE remaining > 0 AND expires_at <= $1
       UNION ALL
       SELECT member_id, expires_at FROM hold WHERE state = 'open' AND expires_at <= $1
       UNION ALL
       SELECT member_id, vests_at FROM pending WHERE remaining > 0 AND vests_at <= $1
       UNION ALL
       SELECT member_id, lapses_at FROM account WHERE lapses_at <= $1 AND available + debt > 0
          AND (SELECT true FROM lot WHERE lot.member_id = account.member_id AND lot.currency = account.currency
                  AND remaining > 0 AND expires_at IS NULL LIMIT 1)) AS found
        GROUP BY member_id ORDER BY min(due), member_id"""
"""A lapsed account's lots are asked for one account at a time (a scalar, which no planner turns into a join from the
lots): what is left of it may be good by dates of its own."""
