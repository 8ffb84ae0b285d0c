"""Several currencies: each its own rate, dates, balance and debt; tiers stand on the points alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, ReinstatePoints, SettleDue
from core.earning.returns import ReturnPurchase
from core.engine.commands import Command
from core.points import MAX_POINTS
from core.programme.validation import parse
from tests.core.life import Life
from tests.core.naive import Campaign, Channel, Dates, Rate, Rules
from tests.core.programmes import written

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

# A purchase of so much through a channel -> points, stars (0.1 a unit), badges (only by campaign).
EARNED = [
    (10_000, "store", 100, 10, 2),
    (10_999, "store", 109, 10, 2),
    (999, "store", 9, 0, 0),
    (10_000, "market", 80, 8, 2),
    (0, "store", 0, 0, 0),
]


@pytest.mark.parametrize(("amount", "channel", "points", "stars", "badges"), EARNED)
def test_each_currency_is_earned_at_its_own_rate(
    amount: int, channel: str, points: int, stars: int, badges: int
) -> None:
    life = _life()
    change = life.buy(amount, channel=channel)
    others = {moved.currency: moved.points for moved in change.others}
    assert (change.points, others.get("stars", 0), others.get("badges", 0)) == (points, stars, badges)
    assert change.qualifying == points
    assert all(not award.qualifies for award in change.awards if award.currency != "points")
    journaled = {entry.currency for entry in life.last.entries}
    assert journaled == {c for c, n in (("points", points), ("stars", stars), ("badges", badges)) if n}


def test_a_products_rule_is_of_points_and_leaves_the_others_alone() -> None:
    life = _life(rates=[Rate("gift", "0", sku="GIFT")], campaigns=[])
    assert life.reasons(life.buy(5_000, sku="GIFT")) == ["base 5 stars"]


def test_a_campaign_multiplies_the_currency_it_names() -> None:
    life = _life(campaigns=[Campaign("stars3", multiplier="3", currency="stars")])
    assert life.reasons(life.buy(10_000)) == ["base 100", "base 10 stars", "campaign stars3 20 stars"]


def test_each_currency_expires_by_its_own_rule() -> None:
    life = _life()
    life.buy(10_000)
    ends = {currency: [lot.expires_at for lot in account.lots] for currency, account in life.state.holdings.accounts()}
    assert ends == {
        "points": [datetime(2026, 3, 1, tzinfo=UTC)],
        "stars": [datetime(2027, 1, 1, tzinfo=UTC)],
        "badges": [None],
    }
    life.now = datetime(2026, 3, 1, tzinfo=UTC)
    change = life.do(SettleDue())
    assert (change.expired, change.others) == (100, ())
    life.now = datetime(2027, 1, 1, tzinfo=UTC)
    change = life.do(SettleDue())
    assert change.expired == 0
    assert [(moved.currency, moved.points, moved.expired) for moved in change.others] == [("stars", -10, 10)]
    assert life.do(ReinstatePoints(10, "a reason", "stars")).others[0].points == 10
    assert life.refusal(ReinstatePoints(1, "a reason", "badges")).code == "nothing_expired"


def test_stars_so_late_that_they_are_past_their_date_are_told_of() -> None:
    """They came and went in one command: moved by nothing, and named all the same."""
    life = _life(others={"stars": ("0.1", Dates("rolling", 1))})
    life.now = datetime(2026, 6, 1, tzinfo=UTC)
    change = life.buy(10_000, ago=timedelta(days=60))
    assert change.expired == 100
    assert [(m.currency, m.points, m.expired, m.available) for m in change.others] == [("stars", 0, 10, 0)]


# By hand, a member with 50 points, 5 stars and no badge: command -> the refusal and where, or what moved.
BY_HAND: list[tuple[Command, str, list[str], list[tuple[str, int]]]] = [
    (AdjustPoints(-5, "a reason", "stars"), "", [], [("stars", -5)]),
    (AdjustPoints(-6, "a reason", "stars"), "insufficient_points", [], []),
    (AdjustPoints(-1, "a reason", "badges"), "insufficient_points", [], []),
    (AdjustPoints(7, "a reason", "badges"), "", [], [("badges", 7)]),
    (AdjustPoints(7, "a reason"), "", [], []),
    (AdjustPoints(7, "a reason", "gems"), "invalid_input", ["/currency"], []),
    (AdjustPoints(MAX_POINTS - 5, "a reason", "stars"), "", [], [("stars", MAX_POINTS - 5)]),
    (AdjustPoints(MAX_POINTS - 4, "a reason", "stars"), "points_out_of_range", [], []),
    (AdjustPoints(2**63, "a reason", "stars"), "invalid_input", ["/points"], []),
    (AdjustPoints(-(2**63), " ", "gems"), "invalid_input", ["/points", "/reason", "/currency"], []),
]


@pytest.mark.parametrize(("command", "code", "pointers", "moved"), BY_HAND)
def test_a_currency_is_adjusted_by_itself(
    command: Command, code: str, pointers: list[str], moved: list[tuple[str, int]]
) -> None:
    life = _life(campaigns=[])
    life.buy(5_000)
    if code:
        refused = life.refusal(command)
        assert (refused.code, [error.pointer for error in refused.errors]) == (code, pointers)
    else:
        change = life.do(command)
        assert [(one.currency, one.points) for one in change.others] == moved
        assert change.points == (0 if moved else 7)


def test_a_debt_is_of_one_currency() -> None:
    life = _life(campaigns=[])
    life.buy(10_000)
    life.do(AdjustPoints(-10, "a reason", "stars"))
    change = life.do(ReturnPurchase(2))
    assert (change.available, change.others[0].available) == (0, -10)
    assert life.buy(1_000).others[0].available == -9
    assert life.state.holdings.of("stars").debt == 9


def test_pending_points_of_each_currency_vest_together() -> None:
    life = _life(channels={"store": Channel("1", 14), "market": Channel()})
    change = life.buy(10_000)
    assert (change.pending, [(m.currency, m.pending) for m in change.others]) == (100, [("stars", 10), ("badges", 2)])
    life.now += timedelta(days=15)
    change = life.do(SettleDue())
    assert (change.vested, [(m.currency, m.vested) for m in change.others]) == (100, [("stars", 10), ("badges", 2)])


def _life(**rules: object) -> Life:
    given: dict[str, object] = {
        "dates": Dates("rolling", 1),
        "others": {"stars": ("0.1", Dates("fixed", 3)), "badges": ("0", Dates("rolling", 0))},
        "campaigns": [Campaign("badge", bonus=2, currency="badges", min_spend=1_000)],
    }
    if "others" in rules:
        given["campaigns"] = []
    return Life(parse(written(Rules(**{**given, **rules}))), now=NOW)  # type: ignore[arg-type]


def test_a_debt_in_any_currency_is_flagged() -> None:
    life = _life()
    life.buy(10_000)
    life.do(AdjustPoints(-10, "all stars spent", "stars"))
    back = life.do(ReturnPurchase(2))
    assert (back.available, life.state.holdings.of("stars").debt, back.flags) == (0, 10, ("debt",))
