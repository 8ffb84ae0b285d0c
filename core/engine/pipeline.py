"""One batch through one transaction: resolve, claim, lock, decide, write.

The lock order everywhere is claims, members, shared counts, unique values; each sorted. Every decision is made on the
state in memory, in order of arrival, so two commands of one member in a batch see each other. Nothing here commits.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.adjustments.decide import ReinstatePoints
from core.database import Driver
from core.decision import Context, Decision, State
from core.earning.returns import ReturnPurchase
from core.engine import load, purchases, store
from core.engine.asked import Asked
from core.engine.commands import decide, only_credits, second, shared, voucher_codes, wanted
from core.engine.load import Named
from core.engine.store import Batch
from core.engine.submission import Answer, Committed, Submission
from core.engine.ways import ways
from core.errors import ChorusError, IdempotencyConflict, InvalidInput, NotFound, Unavailable
from core.holdings import Holdings, compact
from core.ledger.account import EXPIRED
from core.members.decide import Enrol
from core.members.identifiers import Identifier
from core.points import POINTS
from core.programme.book import ProgrammeBook
from core.rewards.vouchers import CancelVoucher
from core.snapshot import Change, Purchase

MAX_ROUNDS = 8
"""Decisions of one batch are made again when a unique value was taken meanwhile; each round leaves fewer wishes."""


class Outcome(msgspec.Struct, frozen=True):
    """`results` stand in the order of the batch."""

    results: tuple[Answer | ChorusError, ...]
    committed: list[Committed]


class MemberIds:
    """Member ids in blocks of a hundred, so that enrolment costs no look-up of its own."""

    def __init__(self) -> None:
        self._next = self._end = 0

    async def take(self, connection: Driver, count: int) -> list[int]:
        taken = []
        for _ in range(count):
            if self._next == self._end:
                self._next = await load.next_member_block(connection)
                self._end = self._next + 100
            taken.append(self._next)
            self._next += 1
        return taken


class Pipeline:
    """Holds what outlives a batch: the programme, the epoch, the member ids. One for all lanes of a process."""

    def __init__(self, book: ProgrammeBook) -> None:
        self._book = book
        self._ids = MemberIds()
        self.epoch = 0

    async def prepare(self, connection: Driver) -> None:
        """Read what every answer needs; before the first batch."""
        await self._book.load(connection)
        self.epoch = await load.epoch(connection)

    async def run(self, connection: Driver, batch: list[Submission], attempt: int, now: datetime) -> Outcome:
        results: dict[int, Answer | ChorusError] = {}
        committed: list[Committed] = []
        named = {who for s in batch for who in (s.who, second(s.command)) if isinstance(who, Identifier)}
        named.update(identifier for s in batch for identifier in wanted(s.command))
        ids = {who for s in batch for who in (s.who, second(s.command)) if isinstance(who, int)}
        keys = ((s.source, s.key, s.hash) for s in batch)
        free, owners, moved = await load.claim(connection, keys, attempt, named, ids)
        used = [i for i, s in enumerate(batch) if (s.source, s.key) not in free]
        if used:
            results, committed = await self._replay(connection, batch, used, attempt)
        fresh = [i for i in range(len(batch)) if i not in results]
        if fresh:
            round_ = await _Round.load(self, connection, [batch[i] for i in fresh], owners, moved, now)
            answers, written = await round_.settle(connection)
            results.update(zip(fresh, answers, strict=True))
            committed += written
        return Outcome(tuple(results[i] for i in range(len(batch))), committed)

    async def _replay(
        self, connection: Driver, batch: list[Submission], used: list[int], attempt: int
    ) -> tuple[dict[int, Answer | ChorusError], list[Committed]]:
        """Answer those whose keys were used, by their place in the batch; with what this very attempt had committed."""
        results: dict[int, Answer | ChorusError] = {}
        committed: list[Committed] = []
        claims = await load.claimed(connection, [(batch[i].source, batch[i].key) for i in used])
        for i in used:
            submission = batch[i]
            found = claims.get((submission.source, submission.key))
            if found is None:
                results[i] = Unavailable("the key was given up this moment; send it again", code="raced")
            elif found.hash != submission.hash:
                results[i] = IdempotencyConflict(f"the key {submission.key!r} was used for another request")
            else:
                ours = found.attempt == attempt
                if ours and found.change is not None:
                    committed.append(Committed(found.change, None))
                results[i] = Answer(
                    member=found.member,
                    version=found.version,
                    epoch=self.epoch,
                    change=found.change,
                    profile=found.profile,
                    replay=not ours,
                )
        return results, committed

    @property
    def book(self) -> ProgrammeBook:
        return self._book

    async def new_members(self, connection: Driver, count: int) -> list[int]:
        return await self._ids.take(connection, count)


class _Round:
    """The fresh submissions of a batch, with every member they touch locked and loaded."""

    def __init__(
        self,
        pipeline: Pipeline,
        asked: list[Asked],
        states: dict[int, State],
        owners: dict[Identifier, int],
        now: datetime,
    ) -> None:
        self._pipeline = pipeline
        self._asked = asked
        self._states = states
        self._owners = owners
        self._now = now
        self._tallies: dict[str, int] = {}
        self._closed: frozenset[str] = frozenset()

    @classmethod
    async def load(
        cls,
        pipeline: Pipeline,
        connection: Driver,
        submissions: list[Submission],
        owners: dict[Identifier, int],
        moved: dict[int, int],
        now: datetime,
    ) -> _Round:
        enrolments = sum(isinstance(s.command, Enrol) for s in submissions)
        new = iter(await pipeline.new_members(connection, enrolments))
        asked = [Asked.of(s, owners, next(new) if isinstance(s.command, Enrol) else None) for s in submissions]
        if moved:
            asked = await _followed(connection, asked, moved)
        locked, revision = await load.lock(connection, {m for one in asked for m in one.existing})
        while moved := {m: row.merged_into for m, row in locked.items() if row.merged_into}:
            # Merged since: whoever lives on is locked out of order. A deadlock of it is undone, and tried again.
            asked = await _followed(connection, asked, moved)
            more, revision = await load.lock(connection, set(moved.values()) - set(locked))
            locked = {m: row for m, row in {**locked, **more}.items() if m not in moved}
        doubted = {i for one in asked for i in wanted(one.command) if owners.get(i) not in (None, one.member)}
        if doubted:  # read before the locks: a merge may have given it to another
            owners.update(await load.owners(connection, doubted))
        if revision > pipeline.book.revision:
            await pipeline.book.load(connection)
        bought = await purchases.purchases(
            connection,
            {
                (one.member, one.command.purchase)
                for one in asked
                if one.member and isinstance(one.command, ReturnPurchase)
            },
        )
        debited = {m for one in asked if not only_credits(one.command) for m in one.existing}
        merged = {m for one in asked if one.merges for m in one.existing}
        holdings = await load.holdings(
            connection,
            locked,
            credited=locked.keys() - debited,
            now=max([now, *(row.recorded_at for row in locked.values())]),
            named=_named(asked, bought, merged),
        )
        lapsed = await load.lapsed(
            connection, {one.member for one in asked if one.member and isinstance(one.command, ReinstatePoints)}
        )
        by_member: dict[int, dict[int, Purchase]] = {}
        for (member, version), purchase in bought.items():
            by_member.setdefault(member, {})[version] = purchase
        states = {
            m: State(m, row.version, holdings[m], by_member.get(m, {}), row.recorded_at, lapsed.get(m, {}))
            for m, row in locked.items()
        }
        round_ = cls(pipeline, asked, states, owners, now)
        round_._tallies, round_._closed = await load.tallies(connection, round_._shared())
        return round_

    def _shared(self) -> set[str]:
        """The shared counts that the batch may ask for, or give back to."""
        keys: set[str] = set()
        for one in self._asked:
            for member in {one.member, one.other}:
                state, now = self._states.get(member or 0), self._time_of(one.member, one.other)
                occurred_at = one.submission.occurred_at or now
                programme = self._pipeline.book.at(occurred_at).programme
                keys.update(shared(one.command, programme, one.submission.place, state, now))
        return keys

    def _time_of(self, *members: int | None) -> datetime:
        """Never before what the members recorded last, whatever this host's clock says."""
        states = (self._states.get(member or 0) for member in members)
        return max([self._now, *(state.recorded_at for state in states if state and state.recorded_at)])

    async def settle(self, connection: Driver) -> tuple[list[Answer | ChorusError], list[Committed]]:
        """Decide and write. A unique value that another transaction took meanwhile undoes what was written of
        identifiers and decides the batch again in memory."""
        for _ in range(MAX_ROUNDS):
            decided, states = self._decide()
            wishes = [
                (identifier, decision.change.member)
                for decision in decided
                if isinstance(decision, Decision) and decision.change
                for identifier in decision.identifiers
            ]
            if not wishes:
                break
            savepoint = connection.transaction()
            await savepoint.start()
            given = await store.give_identifiers(connection, wishes, self._now)
            lost = {identifier for identifier, _ in wishes} - given
            if not lost:
                await savepoint.commit()
                break
            await savepoint.rollback()
            self._owners.update(await load.owners(connection, lost))
        else:
            raise Unavailable("identifiers are being given away faster than this; send it again", code="raced")
        return await self._write(connection, decided, states)

    def _decide(self) -> tuple[list[Decision | ChorusError], dict[int, State]]:
        states, owners, tallies = dict(self._states), dict(self._owners), dict(self._tallies)
        decided: list[Decision | ChorusError] = []
        for one in self._asked:
            result = self._decide_one(one, states, owners, tallies)
            decided.append(result)
            if isinstance(result, Decision) and result.change:
                for part in _parts(result):
                    assert part.change is not None
                    member = part.change.member
                    states[member] = _after(states.get(member), part, part.change)
                    for tally in part.tallies:
                        tallies[tally.key] = tallies.get(tally.key, 0) + tally.by
                owners.update(dict.fromkeys(result.identifiers, result.change.member))
        return decided, states

    def _decide_one(
        self,
        one: Asked,
        states: dict[int, State],
        owners: dict[Identifier, int],
        tallies: dict[str, int],
    ) -> Decision | ChorusError:
        if one.member is None:
            return NotFound(
                "no member has this identifier",
                code="unknown_member",
                errors=InvalidInput.at("/member", "no member has this identifier").errors,
            )
        state = states.get(one.member) or State(one.member, 0, Holdings())
        other = states.get(one.other) if one.other else None
        now = max([self._now, *(known.recorded_at for known in (state, other) if known and known.recorded_at)])
        book, submission = self._pipeline.book, one.submission
        context = Context(
            now=now,
            published=book.at(submission.occurred_at or now),
            current=book.at(now),
            source=submission.source,
            owners=owners,
            place=submission.place,
            till=submission.till,
            staff=submission.staff,
            tallies=tallies,
            closed=self._closed,
            other=other,
        )
        return decide(state, one.command, context)

    async def _write(
        self, connection: Driver, decided: list[Decision | ChorusError], states: dict[int, State]
    ) -> tuple[list[Answer | ChorusError], list[Committed]]:
        batch = Batch()
        answers: list[Answer | ChorusError] = []
        committed: list[Committed] = []
        for one, result in zip(self._asked, decided, strict=True):
            submission, key = one.submission, (one.submission.source, one.submission.key)
            if isinstance(result, ChorusError):
                batch.refuse(key)
                answers.append(result)
                continue
            assert one.member is not None
            change = result.change
            member, version = (change.member, change.version) if change else (one.member, states[one.member].version)
            batch.answer(key, member, version, changed=change is not None)
            for part in _parts(result) if change else ():
                assert part.change is not None
                batch.add(part, part.change, submission.source)
                committed.append(Committed(part.change, compact(part.holdings)))
            answers.append(
                Answer(
                    member=member,
                    version=version,
                    epoch=self._pipeline.epoch,
                    change=change,
                    profile=result.profile,
                )
            )
        for member, state in states.items():
            loaded = self._states.get(member)
            if loaded is None or state.version > loaded.version:
                batch.save(state, loaded.holdings if loaded else None)
        await batch.write(connection)
        return answers, committed


async def _followed(connection: Driver, asked: list[Asked], moved: dict[int, int]) -> list[Asked]:
    by = await ways(connection, moved)
    return [one.followed(moved, by) for one in asked]


def _parts(decision: Decision) -> tuple[Decision, ...]:
    """A decision, and the one of the member that it made part of its own."""
    return (decision, decision.merge.absorbed) if decision.merge else (decision,)


def _named(asked: list[Asked], purchases: dict[tuple[int, int], Purchase], merged: set[int]) -> Named:
    """What the batch's commands must see although it is spent."""
    codes = {code for one in asked for code in voucher_codes(one.command)}
    cancelled = {
        (one.member, one.command.voucher) for one in asked if one.member and isinstance(one.command, CancelVoucher)
    }
    used = {(member, no) for (member, _), one in purchases.items() for no, _ in one.vouchers}
    lots = {(member, POINTS, lot) for (member, _), one in purchases.items() for lot, _ in one.paid_from}
    return Named(codes, cancelled | used, lots, merged)


def _after(before: State | None, decision: Decision, change: Change) -> State:
    """The member as the next command of the batch sees it."""
    purchases = dict(before.purchases) if before else {}
    if decision.purchase:
        purchases[decision.purchase.version] = decision.purchase
    lapsed = dict(before.lapsed) if before else {}
    for entry in decision.entries if lapsed else ():
        gone = sum(posting.amount for posting in entry.postings if posting.account == EXPIRED)
        lapsed[entry.currency] = lapsed.get(entry.currency, 0) + gone
    return State(change.member, change.version, decision.holdings, purchases, change.recorded_at, lapsed)
