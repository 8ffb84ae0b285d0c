"""Which members' objects Google has, what each was last sent, and which notifications were spent on it.

An object is named by the member it was made for, and shows that member, or whom that member was merged into; versions
never go back at a merge.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal

from core.database import Driver

NOTIFICATIONS = 3
"""Of one pass in `PERIOD`: Google's limit."""
PERIOD = timedelta(hours=24)
NONCES_KEPT = timedelta(days=30)


async def made(connection: Driver, member: int, version: int, programme: int, now: datetime) -> None:
    """The member's object is with Google as of this version."""
    await connection.execute(_MADE, member, version, programme, now)


async def sent(
    connection: Driver, member: int, version: int, programme: int, valid_until: datetime | None, now: datetime
) -> None:
    """An older `programme` than is marked is that of a worker that has not heard: the object is outdated again."""
    await connection.execute(_SENT, member, version, programme, valid_until, now)


async def members(connection: Driver, wanted: Collection[int]) -> dict[int, int]:
    """Those of `wanted` whose pass is in somebody's wallet, or may be, with the version Google has."""
    return {int(member): int(version) for member, version in await connection.fetch(_MEMBERS, list(wanted))}


async def showing(connection: Driver, wanted: Collection[int]) -> list[tuple[int, int]]:
    """(object, member) of every object that shows one of the members `wanted` and is, or may be, in somebody's wallet."""
    return [(serial, member) for serial, member in await connection.fetch(_SHOWING, list(wanted))]


async def spend(connection: Driver, member: int, now: datetime) -> bool:
    """Whether one more notification may be spent on the pass; spends it. Two at once cannot both have the last."""
    rows = await connection.fetch(_SPEND, member, now - PERIOD, NOTIFICATIONS, now)
    return bool(rows)


async def take_back(connection: Driver, member: int, spent_at: datetime) -> None:
    """What was spent on the pass at `spent_at` was not given. Of several of one moment, one is taken back."""
    await connection.execute(_TAKE_BACK, member, spent_at)


async def all_spent(connection: Driver, member: int, now: datetime) -> None:
    """Google says that there are none left, whoever spent them."""
    await connection.execute(_ALL_SPENT, member, now, NOTIFICATIONS)


async def called_back(
    connection: Driver, member: int, state: Literal["saved", "removed"], nonce: str, now: datetime
) -> bool:
    """Google tells that the pass was saved or removed. False where it told that before."""
    await connection.execute(_FORGET_NONCES, now - NONCES_KEPT)
    if not await connection.fetch(_NONCE, nonce, now):
        return False
    await connection.execute(_CALLED_BACK, member, state, now)
    return True


async def outdated(connection: Driver, programme: int, now: datetime, limit: int) -> list[int]:
    """Members whose object shows an older programme, or something whose date has passed; taken: not found again before
    another programme, another date."""
    taken = await connection.fetch(_OUTDATED, programme, now, limit)
    return [member for member, state in taken if state != "removed"]


async def behind(connection: Driver, channel: str, after: int, limit: int) -> tuple[list[int], int]:
    """Members whose object is behind the ledger, among the next `limit`, and for whom nothing waits on `channel`; and the
    last looked at, 0 at the end."""
    rows: Sequence[tuple[int, bool]] = await connection.fetch(_BEHIND, channel, after, limit)
    last = rows[-1][0] if len(rows) == limit else 0
    return [member for member, late in rows if late], last


_MADE = """INSERT INTO google_pass (member_id, state, version, programme, created_at, updated_at)
       VALUES ($1, 'made', $2, $3, $4, $4)
       ON CONFLICT (member_id) DO UPDATE SET version = greatest(google_pass.version, excluded.version),
           programme = greatest(google_pass.programme, excluded.programme), updated_at = excluded.updated_at,
           state = CASE WHEN google_pass.state = 'removed' THEN 'made' ELSE google_pass.state END"""

_SENT = """UPDATE google_pass SET version = greatest(version, $2), programme = $3,
              valid_until = $4, updated_at = $5
        WHERE member_id = $1"""

_MEMBERS = (
    "SELECT member_id, version FROM google_pass WHERE member_id = ANY(CAST($1 AS bigint[])) AND state <> 'removed'"
)

# From the few members to their objects (OFFSET 0): no plan, made while there were few objects, goes the other way.
_SHOWING = """SELECT g.member_id, m.id FROM google_pass g JOIN member m ON m.id = g.member_id
        WHERE g.member_id = ANY(CAST($1 AS bigint[])) AND g.state <> 'removed' AND m.merged_into IS NULL
       UNION ALL
       SELECT g.member_id, m.merged_into
         FROM member m CROSS JOIN LATERAL (SELECT member_id, state FROM google_pass WHERE member_id = m.id OFFSET 0) g
        WHERE m.merged_into = ANY(CAST($1 AS bigint[])) AND g.state <> 'removed'"""

_SPEND = """UPDATE google_pass
          SET notified = array_append(ARRAY(SELECT at FROM unnest(notified) AS past (at) WHERE at > $2), $4)
        WHERE member_id = $1 AND (SELECT count(*) FROM unnest(notified) AS past (at) WHERE at > $2) < $3
    RETURNING member_id"""

_TAKE_BACK = """UPDATE google_pass
          SET notified = notified[: array_position(notified, $2) - 1] || notified[array_position(notified, $2) + 1 :]
        WHERE member_id = $1 AND CAST($2 AS timestamptz) = ANY(notified)"""

_ALL_SPENT = """UPDATE google_pass SET notified = array_fill(CAST($2 AS timestamptz), ARRAY[CAST($3 AS integer)])
        WHERE member_id = $1"""

_NONCE = "INSERT INTO google_nonce (nonce, seen_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING nonce"

_FORGET_NONCES = "DELETE FROM google_nonce WHERE seen_at < $1"

_CALLED_BACK = "UPDATE google_pass SET state = $2, updated_at = $3 WHERE member_id = $1"

_OUTDATED = """UPDATE google_pass SET programme = greatest(programme, $1), valid_until = NULL
        WHERE (programme < $1 OR valid_until <= $2)
          AND member_id IN ((SELECT member_id FROM google_pass WHERE programme < $1 LIMIT $3)
                            UNION
                            (SELECT member_id FROM google_pass WHERE valid_until <= $2 LIMIT $3))
    RETURNING member_id, state"""

_BEHIND = """SELECT g.member_id, g.version < shown.version AND g.state <> 'removed'
              AND NOT EXISTS (SELECT FROM delivery d
                               WHERE d.channel = $1 AND d.target = g.member_id AND d.state = 'pending')
         FROM google_pass g JOIN member m ON m.id = g.member_id
         JOIN member shown ON shown.id = coalesce(m.merged_into, m.id)
        WHERE g.member_id > $2 ORDER BY g.member_id LIMIT $3"""
