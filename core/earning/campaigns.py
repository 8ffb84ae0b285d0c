"""Which campaigns a basket meets, what each gives, and which of them are given together.

The conditions that all of a day's baskets at one store share are looked at once (`_on`); the rest for each basket. A
campaign is counted against its limits only when it gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import msgspec

from core import limits
from core.earning.basket import Basket
from core.holdings import Progress
from core.limits import Use
from core.points import POINTS, round_points
from core.programme.document import Programme, ProgrammeKey
from core.programme.earn import WEEKDAYS, Campaign, Hours
from core.snapshot import Award

_WEEK = timedelta(days=3)


class Met(msgspec.Struct, frozen=True):
    """A campaign whose conditions hold, and what it gives."""

    campaign: Campaign
    award: Award
    use: Use


def met(
    basket: Basket, base: int, tier: str, progress: Progress, tallies: Mapping[str, int], programme: Programme
) -> Iterator[Met]:
    """`base` is what the whole basket earned as base. Left out are those whose limit is reached, or that give nothing."""
    local = basket.occurred_at.astimezone(programme.tzinfo)
    for campaign in candidates(basket, local, programme):
        if not _member_meets(campaign, tier, progress, local.date()):
            continue
        lines = _lines(campaign, basket)
        if lines is None or _money(basket, lines) < campaign.min_spend:
            continue
        points = campaign.bonus or _multiplied(campaign, basket, base, lines, programme)
        use = Use(limits.campaign(campaign.id), local.date(), campaign.limits)
        if points and limits.exceeded(use, progress, tallies) is None:
            award = Award("campaign", campaign.id, points, campaign.currency, campaign.qualifies, lines)
            yield Met(campaign, award, use)


def candidates(basket: Basket, local: datetime, programme: Programme) -> Iterator[Campaign]:
    """Those that may apply as far as the day, the hour, the store and the channel go."""
    for campaign in _on(programme.key, local.date(), basket.store, basket.channel):
        if not campaign.hours or any(_within(local.time(), hours) for hours in campaign.hours):
            yield campaign


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


@lru_cache(maxsize=4096)
def _on(key: ProgrammeKey, day: date, store: str, channel: str) -> tuple[Campaign, ...]:
    weekday = WEEKDAYS[day.weekday()]
    return tuple(
        campaign
        for campaign in key.programme.campaigns
        if (campaign.first_day is None or campaign.first_day <= day)
        and (campaign.last_day is None or day <= campaign.last_day)
        and (not campaign.weekdays or weekday in campaign.weekdays)
        and (not campaign.stores or store in campaign.stores)
        and (not campaign.channels or channel in campaign.channels)
    )


def _within(now: time, hours: Hours) -> bool:
    return hours.start <= now and (now < hours.end or hours.end == time(0))


def _member_meets(campaign: Campaign, tier: str, progress: Progress, day: date) -> bool:
    if campaign.tiers and tier not in campaign.tiers:
        return False
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


def _lines(campaign: Campaign, basket: Basket) -> tuple[int, ...] | None:
    """The lines in question by index, () for all of them; None where there is none."""
    if not campaign.categories and not campaign.skus:
        return ()
    lines = tuple(
        i
        for i, line in enumerate(basket.lines)
        if line.sku in campaign.skus or (line.category and line.category in campaign.categories)
    )
    return lines or None


def _money(basket: Basket, lines: tuple[int, ...]) -> int:
    return sum([basket.earning[i] for i in lines]) if lines else basket.money


def _multiplied(campaign: Campaign, basket: Basket, base: int, lines: tuple[int, ...], programme: Programme) -> int:
    """The excess of a multiplier over what the lines earn as base, which is rounded first: twice 128 is 256."""
    if campaign.currency != POINTS or lines:
        base = base_of(basket, lines, campaign.currency, programme)
    excess = campaign.excess
    return round_points(base * excess.numerator, excess.denominator, programme.earn.rounding)


def base_of(basket: Basket, lines: tuple[int, ...], currency: str, programme: Programme) -> int:
    """What some lines (() all) earn as base in a currency, as if they were the whole basket."""
    rates, earning = programme.rates, basket.earning
    if currency != POINTS or not rates.ruled:
        money = sum([earning[i] for i in lines]) if lines else sum(earning)
        exact = rates.whole_base(currency, basket.channel) * money
    else:
        exact = 0
        for i in lines or range(len(earning)):
            line = basket.lines[i]
            exact += rates.whole_by_rule(rates.rule_of(line.sku, line.category), basket.channel) * earning[i]
    return round_points(exact, rates.denominator, programme.earn.rounding)
