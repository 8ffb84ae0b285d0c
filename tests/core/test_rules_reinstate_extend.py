"""Points given back after they expired, and points given longer, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, ExtendPoints, ReinstatePoints, SettleDue
from core.earning.returns import ReturnPurchase
from core.points import MAX_POINTS
from core.programme.validation import parse
from core.rewards.decide import HoldReward, VoidHold
from tests.core.life import Life
from tests.core.naive import Dates, Rules
from tests.core.programmes import written

# A member that lost 100 points to a date: reinstatements one after another -> the last refusal and where, balance.
REINSTATED = [
    ([100], "", [], 100),
    ([40, 60], "", [], 100),
    ([101], "nothing_expired", ["/points"], 0),
    ([100, 1], "nothing_expired", ["/points"], 100),
    ([40, 61], "nothing_expired", ["/points"], 40),
    ([0], "invalid_input", ["/points"], 0),
    ([-1], "invalid_input", ["/points"], 0),
    ([2**63], "invalid_input", ["/points"], 0),
    ([MAX_POINTS], "nothing_expired", ["/points"], 0),
]


@pytest.mark.parametrize(("points", "code", "pointers", "balance"), REINSTATED)
def test_no_more_is_given_back_than_expired(points: list[int], code: str, pointers: list[str], balance: int) -> None:
    life = _lapsed()
    for one in points[:-1]:
        life.do(ReinstatePoints(one, "a reason"))
    if code:
        refused = life.refusal(ReinstatePoints(points[-1], "a reason"))
        assert (refused.code, [error.pointer for error in refused.errors]) == (code, pointers)
    else:
        change = life.do(ReinstatePoints(points[-1], " a reason "))
        assert (change.kind, change.points, change.reason) == ("reinstate", points[-1], "a reason")
        assert change.until == datetime(2026, 3, 7, tzinfo=UTC)
    assert life.state.holdings.account.available == balance


def test_points_that_expire_in_the_same_command_can_be_given_back() -> None:
    life = _lapsed(settled=False)
    change = life.do(ReinstatePoints(100, "a reason"))
    assert (change.expired, change.points, change.available) == (100, 0, 100)
    assert [entry.kind for entry in life.last.entries] == ["expire", "reinstate"]
    life.now = datetime(2026, 3, 7, tzinfo=UTC)
    assert life.do(SettleDue()).expired == 100
    assert life.do(ReinstatePoints(100, "once more")).available == 100  # they were lost again


def test_what_is_owed_is_paid_by_what_is_given_back() -> None:
    life = _lapsed()
    life.do(ReturnPurchase(2))
    assert life.state.holdings.account.debt == 100
    assert life.do(ReinstatePoints(100, "a reason")).available == 0


@pytest.mark.parametrize(
    ("reason", "currency", "pointers"),
    [(" ", "points", ["/reason"]), ("a reason", "gems", ["/currency"]), ("", "gems", ["/reason", "/currency"])],
)
def test_a_wrong_reinstatement_or_extension_is_refused_where_it_is_wrong(
    reason: str, currency: str, pointers: list[str]
) -> None:
    life, start = _lapsed(), datetime(2026, 3, 1, tzinfo=UTC)
    long = ExtendPoints(start, start + timedelta(days=1), start + timedelta(days=9), reason, currency)
    for command in (ReinstatePoints(5, reason, currency), long):
        refused = life.refusal(command)
        assert (refused.code, [error.pointer for error in refused.errors]) == ("invalid_input", pointers)


# Extensions of lots good until 1 March (30 points) and 11 March (70): from, until before, to (days of 2026), -> the dates
# and points after it, and how many were moved; None: nothing happens.
MARCH_1, MARCH_11 = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)
EXTENDED = [
    ("03-01", "03-02", "04-01", {"04-01": 30, "03-11": 70}, 30),
    ("03-01", "03-12", "04-01", {"04-01": 100}, 100),
    ("03-01", "03-11", "04-01", {"04-01": 30, "03-11": 70}, 30),  # until before
    ("03-02", "03-12", "04-01", {"03-01": 30, "04-01": 70}, 70),
    ("03-01", "03-12", "03-11", {"03-11": 100}, 30),  # a date that is as late already stays
    ("03-01", "03-12", "03-05", {"03-05": 30, "03-11": 70}, 30),  # a later one too
    ("03-02", "03-11", "04-01", {"03-01": 30, "03-11": 70}, None),
    ("02-01", "03-01", "04-01", {"03-01": 30, "03-11": 70}, None),
]


@pytest.mark.parametrize(("first", "before", "until", "dates", "moved"), EXTENDED)
def test_points_that_end_within_a_span_are_good_longer(
    first: str, before: str, until: str, dates: dict[str, int], moved: int | None
) -> None:
    life = _two_lots()
    change = life.try_to(ExtendPoints(_day(first), _day(before), _day(until), "a reason"))
    found: dict[str, int] = {}
    for lot in life.state.holdings.account.lots:
        if lot.remaining and lot.expires_at:
            key = f"{lot.expires_at:%m-%d}"
            found[key] = found.get(key, 0) + lot.remaining
    assert found == dates
    if moved is None:
        assert change is None
    else:
        assert change is not None
        assert (change.base, change.points, change.available, change.until) == (moved, 0, 100, _day(until))


# What is wrong with an extension: from, until before, to -> where. Now is 10 February.
WRONG = [
    ("03-02", "03-02", "04-01", ["/ending_before"]),
    ("03-02", "03-01", "04-01", ["/ending_before"]),
    ("03-01", "03-02", "03-01", ["/until"]),
    ("02-01", "02-28", "02-10", ["/until"]),
    ("03-05", "03-05", "03-05", ["/ending_before", "/until"]),
]


@pytest.mark.parametrize(("first", "before", "until", "pointers"), WRONG)
def test_a_wrong_span_is_refused(first: str, before: str, until: str, pointers: list[str]) -> None:
    refused = _two_lots().refusal(ExtendPoints(_day(first), _day(before), _day(until), "a reason"))
    assert [error.pointer for error in refused.errors] == pointers


def test_a_return_still_takes_the_extended_points_of_its_purchase_first() -> None:
    life = _two_lots()
    life.do(ExtendPoints(MARCH_11, MARCH_11 + timedelta(days=1), _day("05-01"), "a reason"))
    assert life.do(ReturnPurchase(3)).base == -70
    assert life.lots() == [30, 0, 0]


def test_points_on_hold_meanwhile_keep_their_date() -> None:
    life = _two_lots()
    life.do(HoldReward("small"))
    life.do(ExtendPoints(MARCH_1, MARCH_11, _day("05-01"), "a reason"))
    assert life.do(VoidHold(4)).available == 100
    assert life.lots() == [10, 70, 20]


def test_points_on_hold_are_not_extended_and_pending_ones_are_not_either() -> None:
    life = _two_lots()
    life.do(AdjustPoints(-90, "a reason"))
    life.do(HoldReward("small"))
    assert life.try_to(ExtendPoints(MARCH_1, _day("03-12"), _day("05-01"), "a reason")) is None


def _day(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def _two_lots() -> Life:
    life = Life(parse(written(Rules(dates=Dates("rolling", 1)))), now=datetime(2026, 1, 31, 12, tzinfo=UTC))
    life.buy(3_000)
    life.now = datetime(2026, 2, 10, tzinfo=UTC)
    life.buy(7_000)
    return life


def _lapsed(*, settled: bool = True) -> Life:
    rules = Rules(dates=Dates("rolling", 1, grace_days=5))
    life = Life(parse(written(rules)), now=datetime(2026, 1, 31, 12, tzinfo=UTC))
    life.buy(10_000)
    life.now = datetime(2026, 3, 1, tzinfo=UTC)
    if settled:
        assert life.do(SettleDue()).expired == 100
    return life
