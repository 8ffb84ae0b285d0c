"""What is refused of campaigns: wrong values, conditions that contradict or can never hold, gifts without end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from itertools import combinations

import msgspec

from core.errors import FieldError
from core.money import MAX_AMOUNT
from core.points import MAX_POINTS, POINTS
from core.programme.checks import fraction_faults, listed, reference, unique_ids, within, year_faults
from core.programme.document import Programme
from core.programme.earn import WEEKDAYS, Campaign, Hours
from core.programme.earn_faults import use_limit_faults

_NOT_CONDITIONS = {"id", "name", "multiplier", "bonus", "first_day", "last_day", "qualifies", "alone"}


def faults(programme: Programme) -> Iterator[FieldError]:
    campaigns = programme.campaigns
    yield from unique_ids("/campaigns", "id", [campaign.id for campaign in campaigns])
    for i, campaign in enumerate(campaigns):
        pointer = f"/campaigns/{i}"
        yield from _gift_faults(pointer, campaign, programme)
        yield from _time_faults(pointer, campaign)
        yield from _condition_faults(pointer, campaign, programme)
        yield from use_limit_faults(f"{pointer}/limits", campaign.limits)
    yield from _rivals(campaigns)


def idle(programme: Programme) -> Iterator[FieldError]:
    """Multipliers of nothing, in a programme whose values are sound. A category without a rate is not held against one
    that a product's own rule may give a rate."""
    for i, campaign in enumerate(programme.campaigns):
        if campaign.multiplier and not _best_rate(campaign, programme):
            yield FieldError(f"/campaigns/{i}/multiplier", "multiplies what earns nothing: give a bonus instead")


def _gift_faults(pointer: str, campaign: Campaign, programme: Programme) -> Iterator[FieldError]:
    if bool(campaign.multiplier) == bool(campaign.bonus):
        yield FieldError(pointer, "needs either a multiplier or a bonus")
    if campaign.multiplier:
        wrong = list(fraction_faults(f"{pointer}/multiplier", campaign.multiplier))
        yield from wrong
        if not wrong and campaign.excess <= 0:
            yield FieldError(f"{pointer}/multiplier", 'must be above 1: "2" gives twice the points')
    elif campaign.bonus:
        yield from within(f"{pointer}/bonus", campaign.bonus, 1, MAX_POINTS)
        if _has_no_end(campaign):
            yield FieldError(
                f"{pointer}/limits", "gives points without end, on slips of nothing too: needs per_member_day or "
                "per_member in its limits, or min_spend"
            )  # fmt: skip
    yield from reference(f"{pointer}/currency", campaign.currency, programme.currency_codes, "currency")
    if campaign.qualifies and (campaign.currency != POINTS or programme.qualification.measure != "points"):
        yield FieldError(f"{pointer}/qualifies", "says nothing: tiers do not stand on what this campaign gives")
    if campaign.alone and programme.earn.stacking == "best":
        yield FieldError(f"{pointer}/alone", 'says nothing where stacking is "best": each campaign is alone there')


def _has_no_end(campaign: Campaign) -> bool:
    limits = campaign.limits
    limited = limits.per_member is not None or limits.per_member_day is not None
    return not limited and campaign.min_spend <= 0 and not campaign.first_purchase


def _time_faults(pointer: str, campaign: Campaign) -> Iterator[FieldError]:
    first, last = campaign.first_day, campaign.last_day
    outside = [*year_faults(f"{pointer}/first_day", first), *year_faults(f"{pointer}/last_day", last)]
    yield from outside
    yield from listed(f"{pointer}/weekdays", campaign.weekdays, WEEKDAYS, "weekday")
    if first is not None and last is not None and not outside:
        if last < first:
            yield FieldError(f"{pointer}/last_day", f"must not be before first_day ({first})")
        elif campaign.weekdays and (last - first).days < 6:
            days = {WEEKDAYS[(first + timedelta(days=n)).weekday()] for n in range((last - first).days + 1)}
            if not days & set(campaign.weekdays):
                yield FieldError(f"{pointer}/weekdays", "names no day between first_day and last_day: it never holds")
    yield from _hour_faults(f"{pointer}/hours", campaign.hours)


def _hour_faults(pointer: str, hours: tuple[Hours, ...]) -> Iterator[FieldError]:
    offset = [(i, key) for i, one in enumerate(hours) for key in ("start", "end") if getattr(one, key).tzinfo]
    for i, key in offset:
        yield FieldError(f"{pointer}/{i}/{key}", "must be without an offset: it is the time of the programme's zone")
    if offset:
        return
    for i, one in enumerate(hours):
        if one.end <= one.start and one.end != time(0):
            detail = "must be after start: for hours through midnight give two, one until 00:00 and one from it"
            yield FieldError(f"{pointer}/{i}/end", detail)
        elif any(_overlap(one, before) for before in hours[:i]):
            yield FieldError(f"{pointer}/{i}", "overlaps hours given before: join them into one")


def _overlap(one: Hours, other: Hours) -> bool:
    return (one.start < other.end or other.end == time(0)) and (other.start < one.end or one.end == time(0))


def _condition_faults(pointer: str, campaign: Campaign, programme: Programme) -> Iterator[FieldError]:
    yield from listed(f"{pointer}/stores", campaign.stores, programme.stores_by_id, "store")
    yield from listed(f"{pointer}/channels", campaign.channels, programme.earn.channels, "channel")
    yield from listed(f"{pointer}/segments", campaign.segments, [one.id for one in programme.segments], "segment")
    yield from listed(f"{pointer}/tiers", campaign.tiers, [tier.key for tier in programme.tiers], "tier")
    yield from listed(f"{pointer}/categories", campaign.categories)
    yield from listed(f"{pointer}/skus", campaign.skus)
    yield from within(f"{pointer}/min_spend", campaign.min_spend, 0, MAX_AMOUNT)


def _rivals(campaigns: tuple[Campaign, ...]) -> Iterator[FieldError]:
    """Two `alone` that hold for the same purchases: which of them counts would be told by nothing in the document."""
    sole = [(i, campaign) for i, campaign in enumerate(campaigns) if campaign.alone]
    for (_, one), (i, other) in combinations(sole, 2):
        if _conditions(one) == _conditions(other) and _days_meet(one, other):
            yield FieldError(
                f"/campaigns/{i}/alone", f"is alone under the same conditions as {one.id!r}, on days of both: part "
                "their days or their conditions"
            )  # fmt: skip


def _conditions(campaign: Campaign) -> dict[str, object]:
    return {
        key: frozenset(value) if isinstance(value, tuple) else value
        for key, value in msgspec.structs.asdict(campaign).items()
        if key not in _NOT_CONDITIONS
    }


def _days_meet(one: Campaign, other: Campaign) -> bool:
    return all(
        left.first_day is None or right.last_day is None or left.first_day <= right.last_day
        for left, right in ((one, other), (other, one))
    )


def _best_rate(campaign: Campaign, programme: Programme) -> bool:
    """Whether any line in question earns base in the campaign's currency."""
    rates = programme.rates
    channels = campaign.channels or tuple(programme.earn.channels)
    if campaign.currency != POINTS:
        return any(rates.base(campaign.currency, channel) for channel in channels)
    ruled = {rule.sku for rule in programme.earn.rules if rule.sku} | {""}
    categories = {rule.category for rule in programme.earn.rules} | {""}
    pairs = {(sku, category) for sku in campaign.skus for category in categories}
    pairs |= {(sku, category) for category in campaign.categories for sku in ruled}
    if not pairs:
        pairs = {(sku, category) for sku in ruled for category in categories}
    return any(rates.of_line(sku, category, channel)[1] for sku, category in pairs for channel in channels)
