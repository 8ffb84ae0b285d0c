"""What the door writes: a batch of decisions, all of it in one statement.

`Batch` gathers rows column by column while commands are decided; `write` puts them down. What changed of an account is
the difference between what was loaded and what the last decision left, so two commands of one member in a batch cost
one row each of account and member.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from core.database import Driver
from core.decision import Decision, Merge, State
from core.engine.parts import AFTER, PARTS, statement
from core.engine.purchases import returned
from core.holdings import Holdings, Progress
from core.ledger.account import Account, next_due
from core.members.identifiers import Identifier
from core.members.reference import origin_of, seen_from_afar
from core.points import POINTS
from core.snapshot import Change

Key = tuple[str, str]


class Batch:
    """Rows to write, and the claims to settle."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        # A batch may buy and return, or return twice; one statement can write a row but once, so the last state counts.
        self._purchases: dict[tuple[int, int], str] = {}
        self._returned: dict[tuple[int, int], str] = {}
        """Of purchases that stand in another member's rows, what returns made of them."""
        self._gone: dict[int, int] = {}
        """Members that went into others, and into which."""
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
        if (purchase := decision.purchase) is not None:
            if (origin := origin_of(purchase.version)) is None:
                self._purchases[(member, purchase.version)] = msgspec.json.encode(purchase).decode()
            else:
                self._returned[origin] = returned(purchase).decode()
        joined = self._merge(decision.merge, change) if decision.merge else ()
        # Of this decision, not of the batch's last: the same batch may resolve it.
        for currency, opened in decision.holdings.accounts():
            for hold in opened.holds:
                if hold.no == version or hold.no in joined:
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

    def _merge(self, merge: Merge, change: Change) -> frozenset[int]:
        """Everything that leads to one member leads to the other from now on. Returns the numbers of the holds that came
        with it."""
        gone = merge.absorbed.change
        assert gone is not None
        member, into, rows = gone.member, change.member, self._rows
        self._gone[member] = into
        lots = msgspec.json.encode(merge.lots).decode()
        rows["merge"].append((member, gone.version, into, change.version, lots))
        for follower in ("gone_before", "identifier", "member_device"):
            rows[follower].append((member, into))
        if merge.takes_name:
            rows["name"].append((into, member))
        ends = merge.absorbed.hold_ends
        return frozenset(seen_from_afar(member, end.no) for end in ends if end.state == "merged")

    def save(self, state: State, before: Holdings | None) -> None:
        """The member's rows as the last decision of the batch left them. `before` None: a new member."""
        member, after = state.member, state.holdings
        row = (member, state.version, state.recorded_at)
        if member in self._gone:
            self._rows["gone"].append((*row, self._gone[member]))
        else:
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
        self._rows["returned"] = [(*key, record) for key, record in self._returned.items()]
        for parts in (PARTS, AFTER):
            present = tuple(name for name, part in parts.items() if self._rows.get(part.follows or name))
            if present:
                columns = [column for name in present for column in zip(*self._rows.get(name, ()), strict=True)]
                await connection.execute(statement(present), *columns)


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


_GIVE_IDENTIFIERS = """INSERT INTO identifier (kind, value, member_id, linked_at)
       SELECT kind, value, member, $4
         FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bigint[]))
              AS new (kind, value, member)
        ORDER BY kind, value
       ON CONFLICT DO NOTHING RETURNING kind, value"""
