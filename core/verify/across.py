"""What `verify` asks of all members together: keys, shared counts, draws, codes, merges."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class BadClaim(NamedTuple):
    """A version and the number of keys it was the answer to, or a key that names no version."""

    member: int | None
    version: int | None
    keys: int


async def claims(connection: AsyncConnection, limit: int) -> tuple[int, list[BadClaim]]:
    """How many keys were claimed, and what is wrong with them: each key must name a version that exists, and each
    version must have been made by exactly one key."""
    count = int(await connection.scalar(text("SELECT count(*) FROM claim")) or 0)
    rows = [*await connection.execute(_ASTRAY, {"limit": limit}), *await connection.execute(_MADE, {"limit": limit})]
    return count, [BadClaim(*row) for row in rows]


async def tallies(connection: AsyncConnection) -> dict[str, int]:
    """The shared counts: as many as limits name, however many members there are."""
    return {str(row.key): int(row.used) for row in await connection.execute(_TALLIES)}


class TicketRow(NamedTuple):
    """A ticket that its version knows nothing of."""

    member: int
    version: int
    draw: str
    no: int


class DrawRow(NamedTuple):
    """A draw's tickets: how many, and their lowest and highest number. `counted` at its conclusion."""

    draw: str
    tickets: int
    lowest: int
    highest: int
    counted: int | None


async def tickets(connection: AsyncConnection, limit: int) -> tuple[list[DrawRow], list[TicketRow]]:
    """Each draw's tickets summed up, and those that are not of a claim with that number."""
    draws = [DrawRow(*row) for row in await connection.execute(_DRAWS)]
    return draws, [TicketRow(*row) for row in await connection.execute(_ASTRAY_TICKETS, {"limit": limit})]


class CodeRow(NamedTuple):
    """A voucher whose code is not its member's identifier, or such an identifier without a voucher."""

    member: int
    code: str
    no: int | None


async def astray_codes(connection: AsyncConnection, limit: int) -> list[CodeRow]:
    return [CodeRow(*row) for row in await connection.execute(_ASTRAY_CODES, {"limit": limit})]


class AstrayMerge(NamedTuple):
    """A member that leads to another than its merges say, or that identifiers still lead to."""

    member: int
    merged_into: int | None
    lives_on: int


async def astray_merges(connection: AsyncConnection, limit: int) -> list[AstrayMerge]:
    return [AstrayMerge(*row) for row in await connection.execute(_ASTRAY_MERGES, {"limit": limit})]


_ASTRAY = text(
    """SELECT c.member_id, c.version, 1 FROM claim c
         LEFT JOIN member_version v ON v.member_id = c.member_id AND v.version = c.version
        WHERE v.version IS NULL OR c.changed IS NULL LIMIT :limit"""
)

_MADE = text(
    """SELECT v.member_id, v.version, coalesce(c.keys, 0) FROM member_version v
         LEFT JOIN (SELECT member_id, version, count(*) AS keys FROM claim WHERE changed GROUP BY member_id, version) c
              USING (member_id, version)
        WHERE coalesce(c.keys, 0) <> CASE v.command WHEN 'merged' THEN 0 ELSE 1 END LIMIT :limit"""
)

_ASTRAY_MERGES = text(
    """WITH RECURSIVE way (member, at) AS (
           SELECT id, id FROM member WHERE merged_into IS NOT NULL OR id IN (SELECT absorbed FROM merge)
           UNION
           SELECT way.member, merge.survivor FROM way JOIN merge ON merge.absorbed = way.at)
       SELECT m.id, m.merged_into, max(way.at) FROM way JOIN member m ON m.id = way.member
        WHERE NOT EXISTS (SELECT FROM merge WHERE merge.absorbed = way.at)
        GROUP BY m.id, m.merged_into HAVING max(way.at) IS DISTINCT FROM m.merged_into OR count(*) > 1
       UNION ALL
       SELECT m.id, m.merged_into, i.member_id FROM identifier i JOIN member m ON m.id = i.member_id
        WHERE m.merged_into IS NOT NULL
        LIMIT :limit"""
)

_TALLIES = text("SELECT key, used FROM tally")

_DRAWS = text(
    """SELECT t.draw, count(*), min(t.no), max(t.no), min(d.tickets) FROM draw_ticket t LEFT JOIN draw d ON d.id = t.draw
        GROUP BY t.draw ORDER BY t.draw"""
)

_ASTRAY_TICKETS = text(
    """SELECT t.member_id, t.version, t.draw, t.no FROM draw_ticket t
         LEFT JOIN member_version v ON v.member_id = t.member_id AND v.version = t.version AND v.command = 'claim'
        WHERE v.change ->> 'reward' IS DISTINCT FROM t.draw
           OR v.change ->> 'ticket' IS DISTINCT FROM CAST(t.no AS text)
        ORDER BY t.draw, t.no LIMIT :limit"""
)

_ASTRAY_CODES = text(
    """SELECT coalesce(v.member_id, i.member_id), coalesce(v.code, i.value), v.no
         FROM (SELECT voucher.* FROM voucher JOIN member m ON m.id = member_id WHERE m.merged_into IS NULL) v
         FULL JOIN (SELECT value, member_id FROM identifier WHERE kind = 'voucher') i
              ON i.value = v.code AND i.member_id = v.member_id
        WHERE v.code IS NULL OR i.value IS NULL LIMIT :limit"""
)
