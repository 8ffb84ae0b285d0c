"""What the door reads: who is meant, which keys are used, and each member whole under its lock.

One statement a kind for the whole batch, never one a member. Reads that follow the lock are statements of their own:
under READ COMMITTED a row joined in the locking statement could be older than the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from core.database import Driver
from core.ledger.account import Account, Hold, Lot
from core.members.identifiers import Identifier
from core.snapshot import Change, Profile, Purchase


class Claim(msgspec.Struct, frozen=True):
    """A key that was used, and the version it was answered at; `change` is None when it changed nothing."""

    hash: bytes
    attempt: int
    member: int
    version: int
    change: Change | None
    profile: Profile | None


class Locked(msgspec.Struct, frozen=True):
    version: int
    merged_into: int | None
    recorded_at: datetime


async def owners(connection: Driver, identifiers: Collection[Identifier]) -> dict[Identifier, int]:
    """Member ids of those identifiers that have one."""
    if not identifiers:
        return {}
    rows = await connection.fetch(_OWNERS, [i.kind for i in identifiers], [i.value for i in identifiers])
    return {Identifier(kind, value): member for kind, value, member in rows}


async def claim(
    connection: Driver,
    claims: Iterable[tuple[str, str, bytes]],
    attempt: int,
    identifiers: Collection[Identifier],
) -> tuple[set[tuple[str, str]], dict[Identifier, int]]:
    """Claim (source, key, hash) for this attempt; returns the (source, key) that were free, and the owners of
    `identifiers`, which would cost another round trip. Waits for a transaction that is claiming the same key."""
    ordered = sorted(claims)
    rows = await connection.fetch(
        _CLAIM,
        [source for source, _, _ in ordered],
        [key for _, key, _ in ordered],
        [digest for _, _, digest in ordered],
        attempt,
        [i.kind for i in identifiers],
        [i.value for i in identifiers],
    )
    free = {(source, key) for source, key, member in rows if member is None}
    return free, {Identifier(kind, value): member for kind, value, member in rows if member is not None}


async def claimed(connection: Driver, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Claim]:
    """The claims that exist for `keys`, each with the answer's journal row."""
    rows = await connection.fetch(_CLAIMED, [source for source, _ in keys], [key for _, key in keys])
    found = {}
    for source, key, digest, attempt, member, version, change, code, name, locale in rows:
        found[(source, key)] = Claim(
            bytes(digest),
            attempt,
            member,
            version,
            _CHANGE.decode(change) if change else None,
            Profile(code, name, locale) if code else None,
        )
    return found


async def lock(connection: Driver, members: Collection[int]) -> tuple[dict[int, Locked], int]:
    """Lock members in id order; returns them and the newest programme revision."""
    rows = await connection.fetch(_LOCK, sorted(members))
    locked, revision = {}, 0
    for member, version, merged_into, recorded_at, newest in rows:
        locked[member] = Locked(version, merged_into, recorded_at)
        revision = newest
    if not locked:
        revision = await connection.fetchval(_REVISION)
    return locked, revision


async def accounts(
    connection: Driver,
    members: Collection[int],
    currency: str,
    *,
    credited: Collection[int] = (),
    now: datetime | None = None,
) -> dict[int, Account]:
    """The accounts of locked (or, for a view, merely existing) members.

    Those in `credited` are only going to be given points: theirs come thin, unless a hold is open or something is due
    by `now`.
    """
    if not members:
        return {}
    rows = await connection.fetch(_ACCOUNTS, list(members), currency)
    thin = {
        member
        for member, _, held, _, _, _, due in rows
        if member in credited and not held and (due is None or (now is not None and due > now))
    }
    whole = [row[0] for row in rows if row[0] not in thin]
    with_holds = [row[0] for row in rows if row[2]]
    holds: dict[int, list[Hold]] = {}
    if with_holds:
        for member, *hold in await connection.fetch(_HOLDS, with_holds, currency):
            no, reward, points, opened_at, expires_at, takings = hold
            holds.setdefault(member, []).append(
                Hold(no, reward, points, opened_at, expires_at, _TAKINGS.decode(takings))
            )
    lots: dict[int, list[Lot]] = {}
    if whole:
        for member, *lot in await connection.fetch(_LOTS, whole, currency):
            lots.setdefault(member, []).append(Lot(*lot))
    emptied = [
        (member, no)
        for member, open_holds in holds.items()
        for no in {no for hold in open_holds for no, _ in hold.takings} - {lot.no for lot in lots.get(member, ())}
    ]
    if emptied:
        owning, numbers = [m for m, _ in emptied], [no for _, no in emptied]
        for member, *lot in await connection.fetch(_EMPTIED_LOTS, owning, numbers, currency):
            lots.setdefault(member, []).append(Lot(*lot))
        for member, _ in emptied:
            lots[member].sort(key=lambda lot: lot.no)
    return {
        member: Account(
            tuple(lots.get(member, ())),
            tuple(holds.get(member, ())),
            debt,
            made,
            _QUALIFYING.decode(qualifying),
            available + debt if member in thin else 0,
            due if member in thin else None,
        )
        for member, debt, _, made, qualifying, available, due in rows
    }


async def purchases(connection: Driver, named: Collection[tuple[int, int]]) -> dict[tuple[int, int], Purchase]:
    """Purchases by (member, version)."""
    if not named:
        return {}
    rows = await connection.fetch(_PURCHASES, [m for m, _ in named], [v for _, v in named])
    return {(member, version): _PURCHASE.decode(record) for member, version, record in rows}


async def next_member_block(connection: Driver) -> int:
    """The first of a hundred member ids that are this process's alone."""
    return int(await connection.fetchval("SELECT nextval('member_id')"))


async def epoch(connection: Driver) -> int:
    return int(await connection.fetchval("SELECT epoch FROM lineage"))


_CHANGE = msgspec.json.Decoder(Change)
_PURCHASE = msgspec.json.Decoder(Purchase)
_TAKINGS = msgspec.json.Decoder(tuple[tuple[int, int], ...])
_QUALIFYING = msgspec.json.Decoder(dict[int, int])

_OWNERS = """SELECT kind, value, member_id FROM identifier
         JOIN unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS wanted (kind, value) USING (kind, value)"""

_CLAIM = """WITH free AS (
         INSERT INTO claim (source, id, hash, attempt)
         SELECT source, id, hash, $4
           FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bytea[])) AS new (source, id, hash)
          ORDER BY source, id
         ON CONFLICT DO NOTHING RETURNING source, id)
       SELECT source, id, CAST(NULL AS bigint) FROM free
       UNION ALL
       SELECT kind, value, member_id FROM identifier
         JOIN unnest(CAST($5 AS text[]), CAST($6 AS text[])) AS wanted (kind, value) USING (kind, value)"""

_CLAIMED = """SELECT c.source, c.id, c.hash, c.attempt, c.member_id, c.version, CAST(v.change AS text),
              p.code, p.display_name, p.locale
         FROM claim c
         JOIN unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS wanted (source, id) USING (source, id)
         LEFT JOIN member_version v ON c.changed AND v.member_id = c.member_id AND v.version = c.version
         LEFT JOIN profile p ON p.member_id = c.member_id AND v.command = 'enrol'"""

_LOCK = """SELECT id, version, merged_into, recorded_at, (SELECT max(revision) FROM programme_revision)
         FROM member WHERE id = ANY(CAST($1 AS bigint[])) ORDER BY id FOR NO KEY UPDATE OF member"""

_REVISION = "SELECT max(revision) FROM programme_revision"

_ACCOUNTS = """SELECT member_id, debt, held, lots_made, CAST(qualifying AS text), available, next_due FROM account
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND currency = $2"""

_LOTS = """SELECT member_id, no, origin, earned_at, expires_at, amount, remaining FROM lot
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND currency = $2 AND remaining > 0
        ORDER BY member_id, no"""

_EMPTIED_LOTS = """SELECT member_id, lot.no, origin, earned_at, expires_at, amount, remaining
         FROM lot JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS integer[])) AS named (member_id, no)
              USING (member_id, no)
        WHERE currency = $3"""

_HOLDS = """SELECT member_id, no, reward, points, opened_at, expires_at, CAST(takings AS text) FROM hold
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND currency = $2 AND state = 'open'
        ORDER BY member_id, no"""

_PURCHASES = """SELECT member_id, version, CAST(record AS text) FROM purchase
         JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS named (member_id, version)
              USING (member_id, version)"""
