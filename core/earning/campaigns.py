"""Which campaigns a basket meets, what each gives, and which of them are given together.

What the calendar, the store and the products leave of them is `slate`'s to say; here each of those is held against the
member and the money. A campaign is counted against its limits only when it gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import msgspec

from core import limits
from core.earning.base import base_of
from core.earning.basket import Basket
from core.earning.slate import candidates
from core.holdings import Progress
from core.limits import Use
from core.points import POINTS, round_points
from core.programme.document import Programme
from core.programme.earn import Campaign
from core.snapshot import Award

_WEEK = timedelta(days=3)


class Met(msgspec.Struct, frozen=True):
    """A campaign whose conditions hold, and all that it gives, as one award; `use` where that is limited."""

    campaign: Campaign
    award: Award
    use: Use | None

    @property
    def derived(self) -> bool:
        """Whether it gives by what each line earns, and not the same for any."""
        return self.campaign.currency == POINTS and not self.campaign.bonus


def met(
    basket: Basket, base: int, tier: str, progress: Progress, tallies: Mapping[str, int], programme: Programme
) -> Iterator[Met]:
    """`base` is what the whole basket earned as base. Left out are those whose limit is reached, or that give nothing."""
    local, whole = basket.occurred_at.astimezone(programme.tzinfo), basket.money
    day = local.date()
    for campaign, lines in candidates(basket, local, programme, tier):
        if campaign.personal and not _member_meets(campaign, progress, day):
            continue
        if (_money(basket, lines) if lines else whole) < campaign.min_spend:
            continue
        points = campaign.bonus or _multiplied(campaign, basket, base, lines, programme)
        use = Use(limits.campaign(campaign.id), day, campaign.limits) if campaign.limited else None
        if points and (use is None or limits.exceeded(use, progress, tallies) is None):
            award = Award("campaign", campaign.id, points, campaign.currency, campaign.qualifies, lines)
            yield Met(campaign, award, use)


def stacked(found: list[Met], programme: Programme) -> list[Met]:
    """Those of `found` that are given, by the programme's stacking rule; each currency by itself."""
    given = []
    for currency in dict.fromkeys(one.award.currency for one in found):
        ours = [one for one in found if one.award.currency == currency]
        together = [one for one in ours if not one.campaign.alone]
        if programme.earn.stacking == "best":
            together = together and [max(together, key=_points)]
        sole = max((one for one in ours if one.campaign.alone), key=_points, default=None)
        if sole is not None and _points(sole) > sum(map(_points, together)):
            together = [sole]
        given += together
    return given


def _points(one: Met) -> int:
    return one.award.points


def _member_meets(campaign: Campaign, progress: Progress, day: date) -> bool:
    if campaign.segments and not any(segment in progress.segments for segment in campaign.segments):
        return False
    if campaign.first_purchase and progress.first_purchase:
        return False
    return not campaign.birthday or _is_birthday(progress.birthday, campaign.birthday, day)


def _is_birthday(born: str, span: str, day: date) -> bool:
    """`born` is "MM-DD"; a week around it may lie across the turn of the year."""
    if not born:
        return False
    if span == "month":
        return day.month == int(born[:2])
    reach = timedelta(0) if span == "day" else _WEEK
    return any(abs(_birthday(born, year) - day) <= reach for year in (day.year - 1, day.year, day.year + 1))


def _birthday(born: str, year: int) -> date:
    month, number = int(born[:2]), int(born[3:])
    try:
        return date(year, month, number)
    except ValueError:
        return date(year, 2, 28)


def _money(basket: Basket, lines: tuple[int, ...]) -> int:
    return sum([basket.earning[i] for i in lines])


def _multiplied(campaign: Campaign, basket: Basket, base: int, lines: tuple[int, ...], programme: Programme) -> int:
    """The excess of a multiplier over what the lines earn as base, which is rounded first: twice 128 is 256."""
    if campaign.currency != POINTS or lines:
        base = base_of(basket, lines, campaign.currency, programme)
    excess = campaign.excess
    return round_points(base * excess.numerator, excess.denominator, programme.earn.rounding)
