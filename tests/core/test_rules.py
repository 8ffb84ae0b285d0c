"""The programme's rules as tables: one case a row, each ending in the numbers it must give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.decision import Context, Decision, State
from core.earning.earn import earn
from core.earning.purchase import RecordPurchase
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.commands import Command, decide
from core.errors import ChorusError, InvalidInput
from core.ledger.account import Account
from core.ledger.expiry import expiry_of, grace_of
from core.members.decide import Enrol, LinkIdentifier
from core.members.identifiers import Identifier
from core.money import MAX_AMOUNT
from core.points import MAX_POINTS
from core.programme.document import Programme
from core.rewards.decide import MAX_HOLDS, CaptureHold, HoldReward, VoidHold
from core.snapshot import Change, Line
from core.tiers.ladder import standing
from tests.conftest import START
from tests.core.programmes import programme, published

MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)


class Life:
    """One member led by hand: `do` decides a command at `now`, and gives its change."""

    def __init__(self, rules: Programme | None = None, now: datetime = START) -> None:
        self.published = published(rules or programme())
        self.now = now
        self.state = State(1, 0, Account())
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
        self.state = State(1, decision.change.version, decision.account, purchases)
        return decision.change

    def buy(self, amount: int, *, ago: timedelta = timedelta(0), channel: str = "store") -> Change:
        lines = (Line("CD", 1, amount),)
        command = RecordPurchase("till-1", self.now - ago, channel, self.published.programme.money, amount, lines)
        return self.do(command, staff=True)

    def lots(self) -> list[int]:
        """What is left of each lot ever made."""
        return [lot.remaining for lot in self.state.account.lots]

    def refusal(self, command: Command, *, staff: bool = False) -> ChorusError:
        before = self.state
        with pytest.raises(ChorusError) as refused:
            self.do(command, staff=staff)
        assert self.state is before
        return refused.value


# Earning: amount in minor units, money, rate, channel, rounding, tier -> base, bonus.
EARN = [
    (12_900, "USD", "1", "store", "down", 0, 129, 0),
    (12_999, "USD", "1", "store", "down", 0, 129, 0),
    (12_999, "USD", "1", "store", "up", 0, 130, 0),
    (12_950, "USD", "1", "store", "half_up", 0, 130, 0),
    (12_949, "USD", "1", "store", "half_up", 0, 129, 0),
    (12_950, "USD", "1", "store", "half_even", 0, 130, 0),
    (12_850, "USD", "1", "store", "half_even", 0, 128, 0),
    (12_851, "USD", "1", "store", "half_even", 0, 129, 0),
    (1, "USD", "1", "store", "up", 0, 1, 0),
    (0, "USD", "1", "store", "up", 0, 0, 0),
    (12_900, "JPY", "1", "store", "down", 0, 12_900, 0),  # a yen has no smaller unit
    (12_900, "KWD", "1", "store", "down", 0, 12, 0),  # a dinar has a thousand
    (10_000, "USD", "10", "store", "down", 0, 1_000, 0),
    (10_000, "USD", "0", "store", "up", 0, 0, 0),
    (10_000, "USD", "1", "market", "down", 0, 80, 0),
    (10_199, "USD", "1", "market", "down", 0, 81, 0),  # rounded once: not 101, and then 80
    (10_199, "USD", "1.5", "market", "half_up", 0, 122, 0),
    (333, "USD", "0.1", "store", "half_up", 0, 0, 0),  # 0.333, exactly
    (10_100, "USD", "1", "store", "down", 1, 101, 25),
    (10_200, "USD", "1", "store", "half_even", 1, 102, 26),  # 25.5
    (10_100, "USD", "1", "store", "up", 1, 101, 26),
    (10_100, "USD", "1", "store", "down", 2, 101, 50),
    (199, "USD", "1", "store", "up", 2, 2, 1),  # the bonus is a share of the points, not of the money
]


@pytest.mark.parametrize(("amount", "money", "rate", "channel", "rounding", "tier", "base", "bonus"), EARN)
def test_what_money_earns(
    amount: int, money: str, rate: str, channel: str, rounding: str, tier: int, base: int, bonus: int
) -> None:
    rules = programme(money=money, rate=rate, rounding=rounding)
    earned = earn(amount, channel, rules.tiers[tier], rules)
    assert (earned.base, earned.bonus) == (base, bonus)
    assert earned.tier == (rules.tiers[tier].key if bonus else "")


# Expiry: earned at (UTC), zone, months -> the exclusive instant (UTC).
EXPIRY = [
    ("2026-01-15T12:00", "UTC", 1, "2026-02-16T00:00"),
    ("2026-01-31T12:00", "UTC", 1, "2026-03-01T00:00"),  # 28 February is the last good day
    ("2024-01-31T12:00", "UTC", 1, "2024-03-01T00:00"),  # 29 February
    ("2024-02-29T12:00", "UTC", 12, "2025-03-01T00:00"),
    ("2024-02-29T12:00", "UTC", 48, "2028-03-01T00:00"),
    ("2026-02-28T12:00", "UTC", 1, "2026-03-29T00:00"),  # the same day, not the month's end
    ("2026-03-31T12:00", "UTC", 1, "2026-05-01T00:00"),
    ("2026-12-31T23:59", "UTC", 24, "2029-01-01T00:00"),
    ("2026-01-15T15:59", "Asia/Hong_Kong", 1, "2026-02-15T16:00"),
    ("2026-01-15T16:00", "Asia/Hong_Kong", 1, "2026-02-16T16:00"),  # the 16th over there
    ("2026-01-31T04:59", "America/New_York", 1, "2026-03-01T05:00"),  # the 30th over there
    ("2026-02-08T12:00", "America/New_York", 1, "2026-03-09T04:00"),  # the clocks go forward on 8 March
    ("2026-02-07T12:00", "America/New_York", 1, "2026-03-08T05:00"),  # midnight before they do
    ("2026-10-01T12:00", "America/New_York", 1, "2026-11-02T05:00"),  # and back on 1 November
    ("2026-09-30T12:00", "America/New_York", 1, "2026-10-31T04:00"),
    ("2026-01-15T12:00", "UTC", 0, None),
]


@pytest.mark.parametrize(("earned", "zone", "months", "until"), EXPIRY)
def test_points_are_good_through_the_same_day(earned: str, zone: str, months: int, until: str | None) -> None:
    expected = None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC)
    found = expiry_of(datetime.fromisoformat(earned).replace(tzinfo=UTC), programme(zone=zone, months=months))
    assert found == expected
    assert found is None or found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("now", "zone", "days", "until"),
    [
        ("2026-03-14T09:00", "UTC", 30, "2026-04-14T00:00"),
        ("2026-03-14T00:00", "UTC", 1, "2026-03-16T00:00"),
        ("2026-03-14T17:00", "Asia/Hong_Kong", 1, "2026-03-16T16:00"),
        ("2026-03-07T17:00", "America/New_York", 1, "2026-03-09T04:00"),
        ("2028-02-28T12:00", "UTC", 1, "2028-03-01T00:00"),
    ],
)
def test_grace_is_whole_days_after_the_day_of_the_return(now: str, zone: str, days: int, until: str) -> None:
    rules = programme(zone=zone, grace=days)
    found = grace_of(datetime.fromisoformat(now).replace(tzinfo=UTC), rules)
    assert found == datetime.fromisoformat(until).replace(tzinfo=UTC)


# Tiers at 100 and 300: points of last year, of this year, now (UTC), zone -> tier, qualifying, next tier.
TIERS = [
    (0, 0, "2026-06-01T00:00", "UTC", "base", 0, "silver"),
    (0, 99, "2026-06-01T00:00", "UTC", "base", 99, "silver"),
    (0, 100, "2026-06-01T00:00", "UTC", "silver", 100, "gold"),
    (0, 299, "2026-06-01T00:00", "UTC", "silver", 299, "gold"),
    (0, 300, "2026-06-01T00:00", "UTC", "gold", 300, None),
    (300, 0, "2026-12-31T23:59", "UTC", "gold", 0, None),  # kept to the end of the year after
    (300, 0, "2027-01-01T00:00", "UTC", "base", 0, "silver"),  # and no longer
    (300, 100, "2027-01-01T00:00", "UTC", "silver", 0, "gold"),
    (100, 300, "2026-06-01T00:00", "UTC", "gold", 300, None),
    (60, 60, "2026-06-01T00:00", "UTC", "base", 60, "silver"),  # two years do not add up
    (300, 0, "2026-12-31T16:00", "Asia/Hong_Kong", "base", 0, "silver"),  # the new year over there
    (300, 0, "2026-12-31T15:59", "Asia/Hong_Kong", "gold", 0, None),
    (0, 100, "2026-01-01T04:59", "America/New_York", "base", 0, "silver"),  # still 2025 over there
]


@pytest.mark.parametrize(("last", "this", "now", "zone", "tier", "qualifying", "upper"), TIERS)
def test_a_tier_is_a_band_of_a_year(
    last: int, this: int, now: str, zone: str, tier: str, qualifying: int, upper: str | None
) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    stands = standing({2025: last, 2026: this}, programme(zone=zone), instant)
    assert (stands.tier.key, stands.qualifying) == (tier, qualifying)
    assert (stands.next.key if stands.next else None) == upper


def test_a_purchase_earns_at_the_tier_before_it_and_bonus_does_not_qualify() -> None:
    life = Life()
    first, second, third = life.buy(10_000), life.buy(10_000), life.buy(10_000)
    assert [(c.base, c.bonus, c.bonus_tier) for c in (first, second, third)] == [
        (100, 0, ""), (100, 25, "silver"), (100, 25, "silver")
    ]  # fmt: skip
    assert [(c.qualifying, c.tier) for c in (first, second, third)] == [
        (100, "silver"), (200, "silver"), (300, "gold")
    ]  # fmt: skip
    assert third.available == 350


def test_spending_does_not_lower_the_tier_and_returning_does() -> None:
    life = Life()
    life.buy(10_000)
    assert life.do(HoldReward("large")).tier == "silver"
    back = life.do(ReturnPurchase(2))
    assert (back.tier, back.qualifying) == ("base", 0)


def test_a_late_purchase_qualifies_in_its_own_year_and_may_raise_the_tier_kept() -> None:
    life = Life(now=datetime(2026, 1, 10, tzinfo=UTC))
    change = life.buy(10_000, ago=timedelta(days=20))
    assert (change.qualifying, change.tier) == (0, "silver")
    assert life.state.account.qualifying == {2025: 100}


# Returns of a purchase of 10.01 (a: 2 for 3.33, b: 1 for 6.68) that earned 10: the parts, and the points each takes.
A, B = ("a", 2, 333), ("b", 1, 668)
RETURNS = [
    ([None], [10]),
    ([[A], [B]], [4, 6]),  # 6 of 6.67 points stay, then none
    ([[B], [A]], [7, 3]),
    ([[A, B]], [10]),
    ([[A], None], [4, 6]),
    ([[("a", 1, 166)], [("a", 1, 167)], [B]], [2, 2, 6]),
    ([[("a", 1, 1)], [("a", 1, 1)], None], [1, 0, 9]),
    ([[("a", 1, 0)], None], [0, 10]),
]


@pytest.mark.parametrize(("parts", "points"), RETURNS)
def test_returns_in_parts_take_what_was_earned_and_never_more(
    parts: list[list[tuple[str, int, int]] | None], points: list[int]
) -> None:
    life = Life()
    life.do(RecordPurchase("till-1", START, "store", "USD", 1_001, (Line("a", 2, 333), Line("b", 1, 668))))
    taken = []
    for part in parts:
        lines = None if part is None else tuple(ReturnLine(*line) for line in part)
        taken.append(-life.do(ReturnPurchase(2, lines)).points)
    assert taken == points
    purchase = life.state.purchases[2]
    assert (purchase.taken_back, purchase.qualifying_taken_back) == (10, 10)
    assert purchase.returned == ((2, 333), (1, 668))
    assert life.state.account.qualifying == {2026: 0}
    assert life.refusal(ReturnPurchase(2)).code == "already_returned"


# What a return may not name: its lines, the code, where.
WRONG_RETURNS = [
    ([("a", 3, 10)], "return_exceeds_purchase", ["/lines/0/quantity"]),
    ([("a", 2, 334)], "return_exceeds_purchase", ["/lines/0/amount"]),
    ([("a", 1, 10), ("a", 2, 10)], "return_exceeds_purchase", ["/lines/1/quantity"]),
    ([("a", 1, 10), ("a", 1, 324)], "return_exceeds_purchase", ["/lines/1/amount"]),
    ([("c", 1, 10)], "invalid_input", ["/lines/0/sku"]),
    ([("a", 0, 10)], "invalid_input", ["/lines/0/quantity"]),
    ([("a", 1, -1)], "invalid_input", ["/lines/0/amount"]),
    ([("c", 0, -1)], "invalid_input", ["/lines/0/quantity", "/lines/0/amount", "/lines/0/sku"]),
    ([], "already_returned", []),
]


@pytest.mark.parametrize(("lines", "code", "pointers"), WRONG_RETURNS)
def test_a_return_beyond_the_purchase_is_refused(
    lines: list[tuple[str, int, int]], code: str, pointers: list[str]
) -> None:
    life = Life()
    life.do(RecordPurchase("till-1", START, "store", "USD", 1_001, (Line("a", 2, 333), Line("b", 1, 668))))
    refused = life.refusal(ReturnPurchase(2, tuple(ReturnLine(*line) for line in lines)))
    assert (refused.code, [error.pointer for error in refused.errors]) == (code, pointers)


def test_a_return_is_laid_over_the_lines_of_its_sku_in_order() -> None:
    life = Life()
    life.do(RecordPurchase("till-1", START, "store", "USD", 1_000, (Line("a", 1, 400), Line("a", 2, 600))))
    life.do(ReturnPurchase(2, (ReturnLine("a", 2, 500),)))
    assert life.state.purchases[2].returned == ((1, 400), (1, 100))


def test_a_return_takes_its_own_lot_first_and_the_bonus_with_it() -> None:
    life = Life()
    life.buy(10_000)
    life.buy(10_000)
    assert life.lots() == [100, 125]
    assert life.do(ReturnPurchase(3)).base == -125
    assert life.lots() == [100, 0]


def test_points_spent_before_their_return_are_owed_and_the_next_earning_pays() -> None:
    life = Life()
    life.buy(10_000)
    life.do(HoldReward("large"))
    life.do(CaptureHold(3))
    back = life.do(ReturnPurchase(2))
    assert (back.available, back.points, back.flags) == (-100, -100, ("debt",))
    assert life.state.account.debt == 100
    assert life.refusal(HoldReward("small")).code == "insufficient_points"
    part = life.buy(3_000)
    assert (part.available, part.points, part.base) == (-70, 30, 30)
    assert (life.state.account.debt, life.state.purchases[part.version].lot) == (70, 0)
    rest = life.buy(10_000)
    assert (rest.available, life.state.account.debt) == (30, 0)
    assert [(p.account, p.amount, p.lot) for p in life.last.entries[-1].postings] == [
        ("issued", -100, None), ("available", 70, None), ("available", 30, 2)
    ]  # fmt: skip
    # What paid a debt has no lot left of its own: its return is owed again.
    assert life.do(ReturnPurchase(part.version)).available == 0
    assert life.do(ReturnPurchase(rest.version)).available == -100


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        (datetime(2026, 3, 13, 23, 59, 59, 999_999, tzinfo=UTC), 0),
        (datetime(2026, 3, 14, tzinfo=UTC), 50),
        (datetime(2026, 4, 1, tzinfo=UTC), 50),
    ],
)
def test_a_purchase_so_late_that_its_points_are_past_their_date_earns_and_expires_at_once(
    now: datetime, expired: int
) -> None:
    life = Life(programme(months=1), now=now)
    change = life.buy(5_000, ago=now - datetime(2026, 2, 13, 12, tzinfo=UTC))
    assert (change.base, change.expired, change.points) == (50, expired, 50 - expired)
    assert [entry.kind for entry in life.last.entries] == ["earn", "expire"][: 1 + bool(expired)]
    assert life.state.account.qualifying == {2026: 50}
    # Returned, it takes what it gave: points that lapsed are owed.
    assert life.do(ReturnPurchase(2)).available == -expired


# When a purchase is too old or from the future: how long ago, sent by staff -> accepted.
WINDOW = [
    (timedelta(days=30), False, True),
    (timedelta(days=30, microseconds=1), False, False),
    (timedelta(days=30, microseconds=1), True, True),
    (timedelta(minutes=-5), False, True),
    (timedelta(minutes=-5, microseconds=-1), False, False),
    (timedelta(minutes=-5, microseconds=-1), True, False),
]


@pytest.mark.parametrize(("ago", "staff", "accepted"), WINDOW)
def test_the_replay_window(ago: timedelta, staff: bool, accepted: bool) -> None:
    life = Life()
    command = RecordPurchase("till-1", START - ago, "store", "USD", 100, (Line("CD", 1, 100),))
    if accepted:
        assert life.do(command, staff=staff).base == 1
    else:
        refused = life.refusal(command, staff=staff)
        assert [error.pointer for error in refused.errors] == ["/occurred_at"]


# What is wrong with a purchase: the field and its value -> where.
WRONG_PURCHASES = [
    ({"currency": "EUR"}, ["/currency"]),
    ({"channel": "fax"}, ["/channel"]),
    ({"total": -1}, ["/total"]),
    ({"total": MAX_AMOUNT + 1}, ["/total"]),
    ({"total": 99}, ["/total"]),
    ({"lines": ()}, ["/lines"]),
    ({"lines": (Line("CD", 1, 1),) * 501}, ["/lines"]),
    ({"lines": (Line("CD", 1, 60), Line("CD", 0, 40))}, ["/lines/1/quantity"]),
    ({"lines": (Line("CD", 1, 140), Line("CD", 1, -40))}, ["/lines/1/amount"]),
    ({"lines": (Line("CD", 1_000_001, 100),)}, ["/lines/0/quantity"]),
    ({"currency": "EUR", "channel": "fax", "total": -1}, ["/currency", "/channel", "/total"]),
]


@pytest.mark.parametrize(("wrong", "pointers"), WRONG_PURCHASES)
def test_a_wrong_purchase_is_refused_where_it_is_wrong(wrong: dict[str, object], pointers: list[str]) -> None:
    life = Life()
    command = RecordPurchase("till-1", START, "store", "USD", 100, (Line("CD", 1, 100),))
    refused = life.refusal(msgspec.structs.replace(command, **wrong))
    assert isinstance(refused, InvalidInput)
    assert [error.pointer for error in refused.errors] == pointers


def test_the_largest_purchase_of_the_most_lines_is_recorded() -> None:
    life = Life()
    lines = (Line("CD", 1_000_000, MAX_AMOUNT), *(Line("CD", 1, 0),) * 499)
    assert life.do(RecordPurchase("till-1", START, "store", "USD", MAX_AMOUNT, lines)).base == MAX_AMOUNT // 100


# How a hold of 100 ends that took lots of 30 (good for 1 month) and 70 of 80 (bought 10 days later):
# days passed, the end -> what is left of each lot, available, held, kind of the last entries.
HOLDS: list[tuple[timedelta, Command, list[int], int, int, list[str]]] = [
    (timedelta(0), CaptureHold(4), [0, 10], 10, 0, ["capture"]),
    (timedelta(0), VoidHold(4), [30, 80], 110, 0, ["void"]),
    (timedelta(minutes=15) - timedelta(microseconds=1), VoidHold(4), [30, 80], 110, 0, ["void"]),
    (timedelta(minutes=15), SettleDue(), [30, 80], 110, 0, ["time_out"]),
    (timedelta(minutes=15), AdjustPoints(-1, "a reason"), [29, 80], 109, 0, ["time_out", "adjust"]),
    (timedelta(days=25), SettleDue(), [0, 80], 80, 0, ["time_out", "expire"]),
    (timedelta(days=90), SettleDue(), [0, 0], 0, 0, ["time_out", "expire", "expire"]),
]


@pytest.mark.parametrize(("wait", "end", "lots", "available", "held", "entries"), HOLDS)
def test_a_hold_gives_back_the_very_lots_it_took(
    wait: timedelta, end: Command, lots: list[int], available: int, held: int, entries: list[str]
) -> None:
    life = Life(programme(months=1))
    life.buy(3_000)
    life.now += timedelta(days=10)
    life.buy(8_000)
    taken = life.do(HoldReward("large"))
    assert (taken.available, life.lots(), life.state.account.held) == (10, [0, 10], 100)
    assert life.state.account.holds[0].takings == ((1, 30), (2, 70))
    life.now += wait
    change = life.do(end)
    assert (change.available, life.lots(), life.state.account.held) == (available, lots, held)
    assert [entry.kind for entry in life.last.entries] == entries
    assert life.refusal(CaptureHold(4)).code == "hold_not_open"
    assert life.refusal(VoidHold(4)).code == "hold_not_open"


@pytest.mark.parametrize(
    ("minutes_before_midnight", "wait", "end", "entries"),
    [
        (10, 14, VoidHold(3), ["expire", "void"]),
        (10, 10, VoidHold(3), ["expire", "void"]),  # at midnight itself their date has passed
        (10, 20, SettleDue(), ["expire", "time_out"]),
        (15, 15, SettleDue(), ["time_out", "expire"]),  # the hold runs out in the instant in which the lot does
    ],
)
def test_points_given_back_after_their_date_are_a_new_lot_with_the_grace(
    minutes_before_midnight: int, wait: int, end: Command, entries: list[str]
) -> None:
    """Held on the evening of their last good day, given back when it is over."""
    life = Life(programme(months=1, grace=3), now=datetime(2026, 2, 1, 12, tzinfo=UTC))
    life.buy(3_000)
    life.now = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(minutes=minutes_before_midnight)
    life.do(HoldReward("small"))
    life.now += timedelta(minutes=wait)
    change = life.do(end)
    assert (change.available, change.expired) == (10, 20)
    assert [entry.kind for entry in life.last.entries] == entries
    lot = life.state.account.lots[-1]
    assert (lot.no, lot.remaining, lot.amount, lot.origin) == (2, 10, 10, change.version)
    assert lot.expires_at == datetime(2026, 3, 6, tzinfo=UTC)
    assert lot.earned_at == datetime(2026, 2, 1, 12, tzinfo=UTC)


def test_points_given_back_pay_what_is_owed_first() -> None:
    life = Life()
    life.buy(10_000)
    life.do(HoldReward("large"))
    assert life.do(ReturnPurchase(2)).available == -100
    change = life.do(VoidHold(3))
    assert (change.available, change.points, life.lots(), life.state.account.debt) == (0, 100, [0], 0)


def test_a_spend_takes_what_expires_soonest_whenever_it_was_earned() -> None:
    life = Life(programme(months=1))
    life.buy(1_000)
    life.buy(1_500, ago=timedelta(days=5))
    life.do(AdjustPoints(-20, "a reason"))
    assert life.lots() == [5, 0]


def test_a_member_has_so_many_holds_at_once_and_no_more() -> None:
    life = Life()
    life.buy(100_000)
    for _ in range(MAX_HOLDS):
        life.do(HoldReward("small"))
    assert life.refusal(HoldReward("small")).code == "too_many_holds"
    life.do(VoidHold(3))
    assert life.do(HoldReward("small")).kind == "hold"
    life.now += timedelta(minutes=15)
    assert life.do(HoldReward("small")).released == 10 * MAX_HOLDS


@pytest.mark.parametrize(
    ("held", "balance", "code"),
    [("small", 9, "insufficient_points"), ("small", 10, ""), ("none", 99, "unknown_reward")],
)
def test_a_reward_needs_its_points(held: str, balance: int, code: str) -> None:
    life = Life()
    life.do(AdjustPoints(balance, "a gift"))
    if code:
        assert life.refusal(HoldReward(held)).code == code
    else:
        assert life.do(HoldReward(held)).available == 0


# Adjustments on a balance of 50: points, reason -> balance, or the refusal and where.
ADJUSTMENTS: list[tuple[int, str, int | str, list[str]]] = [
    (7, "a reason", 57, []),
    (-50, "a reason", 0, []),
    (-51, "a reason", "insufficient_points", []),
    (0, "a reason", "invalid_input", ["/points"]),
    (5, " ", "invalid_input", ["/reason"]),
    (0, "", "invalid_input", ["/points", "/reason"]),
    (MAX_POINTS - 50, "a reason", MAX_POINTS, []),
    (MAX_POINTS - 49, "a reason", "points_out_of_range", []),
    (MAX_POINTS + 1, "a reason", "invalid_input", ["/points"]),
    (-MAX_POINTS - 1, "a reason", "invalid_input", ["/points"]),
]


@pytest.mark.parametrize(("points", "reason", "result", "pointers"), ADJUSTMENTS)
def test_adjustments(points: int, reason: str, result: int | str, pointers: list[str]) -> None:
    life = Life()
    life.buy(5_000)
    if isinstance(result, str):
        refused = life.refusal(AdjustPoints(points, reason))
        assert (refused.code, [error.pointer for error in refused.errors]) == (result, pointers)
    else:
        change = life.do(AdjustPoints(points, f" {reason} "))
        assert (change.available, change.points, change.reason) == (result, points, reason)
        assert {p.account for p in life.last.entries[0].postings} == {"available", "adjusted"}
        # Points by hand are no merit: they do not qualify.
        assert change.qualifying == 50


def test_points_beyond_what_a_ledger_holds_are_refused_held_ones_counted() -> None:
    life = Life()
    life.do(AdjustPoints(MAX_POINTS, "a gift"))
    life.do(HoldReward("large"))
    assert life.refusal(AdjustPoints(1, "a gift")).code == "points_out_of_range"
    command = RecordPurchase("till-1", START, "store", "USD", 100, (Line("CD", 1, 100),))
    assert life.refusal(command).code == "points_out_of_range"


def test_nobody_is_known_before_enrolment() -> None:
    context = Context(now=START, published=published(programme()), source="test")
    refused = decide(State(1, 0, Account()), AdjustPoints(1, "a gift"), context)
    assert isinstance(refused, ChorusError)
    assert refused.code == "unknown_member"


def test_an_entry_that_takes_back_another_names_it() -> None:
    life = Life()
    life.buy(10_000)
    life.do(HoldReward("small"))
    life.do(CaptureHold(3))
    assert life.last.entries[0].reverses == 3
    life.do(HoldReward("small"))
    life.do(VoidHold(5))
    assert life.last.entries[0].reverses == 5
    life.do(HoldReward("small"))
    life.now += timedelta(hours=1)
    life.do(ReturnPurchase(2))
    assert [(entry.kind, entry.reverses) for entry in life.last.entries] == [("time_out", 7), ("return", 2)]


@pytest.mark.parametrize(
    "command",
    [
        LinkIdentifier(Identifier("card", "CARD1")),
        AdjustPoints(5, "a gift"),
        ReturnPurchase(3),
        CaptureHold(4),
        VoidHold(4),
        HoldReward("small"),
        RecordPurchase("till-1", MIDNIGHT, "store", "USD", 100, (Line("CD", 1, 100),)),
        SettleDue(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_every_command_records_first_what_the_clock_did(command: Command) -> None:
    """Fifty points lapse at midnight, ten minutes after the hold and a minute before the command."""
    life = Life(programme(months=1), now=MIDNIGHT - timedelta(days=28, hours=12))
    life.buy(15_000)
    life.now = MIDNIGHT - timedelta(minutes=10)
    life.buy(20_000)
    life.do(HoldReward("large"))
    life.now = MIDNIGHT + timedelta(minutes=1)
    change = life.do(command)
    first = life.last.entries[0]
    assert (first.kind, first.occurred_at, change.expired, life.lots()[0]) == ("expire", MIDNIGHT, 50, 0)
