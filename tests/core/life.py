"""One member led by hand through pure deciders, without a database."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.decision import Context, Decision, State
from core.earning.slip import RecordPurchase
from core.engine.commands import Command, decide
from core.errors import ChorusError
from core.holdings import Holdings
from core.members.decide import Enrol
from core.programme.document import Programme
from core.snapshot import Change, Line
from tests.conftest import START
from tests.core.programmes import programme, published


class Life:
    """One member led by hand: `do` decides a command at `now`, and gives its change."""

    def __init__(self, rules: Programme | None = None, now: datetime = START) -> None:
        self.published = published(rules or programme())
        self.now = now
        self.state = State(1, 0, Holdings())
        self.last: Decision
        self.do(Enrol("079927398713", (), "en", "Member 1"))

    def do(self, command: Command, *, staff: bool = False) -> Change:
        context = Context(now=self.now, published=self.published, source="test", staff=staff)
        decision = decide(self.state, command, context)
        if isinstance(decision, ChorusError):
            raise decision
        assert decision.change is not None
        self.last = decision
        purchases = dict(self.state.purchases)
        if decision.purchase is not None:
            purchases[decision.purchase.version] = decision.purchase
        self.state = State(1, decision.change.version, decision.holdings, purchases)
        return decision.change

    def buy(self, amount: int, *, ago: timedelta = timedelta(0), channel: str = "store") -> Change:
        lines = (Line("CD", 1, amount),)
        command = RecordPurchase("till-1", self.now - ago, channel, self.published.programme.money, amount, lines)
        return self.do(command, staff=True)

    def lots(self) -> list[int]:
        """What is left of each lot ever made."""
        return [lot.remaining for lot in self.state.holdings.account.lots]

    def refusal(self, command: Command, *, staff: bool = False) -> ChorusError:
        before = self.state
        with pytest.raises(ChorusError) as refused:
            self.do(command, staff=staff)
        assert self.state is before
        return refused.value
