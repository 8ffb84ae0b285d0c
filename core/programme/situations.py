"""The situations a purchase can be in, as far as what it earns differs: of a few sets of campaigns, which can meet.

Campaigns on other days, weekdays or hours, for other channels, stores, tiers or products do not meet. Of two kinds
of lines of which one has all that the other has, only that one is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import time
from fractions import Fraction
from typing import NamedTuple

import msgspec

from core.programme.document import Programme, Tier
from core.programme.earn import WEEKDAYS, Campaign

Mask = int
"""A set of campaigns: the bit of each by its place in the list."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` is points for one minor unit as base. `sku`, `category` and `store` are empty for any that nothing names."""

    channel: str
    tier: Tier
    rate: Fraction
    campaigns: tuple[Campaign, ...]
    sku: str = ""
    category: str = ""
    store: str = ""

    def __str__(self) -> str:
        parts = [f"{name} {value}" for name in ("sku", "category", "store") if (value := getattr(self, name))]
        parts += [f"channel {self.channel}", f"tier {self.tier.key}", *(f"campaign {one.id}" for one in self.campaigns)]
        return ", ".join(parts)


class _Buy(NamedTuple):
    """A kind of line in a store; `rate` is before the channel's coefficient."""

    rate: Fraction
    sku: str
    category: str
    store: str


def situations(programme: Programme, campaigns: Sequence[Campaign]) -> Iterator[Situation]:
    """Those that `campaigns` make; segments, birthdays and minimum spends are taken to be met."""
    buys = _buys(programme, campaigns)
    for channel, coefficient in programme.rates.coefficients.items():
        through = _mask(not one.channels or channel in one.channels for one in campaigns)
        for tier in programme.tiers:
            meant = through & _mask(not one.tiers or tier.key in one.tiers for one in campaigns)
            found: dict[Mask, _Buy] = {}
            for mask, buy in buys.items():
                _keep(found, mask & meant, buy)
            for mask, buy in found.items():
                yield Situation(
                    channel=channel,
                    tier=tier,
                    rate=buy.rate * coefficient,
                    campaigns=tuple(one for i, one in enumerate(campaigns) if mask >> i & 1),
                    sku=buy.sku,
                    category=buy.category,
                    store=buy.store,
                )


def _buys(programme: Programme, campaigns: Sequence[Campaign]) -> dict[Mask, _Buy]:
    """By the campaigns that can hold together, the one that earns most; without those that another has the better of."""
    coefficients = programme.rates.coefficients
    channel = max(coefficients, key=lambda name: coefficients[name])
    places, found = _places(programme, campaigns), dict[Mask, _Buy]()
    for (sku, category), lines in _kinds(programme, campaigns).items():
        through = programme.rates.of_line(sku, category, channel)[1]
        rate = through / coefficients[channel] if through else Fraction(0)
        for place, store in places.items():
            _keep(found, lines & place, _Buy(rate, sku, category, store))
    kept: dict[Mask, _Buy] = {}
    for mask in sorted(found, key=int.bit_count, reverse=True):
        if not any(mask & larger == mask and buy.rate >= found[mask].rate for larger, buy in kept.items()):
            kept[mask] = found[mask]
    return kept


def _keep(found: dict[Mask, _Buy], mask: Mask, buy: _Buy) -> None:
    if mask not in found or found[mask].rate < buy.rate:
        found[mask] = buy


def _mask(holds: Iterable[bool]) -> Mask:
    return sum(1 << i for i, one in enumerate(holds) if one)


def _maximal(masks: Collection[Mask]) -> list[Mask]:
    """Without those that are part of another."""
    kept = list[Mask]()
    for mask in sorted(set(masks), key=int.bit_count, reverse=True):
        if not any(mask & larger == mask for larger in kept):
            kept.append(mask)
    return kept


def _places(programme: Programme, campaigns: Sequence[Campaign]) -> dict[Mask, str]:
    """What can hold together at a moment in a store, by a store it is so in."""
    moments = _moments(campaigns)
    found: dict[Mask, str] = {}
    for store in ("", *programme.stores_by_id):
        here = _mask(not one.stores or store in one.stores for one in campaigns)
        for moment in moments:
            found.setdefault(here & moment, store)
    return {mask: found[mask] for mask in _maximal(found)}


def _moments(campaigns: Sequence[Campaign]) -> list[Mask]:
    """What can hold together by date, weekday and hour."""
    turns = sorted(
        {one.first_day.toordinal() for one in campaigns if one.first_day}
        | {one.last_day.toordinal() + 1 for one in campaigns if one.last_day}
    )
    spans = list(zip([(turns or [8])[0] - 7, *turns], [*turns, (turns or [8])[-1] + 7], strict=True))
    hours = {time(0)} | {at for one in campaigns for hours in one.hours for at in (hours.start, hours.end)}
    at_hours = {_mask(_holds_at(one, at) for one in campaigns) for at in hours}
    found = set[Mask]()
    for first, after in spans:
        on_days = _mask(_holds_on(one, first) for one in campaigns)
        for day in range(first, min(after, first + 7)):
            weekday = WEEKDAYS[(day - 1) % 7]
            on_day = on_days & _mask(not one.weekdays or weekday in one.weekdays for one in campaigns)
            found |= {on_day & at for at in at_hours}
    return _maximal(found)


def _holds_on(campaign: Campaign, day: int) -> bool:
    begun = campaign.first_day is None or campaign.first_day.toordinal() <= day
    return begun and (campaign.last_day is None or day <= campaign.last_day.toordinal())


def _holds_at(campaign: Campaign, at: time) -> bool:
    return not campaign.hours or any(one.start <= at and (at < one.end or one.end == time(0)) for one in campaign.hours)


def _kinds(programme: Programme, campaigns: Sequence[Campaign]) -> dict[tuple[str, str], Mask]:
    """Kinds of lines by a sku and a category that stand for them, and the campaigns that a line of each is in."""
    everything = _mask(not one.skus and not one.categories for one in campaigns)
    rules = programme.earn.rules
    skus = _groups(
        {rule.sku: rule.points_per_unit for rule in rules if rule.sku},
        [one.skus for one in campaigns],
    )
    categories = _groups(
        {rule.category: rule.points_per_unit for rule in rules if rule.category},
        [one.categories for one in campaigns],
    )
    return {
        (sku, category): everything | by_sku | by_category
        for sku, by_sku in skus.items()
        for category, by_category in categories.items()
    }


def _groups(rates: dict[str, str], named: Sequence[tuple[str, ...]]) -> dict[str, Mask]:
    """One name for all that have the same rate and are named by the same campaigns, and the set of those; "" has and is
    in none."""
    masks: dict[str, Mask] = dict.fromkeys(("", *rates), 0)
    for i, names in enumerate(named):
        for name in names:
            masks[name] = masks.get(name, 0) | 1 << i
    alike: dict[tuple[str | None, Mask], str] = {}
    for name, mask in masks.items():
        alike.setdefault((rates.get(name), mask), name)
    return {name: mask for (_, mask), name in alike.items()}
