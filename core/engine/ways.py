"""Where merged members went: step by step to the one that lives on."""

from __future__ import annotations

from collections.abc import Collection

from core.database import Driver
from core.members.reference import Step, Way
from core.points import POINTS


async def ways(connection: Driver, members: Collection[int]) -> dict[int, Way]:
    """By each of `members` that was merged, the steps from it."""
    found: dict[int, list[Step]] = {}
    for member, *step in await connection.fetch(_WAYS, list(members), POINTS):
        found.setdefault(member, []).append(Step(*step))
    return {member: tuple(steps) for member, steps in found.items()}


_WAYS = """WITH RECURSIVE way (origin, step, member, ended, heir, above) AS (
           SELECT absorbed, 0, absorbed, absorbed_version, survivor, CAST(coalesce(lots ->> $2, '0') AS integer)
             FROM merge WHERE absorbed = ANY(CAST($1 AS bigint[]))
           UNION ALL
           SELECT origin, step + 1, absorbed, absorbed_version, survivor,
                  above + CAST(coalesce(lots ->> $2, '0') AS integer)
             FROM way JOIN merge ON merge.absorbed = way.heir)
       SELECT origin, member, ended, heir, above FROM way ORDER BY origin, step"""
