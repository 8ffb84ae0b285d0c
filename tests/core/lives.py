"""Programmes for random lives: every feature in it or not, by chance, with values that a life of some weeks meets."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from hypothesis import strategies as st

from tests.core.naive import Campaign, Caps, Channel, Dates, Naive, Rate, Reward, Rules, Tier, World, Worth
from tests.core.naive.dates import instant_of, midnight_after, midnight_of, period_after
from tests.core.naive.standing import current

ZONES = ["UTC", "Asia/Hong_Kong", "America/New_York", "Pacific/Apia"]
SKUS = ["CD", "LP", "GIFT", "TEA"]
CATEGORIES = ["", "vinyl"]
STORES = ["", "mitte", "online"]
SEGMENTS = ("sleeping", "growing")
BIRTHDAYS = ["", "02-01", "02-29", "01-02"]
KINDS = ["check_in", "review", "share"]

_CAPS = [
    Caps(),
    Caps(per_member=1),
    Caps(per_member_day=1),
    Caps(per_member=2, in_all=3),
    Caps(per_member_day=1, per_day=2),
]
_SHARED = [Caps(per_day=2), Caps(in_all=2)]

_DATES = [
    *(Dates("rolling", months, grace_days=grace) for months in (0, 1, 2, 13) for grace in (1, 20)),
    Dates("fixed", 1, "02-29", 3),
    Dates("fixed", 6, "03-15", 30),
    Dates("fixed", 2, grace_days=5),
    Dates("activity", 1, grace_days=2),
    Dates("activity", 2, grace_days=20),
]

_LADDERS = {
    "points": [Tier("base", 0), Tier("silver", 100, "0.25"), Tier("gold", 300, "0.5")],
    "spend": [Tier("base", 0), Tier("silver", 5_000, "0.25"), Tier("gold", 20_000, "0.333")],
    "visits": [Tier("base", 0), Tier("silver", 2, "0.25"), Tier("gold", 4, "0.5")],
}


@st.composite
def programmes(draw: st.DrawFn) -> Rules:
    measure = draw(st.sampled_from(["points", "points", "spend", "visits"]))
    others = draw(st.sampled_from([{}, {"stars": "0.1"}, {"stars": "1"}]))
    rules = Rules(
        zone=draw(st.sampled_from(ZONES)),
        rate=draw(st.sampled_from(["1", "1.5", "0.333"])),
        rounding=draw(st.sampled_from(["down", "up", "half_up", "half_even"])),
        dates=draw(st.sampled_from(_DATES)),
        channels={"store": Channel(), "market": Channel("0.8", draw(st.sampled_from([0, 1, 14, 40])))},
        rates=draw(st.sampled_from([[], [Rate("vinyl", "2.5", category="vinyl"), Rate("gift", "0", sku="GIFT")]])),
        others={code: (rate, draw(st.sampled_from(_DATES))) for code, rate in others.items()},
        actions=draw(st.sampled_from([{}, _ACTIONS])),
        stacking=draw(st.sampled_from(["add", "best"])),
        on_points_part=draw(st.booleans()),
        measure=measure,
        months=draw(st.sampled_from([1, 2, 3, 4, 6, 12])),
        starts=draw(st.integers(1, 12)),
        landing=draw(st.sampled_from(["drop", "one"])),
        min_visit=draw(st.sampled_from([1, 500])) if measure == "visits" else 1,
        negative=draw(st.sampled_from(["debt", "floor"])),
        worth=draw(
            st.sampled_from([Worth(20, 3, "0.5"), Worth(20, 3, "0.05"), Worth(4, 1, "1"), Worth(4, 1, "0.3"), None])
        ),
        tiers=draw(ladders(measure)),
        rewards=draw(
            st.sampled_from([_rewards("points"), _rewards(next(iter(others), "points")), _rewards("points"), _PLAIN])
        ),
        stores=("mitte", "online"),
        segments=SEGMENTS,
    )
    rules.campaigns = draw(campaigns(rules))
    return rules


_ACTIONS = {
    "check_in": (5, Caps(per_member_day=1)),
    "review": (7, Caps(per_member=2, in_all=3)),
    "share": (3, Caps(per_member_day=2, per_day=3)),
}

_PLAIN = [Reward("small", 10), Reward("large", 100)]


def _rewards(currency: str) -> list[Reward]:
    return [
        Reward("small", 10),
        Reward("large", 100, stock=2),
        Reward("mug", 3, currency=currency, money=200, stock=2, collect_days=3),
        Reward("lounge", 20, kind="experience", tiers=("silver", "gold"), per_member=2),
        Reward("flash", 5, opens="2024-02-01T10:00:00", closes="2024-02-10T10:00:00", stock=1),
        Reward("five", 12, kind="voucher", currency=currency, value=300, per_member=3, uses=2, valid_days=5),
        Reward("rare", 5, kind="voucher", value=40, stock=2, valid_days=0),
        Reward("gift", 15, kind="charity"),
        Reward("draw", 4, kind="draw", closes="2024-03-01T00:00:00", stock=4),
    ]


@st.composite
def ladders(draw: st.DrawFn, measure: str) -> list[Tier]:
    """With tiers held for life, or without."""
    ladder = _LADDERS[measure]
    if draw(st.booleans()):
        return ladder
    return [
        Tier(tier.key, tier.threshold, tier.bonus, tier.threshold * times)
        for tier, times in zip(ladder, (0, draw(st.sampled_from([0, 1, 2])), 2), strict=True)
    ]


@st.composite
def campaigns(draw: st.DrawFn, rules: Rules) -> list[Campaign]:
    found = [draw(_campaign(f"c{i}", rules)) for i in range(draw(st.integers(0, 3)))]
    for later in found[1:]:
        later.alone = False  # two that are alone under the same conditions are refused
    if rules.rounding == "up" and rules.worth is not None and rules.worth.points == 4:
        # A cent earns a point as base, one by tier and one by each campaign; four are worth a cent, and that is refused.
        return found[:1]
    return found


@st.composite
def _campaign(draw: st.DrawFn, id: str, rules: Rules) -> Campaign:
    given = Campaign(
        id,
        currency=draw(st.sampled_from(rules.currencies)),
        caps=draw(st.sampled_from(_CAPS + _SHARED)),
        alone=rules.stacking == "add" and draw(st.booleans()),
    )
    given.qualifies = rules.measure == "points" and given.currency == "points" and draw(st.booleans())
    for name in draw(st.sets(st.sampled_from(sorted(_CONDITIONS)), max_size=2)):
        setattr(given, name, draw(st.sampled_from(_CONDITIONS[name])))
    if draw(st.booleans()):
        given.multiplier = draw(st.sampled_from(["2", "1.5", "1.333"]))
    else:
        given.bonus = 7
        endless = given.caps.per_member is None and given.caps.per_member_day is None
        if endless and not given.min_spend and not given.first_purchase:
            given.min_spend = 1_500
    if draw(st.booleans()):
        given.first_day, given.last_day = draw(st.sampled_from(_WINDOWS))
    return given


_WINDOWS = [("2024-02-01", "2024-02-29"), ("", "2024-01-31"), ("2024-02-02", ""), ("2024-02-01", "2024-02-08")]

_CONDITIONS: dict[str, list[object]] = {
    "weekdays": [("thu",), ("fri", "sat", "sun")],
    "hours": [(("08:00:00", "12:00:00"), ("20:00:00", "00:00:00")), (("00:00:00", "06:00:00"),)],
    "stores": [("mitte",)],
    "channels": [("market",), ("store",)],
    "segments": [("sleeping",), SEGMENTS],
    "tiers": [("gold", "silver"), ("base",)],
    "categories": [("vinyl",)],
    "skus": [("CD",), ("CD", "TEA")],
    "first_purchase": [True],
    "birthday": ["day", "week", "month"],
    "min_spend": [1_000, 5_000],
}


def moments(world: World, now: datetime) -> list[datetime]:
    """When something changes by itself, or a rule begins or ends; the soonest first."""
    rules, found = world.rules, set()
    for member in world.members:
        found.add(member.at(now).next_due())
        found |= {voucher.until for voucher in member.vouchers.values() if not voucher.void}
    for reward in rules.rewards:
        found |= {instant_of(at, rules.zone) for at in (reward.opens, reward.closes) if at}
    today = world.members[0].day(now)
    found.add(midnight_after(today, rules.zone))
    found.add(midnight_of(period_after(current(rules, now), rules.months), rules.zone))
    for campaign in rules.campaigns:
        found |= {instant_of(f"{today}T{at}", rules.zone) for hours in campaign.hours for at in hours}
    return sorted(at for at in found if at is not None)


def points_to_pay(member: Naive, now: datetime, total: int, steps: str) -> int:
    """For a basket: the most that may be paid, the fewest, one step beyond the most, or no multiple."""
    worth = member.rules.worth
    if worth is None:
        return 20
    there = max(0, member.at(now).purse("points").balance())
    most = min(int(Decimal(worth.cap) * total) * worth.points // worth.amount, there)
    most = most // worth.points * worth.points
    few = min(most, worth.points)
    return max(1, {"most": most, "one": few, "beyond": most + worth.points, "off": few + 1}[steps])
