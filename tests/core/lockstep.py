"""Two members of Chorus and of the naive ledger in step: every command goes to both, and what they say and store must be
the same.

The base of a machine: how a life begins, how a command is led on both, and what is compared after it. A `Driver` is
whichever part of Chorus is on trial (the pure deciders, or the engine on its database).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from core.adjustments.decide import AdjustPoints
from core.earning.slip import RecordPurchase
from core.engine.commands import Command
from core.errors import ChorusError
from core.holdings import Holdings
from core.programme.document import Programme
from core.programme.validation import parse
from core.snapshot import Change
from core.snapshot import Line as Sent
from tests.core import lives, sameness
from tests.core.naive import Naive, Refused, Rules, World
from tests.core.naive.base import Said
from tests.core.naive.earning import Line
from tests.core.naive.merging import ROOM
from tests.core.programmes import written

BEGIN = datetime(2024, 1, 31, 22, 0, tzinfo=UTC)
"""The last evening of January before a 29 February; in Hong Kong it is February already."""

Items = list[tuple[str, str, int, int]]
"""(sku, category, pieces, money)."""


class Driver(Protocol):
    """Chorus, whose members are called by their id. One that was merged into another is still called by its own."""

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        """Put the programme in force."""

    def enrol(self, now: datetime) -> int:
        """The id of a new member, which is at version 1."""

    def perform(
        self, member: int, command: Command, now: datetime, *, occurred_at: datetime | None, store: str, staff: bool
    ) -> Change | None:
        """Raises `ChorusError`."""

    def holdings(self, member: int) -> Holdings:
        """As stored after the last command."""

    def change_of(self, member: int, version: int) -> Change:
        """As recorded under this very id."""

    def end(self) -> None: ...


class Lockstep(RuleBasedStateMachine):
    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.driver = driver
        self.now = BEGIN
        self.world: World
        self.programme: Programme
        self.spent = self.given = 0

    @initialize(
        rules=lives.programmes(), spent=st.sampled_from([12_345, 30_000, 60_000]), given=st.sampled_from([5, 40])
    )
    def begin(self, rules: Rules, spent: int, given: int) -> None:
        source = written(rules)
        self.programme, self.spent, self.given = parse(source), spent, given
        self.driver.begin(source, self.programme, self.now)
        self.world = World.of(rules, [self.driver.enrol(self.now) for _ in range(2)])
        for who in range(2):
            self._endow(who)

    def _endow(self, who: int, *, bought: bool = True) -> None:
        """A life that starts with nothing is refused most of what it tries: it begins with a purchase and gifts."""
        if bought:
            self._buy(who, [("CD", "", 2, self.spent)], "store")
        for currency in self.world.rules.currencies:
            self._adjust(who, self.given, currency)

    def teardown(self) -> None:
        self.driver.end()

    def _buy(
        self,
        who: int,
        items: Items,
        channel: str,
        *,
        store: str = "",
        ago: timedelta = timedelta(0),
        staff: bool = False,
        points: int = 0,
        hold: int = 0,
        vouchers: tuple[str, ...] = (),
        by: str = "",
    ) -> None:
        occurred = self.now - ago
        lines = [Line(sku, pieces, money, category) for sku, category, pieces, money in items]
        total = sum(line.money for line in lines)
        sent = tuple(Sent(line.sku, line.pieces, line.money, "", line.category) for line in lines)
        called, held = self._called(self.world.members[who], hold, by)
        command = RecordPurchase("till-1", occurred, channel, "USD", total, sent, points, held, vouchers)
        self._both(
            who,
            command,
            lambda member: member.buy(
                self.now,
                occurred,
                lines,
                channel,
                store=store,
                points=points,
                hold=hold,
                vouchers=vouchers,
                staff=staff,
            ),
            called=called,
            occurred_at=occurred,
            store=store,
            staff=staff,
        )

    def _adjust(self, who: int, points: int, currency: str) -> None:
        command = AdjustPoints(points, "a reason", currency)
        self._both(who, command, lambda member: member.adjust(self.now, points, currency))

    def _both(
        self,
        who: int,
        command: Command,
        naive: Callable[[Naive], Said | None],
        *,
        called: int | None = None,
        occurred_at: datetime | None = None,
        store: str = "",
        staff: bool = False,
    ) -> Change | None:
        """The command to both; what both said must be the same. `called`: an id of the member that is not its own."""
        after, expected, refusal = self.world.copy(), None, ""
        try:
            expected = naive(after.members[who])
        except Refused as refused:
            refusal = str(refused)
        member = self.world.members[who].id if called is None else called
        if refusal:
            with pytest.raises(ChorusError) as error:
                self.driver.perform(member, command, self.now, occurred_at=occurred_at, store=store, staff=staff)
            assert error.value.code == refusal
            return None
        change = self.driver.perform(member, command, self.now, occurred_at=occurred_at, store=store, staff=staff)
        if expected is None:
            assert change is None
            return None
        assert change is not None
        self.world = after
        sameness.said(change, expected)
        if expected.gone is not None:
            sameness.said(self.driver.change_of(change.merged, after.ended[change.merged]), expected.gone)
        return change

    def _called(self, member: Naive, no: int, by: str) -> tuple[int, int]:
        """(whom to call, number) for something of a member. What came with one that was merged into it is found by its
        `origin` too, under that one's own number, and by any other that it went `through`; what it got `since`, by those
        that it was merged with, as none of them ever told so high a number."""
        (origin, own), gone = divmod(no, ROOM), self.world.gone
        through = [id for id in gone if self.world.whoever(id) is member]
        match by:
            case "origin" if origin:
                return origin, own
            case "through" if origin:
                return through[-1], no
            case "since" if through and not origin and no > max(self.world.ended[id] for id in through):
                return through[0], no
        return member.id, no

    @invariant()
    def what_is_stored_is_the_same(self) -> None:
        for member in self.world.members:
            holdings = self.driver.holdings(member.id)
            sameness.stored(holdings, member)
            sameness.shown(holdings, member, self.programme, self.now)
            sameness.landing(holdings, member, self.programme, self.now)
