"""Campaigns as tables: one condition a row, in and out of it; then what a campaign gives, to the point."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.members.decide import SetTraits
from core.programme.validation import parse
from core.tiers.ladder import standing
from tests.core.life import Life
from tests.core.naive import Campaign, Caps, Dates, Rate, Rules, Tier
from tests.core.programmes import written

LOCAL = "America/New_York"


def _life(campaign: Campaign, now: datetime, **rules: object) -> Life:
    rules = {"zone": LOCAL, "tiers": [Tier("base", 0), Tier("gold", 300)], "segments": ("vip",), **rules}
    document = written(Rules(campaigns=[campaign], stores=("mitte", "online"), **rules))  # type: ignore[arg-type]
    return Life(parse(document), now=now)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# When it holds: what the campaign says of time, the instant in UTC (New York is 5 hours behind in winter, 4 in summer).
# 8 March 2026: the clocks go from 02:00 to 03:00; 1 November 2026: from 02:00 back to 01:00.
WHEN = [
    ({"first_day": "2026-03-14"}, "2026-03-14T03:59:59.999999", False),  # still the 13th over there
    ({"first_day": "2026-03-14"}, "2026-03-14T04:00", True),
    ({"last_day": "2026-03-14"}, "2026-03-15T03:59:59.999999", True),
    ({"last_day": "2026-03-14"}, "2026-03-15T04:00", False),
    ({"first_day": "2026-12-31", "last_day": "2027-01-01"}, "2027-01-02T04:59:59.999999", True),
    ({"first_day": "2026-12-31", "last_day": "2027-01-01"}, "2027-01-02T05:00", False),
    ({"first_day": "2026-12-31"}, "2026-12-31T04:59", False),
    ({"weekdays": ("sat",)}, "2026-03-14T04:00", True),
    ({"weekdays": ("sat",)}, "2026-03-14T03:59", False),
    ({"weekdays": ("sat",)}, "2026-03-15T03:59:59.999999", True),
    ({"weekdays": ("fri", "sun")}, "2026-03-14T12:00", False),
    ({"hours": (("08:00:00", "12:00:00"),)}, "2026-03-14T12:00", True),
    ({"hours": (("08:00:00", "12:00:00"),)}, "2026-03-14T11:59:59.999999", False),
    ({"hours": (("08:00:00", "12:00:00"),)}, "2026-03-14T15:59:59.999999", True),
    ({"hours": (("08:00:00", "12:00:00"),)}, "2026-03-14T16:00", False),  # half-open
    ({"hours": (("20:00:00", "00:00:00"),)}, "2026-03-15T03:59:59.999999", True),  # midnight is the day's end
    ({"hours": (("20:00:00", "00:00:00"),)}, "2026-03-15T04:00", False),
    ({"hours": (("20:00:00", "00:00:00"), ("00:00:00", "01:00:00"))}, "2026-03-15T04:00", True),
    ({"hours": (("02:00:00", "03:00:00"),)}, "2026-03-08T06:59:59.999999", False),  # 01:59
    ({"hours": (("02:00:00", "03:00:00"),)}, "2026-03-08T07:00", False),  # 03:00: that hour does not come
    ({"hours": (("01:00:00", "02:00:00"),)}, "2026-11-01T05:00", True),  # 01:00, the first time
    ({"hours": (("01:00:00", "02:00:00"),)}, "2026-11-01T06:59:59.999999", True),  # 01:59, the second time
    ({"hours": (("01:00:00", "02:00:00"),)}, "2026-11-01T07:00", False),
    ({"hours": (("08:00:00", "12:00:00"),)}, "2026-07-01T11:59", False),  # 07:59 in summer
    ({"hours": (("08:00:00", "12:00:00"),)}, "2026-07-01T12:00", True),
]


@pytest.mark.parametrize(("when", "instant", "holds"), WHEN)
def test_a_campaign_holds_on_days_and_hours_of_the_programmes_zone(
    when: dict[str, object], instant: str, holds: bool
) -> None:
    life = _life(Campaign("c", multiplier="2", **when), _utc(instant))  # type: ignore[arg-type]
    change = life.buy(10_000)
    assert life.reasons(change) == ["base 100", "campaign c 100"][: 1 + holds]


# Birthdays: born, span, the local day -> whether it holds.
BIRTHDAYS = [
    ("03-14", "day", "2026-03-14", True),
    ("03-14", "day", "2026-03-15", False),
    ("03-14", "week", "2026-03-11", True),
    ("03-14", "week", "2026-03-10", False),
    ("03-14", "week", "2026-03-17", True),
    ("03-14", "week", "2026-03-18", False),
    ("03-14", "month", "2026-03-31", True),
    ("03-14", "month", "2026-04-01", False),
    ("02-29", "day", "2026-02-28", True),  # where there is no 29th
    ("02-29", "day", "2026-03-01", False),
    ("02-29", "day", "2028-02-28", False),
    ("02-29", "day", "2028-02-29", True),
    ("02-29", "week", "2026-03-03", True),
    ("02-29", "week", "2026-03-04", False),
    ("02-29", "week", "2028-03-03", True),
    ("12-31", "week", "2027-01-03", True),  # across the turn of the year
    ("12-31", "week", "2027-01-04", False),
    ("01-02", "week", "2026-12-30", True),
    ("01-02", "week", "2026-12-29", False),
    ("", "month", "2026-03-14", False),
]


@pytest.mark.parametrize(("born", "span", "day", "holds"), BIRTHDAYS)
def test_a_birthday_campaign_holds_around_the_members_own(born: str, span: str, day: str, holds: bool) -> None:
    life = _life(Campaign("c", multiplier="2", birthday=span), _utc(f"{day}T17:00"))
    life.try_to(SetTraits(birthday=born))
    assert life.buy(10_000).points == (200 if holds else 100)


# Who and where: conditions, the member's segments, points gained before, store, channel -> whether it holds.
WHO = [
    ({}, (), 0, "", "store", True),
    ({"stores": ("mitte",)}, (), 0, "mitte", "store", True),
    ({"stores": ("mitte",)}, (), 0, "online", "store", False),
    ({"stores": ("mitte",)}, (), 0, "", "store", False),
    ({"channels": ("market",)}, (), 0, "", "market", True),
    ({"channels": ("market",)}, (), 0, "", "store", False),
    ({"segments": ("vip",)}, ("vip",), 0, "", "store", True),
    ({"segments": ("vip",)}, (), 0, "", "store", False),
    ({"tiers": ("gold",)}, (), 300, "", "store", True),
    ({"tiers": ("gold",)}, (), 299, "", "store", False),
    ({"tiers": ("base",)}, (), 300, "", "store", False),
    ({"first_purchase": True}, (), 0, "", "store", True),
    ({"first_purchase": True}, (), 1, "", "store", False),
    ({"segments": ("vip",), "tiers": ("gold",)}, ("vip",), 299, "", "store", False),  # all of them must hold
]


@pytest.mark.parametrize(("conditions", "segments", "before", "store", "channel", "holds"), WHO)
def test_a_campaign_is_for_whom_it_says(
    conditions: dict[str, object], segments: tuple[str, ...], before: int, store: str, channel: str, holds: bool
) -> None:
    life = _life(Campaign("c", multiplier="2", **conditions), _utc("2026-03-14T12:00"))  # type: ignore[arg-type]
    if segments:
        life.do(SetTraits(segments=segments))
    if before:
        life.buy(before * 100)
    change = life.buy(10_000, channel=channel, store=store)
    assert [reason for reason in life.reasons(change) if "campaign" in reason] == (
        [f"campaign c {100 if channel == 'store' else 80}"] if holds else []
    )


# What it gives: the campaign, rounding, lines (sku, category, amount) -> its points. The rate is 1; vinyl 2.5, GIFT 0.
RATES = [Rate("vinyl", "2.5", category="vinyl"), Rate("gift", "0", sku="GIFT")]
CD, LP, GIFT = ("CD", "", 1_000), ("LP", "vinyl", 999), ("GIFT", "vinyl", 5_000)
GIVES = [
    ({"multiplier": "2"}, "down", [CD], 10),
    ({"multiplier": "1.5"}, "down", [CD, LP], 17),  # base 10 and 24
    ({"multiplier": "1.333"}, "down", [CD], 3),
    ({"multiplier": "1.333"}, "up", [CD], 4),
    ({"multiplier": "1.25"}, "half_even", [CD], 2),  # 2.5
    ({"multiplier": "1.25"}, "half_up", [CD], 3),
    ({"multiplier": "2", "categories": ("vinyl",)}, "down", [CD, LP], 24),
    ({"multiplier": "2", "categories": ("vinyl",)}, "down", [CD], 0),
    ({"multiplier": "2", "categories": ("vinyl",)}, "down", [GIFT], 0),  # twice nothing
    ({"multiplier": "2", "skus": ("CD",)}, "down", [CD, LP], 10),
    ({"multiplier": "2", "skus": ("CD",), "categories": ("vinyl",)}, "down", [CD, LP, ("TEA", "", 700)], 34),
    ({"bonus": 7, "min_spend": 1_000}, "down", [CD], 7),
    ({"bonus": 7, "min_spend": 1_001}, "down", [CD], 0),
    ({"bonus": 7, "min_spend": 1_000, "categories": ("vinyl",)}, "down", [CD, LP], 0),  # of the lines in question
    ({"bonus": 7, "min_spend": 999, "categories": ("vinyl",)}, "down", [CD, LP], 7),
    ({"bonus": 7, "first_purchase": True}, "down", [("CD", "", 0)], 7),
]


@pytest.mark.parametrize(("gift", "rounding", "items", "points"), GIVES)
def test_what_a_campaign_gives(
    gift: dict[str, object], rounding: str, items: list[tuple[str, str, int]], points: int
) -> None:
    campaign = Campaign("c", **gift)  # type: ignore[arg-type]
    life = _life(campaign, _utc("2026-03-14T12:00"), rates=RATES, rounding=rounding)
    awards = [award for award in life.basket(*items).awards if award.rule == "campaign"]
    assert sum(award.points for award in awards) == points
    assert all(award.points for award in awards)
    # For the lines it names; and of several rates, in a part for the lines of each.
    named, rates = campaign.skus or campaign.categories, {category for _, category, _ in items}
    assert all(bool(award.lines) == (bool(named) or len(rates) > 1) for award in awards)


@pytest.mark.parametrize(("qualifies", "qualified"), [(True, 200), (False, 100)])
def test_only_a_campaign_that_qualifies_counts_for_a_tier(qualifies: bool, qualified: int) -> None:
    life = _life(Campaign("c", multiplier="2", qualifies=qualifies), _utc("2026-03-14T12:00"))
    change = life.buy(10_000)
    assert (change.points, change.qualified, change.qualifying) == (200, qualified, qualified)
    holdings = life.state.holdings
    assert standing(holdings.account.qualifying, life.published.programme, life.now).qualifying == qualified


def test_a_late_offline_purchase_meets_the_campaign_of_its_own_day_and_expires_by_it() -> None:
    """Sent today, when the campaign is over and its limit a day is for another day."""
    past = Campaign("past", multiplier="2", last_day="2026-03-10", caps=Caps(per_member_day=1))
    life = _life(past, _utc("2026-03-14T12:00"), dates=Dates("rolling", 1))
    assert life.reasons(life.buy(10_000)) == ["base 100"]
    late = life.buy(10_000, ago=timedelta(days=5))
    assert life.reasons(late) == ["base 100", "campaign past 100"]
    assert life.reasons(life.buy(10_000, ago=timedelta(days=5))) == ["base 100"]
    assert life.reasons(life.buy(10_000, ago=timedelta(days=6))) == ["base 100", "campaign past 100"]
    assert life.state.holdings.account.lots[1].expires_at == _utc("2026-04-10T04:00")
