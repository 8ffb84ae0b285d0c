"""What was recorded in a window of time, member by member: what a simulation decides again.

Everything is read in the caller's transaction, which is of one instant, a batch at a time, so that memory does not grow
with the number of members. Members without a purchase in the window come too: they stand in a tier.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec

from core.database import Driver
from core.engine import load
from core.engine.load import Named
from core.holdings import Holdings
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
        for member, record in await connection.fetch(_PURCHASES, ids, since):
            bought.setdefault(member, []).append(_PURCHASE.decode(record))
        returns: dict[int, dict[int, Returned]] = {}
        for member, purchase, version, at in await connection.fetch(_RETURNS, ids, since):
            returns.setdefault(member, {})[purchase] = Returned(version, at)
        used = [(member, no) for member in bought for one in bought[member] for no, _ in one.vouchers]
        holdings = await load.holdings(connection, ids, named=Named(vouchers=used))
        yield [
            Recorded(member, holdings[member], tuple(bought.get(member, ())), returns.get(member, {})) for member in ids
        ]


_PURCHASE = msgspec.json.Decoder(Purchase)

_COUNT = """SELECT count(*) FROM member m JOIN account a ON a.member_id = m.id AND a.currency = $1
        WHERE m.merged_into IS NULL"""

_MEMBERS = """SELECT m.id
         FROM member m JOIN account a ON a.member_id = m.id AND a.currency = $2
        WHERE m.id > $1 AND m.merged_into IS NULL ORDER BY m.id LIMIT $3"""

_PURCHASES = """SELECT v.member_id, CAST(p.record AS text)
         FROM member_version v JOIN purchase p ON p.member_id = v.member_id AND p.version = v.version
        WHERE v.member_id = ANY(CAST($1 AS bigint[])) AND v.command = 'purchase' AND v.recorded_at >= $2
        ORDER BY v.member_id, v.version"""

_RETURNS = """SELECT member_id, CAST(change ->> 'purchase' AS bigint), max(version), max(recorded_at)
         FROM member_version
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND command = 'return' AND recorded_at >= $2
        GROUP BY 1, 2"""
