"""Random lives of two members, led on Chorus and on the naive ledger at once, compared after every step.

The machine knows commands and numbers only. Programmes are drawn with every feature in them or not; now and then the two
turn out to be one, and a new member comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.adjustments.decide import ExtendPoints, ReinstatePoints, SettleDue
from core.earning.actions import RecordAction
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.commands import Command
from core.members.decide import LinkIdentifier, SetTraits
from core.members.identifiers import Identifier
from core.members.merge import MergeMembers
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward, GrantVoucher, UnuseVoucher, UseVoucher
from tests.core import lives
from tests.core.lockstep import Driver, Items, Lockstep
from tests.core.naive import Naive
from tests.core.naive.base import Said
from tests.core.naive.merging import ROOM, numbered

TICK = timedelta(microseconds=1)
BESIDE = [-TICK, timedelta(0), TICK]
SHORT = [timedelta(0), TICK, timedelta(minutes=7), timedelta(minutes=15)]
"""Within a hold's time, or just its length."""
LONG = [timedelta(hours=7), timedelta(days=1), timedelta(days=5), timedelta(days=27), timedelta(days=200)]

BASKET = [("CD", "", 1, 5_000)]

_NUMBERS = count(1)
"""Of cards and vouchers of all lives in one database: no two are the same."""

whose = st.sampled_from([0, 0, 1])
index = st.integers(0, 5)
CAME = ("survivor", "origin", "through")
ways = st.sampled_from(["", "since", *CAME])
"""Through whom something is asked for: what CAME with a member that was merged, or anything else there is."""
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


class LedgerMachine(Lockstep):
    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self.opened: list[tuple[int, int]] = []
        """(member, version) of every hold, open or not by now; whatever the member was merged into."""

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
        pay=st.sampled_from(["points", "points", "hold", "hold", "voucher", "both"]),
        which=index,
        steps=st.sampled_from(["most", "one", "one", "beyond", "off"]),
        by=ways,
        bare=st.booleans(),
    )
    def buy_and_pay(
        self, who: int, items: Items, channel: str, pay: str, which: int, steps: str, by: str, bare: bool
    ) -> None:
        """With points, points on hold, a voucher, or points and a voucher. The `bare` number that a hold had before a
        merge is none of the one that lives on, which may have a hold of its own by that number."""
        who = self._at(who, by)
        member = self.world.members[who]
        if (pay == "hold" and not member.holds) or (pay == "voucher" and not member.vouchers and which):
            pay = "points"
        total = sum(money for _, _, _, money in items)
        points = lives.points_to_pay(member, self.now, total, steps) if pay in ("points", "both") else 0
        held = (
            [no for no in member.holds if not member.holds[no].reward]
            or [no for owner, no in self._opened_ones() if owner is member]
            or [99]
        )
        codes = [one.code for one in member.vouchers.values() if not one.void and one.used < one.uses]
        codes = codes or [one.code for one in member.vouchers.values()] or ["none"]
        hold = _chosen(held, which, by) if pay == "hold" else 0
        self._buy(
            who,
            items,
            channel,
            points=points,
            hold=hold % ROOM if bare else hold,
            vouchers=(codes[-1 - which % len(codes)],) if pay in ("voucher", "both") else (),
            by=by,
        )

    @rule(
        who=whose,
        which=index,
        parts=st.none() | st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 9_999)), max_size=2),
        exactly=st.booleans(),
        by=ways,
    )
    def give_back(self, who: int, which: int, parts: list[tuple[int, int, int]] | None, exactly: bool, by: str) -> None:
        who = self._at(who, by)
        bought = self.world.members[who].purchases
        if not bought:
            return
        version = _chosen(bought, which, by)
        left = bought[version].left
        if parts is not None:
            parts = [(line % len(left), pieces, money) for line, pieces, money in parts] or [(0, *left[0])]
            if exactly:
                parts = [(line, max(1, left[line][0]), left[line][1] // 2) for line, _, _ in parts[:1]]
            parts = [(line, max(1, pieces), money) for line, pieces, money in parts]
        skus = [line.sku for line in bought[version].lines]
        lines = None if parts is None else tuple(ReturnLine(skus[line], p, money) for line, p, money in parts)
        called, no = self._called(self.world.members[who], version, by)
        command = ReturnPurchase(no, lines)
        self._both(who, command, lambda member: member.give_back(self.now, version, parts), called=called)

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
            self.opened.append((change.member, change.version))

    def _opened_ones(self) -> list[tuple[Naive, int]]:
        """Every hold by the member that has it now, in its numbers."""
        owners = [(self.world.whoever(id), id, no) for id, no in self.opened]
        return [(owner, no if owner.id == id else numbered(id, no)) for owner, id, no in owners]

    @precondition(lambda self: self.opened)
    @rule(which=index, capture=st.sampled_from([True, False]), right=st.sampled_from([True, True, False]), by=ways)
    def end_a_hold(self, which: int, capture: bool, right: bool, by: str) -> None:
        every = self._opened_ones()
        every = [(owner, no) for owner, no in every if by in CAME and no >= ROOM] or every
        some = [(owner, no) for owner, no in every if no in owner.holds and which] or every
        owner, no = some[-1 - which % len(some)]
        opened = owner.holds.get(no)
        due = self.world.rules.reward(opened.reward).money if opened and opened.reward else 0
        paid = due if right else due + 1
        who, (called, sent) = int(owner is not self.world.members[0]), self._called(owner, no, by)
        if capture:
            self._both(who, CaptureHold(sent, paid), lambda member: member.capture(self.now, no, paid), called=called)
        else:
            self._both(who, VoidHold(sent, "a reason"), lambda member: member.void(self.now, no), called=called)

    @rule(who=whose, which=st.integers(0, 8), any_kind=st.sampled_from([False] * 9 + [True]))
    def claim(self, who: int, which: int, any_kind: bool) -> None:
        found = [r.id for r in self.world.rules.rewards if any_kind or r.kind in ("voucher", "charity", "draw")]
        found, code = found or ["five"], f"{next(_NUMBERS):012}"
        reward = found[which % len(found)]
        self._both(who, ClaimReward(reward, code, b"luck"), lambda member: member.claim(self.now, reward, code))

    @rule(who=whose, which=index, what=st.sampled_from(["use", "unuse", "cancel", "cancel", "grant", "grant"]), by=ways)
    def move_a_voucher(self, who: int, which: int, what: str, by: str) -> None:
        who = self._at(who, by)
        vouchers = self.world.members[who].vouchers
        if what == "grant" or not vouchers:
            reward, fresh = ["five", "rare", "five", "rare", "rare", "small"][which], f"{next(_NUMBERS):012}"
            command = GrantVoucher(reward, fresh, "a reason")
            self._both(who, command, lambda member: member.grant(self.now, reward, fresh))
            return
        no = _chosen(vouchers, which, by)
        code = vouchers[no].code
        if what == "cancel":
            called, sent = self._called(self.world.members[who], no, by)
            self._both(who, CancelVoucher(sent), lambda member: member.cancel(self.now, no), called=called)
        elif what == "use":
            self._both(who, UseVoucher(code), lambda member: member.use(self.now, code))
        else:
            self._both(who, UnuseVoucher(code, "a reason"), lambda member: member.unuse(self.now, code))

    # By hand and by the clock

    @rule(who=whose, points=st.integers(-40, 60), which=index)
    def adjust(self, who: int, points: int, which: int) -> None:
        currencies = [*self.world.rules.currencies, "points", "unknown"]
        self._adjust(who, points, currencies[which % len(currencies)])

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
            self._link(who)
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

    def _link(self, who: int) -> None:
        identifier = Identifier("card", f"CARD{next(_NUMBERS):06}")
        self._both(who, LinkIdentifier(identifier), lambda member: member.link(self.now))

    @rule(
        who=whose,
        segments=st.none() | st.sampled_from([(), ("sleeping",), ("sleeping", "growing"), ("unknown",)]),
        birthday=st.none() | st.sampled_from(lives.BIRTHDAYS),
    )
    def set_traits(self, who: int, segments: tuple[str, ...] | None, birthday: str | None) -> None:
        command = SetTraits(segments, birthday)
        self._both(who, command, lambda member: member.set_traits(self.now, segments, birthday))

    # Two that are one

    def _at(self, who: int, by: str) -> int:
        return 1 if by and self.world.gone else who

    @rule(
        who=st.sampled_from([0, 1]),
        whom=st.sampled_from(["other", "other", "other", "other", "itself", "gone", "nobody"]),
        by=ways,
        lately=st.sampled_from(["", "held", "claimed", "voucher", "points", "hold", "owed", "born"]),
        at_once=st.booleans(),
        overtakes=st.sampled_from([False, False, True]),
        bare=st.booleans(),
    )
    def merge(self, who: int, whom: str, by: str, lately: str, at_once: bool, overtakes: bool, bare: bool) -> None:
        """What both did `lately` comes with it, and may be asked for `at_once`. The one that lives on is at place 1 from
        then on. A new one comes that is called more; where it `overtakes` the other, it has bought nothing yet and will
        be the next to live on."""
        for one in range(2):
            self._do(one, lately)
        member, other, gone = self.world.members[who], self.world.members[1 - who], self.world.gone
        ids = {"other": other.id, "itself": member.id, "gone": [other.id, *gone][-1], "nobody": 10**9}
        called = [id for id in gone if by and self.world.whoever(id) is member]
        change = self._both(
            who,
            MergeMembers(ids[whom], "a reason"),
            lambda member: member.merge(self.now, ids[whom]),
            called=called[0] if called else member.id,
        )
        if change is not None:
            lives_on = self.world.whoever(change.member)
            self.world.members = [Naive(self.world, self.driver.enrol(self.now)), lives_on]
            self._endow(0, bought=not overtakes)
            if at_once:
                self._ask_for(lately, by, bare)
            while overtakes and self.world.members[0].version <= lives_on.version:
                self._link(0)

    def _do(self, who: int, what: str) -> None:
        match what:
            case "held":
                self.hold(who, 0, "", False)
            case "hold":
                self.hold_points(who, 1, 0)
            case "claimed" | "voucher":
                self.claim(who, 0, False)
            case "owed" if who:
                self._adjust(who, -self.world.members[who].at(self.now).purse("points").balance(), "points")
                self.give_back(who, 0, None, False, "")
            case "born":
                self.set_traits(who, None, lives.BIRTHDAYS[1 + who])
        if what in ("voucher", "points"):
            self.buy_and_pay(who, BASKET, "store", what, 0, "most", "", False)

    def _ask_for(self, what: str, by: str, bare: bool) -> None:
        """Of the one that lives on."""
        match what:
            case "held" if self.opened:
                self.end_a_hold(1, bare, True, by)
            case "claimed":
                self.move_a_voucher(1, 0, "cancel", by)
            case "voucher" | "points":
                self.give_back(1, 0, None, False, by)
            case "hold":
                self.buy_and_pay(1, BASKET, "store", "hold", 0, "one", by, bare)


def _chosen(numbers: Iterable[int], which: int, by: str) -> int:
    """One of them, newest first; only of those that came with a merge, where there are such and `by` asks for them."""
    there = list(numbers)
    came = [no for no in there if by in CAME and no >= ROOM] or there
    return came[-1 - which % len(came)]
