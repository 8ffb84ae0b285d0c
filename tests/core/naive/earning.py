"""What a basket earns, in decimals: base by rule, a share by tier, other currencies, campaigns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from tests.core.naive.dates import WEEK, is_birthday, within_hours
from tests.core.naive.rules import Campaign, Rules

ROUNDINGS = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


@dataclass(frozen=True)
class Line:
    sku: str
    pieces: int
    money: int
    category: str = ""


@dataclass(frozen=True)
class Award:
    rule: str
    id: str
    points: int
    currency: str = "points"
    qualifies: bool = False
    lines: tuple[int, ...] = ()


@dataclass
class Basket:
    lines: list[Line]
    earning: list[int]
    """Minor units of each line that earn."""
    channel: str
    store: str
    occurred: datetime


@dataclass
class Shopper:
    tier: str
    segments: tuple[str, ...]
    birthday: str
    bought_before: bool
    room: Callable[[Campaign, date], bool]
    """Whether no limit of a campaign is reached on a day."""


def share(points: int, whole: int, part: int) -> int:
    """The most whole points that are not more than the part's share."""
    least, most = 0, points + 1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if middle * whole <= points * part else (least, middle)
    return least


def earning_of(lines: list[Line], paid: int) -> list[int]:
    """What of each line is left to earn: what was paid is spread so that the first lines together always bear the most
    that is not more than their share."""
    if not paid:
        return [line.money for line in lines]
    total, left, passed, borne = sum(line.money for line in lines), [], 0, 0
    for line in lines:
        passed += line.money
        together = share(paid, total, passed)
        left.append(line.money - (together - borne))
        borne = together
    return left


def awards_of(rules: Rules, basket: Basket, shopper: Shopper) -> tuple[list[Award], list[Campaign]]:
    """With the campaigns that gave."""
    awards = _base(rules, basket)
    base = sum(award.points for award in awards)
    for tier in rules.tiers:
        bonus = rounded(rules, Decimal(base) * Decimal(tier.bonus))
        if tier.key == shopper.tier and bonus:
            awards += _by_rate(rules, basket, Award("tier", tier.key, bonus))
    everything = range(len(basket.lines))
    for code in rules.others:
        points = rounded(rules, _exact(rules, basket, everything, code))
        if points:
            awards.append(Award("base", "", points, code))
    found = [
        (campaign, award)
        for campaign in rules.campaigns
        if (award := _met(rules, campaign, basket, base, shopper)) is not None
    ]
    given = []
    for code in rules.currencies:
        given += _stacked(rules, [one for one in found if one[1].currency == code])
    for campaign, award in given:
        fixed = campaign.bonus or campaign.currency != "points"
        awards += [award] if fixed else _by_rate(rules, basket, award)
    return awards, [campaign for campaign, _ in given]


def rounded(rules: Rules, value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUNDINGS[rules.rounding]))


def _base(rules: Rules, basket: Basket) -> list[Award]:
    groups: dict[str, list[int]] = {}
    for i, line in enumerate(basket.lines):
        groups.setdefault(_rate(rules, line)[0], []).append(i)
    awards = []
    for id, chosen in groups.items():
        points = rounded(rules, _exact(rules, basket, chosen, "points"))
        if points:
            lines = tuple(chosen) if len(groups) > 1 else ()
            awards.append(Award("rule" if id else "base", id, points, qualifies=True, lines=lines))
    return awards


def _by_rate(rules: Rules, basket: Basket, award: Award) -> list[Award]:
    """What comes of the base, laid on the lines of each rule by the points that they earn. The first rules together have
    the most that is not more than their share. Where no rule's lines earn a whole point, by what they earn of one."""
    ids = [_rate(rules, line)[0] for line in basket.lines]
    chosen = award.lines or tuple(range(len(basket.lines)))
    found = [id for id in dict.fromkeys(ids) if any(ids[i] == id for i in chosen)]
    if len(found) == 1:
        return [award]
    lines = [tuple(i for i in chosen if ids[i] == id) for id in found]
    exact = [_exact(rules, basket, one, "points") for one in lines]
    weights = [Decimal(rounded(rules, one)) for one in exact]
    if sum(weights) == 0:
        weights = exact
    parts, given, passed = [], 0, Decimal(0)
    for one, weight in zip(lines, weights, strict=True):
        passed += weight
        upto = int(award.points * passed // sum(weights))
        if upto > given:
            parts.append(Award(award.rule, award.id, upto - given, award.currency, award.qualifies, one))
        given = upto
    return parts


def _rate(rules: Rules, line: Line) -> tuple[str, str]:
    """A product's rule goes before its category's, and both before the base rate."""
    for rate in rules.rates:
        if rate.sku and rate.sku == line.sku:
            return rate.id, rate.rate
    for rate in rules.rates:
        if rate.category and rate.category == line.category:
            return rate.id, rate.rate
    return "", rules.rate


def _exact(rules: Rules, basket: Basket, chosen: range | list[int] | tuple[int, ...], currency: str) -> Decimal:
    exact = Decimal(0)
    for i in chosen:
        rate = _rate(rules, basket.lines[i])[1] if currency == "points" else rules.others[currency][0]
        units = Decimal(basket.earning[i]).scaleb(-rules.minor_digits)
        exact += units * Decimal(rate) * Decimal(rules.channels[basket.channel].coefficient)
    return exact


def _met(rules: Rules, campaign: Campaign, basket: Basket, base: int, shopper: Shopper) -> Award | None:
    local = basket.occurred.astimezone(ZoneInfo(rules.zone))
    day, named = local.date(), bool(campaign.categories or campaign.skus)
    chosen = [
        i
        for i, line in enumerate(basket.lines)
        if not named or line.sku in campaign.skus or (line.category != "" and line.category in campaign.categories)
    ]
    holds = [
        not campaign.first_day or date.fromisoformat(campaign.first_day) <= day,
        not campaign.last_day or day <= date.fromisoformat(campaign.last_day),
        not campaign.weekdays or WEEK[day.weekday()] in campaign.weekdays,
        not campaign.hours or any(within_hours(local.time(), hours) for hours in campaign.hours),
        not campaign.stores or basket.store in campaign.stores,
        not campaign.channels or basket.channel in campaign.channels,
        not campaign.tiers or shopper.tier in campaign.tiers,
        not campaign.segments or any(segment in campaign.segments for segment in shopper.segments),
        not campaign.first_purchase or not shopper.bought_before,
        not campaign.birthday or is_birthday(shopper.birthday, campaign.birthday, day),
        bool(chosen),
        sum(basket.earning[i] for i in chosen) >= campaign.min_spend,
        shopper.room(campaign, day),
    ]
    if not all(holds):
        return None
    points = campaign.bonus
    if campaign.multiplier:
        if named or campaign.currency != "points":
            base = rounded(rules, _exact(rules, basket, chosen, campaign.currency))
        points = rounded(rules, Decimal(base) * (Decimal(campaign.multiplier) - 1))
    if not points:
        return None
    lines = tuple(chosen) if named else ()
    return Award("campaign", campaign.id, points, campaign.currency, campaign.qualifies, lines)


def _stacked(rules: Rules, found: list[tuple[Campaign, Award]]) -> list[tuple[Campaign, Award]]:
    """Of one currency. All the sets there are: every campaign by itself, and (where they add up) those not alone."""
    together = [one for one in found if not one[0].alone]
    if rules.stacking == "best":
        together = together[:1]
        for one in found:
            if not one[0].alone and one[1].points > together[0][1].points:
                together = [one]
    best = together
    for one in found:
        if one[0].alone and one[1].points > sum(award.points for _, award in best):
            best = [one]
    return best
