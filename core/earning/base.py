"""What lines earn as base, and how an award that derives from it lies on them.

A return takes an award back by its lines' share of the money, which is exact only where all of them earn at one rate. So
what derives from lines of several rates, a tier's share or a multiplier's excess, is an award for each rate: none lies on
a line that earned nothing, to stay there when the line that earned it is back.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.earning.basket import Basket, shares
from core.points import POINTS, round_points
from core.programme.document import Programme
from core.snapshot import Award

Groups = Mapping[str, tuple[int, ...]]
"""The lines (by index, () all of them) of each rule that the basket earns by, "" being the base rule."""


def groups_of(basket: Basket, programme: Programme) -> Groups:
    rates = programme.rates
    if not rates.ruled:
        return {"": ()}
    by_rule: dict[str, list[int]] = {}
    for i, line in enumerate(basket.lines):
        by_rule.setdefault(rates.rule_of(line.sku, line.category), []).append(i)
    if len(by_rule) == 1:
        return dict.fromkeys(by_rule, ())
    return {rule: tuple(lines) for rule, lines in by_rule.items()}


def base_of(basket: Basket, lines: tuple[int, ...], currency: str, programme: Programme) -> int:
    """What some lines (() all) earn as base in a currency, as if they were the whole basket."""
    exact = _exact(basket, lines, currency, programme)
    return round_points(exact, programme.rates.denominator, programme.earn.rounding)


def by_rate(award: Award, basket: Basket, groups: Groups, programme: Programme) -> list[Award]:
    """An award that derives from the base points of its lines, in parts for the lines of each rate that add up to it:
    each by the base of its lines, as they would earn alone."""
    if len(groups) < 2:
        return [award]
    chosen = frozenset(award.lines) or range(len(basket.lines))
    parts = [part for lines in groups.values() if (part := tuple([i for i in lines if i in chosen]))]
    if len(parts) == 1:
        return [award]
    weights = [base_of(basket, part, POINTS, programme) for part in parts]
    if not any(weights):  # only together do they come to a whole point
        weights = [_exact(basket, part, POINTS, programme) for part in parts]
    spread = zip(parts, shares(weights, award.points), strict=True)
    return [msgspec.structs.replace(award, points=points, lines=part) for part, points in spread if points]


def _exact(basket: Basket, lines: tuple[int, ...], currency: str, programme: Programme) -> int:
    """Before it is rounded, times the rates' `denominator`."""
    rates, earning = programme.rates, basket.earning
    if currency != POINTS or not rates.ruled:
        money = sum([earning[i] for i in lines]) if lines else sum(earning)
        return rates.whole_base(currency, basket.channel) * money
    exact = 0
    for i in lines or range(len(earning)):
        line = basket.lines[i]
        exact += rates.whole_by_rule(rates.rule_of(line.sku, line.category), basket.channel) * earning[i]
    return exact
