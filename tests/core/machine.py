"""Random lives of one member, led on Chorus and on the naive ledger at once, compared after every step.

The machine knows commands and numbers only; a `Driver` is whichever part of Chorus is on trial (the pure deciders, or
the engine on its database).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.adjustments.decide import AdjustPoints, SettleDue
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.engine.commands import Command
from core.errors import ChorusError
from core.ledger.account import Account
from core.ledger.settle import settle
from core.members.decide import LinkIdentifier
from core.members.identifiers import Identifier
from core.programme.document import Programme
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.snapshot import Change, Line
from core.tiers.ladder import standing
from tests.core.naive import Naive, Refused, Rules, Said
from tests.core.programmes import document, programme

BEGIN = datetime(2024, 1, 31, 22, 0, tzinfo=UTC)
"""The last evening of January before a 29 February; in Hong Kong it is February already."""

TICK = timedelta(microseconds=1)
SHORT = [timedelta(0), TICK, timedelta(minutes=1), timedelta(minutes=7), timedelta(minutes=15)]
"""Within a hold's time, or just its length."""
LONG = [timedelta(hours=7), timedelta(days=1), timedelta(days=27), timedelta(days=200), timedelta(days=366)]

_CARDS = count(1)
"""Of all lives in one database: no two have the same card."""


class Driver(Protocol):
    """One member of Chorus, enrolled at version 1."""

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        """Put the programme in force and enrol the member."""

    def perform(self, command: Command, now: datetime, *, occurred_at: datetime | None, staff: bool) -> Change | None:
        """Raises `ChorusError`."""

    def account(self) -> Account:
        """The account as stored after the last command."""


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.driver = driver
        self.now = BEGIN
        self.naive: Naive
        self.programme: Programme
        self.numbers: list[int] = []
        """Versions that opened a hold, open or not by now."""
        self.linked = 0

    @initialize(
        zone=st.sampled_from(["UTC", "Asia/Hong_Kong", "America/New_York", "Pacific/Apia"]),
        rate=st.sampled_from(["1", "1.5", "0.333"]),
        rounding=st.sampled_from(["down", "up", "half_up", "half_even"]),
        months=st.sampled_from([0, 1, 2, 13]),
        grace=st.sampled_from([1, 20]),
    )
    def begin(self, zone: str, rate: str, rounding: str, months: int, grace: int) -> None:
        source = document(zone=zone, rate=rate, rounding=rounding, months=months, grace=grace)
        self.programme = programme(zone=zone, rate=rate, rounding=rounding, months=months, grace=grace)
        self.naive = Naive(
            Rules(
                zone,
                rate,
                rounding,
                months,
                grace,
                channels={"store": "1", "market": "0.8"},
                tiers=[("base", 0, "0"), ("silver", 100, "0.25"), ("gold", 300, "0.5")],
                rewards={"small": 10, "large": 100},
            )
        )
        self.driver.begin(source, self.programme, self.now)

    # Time

    @rule(by=st.sampled_from(SHORT) | st.sampled_from(LONG))
    def wait(self, by: timedelta) -> None:
        self.now += by

    @precondition(lambda self: self.naive.at(self.now).next_due() is not None)
    @rule(beside=st.sampled_from([-timedelta(minutes=15), -TICK, timedelta(0), TICK]))
    def wait_for_what_is_due(self, beside: timedelta) -> None:
        """To the very instant and beside it; a hold of fifteen minutes before it ends in the same instant."""
        due = self.naive.at(self.now).next_due()
        assert due is not None
        self.now = max(self.now, due + beside)

    # Commands

    @rule(
        lines=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9_999)), min_size=1, max_size=3),
        channel=st.sampled_from(["store", "market"]),
        ago=st.just(timedelta(0)) | st.sampled_from([*SHORT, *LONG, timedelta(minutes=-6)]),
        staff=st.booleans(),
    )
    def buy(self, lines: list[tuple[int, int]], channel: str, ago: timedelta, staff: bool) -> None:
        occurred = self.now - ago
        total = sum(money for _, money in lines)
        sent = tuple(Line(f"sku-{i}", pieces, money) for i, (pieces, money) in enumerate(lines))
        command = RecordPurchase("till-1", occurred, channel, "USD", total, sent)
        self._both(
            command,
            lambda: self.naive.buy(self.now, occurred, lines, channel, staff=staff),
            occurred_at=occurred,
            staff=staff,
        )

    @precondition(lambda self: self.naive.purchases)
    @rule(
        which=st.integers(0, 5),
        parts=st.none() | st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 9_999)), max_size=2),
        exactly=st.booleans(),
    )
    def give_back(self, which: int, parts: list[tuple[int, int, int]] | None, exactly: bool) -> None:
        version = sorted(self.naive.purchases, reverse=True)[which % len(self.naive.purchases)]
        left = self.naive.purchases[version].left
        if parts is not None:
            parts = [(line % len(left), pieces, money) for line, pieces, money in parts] or [(0, *left[0])]
            if exactly:
                parts = [(line, max(1, left[line][0]), left[line][1] // 2) for line, _, _ in parts[:1]]
            parts = [(line, max(1, pieces), money) for line, pieces, money in parts]
        lines = None if parts is None else tuple(ReturnLine(f"sku-{line}", p, money) for line, p, money in parts)
        self._both(ReturnPurchase(version, lines), lambda: self.naive.give_back(self.now, version, parts))

    @rule(reward=st.sampled_from(["small", "small", "large"]))
    def hold(self, reward: str) -> None:
        change = self._both(HoldReward(reward), lambda: self.naive.hold(self.now, reward))
        if change is not None:
            self.numbers.append(change.version)

    @precondition(lambda self: self.numbers)
    @rule(which=st.integers(0, 4))
    def capture(self, which: int) -> None:
        no = self.numbers[-1 - which % len(self.numbers)]
        self._both(CaptureHold(no), lambda: self.naive.capture(self.now, no))

    @precondition(lambda self: self.numbers)
    @rule(which=st.integers(0, 4))
    def void(self, which: int) -> None:
        no = self.numbers[-1 - which % len(self.numbers)]
        self._both(VoidHold(no), lambda: self.naive.void(self.now, no))

    @rule(points=st.integers(-40, 60).filter(bool))
    def adjust(self, points: int) -> None:
        self._both(AdjustPoints(points, "a reason"), lambda: self.naive.adjust(self.now, points))

    @rule()
    def link(self) -> None:
        identifier = Identifier("card", f"CARD{next(_CARDS):06}")
        self.linked += 1
        self._both(LinkIdentifier(identifier), lambda: self.naive.link(self.now))

    @rule()
    def sweep(self) -> None:
        self._both(SettleDue(), lambda: self.naive.sweep(self.now))

    def _both(
        self,
        command: Command,
        naive: Callable[[], Said | None],
        *,
        occurred_at: datetime | None = None,
        staff: bool = False,
    ) -> Change | None:
        """The command to both; what both said must be the same."""
        expected, refusal = None, ""
        try:
            expected = naive()
        except Refused as refused:
            refusal = str(refused)
        if refusal:
            with pytest.raises(ChorusError) as error:
                self.driver.perform(command, self.now, occurred_at=occurred_at, staff=staff)
            assert error.value.code == refusal
            return None
        change = self.driver.perform(command, self.now, occurred_at=occurred_at, staff=staff)
        if expected is None:
            assert change is None
            return None
        assert change is not None
        said = Said(change.points, change.expired, change.released)
        if change.kind in ("purchase", "return", "capture"):
            said = Said(change.points, change.expired, change.released, change.base, change.bonus)
        assert said == expected
        assert change.version == self.naive.version
        assert change.available == self.naive.balance()
        assert change.qualifying == self.naive.qualifying(self.now)
        assert change.tier == self.naive.tier(self.now)
        return change

    @invariant()
    def what_is_stored_is_the_same(self) -> None:
        account = self.driver.account()
        _same(account, self.naive)
        _same(settle(account, self.now, self.programme).account, self.naive.at(self.now))
        stands = standing(account.qualifying, self.programme, self.now)
        assert stands.tier.key == self.naive.tier(self.now)
        assert stands.qualifying == self.naive.qualifying(self.now)


def _same(account: Account, naive: Naive) -> None:
    assert account.available == naive.balance()
    assert account.held == naive.held()
    assert account.debt == naive.debt
    assert [(lot.expires_at, lot.remaining) for lot in account.lots if lot.remaining] == naive.open_lots()
