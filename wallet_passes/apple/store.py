"""The rows of Apple passes: which exist, when each changed last, which devices hold them.

A pass is named by the member it was made for, for as long as there is a phone that holds it: that is its serial. It shows
that member, or whom that member was merged into; versions never go back at a merge.

A change of a pass is marked with the next update tag. Whoever marks holds the counter's row until its commit, so tags
become visible in their own order: a device that has seen a tag has seen every change below it. `modified_at` moves
strictly forward by whole seconds, the finest an HTTP date can say, so that two changes in one second are two dates.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from core.database import Driver

MAX_DEVICES = 20
"""That hold one pass; one more puts out the one that was heard of longest ago."""
MAX_PASSES = 50
"""That one device holds."""
KEPT_LOGS = 1000


class PassRow(NamedTuple):
    token: str
    tag: int
    modified_at: datetime
    programme: int
    """The newest that it was marked for."""


class PassDevice(NamedTuple):
    id: int
    token: str
    pass_type: str


async def find(connection: Driver, member: int) -> PassRow | None:
    rows = await connection.fetch(_FIND, member)
    return PassRow(*rows[0]) if rows else None


async def make(connection: Driver, member: int, token: str, version: int, programme: int, now: datetime) -> PassRow:
    """The member's pass; made with `token` where there was none."""
    found = await find(connection, member)
    if found is None:
        await connection.execute(_MAKE, member, token, version, programme, now)
        found = await find(connection, member)
        assert found is not None
    return found


async def given(connection: Driver, member: int, tag: int, valid_until: datetime | None) -> None:
    """The pass as of `tag` was given out, and shows the truth until `valid_until`. One that changed meanwhile will be
    fetched again, and says it then."""
    await connection.execute(_GIVEN, member, tag, valid_until)


async def showing(connection: Driver, members: Collection[int]) -> list[tuple[int, int]]:
    """(pass, member) of every pass that shows one of `members`."""
    return [(serial, member) for serial, member in await connection.fetch(_SHOWING, list(members))]


async def mark(connection: Driver, changed: Sequence[tuple[int, int, int]], now: datetime) -> list[int]:
    """Mark passes as changed: (pass, version, programme) each. One known at that version already is left alone. Returns
    the passes marked."""
    if not changed:
        return []
    tag = await _next_tag(connection)
    columns = [list(column) for column in zip(*changed, strict=True)]
    marked = await connection.fetch(_MARK, *columns, tag, now)
    return [member for (member,) in marked]


async def mark_again(connection: Driver, member: int, now: datetime) -> None:
    """Mark a pass whose change nobody was told of."""
    await connection.execute(_MARK_AGAIN, member, await _next_tag(connection), now)


async def mark_outdated(connection: Driver, programme: int, now: datetime, limit: int) -> list[int]:
    """Mark passes that show an older programme, or something whose date has passed. Returns the members."""
    members = [member for (member,) in await connection.fetch(_OUTDATED, programme, now, limit)]
    if not members:
        return []
    tag = await _next_tag(connection)
    marked = await connection.fetch(_MARK_OUTDATED, members, programme, tag, now)
    return [member for (member,) in marked]


async def behind(connection: Driver, after: int, limit: int) -> tuple[list[tuple[int, int]], int]:
    """(pass, version of whom it shows) of passes that are behind the ledger, among the next `limit` after pass `after`;
    and the last one looked at, 0 at the end."""
    rows = await connection.fetch(_BEHIND, after, limit)
    last = rows[-1][0] if len(rows) == limit else 0
    return [(member, version) for member, version, shown in rows if version > shown], last


async def register(
    connection: Driver, device: str, pass_type: str, member: int, token: str, now: datetime
) -> tuple[int, bool, bool]:
    """The registration's id, whether it is new, and whether its device may hold an older pass without knowing: one that
    is new may have had its copy from a while ago, or from another device; and a push to a token that was replaced may
    have been lost."""
    # One after the other for a pass, and for a device: each may put others out, whom it must not wait for.
    await connection.execute(_ONE_AT_A_TIME, f"pass {member}")
    await connection.execute(_ONE_AT_A_TIME, f"device {pass_type} {device}")
    id, new, moved = (await connection.fetch(_REGISTER, device, pass_type, member, token, now))[0]
    if not moved:
        return id, new, False
    # Whoever is marking has looked for devices already, or will see this one: none slips between.
    await connection.execute(_HOLD_TAG)
    if new:
        await connection.execute(_BOUND_MEMBER, member, MAX_DEVICES)
        await connection.execute(_BOUND_DEVICE, device, pass_type, MAX_PASSES)
    return id, new, bool(await connection.fetchval(_EVER_CHANGED, member))


async def unregister(connection: Driver, device: str, pass_type: str, member: int) -> None:
    await connection.execute(_UNREGISTER, device, pass_type, member)


async def changed_since(connection: Driver, device: str, pass_type: str, tag: int) -> list[tuple[int, int]]:
    """(member, tag) of the passes on a device that changed after `tag`."""
    rows = await connection.fetch(_CHANGED, device, pass_type, tag)
    return [(member, changed) for member, changed in rows]


async def devices_of(connection: Driver, members: Collection[int], pass_type: str) -> list[tuple[int, int]]:
    """(member, registration) of every device that holds one of these passes."""
    return [(member, id) for member, id in await connection.fetch(_DEVICES, list(members), pass_type)]


async def devices(connection: Driver, ids: Collection[int]) -> dict[int, PassDevice]:
    return {row[0]: PassDevice(*row) for row in await connection.fetch(_BY_ID, list(ids))}


async def forget(connection: Driver, id: int, token: str | None, since: datetime | None) -> None:
    """A push token is dead: `token`, unless the device has another by now; with `since`, only if the device was not heard
    of after that."""
    await connection.execute(_FORGET, id, token, since)


async def log(connection: Driver, messages: Sequence[str], now: datetime) -> None:
    await connection.execute(_LOG, list(messages), now, KEPT_LOGS)


async def logs(connection: Driver, limit: int) -> list[tuple[datetime, str]]:
    """The newest messages that devices sent."""
    return [(at, message) for at, message in await connection.fetch(_LOGS, limit)]


async def _next_tag(connection: Driver) -> int:
    return int(await connection.fetchval("UPDATE wallet_tag SET tag = tag + 1 RETURNING tag"))


_FIND = "SELECT token, tag, modified_at, programme FROM wallet_pass WHERE member_id = $1"

_MAKE = """INSERT INTO wallet_pass (member_id, token, tag, given_tag, modified_at, version, programme, created_at)
       SELECT $1, $2, tag, tag, date_trunc('second', CAST($5 AS timestamptz)), $3, $4, $5 FROM wallet_tag
       ON CONFLICT DO NOTHING"""

_GIVEN = """UPDATE wallet_pass SET valid_until = $3
        WHERE member_id = $1 AND tag = $2 AND valid_until IS DISTINCT FROM $3"""

_EVER_CHANGED = "SELECT tag > given_tag FROM wallet_pass WHERE member_id = $1"

# From the few members to their passes (OFFSET 0): no plan, made while there were few passes, goes the other way.
_SHOWING = """SELECT p.member_id, m.id FROM wallet_pass p JOIN member m ON m.id = p.member_id
        WHERE p.member_id = ANY(CAST($1 AS bigint[])) AND m.merged_into IS NULL
       UNION ALL
       SELECT p.member_id, m.merged_into
         FROM member m CROSS JOIN LATERAL (SELECT member_id FROM wallet_pass WHERE member_id = m.id OFFSET 0) p
        WHERE m.merged_into = ANY(CAST($1 AS bigint[]))"""

_MARK = """UPDATE wallet_pass SET version = new.version, programme = greatest(wallet_pass.programme, new.programme),
              tag = $4, modified_at = greatest(date_trunc('second', CAST($5 AS timestamptz)),
                                               modified_at + interval '1 second')
         FROM (SELECT member, max(version) AS version, max(programme) AS programme
                 FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS integer[]))
                      AS given (member, version, programme)
                GROUP BY member) AS new
        WHERE wallet_pass.member_id = new.member AND wallet_pass.version < new.version
    RETURNING wallet_pass.member_id"""

_MARK_AGAIN = """UPDATE wallet_pass SET tag = $2, modified_at = greatest(
              date_trunc('second', CAST($3 AS timestamptz)), modified_at + interval '1 second')
        WHERE member_id = $1"""

# Looked at again under the counter's lock: another process may have marked them meanwhile.
_MARK_OUTDATED = """UPDATE wallet_pass SET programme = greatest(programme, $2), tag = $3, valid_until = NULL,
              modified_at = greatest(date_trunc('second', CAST($4 AS timestamptz)), modified_at + interval '1 second')
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND (programme < $2 OR valid_until <= $4)
    RETURNING member_id"""

_OUTDATED = """(SELECT member_id FROM wallet_pass WHERE programme < $1 ORDER BY programme, member_id LIMIT $3)
       UNION
       (SELECT member_id FROM wallet_pass WHERE valid_until <= $2 ORDER BY valid_until LIMIT $3)"""

_BEHIND = """SELECT p.member_id, shown.version, p.version FROM wallet_pass p JOIN member m ON m.id = p.member_id
         JOIN member shown ON shown.id = coalesce(m.merged_into, m.id)
        WHERE p.member_id > $1 ORDER BY p.member_id LIMIT $2"""

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

_HOLD_TAG = "SELECT tag FROM wallet_tag FOR UPDATE"

_REGISTER = """WITH known AS (SELECT token FROM pass_device WHERE device = $1 AND pass_type = $2 AND member_id = $3)
       INSERT INTO pass_device (device, pass_type, member_id, token, registered_at, refreshed_at)
       VALUES ($1, $2, $3, $4, $5, $5)
       ON CONFLICT (device, pass_type, member_id) DO UPDATE SET token = excluded.token,
           refreshed_at = greatest(pass_device.refreshed_at, excluded.refreshed_at)
    RETURNING id, xmax = 0, (SELECT token FROM known) IS DISTINCT FROM $4"""

_BOUND_MEMBER = """DELETE FROM pass_device
        WHERE id IN (SELECT id FROM pass_device WHERE member_id = $1 ORDER BY refreshed_at DESC, id DESC OFFSET $2)"""

_BOUND_DEVICE = """DELETE FROM pass_device
        WHERE id IN (SELECT id FROM pass_device WHERE device = $1 AND pass_type = $2
                      ORDER BY refreshed_at DESC, id DESC OFFSET $3)"""

_UNREGISTER = "DELETE FROM pass_device WHERE device = $1 AND pass_type = $2 AND member_id = $3"

_CHANGED = """SELECT p.member_id, p.tag FROM pass_device d JOIN wallet_pass p ON p.member_id = d.member_id
        WHERE d.device = $1 AND d.pass_type = $2 AND p.tag > $3 ORDER BY p.member_id"""

_DEVICES = "SELECT member_id, id FROM pass_device WHERE member_id = ANY(CAST($1 AS bigint[])) AND pass_type = $2"

_BY_ID = "SELECT id, token, pass_type FROM pass_device WHERE id = ANY(CAST($1 AS bigint[]))"

_FORGET = """DELETE FROM pass_device
        WHERE id = $1 AND (CAST($2 AS text) IS NULL OR token = $2)
          AND (CAST($3 AS timestamptz) IS NULL OR refreshed_at <= $3)"""

_LOG = """WITH new AS (INSERT INTO pass_log (logged_at, message)
                     SELECT $2, message FROM unnest(CAST($1 AS text[])) AS given (message) RETURNING id)
       DELETE FROM pass_log WHERE id <= (SELECT min(id) FROM new) - $3"""

_LOGS = "SELECT logged_at, message FROM pass_log ORDER BY id DESC LIMIT $1"
