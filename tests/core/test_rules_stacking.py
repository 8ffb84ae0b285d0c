"""Stacking as a table: which campaigns are given, and what they give together."""

from __future__ import annotations

import pytest

from core.programme.validation import parse
from tests.core.life import Life
from tests.core.naive import Campaign, Caps, Dates, Rules
from tests.core.programmes import written


def _campaign(id: str, gift: str, *, currency: str = "points") -> Campaign:
    """ "x2" multiplies, "+7" is a bonus; a "!" after it is alone."""
    alone, gift = gift.endswith("!"), gift.rstrip("!")
    if gift.startswith("x"):
        return Campaign(id, multiplier=gift[1:], currency=currency, alone=alone)
    return Campaign(id, bonus=int(gift), currency=currency, min_spend=1, alone=alone)


# On a purchase that earns 100 as base: the rule, the campaigns in the document's order -> those given, in that order.
STACKING = [
    ("add", ["x2"], ["a 100"]),
    ("add", ["x2", "x1.5", "+7"], ["a 100", "b 50", "c 7"]),  # each its own of the base, never one of another
    ("best", ["x1.5", "x2", "+7"], ["b 100"]),
    ("best", ["x2", "+100"], ["a 100"]),  # as much as the first: the first
    ("best", ["+101", "x2"], ["a 101"]),
    ("add", ["+7", "x2!"], ["b 100"]),
    ("add", ["+100", "x2!"], ["a 100"]),  # alone only for more than all others together
    ("add", ["+60", "+40", "x2!"], ["a 60", "b 40"]),
    ("add", ["+60", "+39", "x2!"], ["c 100"]),
    ("add", ["x2!"], ["a 100"]),
    ("add", [], []),
]


@pytest.mark.parametrize(("stacking", "gifts", "given"), STACKING)
def test_campaigns_on_one_purchase(stacking: str, gifts: list[str], given: list[str]) -> None:
    campaigns = [_campaign(id, gift) for id, gift in zip("abc", gifts, strict=False)]
    life = Life(parse(written(Rules(stacking=stacking, campaigns=campaigns))))
    change = life.buy(10_000)
    assert life.reasons(change) == ["base 100", *(f"campaign {one}" for one in given)]
    assert change.points == 100 + sum(int(one.split()[1]) for one in given)


def test_each_currency_stacks_by_itself() -> None:
    campaigns = [_campaign("a", "+9"), _campaign("b", "x2"), _campaign("c", "+3", currency="stars")]
    rules = Rules(stacking="best", campaigns=campaigns, others={"stars": ("0.1", Dates())})
    life = Life(parse(written(rules)))
    change = life.buy(10_000)
    assert life.reasons(change) == ["base 100", "base 10 stars", "campaign b 100", "campaign c 3 stars"]


def test_a_campaign_that_loses_is_not_counted_against_its_limit() -> None:
    loser = Campaign("loser", bonus=7, caps=Caps(per_member=1))
    winner = Campaign("winner", multiplier="2", first_day="2026-03-14", last_day="2026-03-14")
    life = Life(parse(written(Rules(stacking="best", campaigns=[loser, winner]))))
    assert life.reasons(life.buy(10_000)) == ["base 100", "campaign winner 100"]
    assert life.state.holdings.progress.counters == {}
    assert life.reasons(life.buy(500)) == ["base 5", "tier silver 1", "campaign loser 7"]
    assert life.reasons(life.buy(500)) == ["base 5", "tier silver 1", "campaign winner 5"]
