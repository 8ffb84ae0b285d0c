"""Returns of baskets whose lines earn at different rates, as a table: what stays is what the rest would earn alone.

Rates are 1 a unit, 2 for vinyl, 10 for a box and 0 for gift cards; a gift voucher is vinyl that earns nothing. So nothing
that derives from the base may stay with a line that has none.
"""

from __future__ import annotations

import pytest

from core.earning.returns import ReturnLine, ReturnPurchase
from core.programme.validation import parse
from tests.core.life import Life
from tests.core.naive import Campaign, Caps, Dates, Rate, Rules, Tier
from tests.core.programmes import written

CD, BOOK, LP = ("CD", "", 10_000), ("BOOK", "", 5_000), ("LP", "vinyl", 10_000)
BOX, CARD, VOUCHER = ("BOX", "vinyl", 10_000), ("CARD", "gift", 90_000), ("VOUCHER", "vinyl", 90_000)
PIN, EP, MUG = ("PIN", "", 333), ("EP", "vinyl", 333), ("MUG", "", 60)
ITEMS = {item[0]: item for item in (CD, BOOK, LP, BOX, CARD, VOUCHER, PIN, EP, MUG)}

HALF = [Tier("base", 0, "0.5")]
WHOLE = [Campaign("all", multiplier="2")]
VINYL = [Campaign("vinyl2", multiplier="2", categories=("vinyl",))]
COUNTS = [Campaign("counts", multiplier="3", qualifies=True)]

# The awards of some baskets.
BOXED = ["base 100", "rule box 1000", "tier base 50", "tier base 500"]
UNEVEN = ["base 3", "rule vinyl 6", "tier base 1", "tier base 3"]
TWICE = ["rule vinyl 200", "base 100", "campaign all 200", "campaign all 100"]
THRICE = ["base 100", "rule vinyl 200", "campaign counts 200", "campaign counts 400"]
ALL = [*THRICE[:2], "tier base 50", "tier base 100", "campaign all 100", "campaign all 200", "campaign vinyl2 200"]

# The tiers, the campaigns; the basket, the awards; what is returned of it -> the points that stay, those that qualify.
RETURNS = [
    # A tier's share, with a line that earns nothing: it stays and goes with the line that earned it.
    (HALF, [], "CD CARD", ["base 100", "tier base 50"], "CD", 0, 0),
    (HALF, [], "CD CARD", ["base 100", "tier base 50"], "CARD", 150, 100),
    (HALF, [], "CARD CD BOOK", ["base 150", "tier base 75"], "CD", 75, 50),
    # Of lines at two rates.
    (HALF, [], "CD BOX", BOXED, "BOX", 150, 100),
    (HALF, [], "CD BOX", BOXED, "CD", 1_500, 1_000),
    (HALF, [], "CD BOX CARD", BOXED, "CD BOX", 0, 0),
    # A share that does not come out even: of 9 points 4, of which the first 3 get 1 and the other 6 what is left.
    (HALF, [], "PIN EP", UNEVEN, "EP", 4, 3),
    (HALF, [], "PIN EP", UNEVEN, "PIN", 9, 6),
    # One rate for all of it is one award, as ever.
    (HALF, [], "CD BOOK", ["base 150", "tier base 75"], "CD", 75, 50),
    # The whole basket twice.
    (None, WHOLE, "CD CARD", ["base 100", "campaign all 100"], "CD", 0, 0),
    (None, WHOLE, "CD CARD", ["base 100", "campaign all 100"], "CARD", 200, 100),
    (None, WHOLE, "LP CD CARD", TWICE, "LP", 200, 100),
    (None, WHOLE, "LP CD CARD", TWICE, "CD", 400, 200),
    # A category twice, whose lines earn at several rates, or at none.
    (None, VINYL, "CD LP VOUCHER", ["base 100", "rule vinyl 200", "campaign vinyl2 200"], "LP", 100, 100),
    (None, VINYL, "CD LP VOUCHER", ["base 100", "rule vinyl 200", "campaign vinyl2 200"], "VOUCHER CD", 400, 200),
    (None, VINYL, "LP BOX", ["rule vinyl 200", "rule box 1000", "campaign vinyl2 200", "campaign vinyl2 1000"], "BOX",
     400, 200),
    (None, VINYL, "LP BOX CD", ["rule vinyl 200", "rule box 1000", "base 100", "campaign vinyl2 200",
     "campaign vinyl2 1000"], "LP CD", 2_000, 1_000),
    # What a multiplier gives may count for a tier: the figure goes back with the points.
    (None, COUNTS, "CD CARD", ["base 100", "campaign counts 200"], "CD", 0, 0),
    (None, COUNTS, "CD LP", THRICE, "LP", 300, 300),
    (None, COUNTS, "CD LP", THRICE, "CD", 600, 600),
    # All of it together.
    (HALF, WHOLE + VINYL, "CD LP CARD", ALL, "LP", 250, 100),
    (HALF, WHOLE + VINYL, "CD LP CARD", ALL, "LP CD", 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "campaigns", "basket", "awards", "returned", "stays", "qualifies"), RETURNS)
def test_what_stays_is_what_the_rest_earns_alone(
    tiers: list[Tier] | None,
    campaigns: list[Campaign],
    basket: str,
    awards: list[str],
    returned: str,
    stays: int,
    qualifies: int,
) -> None:
    life = _life(tiers, campaigns)
    bought = life.basket(*_items(basket))
    assert life.reasons(bought) == awards
    life.do(ReturnPurchase(bought.version, tuple(ReturnLine(sku, 1, amount) for sku, _, amount in _items(returned))))
    figures = life.state.holdings.account.available, life.state.holdings.account.qualifying[2026]
    assert figures == (stays, qualifies)
    alone = _life(tiers, campaigns)
    if rest := [item for item in _items(basket) if item not in _items(returned)]:
        alone.basket(*rest)
    assert alone.state.holdings.account.available == stays
    life.do(ReturnPurchase(bought.version))
    assert life.state.holdings.account.available == life.state.holdings.account.qualifying[2026] == 0


def test_part_of_a_line_takes_its_share_of_what_derives_from_it() -> None:
    life = _life(HALF, WHOLE)
    bought = life.basket(CD, CARD)
    back = [-life.do(ReturnPurchase(bought.version, (ReturnLine(sku, 1, amount),))).base for sku, amount in (
        ("CARD", 90_000), ("CD", 2_500))]  # fmt: skip
    assert back == [0, 25 + 13 + 25]


def test_points_of_lines_that_earn_less_than_one_each_are_theirs_all_the_same() -> None:
    """1.2 points for both are 1, so that the campaign gives 2; neither alone has a whole one to weigh by."""
    life = _life(None, [Campaign("three", multiplier="3", skus=("MUG", "EP", "CARD"))])
    bought = life.basket(MUG, ("EP", "vinyl", 30), CARD)
    assert life.reasons(bought) == ["campaign three 1", "campaign three 1"]
    assert life.do(ReturnPurchase(bought.version, (ReturnLine("MUG", 1, 60),))).available == 1
    assert life.do(ReturnPurchase(bought.version, (ReturnLine("EP", 1, 30),))).available == 0


def test_a_campaign_in_parts_is_used_once_and_compared_whole() -> None:
    double = Campaign("double", multiplier="2", caps=Caps(per_member=2, in_all=2))
    life = _life(None, [Campaign("gift", bonus=1_050, min_spend=1), double], stacking="best")
    for uses in (1, 2):
        assert life.reasons(life.basket(CD, BOX))[2:] == ["campaign double 100", "campaign double 1000"]
        assert life.state.holdings.progress.counters == {"campaign/double": uses}
        assert life.tallies["campaign/double"] == uses
    assert life.reasons(life.basket(CD, BOX))[2:] == ["campaign gift 1050"]


def test_fixed_points_and_other_currencies_know_one_rate_and_stay_whole() -> None:
    gift, stars = Campaign("gift", bonus=10, min_spend=1), Campaign("stars2", multiplier="2", currency="stars")
    life = _life(None, [gift, stars], others={"stars": ("0.1", Dates())})
    bought = life.basket(CD, CARD)
    given = [(award.id, award.points, award.lines) for award in bought.awards if award.rule == "campaign"]
    assert given == [("gift", 10, ()), ("stars2", 100, ())]
    life.do(ReturnPurchase(bought.version, (ReturnLine("CD", 1, 10_000),)))
    assert life.state.holdings.of("stars").available == 180


def _items(names: str) -> list[tuple[str, str, int]]:
    return [ITEMS[name] for name in names.split()]


def _life(tiers: list[Tier] | None, campaigns: list[Campaign], **rules: object) -> Life:
    rates = [Rate("vinyl", "2", category="vinyl"), Rate("box", "10", sku="BOX"), Rate("card", "0", category="gift"),
             Rate("voucher", "0", sku="VOUCHER")]  # fmt: skip
    given = Rules(rates=rates, tiers=tiers or [Tier("base", 0)], campaigns=campaigns, **rules)  # type: ignore[arg-type]
    return Life(parse(written(given)))
