"""Chorus against a second ledger, over random lives: the deciders on many, the whole engine and database on some."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from core.database import connect, connected
from core.decision import Context, Decision, State
from core.engine import load
from core.engine.commands import Command, decide, only_credits
from core.engine.engine import Engine
from core.engine.submission import Answer, Submission
from core.errors import ChorusError
from core.holdings import Holdings, compact, whole
from core.ledger.account import Account, next_due
from core.members.decide import Enrol
from core.members.identifiers import new_code
from core.programme.book import ProgrammeBook
from core.programme.document import Programme
from core.snapshot import Change
from core.verify import verify
from tests.conftest import SettableClock
from tests.core.door import publish_programme, submission
from tests.core.machine import LedgerMachine
from tests.core.programmes import published
from tests.databases import Database

QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


class PureDriver:
    """The deciders alone. What is loaded for the next command is what a store keeps: emptied lots are gone."""

    def __init__(self) -> None:
        self.state = State(1, 0, Holdings())
        self.sums: dict[str, int] = defaultdict(int)
        self.lots: dict[int, int] = defaultdict(int)

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        self.published = published(rules)
        self.perform(Enrol(new_code(), (), "en", "Member 1"), now, occurred_at=None, staff=False)

    def perform(self, command: Command, now: datetime, *, occurred_at: datetime | None, staff: bool) -> Change | None:
        context = Context(now=now, published=self.published, source="test", staff=staff)
        decision = decide(self.state, command, context)
        again = decide(self.state, command, context)
        if isinstance(decision, ChorusError):
            assert isinstance(again, ChorusError)
            assert again.code == decision.code
            raise decision
        assert again == decision
        self._thin(command, context, decision)
        self._journal(decision)
        if decision.change is not None:
            purchases = dict(self.state.purchases)
            if decision.purchase is not None:
                purchases[decision.purchase.version] = decision.purchase
            self.state = State(1, decision.change.version, compact(decision.holdings), purchases)
        return decision.change

    def account(self) -> Account:
        return self.state.holdings.account

    def _thin(self, command: Command, context: Context, decision: Decision) -> None:
        """A credit decided without its older lots, where the store may leave them out, is the same decision."""
        before = self.state.holdings.account
        due = next_due(before)
        if not only_credits(command) or before.holds or (due is not None and due <= context.now):
            return
        rest = sum(lot.remaining for lot in before.lots)
        thin = Account((), (), before.debt, before.lots_made, before.qualifying, rest, due if rest else None)
        state = msgspec.structs.replace(self.state, holdings=Holdings(thin, {}, None, self.state.holdings.progress))
        found = decide(state, command, context)
        assert isinstance(found, Decision)
        assert msgspec.structs.replace(found, holdings=decision.holdings) == decision
        assert found.holdings.account.available == decision.holdings.account.available
        assert whole(self.state.holdings, compact(found.holdings)) == compact(decision.holdings)
        assert next_due(found.holdings.account) == next_due(decision.holdings.account)

    def _journal(self, decision: Decision) -> None:
        for entry in decision.entries:
            assert sum(posting.amount for posting in entry.postings) == 0
            for posting in entry.postings:
                self.sums[posting.account] += posting.amount
                if posting.lot is not None:
                    self.lots[posting.lot] += posting.amount
        assert self.sums["available"] == decision.holdings.account.available
        assert self.sums["held"] == decision.holdings.account.held
        lots = {lot.no: lot.remaining for lot in decision.holdings.account.lots}
        assert {no: left for no, left in self.lots.items() if left} == {no: left for no, left in lots.items() if left}


class EngineDriver:
    """One member after another on a real database, each life under a revision of its own."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        self.runner = runner
        self.database = database
        self.clock = SettableClock()
        self.pool = connect(database.url, pool_size=3)
        self.engine = Engine(self.pool, ProgrammeBook(), lambda committed, seconds: None, lanes=2, clock=self.clock)
        runner.run(self.engine.open())
        self.members = 0
        self.member = 0
        self.answered: list[tuple[Submission, Answer]] = []

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        self.clock.now = now
        self.answered.clear()
        self.runner.run(publish_programme(self.database.owner_url, source))
        answer = self.runner.run(self._submit(Enrol(new_code(), (), "en", "Member 1"), None, None, False))
        self.member = answer.member
        self.members += 1

    def perform(self, command: Command, now: datetime, *, occurred_at: datetime | None, staff: bool) -> Change | None:
        self.clock.now = now
        answer = self.runner.run(self._submit(command, self.member, occurred_at, staff))
        self.runner.run(self._send_the_first_again())
        return answer.change

    def account(self) -> Account:
        return self.runner.run(self._account())

    def close(self) -> None:
        self.runner.run(self.engine.close())
        self.runner.run(self.pool.dispose())

    async def _submit(self, command: Command, who: int | None, occurred_at: datetime | None, staff: bool) -> Answer:
        sent = submission(command, who, occurred_at=occurred_at, staff=staff)
        answer = await self.engine.submit(sent)
        self.answered.append((sent, answer))
        return answer

    async def _send_the_first_again(self) -> None:
        """A till's retry, long after: the first answer, and (the machine will see) no change."""
        sent, answer = self.answered[0]
        again = submission(sent.command, sent.who, key=sent.key, occurred_at=sent.occurred_at, staff=sent.staff)
        assert await self.engine.submit(again) == msgspec.structs.replace(answer, replay=True)
        if len(self.answered) > 3:
            self.answered.pop(0)

    async def _account(self) -> Account:
        async with connected(self.pool) as connection:
            return (await load.holdings(connection, [self.member]))[self.member].account


class PureLife(LedgerMachine):
    def __init__(self) -> None:
        super().__init__(PureDriver())


def test_the_deciders_lead_the_same_life_as_the_naive_ledger() -> None:
    run_state_machine_as_test(PureLife, settings=settings(QUIET, max_examples=200, stateful_step_count=40))


@pytest.fixture
def engine_driver(database: Database) -> Iterator[EngineDriver]:
    with asyncio.Runner() as runner:
        driver = EngineDriver(runner, database)
        yield driver
        driver.close()


def test_the_engine_leads_the_same_life_as_the_naive_ledger(engine_driver: EngineDriver) -> None:
    class EngineLife(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(engine_driver)

    # Not shrunk: each try is some thirty transactions, and the deciders' machine shrinks what they share.
    lives = settings(QUIET, max_examples=30, stateful_step_count=30, phases=[Phase.generate])
    run_state_machine_as_test(EngineLife, settings=lives)
    report = engine_driver.runner.run(verify(engine_driver.pool))
    assert report.findings == []
    assert report.clean
    assert report.members == engine_driver.members
