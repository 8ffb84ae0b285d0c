"""What `verify` reads: every ledger row of the members in a range of ids, grouped by member, and nothing else.

Ranges follow one another without a gap from the smallest number to the largest, so a row of a member that does not
exist is read too. A range ends after `RANGE_VERSIONS` versions, so memory stays bounded however many members there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

RANGE_VERSIONS = 10_000
"""About 10 MB of rows: the statements a range costs no longer show beside the rows."""
RANGE_MEMBERS = 2_000
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class Range(NamedTuple):
    """Member ids from `low` to `high`, both within; `members` of them exist."""

    low: int
    high: int
    members: int


class Rules(NamedTuple):
    """What of a programme's revision says how a version should look."""

    zone: ZoneInfo
    tiers: tuple[tuple[str, int], ...]
    """(key, threshold), rising."""


class AccountRow(NamedTuple):
    currency: str
    available: int
    held: int
    debt: int
    lots_made: int
    qualifying: str
    next_due: datetime | None


class VersionRow(NamedTuple):
    version: int
    command: str
    entries: int
    recorded_at: datetime
    change: str


class EntryRow(NamedTuple):
    version: int
    no: int
    kind: str
    recorded_at: datetime
    reverses: int


class PostingRow(NamedTuple):
    version: int
    entry: int
    no: int
    account: str
    currency: str
    amount: int
    lot: int | None


class LotRow(NamedTuple):
    currency: str
    no: int
    origin: int
    amount: int
    remaining: int
    expires_at: datetime | None = None


class HoldRow(NamedTuple):
    no: int
    currency: str
    reward: str
    points: int
    takings: str
    state: str
    resolved: int | None
    expires_at: datetime


class PurchaseRow(NamedTuple):
    version: int
    record: str


class MemberRows:
    """All of one member; `version` None where only its rows are left of it."""

    __slots__ = ("accounts", "entries", "holds", "id", "lots", "postings", "purchases", "version", "versions")

    def __init__(self, member: int) -> None:
        self.id = member
        self.version: int | None = None
        self.accounts: list[AccountRow] = []
        self.versions: list[VersionRow] = []
        self.entries: list[EntryRow] = []
        self.postings: list[PostingRow] = []
        self.lots: list[LotRow] = []
        self.holds: list[HoldRow] = []
        self.purchases: list[PurchaseRow] = []


async def count_members(connection: AsyncConnection) -> int:
    return int(await connection.scalar(text("SELECT count(*) FROM member")) or 0)


async def rules(connection: AsyncConnection) -> dict[int, Rules]:
    """The published revisions."""
    found = {}
    for revision, document in await connection.execute(_RULES):
        programme = msgspec.json.decode(document)
        tiers = tuple((tier["key"], tier["threshold"]) for tier in programme["tiers"])
        found[revision] = Rules(ZoneInfo(programme["zone"]), tiers)
    return found


async def ranges(connection: AsyncConnection) -> AsyncIterator[Range]:
    low, full = _LOWEST, True
    while full:
        rows = (await connection.execute(_NEXT_MEMBERS, {"low": low, "limit": RANGE_MEMBERS})).all()
        taken = versions = 0
        for _, version in rows:
            if taken and versions + version > RANGE_VERSIONS:
                break
            taken, versions = taken + 1, versions + version
        full = taken < len(rows) or len(rows) == RANGE_MEMBERS
        high = rows[taken - 1][0] if full else _HIGHEST
        yield Range(low, high, taken)
        low = high + 1


async def read(connection: AsyncConnection, within: Range) -> dict[int, MemberRows]:
    """Everything of every member id that occurs in `within`."""
    found: dict[int, MemberRows] = {}
    given = {"low": within.low, "high": within.high}
    for member, version in await connection.execute(_MEMBERS, given):
        found[member] = MemberRows(member)
        found[member].version = version
    for attribute, (row_type, statement) in _TABLES.items():
        for member, *row in await connection.execute(statement, given):
            if member not in found:
                found[member] = MemberRows(member)
            getattr(found[member], attribute).append(row_type(*row))
    return found


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


def _of(table: str, columns: str, order: str, key: str = "member_id") -> TextClause:
    return text(
        f"SELECT {key}, {columns} FROM {table} WHERE {key} BETWEEN :low AND :high ORDER BY {key}, {order}"  # noqa: S608 - our own names
    )


_RULES = text("SELECT revision, CAST(document AS text) FROM programme_revision")
_NEXT_MEMBERS = text("SELECT id, version FROM member WHERE id >= :low ORDER BY id LIMIT :limit")
_MEMBERS = text("SELECT id, version FROM member WHERE id BETWEEN :low AND :high")

_TABLES: dict[str, tuple[Any, TextClause]] = {
    "accounts": (
        AccountRow,
        _of("account", "currency, available, held, debt, lots_made, CAST(qualifying AS text), next_due", "currency"),
    ),
    "versions": (
        VersionRow,
        _of("member_version", "version, command, entries, recorded_at, CAST(change AS text)", "version"),
    ),
    "entries": (EntryRow, _of("entry", "version, no, kind, recorded_at, reverses", "version, no")),
    "postings": (
        PostingRow,
        _of("posting", "version, entry_no, no, account, currency, amount, lot", "version, entry_no, no"),
    ),
    "lots": (LotRow, _of("lot", "currency, no, origin, amount, remaining, expires_at", "currency, no")),
    "holds": (
        HoldRow,
        _of("hold", "no, currency, reward, points, CAST(takings AS text), state, resolved_version, expires_at", "no"),
    ),
    "purchases": (PurchaseRow, _of("purchase", "version, CAST(record AS text)", "version")),
}

_ASTRAY = text(
    """SELECT c.member_id, c.version, 1 FROM claim c
         LEFT JOIN member_version v ON v.member_id = c.member_id AND v.version = c.version
        WHERE v.version IS NULL OR c.changed IS NULL LIMIT :limit"""
)

_MADE = text(
    """SELECT v.member_id, v.version, coalesce(c.keys, 0) FROM member_version v
         LEFT JOIN (SELECT member_id, version, count(*) AS keys FROM claim WHERE changed GROUP BY member_id, version) c
              USING (member_id, version)
        WHERE coalesce(c.keys, 0) <> 1 LIMIT :limit"""
)
