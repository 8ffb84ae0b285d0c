"""Purchases by whoever names them: a member's own, and those of the members merged into it, in its numbers.

A purchase's row stays where it was recorded. What it says of lots and vouchers is in the numbers of that member; read
for another it is put into that one's, and what a return made of it is written back without them.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from core.database import Driver
from core.engine.ways import ways
from core.members.merge import purchase_seen
from core.members.reference import origin_of
from core.snapshot import Purchase

_BY_RETURNS = ("returned", "taken_back", "due_back", "qualifying_taken_back", "paid_back")

Key = tuple[int, int]
"""(member, version)."""


async def purchases(connection: Driver, named: Collection[Key]) -> dict[Key, Purchase]:
    """Purchases by (member, number), each as that member sees it; those that are not its own nor came to it are left
    out."""
    if not named:
        return {}
    origins = {(member, no): origin_of(no) or (member, no) for member, no in named}
    rows = await connection.fetch(_PURCHASES, [m for m, _ in origins.values()], [v for _, v in origins.values()])
    found = {(member, version): _PURCHASE.decode(record) for member, version, record in rows}
    foreign = {member for (owner, _), (member, _) in origins.items() if member != owner}
    by = await ways(connection, foreign) if foreign else {}
    seen: dict[Key, Purchase] = {}
    for (owner, no), origin in origins.items():
        purchase, (member, _) = found.get(origin), origin
        if purchase is not None and member == owner:
            seen[(owner, no)] = purchase
        elif purchase is not None:
            for step in by.get(member, ()):
                if step.into == owner:
                    seen[(owner, no)] = purchase_seen(purchase, member, step.above)
    return seen


def returned(purchase: Purchase) -> bytes:
    """What returns have made of a purchase, which is the same in anybody's numbers; as JSON of those fields alone."""
    return msgspec.json.encode({name: getattr(purchase, name) for name in _BY_RETURNS})


_PURCHASE = msgspec.json.Decoder(Purchase)

_PURCHASES = """SELECT member_id, version, CAST(record AS text) FROM purchase
         JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS named (member_id, version)
              USING (member_id, version)"""
