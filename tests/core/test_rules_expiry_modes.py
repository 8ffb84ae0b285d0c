"""Fixed dates and expiry by activity as tables; rolling dates are in `test_rules_earning`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.earning.actions import RecordAction
from core.earning.returns import ReturnPurchase
from core.engine.commands import Command
from core.ledger.expiry import expiry_of
from core.members.decide import LinkIdentifier, SetTraits
from core.members.identifiers import Identifier
from core.programme.validation import parse
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward
from tests.core.life import Life
from tests.core.naive import Caps, Dates, Reward, Rules
from tests.core.programmes import written

# Fixed: earned at (UTC), zone, months, on -> the exclusive instant (UTC).
FIXED = [
    ("2026-03-14T12:00", "UTC", 12, "12-31", "2028-01-01T00:00"),
    ("2025-12-31T12:00", "UTC", 12, "12-31", "2027-01-01T00:00"),  # just far enough
    ("2026-01-01T12:00", "UTC", 12, "12-31", "2028-01-01T00:00"),
    ("2026-01-31T12:00", "UTC", 1, "02-29", "2026-03-01T00:00"),  # February's last day, and 31 January's month on
    ("2026-03-01T12:00", "UTC", 1, "02-29", "2027-03-01T00:00"),
    ("2027-03-01T12:00", "UTC", 1, "02-29", "2028-03-01T00:00"),  # a leap year's 29th
    ("2026-12-15T15:59", "Asia/Hong_Kong", 1, "01-15", "2027-01-15T16:00"),
    ("2026-12-15T16:00", "Asia/Hong_Kong", 1, "01-15", "2028-01-15T16:00"),  # the 16th over there
    ("2026-01-31T12:00", "America/New_York", 1, "03-08", "2026-03-09T04:00"),  # the day the clocks go forward
]


@pytest.mark.parametrize(("earned", "zone", "months", "on", "until"), FIXED)
def test_points_are_good_through_the_first_named_day_far_enough(
    earned: str, zone: str, months: int, on: str, until: str
) -> None:
    rules = parse(written(Rules(zone=zone, dates=Dates("fixed", months, on))))
    assert expiry_of(_utc(earned), rules) == _utc(until)


# By activity, a month: who bought on 31 January (good through 28 February) and did something on 10 February has points
# through 10 March if that was earning or spending.
ACTIVE: list[tuple[str, list[Command], bool]] = [
    ("nothing", [], False),
    ("a purchase", [], True),
    ("an action", [RecordAction("review", datetime(2026, 2, 10, 12, tzinfo=UTC))], True),
    ("a reward", [HoldReward("small"), CaptureHold(3)], True),
    ("a voucher", [ClaimReward("five", "A")], True),
    ("a hold that came to nothing", [HoldReward("small"), VoidHold(3)], False),
    ("a gift by hand", [AdjustPoints(5, "a reason")], True),
    ("an identifier", [LinkIdentifier(Identifier("card", "CARD1"))], False),
    ("traits", [SetTraits(birthday="02-10")], False),
]


@pytest.mark.parametrize(("what", "commands", "active"), ACTIVE, ids=lambda value: str(value)[:20])
def test_points_expire_together_a_while_after_the_last_activity(
    what: str, commands: list[Command], active: bool
) -> None:
    life = _life("2026-01-31T12:00")
    life.buy(10_000)
    life.now = _utc("2026-02-10T12:00")
    if what == "a purchase":
        life.buy(100)
    for command in commands:
        life.do(command)
    last = _utc("2026-03-11T00:00" if active else "2026-03-01T00:00")
    life.now = last - timedelta(microseconds=1)
    assert life.try_to(SettleDue()) is None
    life.now = last
    change = life.do(SettleDue())
    assert (change.kind, change.available) == ("expire", 0)
    assert change.expired > 80


@pytest.mark.parametrize(
    ("ago", "until"),
    [(0, "2026-03-11T00:00"), (5, "2026-03-06T00:00"), (15, "2026-03-01T00:00")],  # never for a shorter time
)
def test_a_late_purchase_was_an_activity_when_it_occurred(ago: int, until: str) -> None:
    life = _life("2026-01-31T12:00")
    life.buy(10_000)
    life.now = _utc("2026-02-10T12:00")
    life.buy(10_000, ago=timedelta(days=ago))
    assert life.state.holdings.account.lapses_at == _utc(until)


def test_a_purchase_so_late_that_nothing_was_good_by_it_lapses_at_once() -> None:
    life = _life("2026-03-14T12:00")
    change = life.buy(10_000, ago=timedelta(days=28))
    assert (change.available, change.expired) == (100, 0)
    other = _life("2026-03-15T00:00")
    change = other.buy(10_000, ago=timedelta(days=28, hours=12))
    assert (change.available, change.expired, change.points) == (0, 100, 0)


def test_points_given_back_after_all_lapsed_have_the_grace() -> None:
    life = _life("2026-01-31T12:00")
    life.buy(10_000)
    life.do(ClaimReward("five", "A"))
    life.now = _utc("2026-03-02T12:00")
    change = life.do(CancelVoucher(3))
    assert (change.expired, change.points, change.available) == (90, -80, 10)
    life.now = _utc("2026-03-09T23:59:59.999999")
    assert life.try_to(SettleDue()) is None
    life.now = _utc("2026-03-10T00:00")
    assert life.do(SettleDue()).expired == 10


def test_an_earning_after_all_lapsed_starts_anew() -> None:
    life = _life("2026-01-31T12:00")
    life.buy(10_000)
    life.now = _utc("2026-06-01T12:00")
    change = life.buy(5_000)
    assert (change.expired, change.available) == (100, 62)  # silver: 50 and a quarter
    assert life.do(ReturnPurchase(3)).available == 0


def test_where_activity_ends_points_a_second_currency_lapses_for_itself() -> None:
    rules = Rules(others={"stars": ("0.1", Dates("activity", 1, grace_days=7))})
    life = Life(parse(written(rules)), now=_utc("2026-01-31T12:00"))
    life.buy(10_000)
    life.now = _utc("2026-02-10T12:00")
    life.do(AdjustPoints(-50, "a reason"))
    assert life.state.holdings.of("stars").lapses_at == _utc("2026-03-01T00:00")
    life.buy(100)  # no star, and no activity in stars
    assert life.state.holdings.of("stars").lapses_at == _utc("2026-03-01T00:00")
    life.buy(1_000)
    assert life.state.holdings.of("stars").lapses_at == _utc("2026-03-11T00:00")


def test_points_given_by_hand_after_all_lapsed_are_good_for_a_while() -> None:
    life = _life("2026-01-31T12:00")
    life.buy(10_000)
    life.now = _utc("2026-03-02T12:00")
    assert life.do(AdjustPoints(50, "we are sorry")).available == 50
    assert life.try_to(SettleDue()) is None


def test_a_hold_that_ends_as_all_points_lapse_saves_only_its_own() -> None:
    life = _life("2026-01-31T12:00")
    life.buy(10_000)
    life.now = _utc("2026-02-25T12:00")
    life.do(HoldReward("mug", "mitte"))  # through the 28th, as the points are
    life.now = _utc("2026-03-01T00:00")
    change = life.do(SettleDue())
    assert (change.released, change.expired, change.available) == (10, 90, 10)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _life(now: str) -> Life:
    rewards = [
        Reward("small", 10),
        Reward("five", 10, kind="voucher", per_member=9, value=500),
        Reward("mug", 10, collect_days=3),
    ]
    rules = Rules(
        dates=Dates("activity", 1, grace_days=7),
        actions={"review": (5, Caps(per_member=1))},
        rewards=rewards,
        stores=("mitte",),
    )
    return Life(parse(written(rules)), now=_utc(now))
