"""The parts of Chorus that a random life is led on: the deciders alone, and the engine on a database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from core import read
from core.adjustments.decide import ReinstatePoints
from core.database import connect, connected
from core.decision import Context, Decision, Merge, State
from core.draws import run_draws
from core.earning.returns import ReturnPurchase
from core.embedded import Endpoints
from core.engine import load
from core.engine.commands import Command, as_survivor, decide, only_credits, shared, voucher_codes
from core.engine.engine import Engine
from core.engine.submission import Answer, Submission
from core.errors import ChorusError
from core.holdings import Holdings, compact, whole
from core.ledger.account import EXPIRED, MERGED, next_due
from core.limits import tickets
from core.members.decide import Enrol
from core.members.identifiers import Identifier, new_code
from core.members.merge import MergeMembers, purchase_seen
from core.members.reference import LOWEST_MEMBER, Step, Way
from core.points import POINTS
from core.programme.book import ProgrammeBook
from core.programme.document import Programme
from core.rewards.vouchers import CancelVoucher
from core.snapshot import Change, Purchase
from core.verify import Report, verify
from tests.conftest import SettableClock, copy_of
from tests.core.door import publish_programme, submission
from tests.core.programmes import published


class NamedOnly(dict[str, int]):
    """Shared counts of which only those that `shared` named may be asked for: the door has locked no others."""

    def __init__(self, named: set[str], counts: Mapping[str, int]) -> None:
        super().__init__({key: counts[key] for key in named if key in counts})
        self.named = named

    def get(self, key: str, default: Any = None) -> Any:
        self._check(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> int:
        self._check(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._check(key)
        return super().__contains__(key)

    def _check(self, key: object) -> None:
        assert key in self.named, f"a decider looked at {key}, which `shared` did not name"


class PureDriver:
    """The deciders alone. What is loaded for the next command is what a store keeps: emptied lots and used-up vouchers
    are gone, unless the command names them."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        """Of those that live on."""
        self.ways: dict[int, Way] = {}
        """Of those that do not, to the one that they are part of by now."""
        self.tallies: dict[str, int] = {}
        self.sums: dict[tuple[int, str, str], int] = defaultdict(int)
        self.lots: dict[tuple[int, str, int], int] = defaultdict(int)
        self.kept: dict[int, Holdings] = {}
        """With everything that was ever there."""
        self.changes: dict[tuple[int, int], Change] = {}

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        self.published = published(rules)
        self.tallies = {tickets(reward.id): 0 for reward in rules.rewards if reward.kind == "draw"}

    def enrol(self, now: datetime) -> int:
        member = LOWEST_MEMBER + len(self.kept)
        self.states[member], self.kept[member] = State(member, 0, Holdings()), Holdings()
        enrol = Enrol(new_code(), (), "en", "Member 1")
        self.perform(member, enrol, now, occurred_at=None, store="", staff=False)
        return member

    def end(self) -> None:
        pass

    def perform(
        self, member: int, command: Command, now: datetime, *, occurred_at: datetime | None, store: str, staff: bool
    ) -> Change | None:
        if member in self.ways:
            member, command = self._lives_on(member), as_survivor(command, self.ways[member])
        state, other = self._loaded(member, command), None
        if isinstance(command, MergeMembers) and self._lives_on(command.other) in self.states:
            other = self._loaded(self._lives_on(command.other), command)
        # A key of a day and a draw's may have no count yet; one that is asked for is made.
        there = [one for one in (state, other) if one is not None]
        named = {key for one in there for key in shared(command, self.published.programme, store, one, now)}
        self.tallies |= {key: 0 for key in named if key not in self.tallies and not key.startswith("draw/")}
        context = Context(
            now=now,
            published=self.published,
            source="test",
            place=store,
            staff=staff,
            tallies=NamedOnly(named, self.tallies),
            other=other,
        )
        decision, again = decide(state, command, context), decide(state, command, context)
        if isinstance(decision, ChorusError):
            assert isinstance(again, ChorusError)
            assert again.code == decision.code
            raise decision
        assert again == decision
        self._thin(state, command, context, decision)
        if decision.change is not None:
            if decision.merge is not None:
                self._merge(decision, decision.merge, decision.change, named)
            self._journal(decision, decision.change)
            self._store(decision, decision.change, named)
        return decision.change

    def holdings(self, member: int) -> Holdings:
        return self.states[member].holdings

    def change_of(self, member: int, version: int) -> Change:
        return self.changes[member, version]

    def _loaded(self, member: int, command: Command) -> State:
        """The state with what the command names although it is spent, as the store reads it."""
        state, kept = self.states[member], self.kept[member]
        codes, numbers, lots = set(voucher_codes(command)), set[int](), set[tuple[str, int]]()
        entire = isinstance(command, MergeMembers)
        if isinstance(command, CancelVoucher):
            numbers.add(command.voucher)
        if isinstance(command, ReturnPurchase) and (purchase := state.purchases.get(command.purchase)):
            numbers |= {no for no, _ in purchase.vouchers}
            lots |= {(POINTS, no) for no, _ in purchase.paid_from}
        vouchers = tuple(v for v in kept.vouchers or () if v.open or v.code in codes or v.no in numbers or entire)
        lots |= {(v.currency, no) for v in vouchers if v.no in numbers for no, _ in v.takings}
        holdings = msgspec.structs.replace(state.holdings, vouchers=vouchers)
        for currency, account in kept.accounts():
            stored = {lot.no for lot in holdings.of(currency).lots}
            named = tuple(lot for lot in account.lots if lot.no in stored or (currency, lot.no) in lots or entire)
            whole_one = msgspec.structs.replace(holdings.of(currency), lots=named)
            if currency in holdings.others or currency == POINTS:
                holdings = holdings.with_account(currency, whole_one)
        lapsed: dict[str, int] = defaultdict(int)
        if isinstance(command, ReinstatePoints):
            for (loser, currency, name), points in self.sums.items():
                if name == EXPIRED and self._lives_on(loser) == member:
                    lapsed[currency] += points
        return msgspec.structs.replace(state, holdings=holdings, lapsed=lapsed)

    def _lives_on(self, member: Identifier | int) -> int:
        assert isinstance(member, int)
        return self.ways[member][-1].into if member in self.ways else member

    def _merge(self, decision: Decision, merge: Merge, change: Change, named: set[str]) -> None:
        """What the door does beside storing both: whatever was the absorbed one's is found by the other."""
        gone = merge.absorbed.change
        assert gone is not None
        self._journal(merge.absorbed, gone)
        self._store(merge.absorbed, gone, named)
        for currency, account in merge.absorbed.holdings.accounts():
            assert (account.available, account.held, account.waiting) == (0, 0, 0)
            both = [
                entry for part in (decision, merge.absorbed) for entry in part.entries if entry.currency == currency
            ]
            moved = [posting.amount for entry in both for posting in entry.postings if posting.account == MERGED]
            assert sum(moved) == 0
        above, survivor = merge.lots[POINTS], self.states[change.member]
        came = [purchase_seen(one, gone.member, above) for one in self.states.pop(gone.member).purchases.values()]
        purchases = {**survivor.purchases, **{one.version: one for one in came}}
        self.states[change.member] = msgspec.structs.replace(survivor, purchases=purchases)
        for one, way in self.ways.items():
            if way[-1].into == gone.member:
                self.ways[one] = (*way, Step(gone.member, gone.version, change.member, way[-1].above + above))
        self.ways[gone.member] = (Step(gone.member, gone.version, change.member, above),)

    def _store(self, decision: Decision, change: Change, named: set[str]) -> None:
        member = change.member
        purchases: dict[int, Purchase] = dict(self.states[member].purchases)
        if decision.purchase is not None:
            purchases[decision.purchase.version] = decision.purchase
        for tally in decision.tallies:
            assert tally.key in named, f"{tally.key} was moved, which `shared` did not name"
            self.tallies[tally.key] += tally.by
            assert self.tallies[tally.key] >= 0
        self.kept[member] = _all_of(self.kept[member], decision.holdings)
        self.states[member] = State(member, change.version, compact(decision.holdings), purchases)
        self.changes[member, change.version] = change

    def _thin(self, state: State, command: Command, context: Context, decision: Decision) -> None:
        """A credit decided without its older lots, where the store may leave them out, is the same decision."""
        if not only_credits(command):
            return
        before, thin = state.holdings, state.holdings
        for currency, account in before.accounts():
            due = next_due(account)
            if account.holds or (due is not None and due <= context.now):
                continue
            rest = sum(lot.remaining for lot in account.lots)
            unnamed = msgspec.structs.replace(account, lots=(), rest=rest, rest_due=due if rest else None)
            thin = thin.with_account(currency, unnamed)
        found = decide(
            msgspec.structs.replace(state, holdings=msgspec.structs.replace(thin, vouchers=None)), command, context
        )
        assert isinstance(found, Decision)
        assert msgspec.structs.replace(found, holdings=decision.holdings) == decision
        assert whole(before, compact(found.holdings)) == compact(decision.holdings)
        for currency, account in decision.holdings.accounts():
            exact, early = next_due(account), next_due(found.holdings.of(currency))
            assert exact is None or (early is not None and early <= exact)

    def _journal(self, decision: Decision, change: Change) -> None:
        who = change.member
        for entry in decision.entries:
            assert sum(posting.amount for posting in entry.postings) == 0
            for posting in entry.postings:
                self.sums[who, entry.currency, posting.account] += posting.amount
                if posting.lot is not None:
                    self.lots[who, entry.currency, posting.lot] += posting.amount
        for currency, account in decision.holdings.accounts():
            for name, figure in (
                ("available", account.available),
                ("held", account.held),
                ("pending", account.waiting),
            ):
                assert self.sums[who, currency, name] == figure
            mine = {no: n for (member, c, no), n in self.lots.items() if (member, c) == (who, currency) and n}
            assert mine == {lot.no: lot.remaining for lot in account.lots if lot.remaining}


def _all_of(before: Holdings, after: Holdings) -> Holdings:
    """`after` with the lots and vouchers that only `before` still names."""
    for currency, account in before.accounts():
        known = {lot.no for lot in after.of(currency).lots}
        gone = tuple(msgspec.structs.replace(lot, remaining=0) for lot in account.lots if lot.no not in known)
        lots = tuple(sorted((*gone, *after.of(currency).lots), key=lambda lot: lot.no))
        after = after.with_account(currency, msgspec.structs.replace(after.of(currency), lots=lots))
    named = {voucher.no for voucher in after.vouchers or ()}
    vouchers = (*(v for v in before.vouchers or () if v.no not in named), *(after.vouchers or ()))
    return msgspec.structs.replace(after, vouchers=tuple(sorted(vouchers, key=lambda one: one.no)))


class EngineDriver:
    """Each life on a database and an engine of its own, proved by `verify` when it ends."""

    def __init__(self, runner: asyncio.Runner, endpoints: Endpoints, template: str) -> None:
        self.runner = runner
        self._endpoints = endpoints
        self._template = template
        self.clock = SettableClock()
        self.lives = 0
        self.reports: list[Report] = []
        self.enrolled: list[int] = []
        """Members of each life."""
        self.answered: list[tuple[Submission, Answer]] = []
        self._close: Any = None

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        self.clock.now = now
        self.answered.clear()
        self.enrolled.append(0)
        self.runner.run(self._begin(source, rules))
        self.lives += 1

    def enrol(self, now: datetime) -> int:
        self.clock.now = now
        return self.runner.run(self._enrol())

    def perform(
        self, member: int, command: Command, now: datetime, *, occurred_at: datetime | None, store: str, staff: bool
    ) -> Change | None:
        self.clock.now = now
        return self.runner.run(self._perform(member, command, occurred_at, store, staff)).change

    def holdings(self, member: int) -> Holdings:
        return self.runner.run(self._holdings(member))

    def change_of(self, member: int, version: int) -> Change:
        return self.runner.run(read.changes(self.pool, [(member, version)]))[member, version]

    def end(self) -> None:
        if self._close is not None:
            self.runner.run(self._end())
            self._close = None

    async def _begin(self, source: str, rules: Programme) -> None:
        self._close = copy_of(self._endpoints, self._template)
        self.database = await self._close.__aenter__()
        await publish_programme(self.database.owner_url, source)
        self.pool = connect(self.database.url, pool_size=3)
        book = ProgrammeBook()
        self.engine = Engine(self.pool, book, lambda committed, seconds: None, lanes=2, clock=self.clock)
        await self.engine.open()
        await run_draws(self.pool, self.engine, book, self.clock)

    async def _enrol(self) -> int:
        self.enrolled[-1] += 1
        return (await self._submit(Enrol(new_code(), (), "en", "Member 1"), None)).member

    async def _end(self) -> None:
        await self.engine.close()
        self.reports.append(await verify(self.pool))
        await self.pool.dispose()
        await self._close.__aexit__(None, None, None)

    async def _perform(
        self, member: int, command: Command, occurred_at: datetime | None, store: str, staff: bool
    ) -> Answer:
        answer = await self._submit(command, member, occurred_at=occurred_at, place=store, staff=staff)
        await self._send_the_first_again()
        return answer

    async def _submit(self, command: Command, who: int | None, **details: Any) -> Answer:
        sent = submission(command, who, **details)
        answer = await self.engine.submit(sent)
        self.answered.append((sent, answer))
        return answer

    async def _send_the_first_again(self) -> None:
        """A till's retry, long after: the first answer, and (the machine will see) no change."""
        sent, answer = self.answered[0]
        again = submission(
            sent.command, sent.who, key=sent.key, occurred_at=sent.occurred_at, place=sent.place, staff=sent.staff
        )
        assert await self.engine.submit(again) == msgspec.structs.replace(answer, replay=True)
        if len(self.answered) > 3:
            self.answered.pop(0)

    async def _holdings(self, member: int) -> Holdings:
        async with connected(self.pool) as connection:
            return (await load.holdings(connection, [member]))[member]
