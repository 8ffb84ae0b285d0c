"""Which campaigns a basket is held against: those that the day, the hour, the store, the channel and the tier leave,
found by what is in the basket.

All that many baskets share is looked at once. Between two of the hours that a programme's campaigns name, what is in
force does not change, so a day has a few *stretches*, and each stretch at a store and channel has one slate; a campaign
for products is found on it by the products of the lines. A purchase then costs what the campaigns for its own lines
cost, however many others run.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, time
from functools import lru_cache

import msgspec

from core.earning.basket import Basket
from core.programme.document import Programme, ProgrammeKey
from core.programme.earn import WEEKDAYS, Campaign, Hours

_MIDNIGHT = time(0)


class Slate(msgspec.Struct, frozen=True):
    """Campaigns by their place in the document: for any basket, by product, by category."""

    whole: tuple[int, ...]
    by_sku: dict[str, tuple[int, ...]]
    by_category: dict[str, tuple[int, ...]]


def candidates(
    basket: Basket, local: datetime, programme: Programme, tier: str | None = None, *, shared: bool = False
) -> list[tuple[Campaign, tuple[int, ...]]]:
    """In the document's order, each with the lines in question by index, () for all of them. `local` is when the basket
    was bought, in the programme's zone. Of any tier where none is given; with `shared` only those that have a shared
    limit."""
    key, named = programme.key, _named(programme.key)
    stretch = bisect_right(named.hours, local.time())
    store = basket.store if basket.store in named.stores else ""
    slate = _slate(key, local.date(), stretch, store, basket.channel, tier, shared)
    lines = _lines(slate, basket)
    places = sorted((*slate.whole, *lines)) if lines else slate.whole
    return [(programme.campaigns[place], tuple(lines[place]) if place in lines else ()) for place in places]


def _lines(slate: Slate, basket: Basket) -> dict[int, list[int]]:
    """The campaigns for products that are in the basket, each with their lines."""
    found: dict[int, list[int]] = {}
    if not slate.by_sku and not slate.by_category:
        return found
    for i, line in enumerate(basket.lines):
        of_sku, of_category = slate.by_sku.get(line.sku, ()), slate.by_category.get(line.category, ())
        for place in {*of_sku, *of_category} if of_sku and of_category else of_sku or of_category:
            found.setdefault(place, []).append(i)
    return found


class _Named(msgspec.Struct, frozen=True):
    """What a programme's campaigns tell apart: the times at which a stretch of the day begins, and stores."""

    hours: tuple[time, ...]
    stores: frozenset[str]


@lru_cache(maxsize=64)
def _named(key: ProgrammeKey) -> _Named:
    campaigns = key.programme.campaigns
    hours = {edge for campaign in campaigns for one in campaign.hours for edge in (one.start, one.end)}
    return _Named(tuple(sorted(hours)), frozenset(store for campaign in campaigns for store in campaign.stores))


@lru_cache(maxsize=4096)
def _slate(
    key: ProgrammeKey, day: date, stretch: int, store: str, channel: str, tier: str | None, shared: bool
) -> Slate:
    hours = _named(key).hours
    begins = hours[stretch - 1] if stretch else _MIDNIGHT
    whole, by_sku, by_category = list[int](), dict[str, list[int]](), dict[str, list[int]]()
    for place, campaign in enumerate(key.programme.campaigns):
        if (shared and not campaign.limits.shared) or not _holds(campaign, day, begins, store, channel, tier):
            continue
        if not campaign.categories and not campaign.skus:
            whole.append(place)
        for sku in set(campaign.skus):
            by_sku.setdefault(sku, []).append(place)
        for category in set(campaign.categories) - {""}:
            by_category.setdefault(category, []).append(place)
    return Slate(tuple(whole), _frozen(by_sku), _frozen(by_category))


def _frozen(places: dict[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(found) for name, found in places.items()}


def _holds(campaign: Campaign, day: date, now: time, store: str, channel: str, tier: str | None) -> bool:
    return (
        (campaign.first_day is None or campaign.first_day <= day)
        and (campaign.last_day is None or day <= campaign.last_day)
        and (not campaign.weekdays or WEEKDAYS[day.weekday()] in campaign.weekdays)
        and (not campaign.hours or any(_within(now, hours) for hours in campaign.hours))
        and (not campaign.stores or store in campaign.stores)
        and (not campaign.channels or channel in campaign.channels)
        and (tier is None or not campaign.tiers or tier in campaign.tiers)
    )


def _within(now: time, hours: Hours) -> bool:
    return hours.start <= now and (now < hours.end or hours.end == _MIDNIGHT)
