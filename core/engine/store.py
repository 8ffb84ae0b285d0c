"""What the door writes: a batch of decisions, all of it in one statement.

`Batch` gathers rows column by column while commands are decided; `write` puts them down. What changed of an account is
the difference between what was loaded and what the last decision left, so two commands of one member in a batch cost
one row each of account and member.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any

import msgspec

from core.database import Driver
from core.decision import Decision, State
from core.holdings import Holdings, Progress
from core.ledger.account import Account, next_due
from core.members.identifiers import Identifier
from core.points import POINTS
from core.snapshot import Change

Key = tuple[str, str]


class Batch:
    """Rows to write, and the claims to settle."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        # A batch may buy and return, or return twice; one statement can write a row but once, so the last state counts.
        self._purchases: dict[tuple[int, int], str] = {}
        self._answered: list[tuple[str, str, int, int, bool]] = []
        self._refused: list[Key] = []
        self._tallies: dict[str, int] = defaultdict(int)

    def refuse(self, key: Key) -> None:
        """The claim is given up, so that the same key may succeed later."""
        self._refused.append(key)

    def answer(self, key: Key, member: int, version: int, *, changed: bool) -> None:
        self._answered.append((*key, member, version, changed))

    def add(self, decision: Decision, change: Change, source: str) -> None:
        """Journal one decision that changed something."""
        member, version = change.member, change.version
        encoded = msgspec.json.encode(change).decode()
        rows = self._rows
        rows["member_version"].append(
            (member, version, change.kind, len(decision.entries), change.recorded_at, encoded)
        )
        for no, entry in enumerate(decision.entries):
            rows["entry"].append(
                (member, version, no, entry.kind, entry.occurred_at, change.recorded_at, change.programme)
                + (source, change.place, entry.reverses)
                + (msgspec.json.encode(entry.awards).decode() if entry.awards else None,)
            )
            for side, posting in enumerate(entry.postings):
                rows["posting"].append(
                    (member, version, no, side, posting.account, entry.currency, posting.amount, posting.lot)
                )
        if decision.purchase is not None:
            self._purchases[(member, decision.purchase.version)] = msgspec.json.encode(decision.purchase).decode()
        # Of this decision, not of the batch's last: the same batch may resolve it.
        for currency, opened in decision.holdings.accounts():
            for hold in opened.holds:
                if hold.no == version:
                    takings = msgspec.json.encode(hold.takings).decode()
                    rows["new_hold"].append(
                        (member, hold.no, currency, hold.reward, hold.points, hold.opened_at, hold.expires_at)
                        + (takings, hold.store, hold.stocked, hold.money)
                    )
        for end in decision.hold_ends:
            rows["hold_end"].append((member, end.no, end.state, version))
        if decision.profile is not None:
            profile = decision.profile
            birthday = decision.holdings.progress.birthday
            rows["profile"].append((member, profile.code, profile.display_name, profile.locale, birthday))
        for tally in decision.tallies:
            self._tallies[tally.key] += tally.by
        if (ticket := decision.ticket) is not None:
            rows["ticket"].append((ticket.draw, ticket.no, member, version, ticket.entropy))

    def save(self, state: State, before: Holdings | None) -> None:
        """The member's rows as the last decision of the batch left them. `before` None: a new member."""
        member, after = state.member, state.holdings
        row = (member, state.version, state.recorded_at)
        self._rows["new_member" if before is None else "member"].append(row)
        for currency, account in after.accounts():
            known = before.of(currency) if before is not None and _has(before, currency) else None
            if account is not known:
                self._save_account(member, currency, account, known)
        self._save_vouchers(member, after, before)
        progress = before.progress if before is not None else Progress()
        if after.progress is not progress:
            self._save_progress(member, after.progress, progress, new=before is None)

    def _save_account(self, member: int, currency: str, after: Account, before: Account | None) -> None:
        qualifying = msgspec.json.encode(after.qualifying).decode()
        self._rows["new_account" if before is None else "account"].append(
            (member, currency, after.available, after.held, after.debt, after.lots_made, qualifying, next_due(after))
            + (after.waiting, after.lapses_at)
        )
        known = {lot.no: lot.remaining for lot in before.lots} if before else {}
        for lot in after.lots:
            if lot.no not in known:
                self._rows["new_lot"].append(
                    (member, currency, lot.no, lot.origin, lot.earned_at, lot.expires_at, lot.amount)
                    + (lot.remaining, lot.source)
                )
            elif known[lot.no] != lot.remaining:
                self._rows["lot"].append((member, currency, lot.no, lot.remaining))
        waiting = {part.no: part.remaining for part in before.pending} if before else {}
        for part in after.pending:
            if part.no not in waiting:
                self._rows["new_pending"].append(
                    (member, currency, part.no, part.earned_at, part.vests_at, part.expires_at, part.amount)
                    + (part.remaining,)
                )
            elif waiting[part.no] != part.remaining:
                self._rows["pending"].append((member, currency, part.no, part.remaining))

    def _save_vouchers(self, member: int, after: Holdings, before: Holdings | None) -> None:
        known = {one.no: one for one in (before.vouchers or ())} if before else {}
        for one in after.vouchers or ():
            if one.no not in known:
                takings = msgspec.json.encode(one.takings).decode()
                self._rows["new_voucher"].append(
                    (member, one.no, one.code, one.reward, one.issued_at, one.expires_at, one.uses, one.used)
                    + (one.points, one.currency, takings, one.void, one.stocked, one.granted, one.by_hand)
                )
            elif known[one.no] != one:
                self._rows["voucher"].append((member, one.no, one.used, one.void, one.by_hand))

    def _save_progress(self, member: int, after: Progress, before: Progress, *, new: bool) -> None:
        if after.birthday != before.birthday and not new:
            self._rows["birthday"].append((member, after.birthday))
        record = msgspec.structs.replace(after, birthday="")
        if record != msgspec.structs.replace(before, birthday=""):
            self._rows["progress"].append((member, msgspec.json.encode(record).decode()))

    async def write(self, connection: Driver) -> None:
        """Put everything down, in one statement of many parts: a batch's cost is mostly its round trips.

        The parts see the tables as they were before all of them, so none may depend on another: the end of a hold that
        was opened in the same batch comes in a statement of its own.
        """
        self._rows["unclaim"] = self._refused
        self._rows["answer"] = self._answered
        self._rows["tally"] = [(key, by) for key, by in sorted(self._tallies.items()) if by]
        self._rows["purchase"] = [(*key, record) for key, record in self._purchases.items()]
        for statement in (_PARTS, _PARTS_AFTER):
            present = tuple(name for name, part in statement.items() if self._rows.get(part.follows or name))
            if present:
                columns = [column for name in present for column in zip(*self._rows.get(name, ()), strict=True)]
                await connection.execute(_statement(present), *columns)


def _has(holdings: Holdings, currency: str) -> bool:
    return currency == POINTS or currency in holdings.others


async def give_identifiers(
    connection: Driver, wanted: Iterable[tuple[Identifier, int]], now: datetime
) -> set[Identifier]:
    """Give identifiers to members; returns those that were free. Waits for a transaction giving the same one."""
    rows = sorted((identifier.kind, identifier.value, member) for identifier, member in wanted)
    given = await connection.fetch(
        _GIVE_IDENTIFIERS, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], now
    )
    return {Identifier(kind, value) for kind, value in given}


class _Part(msgspec.Struct, frozen=True):
    """A statement over `{rows}`: its columns, each an array of the given type, unnested side by side. One that `follows`
    another part takes its rows from what that one returns."""

    template: str
    columns: dict[str, str]
    follows: str = ""

    def sql(self, number: Iterator[int]) -> str:
        """With its parameters numbered by `number`."""
        arrays = ", ".join(f"CAST(${next(number)} AS {kind}[])" for kind in self.columns.values())
        names = ", ".join(self.columns)
        return self.template.format(rows=f"unnest({arrays}) AS new ({names})", names=names)


def _part(template: str, **columns: str) -> _Part:
    return _Part(template, columns)


@cache
def _statement(present: tuple[str, ...]) -> str:
    """One statement for the parts that have rows: its parameters are their columns, part by part. There are a dozen
    common sets of parts, each prepared once."""
    number = count(1)
    if len(present) == 1:
        return _ALL_PARTS[present[0]].sql(number)
    parts = ", ".join(f"{name}_part AS ({_ALL_PARTS[name].sql(number)})" for name in present)
    return f"WITH {parts} SELECT 1"


_ACCOUNT = {
    "member_id": "bigint",
    "currency": "text",
    "available": "bigint",
    "held": "bigint",
    "debt": "bigint",
    "lots_made": "integer",
    "qualifying": "jsonb",
    "next_due": "timestamptz",
    "pending": "bigint",
    "lapses_at": "timestamptz",
}

_PARTS: dict[str, _Part] = {
    "unclaim": _part(
        "DELETE FROM claim USING {rows} WHERE claim.source = new.source AND claim.id = new.id",
        source="text", id="text",
    ),
    "answer": _part(
        """UPDATE claim SET member_id = new.member, version = new.version, changed = new.changed FROM {rows}
            WHERE claim.source = new.source AND claim.id = new.id""",
        source="text", id="text", member="bigint", version="bigint", changed="boolean",
    ),
    "new_member": _part(
        "INSERT INTO member ({names}) SELECT * FROM {rows}", id="bigint", version="bigint", recorded_at="timestamptz"
    ),
    "member": _part(
        """UPDATE member SET version = new.version, recorded_at = new.recorded_at FROM {rows}
            WHERE member.id = new.id""",
        id="bigint", version="bigint", recorded_at="timestamptz",
    ),
    "profile": _part(
        "INSERT INTO profile ({names}) SELECT * FROM {rows}",
        member_id="bigint", code="text", display_name="text", locale="text", birthday="text",
    ),
    "birthday": _part(
        "UPDATE profile SET birthday = new.birthday FROM {rows} WHERE profile.member_id = new.member_id",
        member_id="bigint", birthday="text",
    ),
    "progress": _part(
        """INSERT INTO progress ({names}) SELECT * FROM {rows}
           ON CONFLICT (member_id) DO UPDATE SET record = excluded.record""",
        member_id="bigint", record="jsonb",
    ),
    "new_account": _part("INSERT INTO account ({names}) SELECT * FROM {rows}", **_ACCOUNT),
    "account": _part(
        """UPDATE account SET available = new.available, held = new.held, debt = new.debt,
                  lots_made = new.lots_made, qualifying = new.qualifying, next_due = new.next_due,
                  pending = new.pending, lapses_at = new.lapses_at FROM {rows}
            WHERE account.member_id = new.member_id AND account.currency = new.currency""",
        **_ACCOUNT,
    ),
    "entry": _part(
        "INSERT INTO entry ({names}) SELECT * FROM {rows}",
        member_id="bigint", version="bigint", no="smallint", kind="text", occurred_at="timestamptz",
        recorded_at="timestamptz", programme="integer", source="text", place="text", reverses="bigint",
        awards="jsonb",
    ),
    "posting": _part(
        "INSERT INTO posting ({names}) SELECT * FROM {rows}",
        member_id="bigint", version="bigint", entry_no="smallint", no="smallint", account="text", currency="text",
        amount="bigint", lot="integer",
    ),
    "new_lot": _part(
        "INSERT INTO lot ({names}) SELECT * FROM {rows}",
        member_id="bigint", currency="text", no="integer", origin="bigint", earned_at="timestamptz",
        expires_at="timestamptz", amount="bigint", remaining="bigint", source="bigint",
    ),
    "lot": _part(
        """UPDATE lot SET remaining = new.remaining FROM {rows}
            WHERE lot.member_id = new.member_id AND lot.currency = new.currency AND lot.no = new.no""",
        member_id="bigint", currency="text", no="integer", remaining="bigint",
    ),
    "new_hold": _part(
        "INSERT INTO hold ({names}, state) SELECT *, 'open' FROM {rows}",
        member_id="bigint", no="bigint", currency="text", reward="text", points="bigint", opened_at="timestamptz",
        expires_at="timestamptz", takings="jsonb", store="text", stocked="boolean", money="bigint",
    ),
    "new_pending": _part(
        "INSERT INTO pending ({names}) SELECT * FROM {rows}",
        member_id="bigint", currency="text", no="bigint", earned_at="timestamptz", vests_at="timestamptz",
        expires_at="timestamptz", amount="bigint", remaining="bigint",
    ),
    "pending": _part(
        """UPDATE pending SET remaining = new.remaining FROM {rows}
            WHERE pending.member_id = new.member_id AND pending.currency = new.currency AND pending.no = new.no""",
        member_id="bigint", currency="text", no="bigint", remaining="bigint",
    ),
    "new_voucher": _part(
        "INSERT INTO voucher ({names}) SELECT * FROM {rows}",
        member_id="bigint", no="bigint", code="text", reward="text", issued_at="timestamptz",
        expires_at="timestamptz", uses="integer", used="integer", points="bigint", currency="text", takings="jsonb",
        void="boolean", stocked="boolean", granted="boolean", by_hand="integer",
    ),
    "voucher": _part(
        """UPDATE voucher SET used = new.used, void = new.void, by_hand = new.by_hand FROM {rows}
            WHERE voucher.member_id = new.member_id AND voucher.no = new.no""",
        member_id="bigint", no="bigint", used="integer", void="boolean", by_hand="integer",
    ),
    "ticket": _part(
        "INSERT INTO draw_ticket ({names}) SELECT * FROM {rows}",
        draw="text", no="bigint", member_id="bigint", version="bigint", entropy="bytea",
    ),
    "tally": _part(
        "UPDATE tally SET used = used + new.by FROM {rows} WHERE tally.key = new.key", key="text", by="bigint"
    ),
    "purchase": _part(
        """INSERT INTO purchase ({names}) SELECT * FROM {rows}
           ON CONFLICT (member_id, version) DO UPDATE SET record = excluded.record""",
        member_id="bigint", version="bigint", record="jsonb",
    ),
    "member_version": _part(
        "INSERT INTO member_version ({names}) SELECT * FROM {rows} RETURNING {names}",
        member_id="bigint", version="bigint", command="text", entries="smallint", recorded_at="timestamptz",
        change="jsonb",
    ),
    "outbox": _Part(
        """INSERT INTO outbox (member_id, version, kind, payload, recorded_at)
           SELECT member_id, version, command, change, recorded_at FROM member_version_part
            ORDER BY member_id, version""",
        {}, follows="member_version",
    ),
}  # fmt: skip

_PARTS_AFTER: dict[str, _Part] = {
    "hold_end": _part(
        """UPDATE hold SET state = new.state, resolved_version = new.version FROM {rows}
            WHERE hold.member_id = new.member_id AND hold.no = new.no AND hold.state = 'open'""",
        member_id="bigint", no="bigint", state="text", version="bigint",
    ),
}  # fmt: skip

_ALL_PARTS = _PARTS | _PARTS_AFTER

_GIVE_IDENTIFIERS = """INSERT INTO identifier (kind, value, member_id, linked_at)
       SELECT kind, value, member, $4
         FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bigint[]))
              AS new (kind, value, member)
        ORDER BY kind, value
       ON CONFLICT DO NOTHING RETURNING kind, value"""
