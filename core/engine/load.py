"""What the door reads: who is meant, which keys are used, and each member whole under its lock.

One statement a kind for the whole batch, never one a member. Reads that follow the lock are statements of their own:
under READ COMMITTED a row joined in the locking statement could be older than the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from core.database import Driver
from core.holdings import Holdings, Progress, Voucher
from core.ledger.account import Account, Hold, Lot, Pending
from core.members.identifiers import Identifier
from core.points import POINTS
from core.snapshot import Change, Profile


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
    members: Collection[int],
) -> tuple[set[tuple[str, str]], dict[Identifier, int], dict[int, int]]:
    """Claim (source, key, hash) for this attempt; returns the (source, key) that were free, and what would cost another
    round trip: the owners of `identifiers`, and of `members` those that were merged, each with the one it lives on as.
    Waits for a transaction that is claiming the same key."""
    ordered = sorted(claims)
    rows = await connection.fetch(
        _CLAIM,
        [source for source, _, _ in ordered],
        [key for _, key, _ in ordered],
        [digest for _, _, digest in ordered],
        attempt,
        [i.kind for i in identifiers],
        [i.value for i in identifiers],
        list(members),
    )
    free = {(source, key) for source, key, member in rows if member is None}
    found = [row for row in rows if row[2] is not None]
    owners = {Identifier(kind, value): member for kind, value, member in found if kind != _MERGED}
    return free, owners, {int(member): into for kind, member, into in found if kind == _MERGED}


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


class Named(msgspec.Struct, frozen=True):
    """What a batch's commands must see although it is spent: vouchers by code or by (member, number), lots; and members
    of whom all of both is wanted."""

    codes: Collection[str] = ()
    vouchers: Collection[tuple[int, int]] = ()
    lots: Collection[tuple[int, str, int]] = ()
    """(member, currency, number)."""
    entire: Collection[int] = ()


async def holdings(
    connection: Driver,
    members: Collection[int],
    *,
    credited: Collection[int] = (),
    now: datetime | None = None,
    named: Named | None = None,
) -> dict[int, Holdings]:
    """The holdings of locked (or, for a view, merely existing) members.

    Those in `credited` are only going to be given points: their accounts come thin, unless a hold is open or something
    is due by `now`, and their vouchers not at all.
    """
    if not members:
        return {}
    named = named or Named()
    rows = [_AccountRow(*row) for row in await connection.fetch(_ACCOUNTS, list(members))]
    vouchers = await _vouchers(connection, [m for m in members if m not in credited], named)
    spent = [*named.lots, *_paid_with(vouchers, named)]
    accounts = await _accounts(connection, rows, credited, now, spent, named.entire)
    found: dict[int, Holdings] = {}
    for row in rows:
        if row.currency == POINTS:
            others = {c: account for (m, c), account in accounts.items() if m == row.member and c != POINTS}
            found[row.member] = Holdings(
                accounts[(row.member, POINTS)],
                others,
                None if row.member in credited else tuple(vouchers.get(row.member, ())),
                _progress(row),
            )
    return found


class _AccountRow(NamedTuple):
    member: int
    currency: str
    debt: int
    held: int
    lots_made: int
    qualifying: str
    available: int
    next_due: datetime | None
    pending: int
    lapses_at: datetime | None
    progress: str | None
    birthday: str | None
    first_purchase: int | None
    """Of a member that has no progress on record: the release before kept none."""

    @property
    def key(self) -> tuple[int, str]:
        return self.member, self.currency


def _progress(row: _AccountRow) -> Progress:
    progress = _PROGRESS.decode(row.progress) if row.progress else Progress(first_purchase=row.first_purchase or 0)
    return msgspec.structs.replace(progress, birthday=row.birthday) if row.birthday else progress


async def _accounts(
    connection: Driver,
    rows: list[_AccountRow],
    credited: Collection[int],
    now: datetime | None,
    lots_named: Iterable[tuple[int, str, int]],
    entire: Collection[int],
) -> dict[tuple[int, str], Account]:
    """By (member, currency)."""
    thin = {
        row.key
        for row in rows
        if row.member in credited
        and not row.held
        and (row.next_due is None or (now is not None and row.next_due > now))
    }
    holds = await _holds(connection, sorted({row.member for row in rows if row.held}))
    pending = await _pending(connection, sorted({row.member for row in rows if row.pending}))
    lots = await _lots(connection, [row.key for row in rows if row.key not in thin], holds, lots_named, entire)
    return {
        row.key: Account(
            tuple(lots.get(row.key, ())),
            tuple(holds.get(row.key, ())),
            row.debt,
            row.lots_made,
            _QUALIFYING.decode(row.qualifying),
            row.available + row.debt if row.key in thin else 0,
            row.next_due if row.key in thin else None,
            tuple(pending.get(row.key, ())),
            row.lapses_at,
        )
        for row in rows
    }


async def _lots(
    connection: Driver,
    whole: list[tuple[int, str]],
    holds: Mapping[tuple[int, str], list[Hold]],
    named: Iterable[tuple[int, str, int]],
    entire: Collection[int],
) -> dict[tuple[int, str], list[Lot]]:
    """The open lots of accounts, and the emptied ones that a hold or a command names; all of those in `entire`."""
    lots: dict[tuple[int, str], list[Lot]] = {}
    if whole:
        members, currencies = [member for member, _ in whole], [currency for _, currency in whole]
        for member, currency, *lot in await connection.fetch(_LOTS, members, currencies, list(entire)):
            lots.setdefault((member, currency), []).append(Lot(*lot))
    wanted = {(*key, no) for key, opened in holds.items() for hold in opened for no, _ in hold.takings}
    wanted |= {name for name in named if name[:2] in set(whole)}
    emptied = wanted - {(*key, lot.no) for key, found in lots.items() for lot in found}
    if emptied:
        columns = [list(column) for column in zip(*sorted(emptied), strict=True)]
        for member, currency, *lot in await connection.fetch(_EMPTIED_LOTS, *columns):
            lots.setdefault((member, currency), []).append(Lot(*lot))
        for key in {name[:2] for name in emptied} & lots.keys():
            lots[key].sort(key=lambda lot: lot.no)
    return lots


async def _holds(connection: Driver, members: list[int]) -> dict[tuple[int, str], list[Hold]]:
    found: dict[tuple[int, str], list[Hold]] = {}
    if members:
        for member, currency, *hold in await connection.fetch(_HOLDS, members):
            no, reward, points, opened_at, expires_at, takings, *more = hold
            found.setdefault((member, currency), []).append(
                Hold(no, reward, points, opened_at, expires_at, _TAKINGS.decode(takings), *more)
            )
    return found


async def _pending(connection: Driver, members: list[int]) -> dict[tuple[int, str], list[Pending]]:
    found: dict[tuple[int, str], list[Pending]] = {}
    if members:
        for member, currency, *part in await connection.fetch(_PENDING, members):
            found.setdefault((member, currency), []).append(Pending(*part))
    return found


async def _vouchers(connection: Driver, members: list[int], named: Named) -> dict[int, list[Voucher]]:
    found: dict[int, list[Voucher]] = {}
    if members:
        owners, numbers = [m for m, _ in named.vouchers], [no for _, no in named.vouchers]
        wanted = (list(named.codes), owners, numbers, list(named.entire))
        for member, *voucher in await connection.fetch(_VOUCHERS, members, *wanted):
            no, code, reward, issued_at, expires_at, uses, used, points, currency, takings, *more = voucher
            found.setdefault(member, []).append(
                Voucher(
                    no,
                    code,
                    reward,
                    issued_at,
                    expires_at,
                    uses,
                    used,
                    points,
                    currency,
                    _TAKINGS.decode(takings),
                    *more,
                )
            )
    return found


def _paid_with(vouchers: Mapping[int, list[Voucher]], named: Named) -> Iterator[tuple[int, str, int]]:
    """The lots that named vouchers were paid from, which a command may give points back to."""
    for member, no in named.vouchers:
        for voucher in vouchers.get(member, ()):
            if voucher.no == no:
                yield from ((member, voucher.currency, lot) for lot, _ in voucher.takings)


async def lapsed(connection: Driver, members: Collection[int]) -> dict[int, dict[str, int]]:
    """Points that expired in all and were not given back, by member and currency: the journal says, and those of the
    members merged into it. Somebody who lost none is there too, so that what the same batch lets expire is added."""
    found: dict[int, dict[str, int]] = {member: {POINTS: 0} for member in members}
    if members:
        for member, currency, points in await connection.fetch(_LAPSED, list(members)):
            found.setdefault(member, {})[currency] = int(points)
    return found


async def tallies(connection: Driver, keys: Collection[str]) -> tuple[dict[str, int], frozenset[str]]:
    """Lock shared counts, in the order of their keys; returns them and those that take nothing more. The last locks
    that a batch takes but for identifiers, which nobody waits for while holding one of these."""
    if not keys:
        return {}, frozenset()
    ordered = sorted(keys)
    await connection.execute(_MAKE_TALLIES, ordered)
    rows = await connection.fetch(_TALLIES, ordered)
    return {key: used for key, used, _ in rows}, frozenset(key for key, _, closed in rows if closed)


async def next_member_block(connection: Driver) -> int:
    """The first of a hundred member ids that are this process's alone."""
    return int(await connection.fetchval("SELECT nextval('member_id')"))


async def epoch(connection: Driver) -> int:
    return int(await connection.fetchval("SELECT epoch FROM lineage"))


_CHANGE = msgspec.json.Decoder(Change)
_TAKINGS = msgspec.json.Decoder(tuple[tuple[int, int], ...])
_PROGRESS = msgspec.json.Decoder(Progress)
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
         JOIN unnest(CAST($5 AS text[]), CAST($6 AS text[])) AS wanted (kind, value) USING (kind, value)
       UNION ALL
       SELECT 'merged', CAST(id AS text), merged_into FROM member
        WHERE id = ANY(CAST($7 AS bigint[])) AND merged_into IS NOT NULL"""
_MERGED = "merged"
"""No kind of identifier."""

_CLAIMED = """SELECT c.source, c.id, c.hash, c.attempt, c.member_id, c.version, CAST(v.change AS text),
              p.code, p.display_name, p.locale
         FROM claim c
         JOIN unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS wanted (source, id) USING (source, id)
         LEFT JOIN member_version v ON c.changed AND v.member_id = c.member_id AND v.version = c.version
         LEFT JOIN profile p ON p.member_id = c.member_id AND v.command = 'enrol'"""

_LOCK = """SELECT id, version, merged_into, recorded_at, (SELECT max(revision) FROM programme_revision)
         FROM member WHERE id = ANY(CAST($1 AS bigint[])) ORDER BY id FOR NO KEY UPDATE OF member"""

_REVISION = "SELECT max(revision) FROM programme_revision"

_ACCOUNTS = """SELECT a.member_id, a.currency, a.debt, a.held, a.lots_made, CAST(a.qualifying AS text), a.available,
              a.next_due, a.pending, a.lapses_at, CAST(p.record AS text), f.birthday,
              CASE WHEN a.currency = 'points' AND p.record IS NULL
                   THEN (SELECT min(version) FROM purchase WHERE purchase.member_id = a.member_id) END
         FROM account a
         LEFT JOIN progress p ON p.member_id = a.member_id AND a.currency = 'points'
         LEFT JOIN profile f ON f.member_id = a.member_id AND a.currency = 'points'
        WHERE a.member_id = ANY(CAST($1 AS bigint[]))
        ORDER BY a.member_id, a.currency"""

_LOTS = """SELECT member_id, currency, no, origin, earned_at, expires_at, amount, remaining, source FROM lot
         JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS text[])) AS whole (member_id, currency)
              USING (member_id, currency)
        WHERE remaining > 0 OR member_id = ANY(CAST($3 AS bigint[]))
        ORDER BY member_id, no"""

_EMPTIED_LOTS = """SELECT member_id, currency, no, origin, earned_at, expires_at, amount, remaining, source FROM lot
         JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS text[]), CAST($3 AS integer[]))
              AS named (member_id, currency, no) USING (member_id, currency, no)"""

_HOLDS = """SELECT member_id, currency, no, reward, points, opened_at, expires_at, CAST(takings AS text), store,
              stocked, money
         FROM hold
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND state = 'open'
        ORDER BY member_id, no"""

_PENDING = """SELECT member_id, currency, no, earned_at, vests_at, expires_at, amount, remaining FROM pending
        WHERE member_id = ANY(CAST($1 AS bigint[])) AND remaining > 0
        ORDER BY member_id, no"""

_VOUCHERS = """SELECT member_id, no, code, reward, issued_at, expires_at, uses, used, points, currency,
              CAST(takings AS text), void, stocked, granted, by_hand
         FROM voucher
        WHERE member_id = ANY(CAST($1 AS bigint[]))
          AND ((used < uses AND NOT void) OR code = ANY(CAST($2 AS text[]))
               OR (member_id, no) IN (SELECT * FROM unnest(CAST($3 AS bigint[]), CAST($4 AS bigint[])))
               OR member_id = ANY(CAST($5 AS bigint[])))
        ORDER BY member_id, no"""

_LAPSED = """SELECT lives.id, p.currency, sum(p.amount)
         FROM unnest(CAST($1 AS bigint[])) AS lives (id)
         JOIN member m ON m.id = lives.id OR m.merged_into = lives.id
         JOIN posting p ON p.member_id = m.id AND p.account = 'expired'
        GROUP BY lives.id, p.currency"""

_MAKE_TALLIES = """INSERT INTO tally (key, used)
       SELECT key, 0 FROM unnest(CAST($1 AS text[])) AS named (key)
        WHERE key NOT LIKE 'draw/%' AND NOT EXISTS (SELECT FROM tally WHERE tally.key = named.key) ORDER BY key
       ON CONFLICT DO NOTHING"""

_TALLIES = """SELECT key, used, closed FROM tally WHERE key = ANY(CAST($1 AS text[])) ORDER BY key FOR NO KEY UPDATE"""
