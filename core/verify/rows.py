"""What `verify` reads: every ledger row of the members in a range of ids, grouped by member, and nothing else.

Ranges follow one another without a gap from the smallest number to the largest, so a row of a member that does not
exist is read too. A range ends after `RANGE_VERSIONS` versions, so memory stays bounded however many members there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.verify.rules import Rules, decode

RANGE_VERSIONS = 10_000
"""About 10 MB of rows: the statements a range costs no longer show beside the rows."""
RANGE_MEMBERS = 2_000
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


Which = Literal["within", "named"]
"""Members of a range, or some by their ids."""


class Range(NamedTuple):
    """Member ids from `low` to `high`, both within; `members` of them exist."""

    low: int
    high: int
    members: int


class AccountRow(NamedTuple):
    currency: str
    available: int
    held: int
    debt: int
    lots_made: int
    qualifying: str
    next_due: datetime | None
    pending: int
    lapses_at: datetime | None


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
    occurred_at: datetime
    programme: int
    awards: str | None


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
    expires_at: datetime | None
    source: int
    earned_at: datetime


class PendingRow(NamedTuple):
    currency: str
    no: int
    earned_at: datetime
    vests_at: datetime
    expires_at: datetime | None
    amount: int
    remaining: int


class HoldRow(NamedTuple):
    no: int
    currency: str
    reward: str
    points: int
    takings: str
    state: str
    resolved: int | None
    opened_at: datetime
    expires_at: datetime
    store: str
    stocked: bool
    money: int


class VoucherRow(NamedTuple):
    no: int
    code: str
    reward: str
    issued_at: datetime
    expires_at: datetime | None
    uses: int
    used: int
    points: int
    currency: str
    takings: str
    void: bool
    stocked: bool
    granted: bool
    by_hand: int


class PurchaseRow(NamedTuple):
    version: int
    record: str


class ProgressRow(NamedTuple):
    record: str


class MergeRow(NamedTuple):
    absorbed: int
    absorbed_version: int
    survivor: int
    survivor_version: int
    lots: str


class MemberRows:
    """All of one member; `version` None where only its rows are left of it."""

    __slots__ = (
        "absorbed", "accounts", "entries", "holds", "id", "left", "lots", "merged_into", "merges", "pending",
        "postings", "progress", "purchases", "version", "versions", "vouchers",
    )  # fmt: skip

    def __init__(self, member: int) -> None:
        self.id = member
        self.version: int | None = None
        self.accounts: list[AccountRow] = []
        self.versions: list[VersionRow] = []
        self.entries: list[EntryRow] = []
        self.postings: list[PostingRow] = []
        self.lots: list[LotRow] = []
        self.pending: list[PendingRow] = []
        self.holds: list[HoldRow] = []
        self.vouchers: list[VoucherRow] = []
        self.purchases: list[PurchaseRow] = []
        self.progress: list[ProgressRow] = []
        """One at most."""
        self.merged_into: int | None = None
        self.merges: list[MergeRow] = []
        """Of those that went into it."""
        self.left: list[MergeRow] = []
        """Its own."""
        self.absorbed: dict[int, MemberRows] = {}
        """Of those that went into it, and others, by id."""


async def count_members(connection: AsyncConnection) -> int:
    return int(await connection.scalar(text("SELECT count(*) FROM member")) or 0)


async def rules(connection: AsyncConnection) -> dict[int, Rules]:
    """The published revisions."""
    return {
        revision: msgspec.structs.replace(decode(document), in_force=in_force)
        for revision, document, in_force in await connection.execute(_RULES)
    }


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
    """Everything of every member id that occurs in `within`; those merged into them, at once or by another, are
    `absorbed`, and none has more versions than whoever took it in."""
    found = await _rows(connection, "within", {"low": within.low, "high": within.high})
    family, more = dict(found), {merge.absorbed for member in found.values() for merge in member.merges}
    while more := more - family.keys():
        absorbed = await _rows(connection, "named", {"ids": sorted(more)})
        family |= absorbed
        more = {merge.absorbed for member in absorbed.values() for merge in member.merges}
    for member in family.values():
        member.absorbed = family
    return found


async def _rows(connection: AsyncConnection, which: Which, given: Mapping[str, Any]) -> dict[int, MemberRows]:
    found: dict[int, MemberRows] = {}
    for member, version, merged_into in await connection.execute(_MEMBERS[which], given):
        found[member] = MemberRows(member)
        found[member].version, found[member].merged_into = version, merged_into
    for attribute, (row_type, statements) in _TABLES.items():
        for member, *row in await connection.execute(statements[which], given):
            if member not in found:
                found[member] = MemberRows(member)
            getattr(found[member], attribute).append(row_type(*row))
    return found


def _of(table: str, columns: str, order: str, key: str = "member_id") -> dict[Which, TextClause]:
    return {
        which: text(f"SELECT {key}, {columns} FROM {table} WHERE {key} {members} ORDER BY {key}, {order}")  # noqa: S608 - our own names
        for which, members in _WHICH.items()
    }


_WHICH: dict[Which, str] = {"within": "BETWEEN :low AND :high", "named": "= ANY(CAST(:ids AS bigint[]))"}
_MERGE = "absorbed, absorbed_version, survivor, survivor_version, CAST(lots AS text)"
_RULES = text("SELECT revision, CAST(document AS text), in_force FROM programme_revision")
_NEXT_MEMBERS = text("SELECT id, version FROM member WHERE id >= :low ORDER BY id LIMIT :limit")
_MEMBERS = _of("member", "version, merged_into", "version", key="id")

_TABLES: dict[str, tuple[Any, dict[Which, TextClause]]] = {
    "accounts": (
        AccountRow,
        _of(
            "account",
            "currency, available, held, debt, lots_made, CAST(qualifying AS text), next_due, pending, lapses_at",
            "currency",
        ),
    ),
    "versions": (
        VersionRow,
        _of("member_version", "version, command, entries, recorded_at, CAST(change AS text)", "version"),
    ),
    "entries": (
        EntryRow,
        _of(
            "entry",
            "version, no, kind, recorded_at, reverses, occurred_at, programme, CAST(awards AS text)",
            "version, no",
        ),
    ),
    "postings": (
        PostingRow,
        _of("posting", "version, entry_no, no, account, currency, amount, lot", "version, entry_no, no"),
    ),
    "lots": (
        LotRow,
        _of("lot", "currency, no, origin, amount, remaining, expires_at, source, earned_at", "currency, no"),
    ),
    "pending": (
        PendingRow,
        _of("pending", "currency, no, earned_at, vests_at, expires_at, amount, remaining", "currency, no"),
    ),
    "holds": (
        HoldRow,
        _of(
            "hold",
            "no, currency, reward, points, CAST(takings AS text), state, resolved_version, opened_at, expires_at, store, "
            "stocked, money",
            "no",
        ),
    ),
    "vouchers": (
        VoucherRow,
        _of(
            "voucher",
            "no, code, reward, issued_at, expires_at, uses, used, points, currency, CAST(takings AS text), void, "
            "stocked, granted, by_hand",
            "no",
        ),
    ),
    "purchases": (PurchaseRow, _of("purchase", "version, CAST(record AS text)", "version")),
    "progress": (ProgressRow, _of("progress", "CAST(record AS text)", "member_id")),
    "merges": (MergeRow, _of("merge", _MERGE, "survivor_version", key="survivor")),
    "left": (MergeRow, _of("merge", _MERGE, "absorbed_version", key="absorbed")),
}
