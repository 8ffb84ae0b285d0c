"""Random lives of two members, led on Chorus and on the naive ledger at once, compared after every step.

The machine knows commands and numbers only; a `Driver` is whichever part of Chorus is on trial (the pure deciders, or
the engine on its database). Programmes are drawn with every feature in them or not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.adjustments.decide import AdjustPoints, ExtendPoints, ReinstatePoints, SettleDue
from core.earning.actions import RecordAction
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.engine.commands import Command
from core.errors import ChorusError
from core.holdings import Holdings
from core.members.decide import LinkIdentifier, SetTraits
from core.members.identifiers import Identifier
from core.programme.document import Programme
from core.programme.validation import parse
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward, GrantVoucher, UnuseVoucher, UseVoucher
from core.snapshot import Change
from core.snapshot import Line as Sent
from tests.core import lives, sameness
from tests.core.naive import Naive, Refused, Rules, World
from tests.core.naive.base import Said
from tests.core.naive.earning import Line
from tests.core.programmes import written

BEGIN = datetime(2024, 1, 31, 22, 0, tzinfo=UTC)
"""The last evening of January before a 29 February; in Hong Kong it is February already."""

TICK = timedelta(microseconds=1)
BESIDE = [-TICK, timedelta(0), TICK]
SHORT = [timedelta(0), TICK, timedelta(minutes=7), timedelta(minutes=15)]
"""Within a hold's time, or just its length."""
LONG = [timedelta(hours=7), timedelta(days=1), timedelta(days=5), timedelta(days=27), timedelta(days=200)]

_NUMBERS = count(1)
"""Of cards and vouchers of all lives in one database: no two are the same."""

Items = list[tuple[str, str, int, int]]
"""(sku, category, pieces, money)."""

whose = st.sampled_from([0, 0, 0, 1])
index = st.integers(0, 5)
items = st.lists(
    st.tuples(
        st.sampled_from(lives.SKUS),
        st.sampled_from(lives.CATEGORIES),
        st.integers(1, 3),
        st.integers(0, 9_999) | st.integers(0, 300),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item[0],
)


class Driver(Protocol):
    """Two members of Chorus, enrolled at version 1."""

    def begin(self, source: str, rules: Programme, now: datetime) -> None:
        """Put the programme in force and enrol the members."""

    def perform(
        self, who: int, command: Command, now: datetime, *, occurred_at: datetime | None, store: str, staff: bool
    ) -> Change | None:
        """Raises `ChorusError`."""

    def holdings(self, who: int) -> Holdings:
        """As stored after the last command."""

    def end(self) -> None: ...


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.driver = driver
        self.now = BEGIN
        self.world: World
        self.programme: Programme
        self.opened: list[tuple[int, int]] = []
        """(member, version) of every hold, open or not by now."""

    @initialize(
        rules=lives.programmes(), spent=st.sampled_from([12_345, 30_000, 60_000]), given=st.sampled_from([5, 40])
    )
    def begin(self, rules: Rules, spent: int, given: int) -> None:
        """A life that starts with nothing is refused most of what it tries: both begin with a purchase and a gift."""
        source = written(rules)
        self.programme = parse(source)
        self.world = World.of(rules, 2)
        self.driver.begin(source, self.programme, self.now)
        for who in range(2):
            self._buy(who, [("CD", "", 2, spent)], "store")
            for currency in rules.currencies:
                self._adjust(who, given, currency)

    def teardown(self) -> None:
        self.driver.end()

    # Time

    @rule(by=st.sampled_from(SHORT) | st.sampled_from(LONG))
    def wait(self, by: timedelta) -> None:
        self.now += by

    @rule(which=index, beside=st.sampled_from([-timedelta(minutes=15), *BESIDE]))
    def wait_for_a_moment(self, which: int, beside: timedelta) -> None:
        """To the very instant at which something changes and beside it; a hold of fifteen minutes before it ends in the
        same instant."""
        ahead = [at for at in lives.moments(self.world, self.now) if self.now < at < self.now + timedelta(days=500)]
        if ahead:
            self.now = max(self.now, ahead[which % len(ahead)] + beside)

    # Earning

    @rule(
        who=whose,
        items=items,
        channel=st.sampled_from(["store", "market"]),
        store=st.sampled_from(lives.STORES),
        ago=st.sampled_from([timedelta(0)] * 12 + SHORT + LONG + [timedelta(minutes=-6)]),
        staff=st.booleans(),
    )
    def buy(self, who: int, items: Items, channel: str, store: str, ago: timedelta, staff: bool) -> None:
        self._buy(who, items, channel, store=store, ago=ago, staff=staff)

    @rule(
        who=whose,
        items=items,
        channel=st.sampled_from(["store", "market"]),
        pay=st.sampled_from(["points", "points", "hold", "voucher", "both"]),
        which=index,
        steps=st.sampled_from(["most", "one", "one", "beyond", "off"]),
    )
    def buy_and_pay(self, who: int, items: Items, channel: str, pay: str, which: int, steps: str) -> None:
        """With points, points on hold, a voucher, or points and a voucher."""
        member = self.world.members[who]
        if (pay == "hold" and not member.holds) or (pay == "voucher" and not member.vouchers and which):
            pay = "points"
        total = sum(money for _, _, _, money in items)
        points = lives.points_to_pay(member, self.now, total, steps) if pay in ("points", "both") else 0
        held = (
            [no for no in member.holds if not member.holds[no].reward]
            or [no for owner, no in self.opened if owner == who]
            or [99]
        )
        codes = [one.code for one in member.vouchers.values() if not one.void and one.used < one.uses]
        codes = codes or [one.code for one in member.vouchers.values()] or ["none"]
        self._buy(
            who,
            items,
            channel,
            points=points,
            hold=held[-1 - which % len(held)] if pay == "hold" else 0,
            vouchers=(codes[-1 - which % len(codes)],) if pay in ("voucher", "both") else (),
        )

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
    ) -> None:
        occurred = self.now - ago
        lines = [Line(sku, pieces, money, category) for sku, category, pieces, money in items]
        total = sum(line.money for line in lines)
        sent = tuple(Sent(line.sku, line.pieces, line.money, "", line.category) for line in lines)
        command = RecordPurchase("till-1", occurred, channel, "USD", total, sent, points, hold, vouchers)
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
            occurred_at=occurred,
            store=store,
            staff=staff,
        )

    @rule(
        who=whose,
        which=index,
        parts=st.none() | st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 9_999)), max_size=2),
        exactly=st.booleans(),
    )
    def give_back(self, who: int, which: int, parts: list[tuple[int, int, int]] | None, exactly: bool) -> None:
        bought = self.world.members[who].purchases
        version = sorted(bought, reverse=True)[which % len(bought)]
        left = bought[version].left
        if parts is not None:
            parts = [(line % len(left), pieces, money) for line, pieces, money in parts] or [(0, *left[0])]
            if exactly:
                parts = [(line, max(1, left[line][0]), left[line][1] // 2) for line, _, _ in parts[:1]]
            parts = [(line, max(1, pieces), money) for line, pieces, money in parts]
        skus = [line.sku for line in bought[version].lines]
        lines = None if parts is None else tuple(ReturnLine(skus[line], p, money) for line, p, money in parts)
        self._both(who, ReturnPurchase(version, lines), lambda member: member.give_back(self.now, version, parts))

    @rule(
        who=whose,
        kind=st.sampled_from(lives.KINDS),
        ago=st.sampled_from([timedelta(0), timedelta(days=1), timedelta(days=31)]),
        staff=st.booleans(),
    )
    def act(self, who: int, kind: str, ago: timedelta, staff: bool) -> None:
        occurred = self.now - ago
        self._both(
            who,
            RecordAction(kind, occurred, "a subject"),
            lambda member: member.act(self.now, occurred, kind, staff=staff),
            occurred_at=occurred,
            staff=staff,
        )

    # Spending

    @rule(
        who=whose,
        which=st.integers(0, 8),
        store=st.sampled_from(["", "", "mitte", "nowhere"]),
        any_kind=st.sampled_from([False] * 9 + [True]),
    )
    def hold(self, who: int, which: int, store: str, any_kind: bool) -> None:
        found = [r for r in self.world.rules.rewards if any_kind or r.kind in ("goods", "experience")]
        reward = found[which % len(found)]
        store = store if reward.collect_days or any_kind else ""
        self._opened(who, HoldReward(reward.id, store), lambda member: member.hold(self.now, reward.id, store))

    @rule(who=whose, steps=st.sampled_from([1, 1, 2, 0]), off=st.sampled_from([0, 0, 1]))
    def hold_points(self, who: int, steps: int, off: int) -> None:
        points = steps * (self.world.rules.worth.points if self.world.rules.worth else 20) + off
        self._opened(who, HoldPoints(points), lambda member: member.hold_points(self.now, points))

    def _opened(self, who: int, command: Command, naive: Callable[[Naive], Said | None]) -> None:
        change = self._both(who, command, naive)
        if change is not None:
            self.opened.append((who, change.version))

    @precondition(lambda self: self.opened)
    @rule(which=index, capture=st.sampled_from([True, False]), right=st.sampled_from([True, True, False]))
    def end_a_hold(self, which: int, capture: bool, right: bool) -> None:
        still = [(who, no) for who, no in self.opened if no in self.world.members[who].holds and which]
        who, no = (still or self.opened)[-1 - which % len(still or self.opened)]
        opened = self.world.members[who].holds.get(no)
        due = self.world.rules.reward(opened.reward).money if opened and opened.reward else 0
        paid = due if right else due + 1
        if capture:
            self._both(who, CaptureHold(no, paid), lambda member: member.capture(self.now, no, paid))
        else:
            self._both(who, VoidHold(no, "a reason"), lambda member: member.void(self.now, no))

    @rule(who=whose, which=st.integers(0, 8), any_kind=st.sampled_from([False] * 9 + [True]))
    def claim(self, who: int, which: int, any_kind: bool) -> None:
        found = [r.id for r in self.world.rules.rewards if any_kind or r.kind in ("voucher", "charity", "draw")]
        found, code = found or ["five"], f"{next(_NUMBERS):012}"
        reward = found[which % len(found)]
        self._both(who, ClaimReward(reward, code, b"luck"), lambda member: member.claim(self.now, reward, code))

    @rule(who=whose, which=index, what=st.sampled_from(["use", "unuse", "cancel", "cancel", "grant", "grant"]))
    def move_a_voucher(self, who: int, which: int, what: str) -> None:
        vouchers = self.world.members[who].vouchers
        if what == "grant" or not vouchers:
            reward, fresh = ["five", "rare", "five", "rare", "rare", "small"][which], f"{next(_NUMBERS):012}"
            command = GrantVoucher(reward, fresh, "a reason")
            self._both(who, command, lambda member: member.grant(self.now, reward, fresh))
            return
        no = sorted(vouchers)[-1 - which % len(vouchers)]
        code = vouchers[no].code
        if what == "cancel":
            self._both(who, CancelVoucher(no), lambda member: member.cancel(self.now, no))
        elif what == "use":
            self._both(who, UseVoucher(code), lambda member: member.use(self.now, code))
        else:
            self._both(who, UnuseVoucher(code, "a reason"), lambda member: member.unuse(self.now, code))

    # By hand and by the clock

    @rule(who=whose, points=st.integers(-40, 60), which=index)
    def adjust(self, who: int, points: int, which: int) -> None:
        currencies = [*self.world.rules.currencies, "points", "unknown"]
        self._adjust(who, points, currencies[which % len(currencies)])

    def _adjust(self, who: int, points: int, currency: str) -> None:
        command = AdjustPoints(points, "a reason", currency)
        self._both(who, command, lambda member: member.adjust(self.now, points, currency))

    @rule(
        who=whose,
        which=index,
        what=st.sampled_from(["extend", "reinstate", "sweep", "link"]),
        beyond=st.sampled_from([-1, -2, 0, 1]),
        span=st.sampled_from([1, 30, 0]),
        days=st.sampled_from([1, 60, 60, -1]),
    )
    def by_hand(self, who: int, which: int, what: str, beyond: int, span: int, days: int) -> None:
        currencies = self.world.rules.currencies
        currency, member = currencies[which % len(currencies)], self.world.members[who]
        if what == "sweep":
            self._both(who, SettleDue(), lambda member: member.sweep(self.now))
        elif what == "link":
            identifier = Identifier("card", f"CARD{next(_NUMBERS):06}")
            self._both(who, LinkIdentifier(identifier), lambda member: member.link(self.now))
        elif what == "reinstate":
            points = member.at(self.now).purse(currency).lost + beyond
            self._both(
                who,
                ReinstatePoints(points, "a reason", currency),
                lambda member: member.reinstate(self.now, points, currency),
            )
        else:
            ends = sorted({lot.expires for lot in member.purse(currency).lots if lot.left and lot.expires})
            start = ends[which % len(ends)] if ends else self.now
            before, until = start + timedelta(days=span), start + timedelta(days=days)
            self._both(
                who,
                ExtendPoints(start, before, until, "a reason", currency),
                lambda member: member.extend(self.now, start, before, until, currency),
            )

    @rule(
        who=whose,
        segments=st.none() | st.sampled_from([(), ("sleeping",), ("sleeping", "growing"), ("unknown",)]),
        birthday=st.none() | st.sampled_from(lives.BIRTHDAYS),
    )
    def set_traits(self, who: int, segments: tuple[str, ...] | None, birthday: str | None) -> None:
        command = SetTraits(segments, birthday)
        self._both(who, command, lambda member: member.set_traits(self.now, segments, birthday))

    def _both(
        self,
        who: int,
        command: Command,
        naive: Callable[[Naive], Said | None],
        *,
        occurred_at: datetime | None = None,
        store: str = "",
        staff: bool = False,
    ) -> Change | None:
        """The command to both; what both said must be the same."""
        after, expected, refusal = self.world.copy(), None, ""
        try:
            expected = naive(after.members[who])
        except Refused as refused:
            refusal = str(refused)
        if refusal:
            with pytest.raises(ChorusError) as error:
                self.driver.perform(who, command, self.now, occurred_at=occurred_at, store=store, staff=staff)
            assert error.value.code == refusal
            return None
        change = self.driver.perform(who, command, self.now, occurred_at=occurred_at, store=store, staff=staff)
        if expected is None:
            assert change is None
            return None
        assert change is not None
        self.world = after
        sameness.said(change, expected)
        return change

    @invariant()
    def what_is_stored_is_the_same(self) -> None:
        for who, member in enumerate(self.world.members):
            holdings = self.driver.holdings(who)
            sameness.stored(holdings, member)
            sameness.shown(holdings, member, self.programme, self.now)
            sameness.landing(holdings, member, self.programme, self.now)
