"""What a basket earns: base by the rates that apply to its lines, a share more by tier, campaigns; each rounded once.

Every award has its rule, so that the sum explains itself; what one rule gives may be several awards, one for the lines of
each rate. Returns take back by award: what the returned lines' share of it had given.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.earning import campaigns
from core.earning.base import Groups, base_of, by_rate, groups_of
from core.earning.basket import Basket
from core.holdings import Progress
from core.limits import Use
from core.points import POINTS, round_points
from core.programme.document import Programme, Tier
from core.snapshot import Award, Line


class Earned(msgspec.Struct, frozen=True):
    """`base` and `bonus` are the points among `awards` that the rates and the tier gave; `uses` are the limited campaigns
    given, to be counted: one each, whatever the awards."""

    awards: tuple[Award, ...]
    base: int
    bonus: int
    uses: tuple[Use, ...] = ()

    @property
    def qualifying(self) -> int:
        return sum([award.points for award in self.awards if award.qualifies])


def earn(basket: Basket, tier: Tier, progress: Progress, tallies: Mapping[str, int], programme: Programme) -> Earned:
    """The channel of the basket is one that the programme names."""
    groups = groups_of(basket, programme)
    awards = _base(basket, groups, programme)
    base = sum([award.points for award in awards])
    extra, rounding = tier.bonus, programme.earn.rounding
    if bonus := round_points(base * extra.numerator, extra.denominator, rounding):
        awards += by_rate(Award("tier", tier.key, bonus), basket, groups, programme)
    for currency in programme.currencies:
        if points := base_of(basket, (), currency.code, programme):
            awards.append(Award("base", "", points, currency.code))
    if not programme.campaigns:
        return Earned(tuple(awards), base, bonus)
    found = list(campaigns.met(basket, base, tier.key, progress, tallies, programme))
    given = campaigns.stacked(found, programme)
    for one in given:
        awards += by_rate(one.award, basket, groups, programme) if one.derived else [one.award]
    return Earned(tuple(awards), base, bonus, tuple(one.use for one in given if one.use))


def _base(basket: Basket, groups: Groups, programme: Programme) -> list[Award]:
    awards = []
    for rule, lines in groups.items():
        if points := base_of(basket, lines, POINTS, programme):
            awards.append(Award("rule" if rule else "base", rule, points, qualifies=True, lines=lines))
    return awards


def kept(award: Award, lines: tuple[Line, ...], returned: tuple[tuple[int, int], ...]) -> int:
    """Of an award's points, how many stay once `returned` ((pieces, money) a line) was given back.

    Taking back is always the difference of two such numbers, so parts add up to the whole and never beyond it. Lines
    that cost nothing weigh nothing; where none of the award's lines cost anything, it stays until all are back.
    """
    chosen = award.lines or range(len(lines))
    total = sum([lines[i].amount for i in chosen])
    back = sum([returned[i][1] for i in chosen])
    if all(returned[i] == (lines[i].quantity, lines[i].amount) for i in chosen):
        return 0
    return award.points * (total - back) // total if total else award.points
