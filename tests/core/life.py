"""One member led by hand through pure deciders, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from core.decision import Context, Decision, State
from core.earning.slip import RecordPurchase
from core.engine.commands import Command, decide, shared
from core.errors import ChorusError
from core.holdings import Holdings
from core.ledger.account import EXPIRED
from core.limits import tickets
from core.members.decide import Enrol
from core.programme.document import Programme
from core.snapshot import Change, Line
from tests.conftest import START
from tests.core.programmes import programme, published


class Life:
    """One member led by hand: `do` decides a command at `now`, and gives its change. Shared counts are kept as the door
    keeps them; `tallies` may be set to what others used."""

    def __init__(self, rules: Programme | None = None, now: datetime = START) -> None:
        self.published = published(rules or programme())
        self.now = now
        self.state = State(1, 0, Holdings())
        self.tallies = {tickets(one.id): 0 for one in self.published.programme.rewards if one.kind == "draw"}
        self.last: Decision
        self.do(Enrol("079927398713", (), "en", "Member 1"))

    def do(self, command: Command, *, staff: bool = False, store: str = "") -> Change:
        change = self.try_to(command, staff=staff, store=store)
        assert change is not None
        return change

    def try_to(self, command: Command, *, staff: bool = False, store: str = "") -> Change | None:
        """None where nothing happens."""
        named = set(shared(command, self.published.programme, store, self.state, self.now))
        made = {key: 0 for key in named if not key.startswith("draw/")}
        tallies = {key: n for key, n in (made | self.tallies).items() if key in named}
        context = Context(
            now=self.now, published=self.published, source="test", staff=staff, place=store, tallies=tallies
        )
        decision = decide(self.state, command, context)
        if isinstance(decision, ChorusError):
            raise decision
        self.last = decision
        if decision.change is None:
            return None
        for tally in decision.tallies:
            self.tallies[tally.key] = self.tallies.get(tally.key, 0) + tally.by
        purchases = dict(self.state.purchases)
        if decision.purchase is not None:
            purchases[decision.purchase.version] = decision.purchase
        self.state = State(
            1, decision.change.version, decision.holdings, purchases, lapsed=_lapsed(self.state.lapsed, decision)
        )
        return decision.change

    def buy(
        self, amount: int, *, ago: timedelta = timedelta(0), channel: str = "store", store: str = "", sku: str = "CD"
    ) -> Change:
        return self.basket((sku, "", amount), ago=ago, channel=channel, store=store)

    def basket(
        self,
        *items: tuple[str, str, int],
        ago: timedelta = timedelta(0),
        channel: str = "store",
        store: str = "",
        points: int = 0,
        hold: int = 0,
        vouchers: tuple[str, ...] = (),
    ) -> Change:
        """`items` are (sku, category, amount), a piece each."""
        return self.do(self.slip(*items, ago=ago, channel=channel, points=points, hold=hold, vouchers=vouchers),
                       staff=True, store=store)  # fmt: skip

    def slip(
        self,
        *items: tuple[str, str, int],
        ago: timedelta = timedelta(0),
        channel: str = "store",
        points: int = 0,
        hold: int = 0,
        vouchers: tuple[str, ...] = (),
    ) -> RecordPurchase:
        lines = tuple(Line(sku, 1, amount, "", category) for sku, category, amount in items)
        total, money = sum(line.amount for line in lines), self.published.programme.money
        return RecordPurchase("till-1", self.now - ago, channel, money, total, lines, points, hold, vouchers)

    def lots(self) -> list[int]:
        """What is left of each lot ever made."""
        return [lot.remaining for lot in self.state.holdings.account.lots]

    def reasons(self, change: Change) -> list[str]:
        """Each award as "rule id points currency", without what is empty or points."""
        words = (
            (award.rule, award.id, str(award.points), "" if award.currency == "points" else award.currency)
            for award in change.awards
        )
        return [" ".join(word for word in one if word) for one in words]

    def refusal(self, command: Command, *, staff: bool = False, store: str = "") -> ChorusError:
        before = self.state
        with pytest.raises(ChorusError) as refused:
            self.do(command, staff=staff, store=store)
        assert self.state is before
        return refused.value


def _lapsed(before: Mapping[str, int], decision: Decision) -> dict[str, int]:
    after = dict(before)
    for entry in decision.entries:
        gone = sum(posting.amount for posting in entry.postings if posting.account == EXPIRED)
        after[entry.currency] = after.get(entry.currency, 0) + gone
    return after
