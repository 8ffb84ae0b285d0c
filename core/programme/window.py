"""What was recorded in a window of time, member by member: what a simulation decides again.

Everything is read in the caller's transaction, which is of one instant, a batch at a time, so that memory does not grow
with the number of members. Members without a purchase in the window come too: they stand in a tier. What a member did
that was merged into another since is that one's, in its numbers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec

from core.database import Driver
from core.engine import load
from core.engine.load import Named
from core.holdings import Holdings
from core.members.merge import purchase_seen
from core.members.reference import seen_from_afar
from core.points import POINTS
from core.snapshot import Purchase

AT_ONCE = 200
"""Members of one batch."""


class Returned(msgspec.Struct, frozen=True):
    """The last return of a purchase: its version, and when it was recorded."""

    version: int
    recorded_at: datetime


class Recorded(msgspec.Struct, frozen=True):
    """One member as it is now, with the vouchers that the window's purchases used, and those purchases in order."""

    member: int
    holdings: Holdings
    purchases: tuple[Purchase, ...]
    returns: dict[int, Returned]
    """By the version of the purchase."""


async def count(connection: Driver) -> int:
    """How many members `recorded` gives."""
    return int(await connection.fetchval(_COUNT, POINTS))


async def recorded(connection: Driver, since: datetime) -> AsyncGenerator[list[Recorded], None]:
    """All members in order of their ids, with their purchases recorded from `since` on."""
    last = 0
    while rows := await connection.fetch(_MEMBERS, last, POINTS, AT_ONCE):
        ids = [member for (member,) in rows]
        last = ids[-1]
        bought: dict[int, list[Purchase]] = {}
        for member, by, record in await connection.fetch(_PURCHASES, ids, since):
            bought.setdefault(member, []).append(_seen(_PURCHASE.decode(record), member, by))
        returns: dict[int, dict[int, Returned]] = {}
        for member, by, purchase, version, at in await connection.fetch(_RETURNS, ids, since):
            if by != member:
                purchase, version = seen_from_afar(by, purchase), seen_from_afar(by, version)
            returns.setdefault(member, {})[purchase] = Returned(version, at)
        used = [(member, no) for member in bought for one in bought[member] for no, _ in one.vouchers]
        holdings = await load.holdings(connection, ids, named=Named(vouchers=used))
        yield [
            Recorded(member, holdings[member], tuple(bought.get(member, ())), returns.get(member, {})) for member in ids
        ]


def _seen(purchase: Purchase, member: int, by: int) -> Purchase:
    """Its lots play no part in a simulation, which pays from one of its own."""
    return purchase if by == member else purchase_seen(purchase, by, 0)


_PURCHASE = msgspec.json.Decoder(Purchase)

_COUNT = """SELECT count(*) FROM member m JOIN account a ON a.member_id = m.id AND a.currency = $1
        WHERE m.merged_into IS NULL"""

_MEMBERS = """SELECT m.id
         FROM member m JOIN account a ON a.member_id = m.id AND a.currency = $2
        WHERE m.id > $1 AND m.merged_into IS NULL ORDER BY m.id LIMIT $3"""

_PURCHASES = """SELECT coalesce(m.merged_into, m.id), m.id, CAST(p.record AS text)
         FROM member m
         JOIN member_version v ON v.member_id = m.id AND v.command = 'purchase' AND v.recorded_at >= $2
         JOIN purchase p ON p.member_id = v.member_id AND p.version = v.version
        WHERE m.id = ANY(CAST($1 AS bigint[])) OR m.merged_into = ANY(CAST($1 AS bigint[]))
        ORDER BY 1, v.recorded_at, m.merged_into IS NULL, v.version"""

_RETURNS = """SELECT coalesce(m.merged_into, m.id), m.id, CAST(v.change ->> 'purchase' AS bigint), v.version,
              v.recorded_at
         FROM member m JOIN member_version v ON v.member_id = m.id AND v.command = 'return' AND v.recorded_at >= $2
        WHERE m.id = ANY(CAST($1 AS bigint[])) OR m.merged_into = ANY(CAST($1 AS bigint[]))
        ORDER BY v.recorded_at, m.merged_into IS NULL, v.version"""
