"""Limits as a table: of one member and of all together, in a day and for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.earning.returns import ReturnPurchase
from core.programme.validation import parse
from tests.core.life import Life
from tests.core.naive import Campaign, Caps, Rules
from tests.core.programmes import written

# A bonus of 7, its limits, what others used of it today and in all; then purchases by days from the first one, and for
# each whether the bonus is given.
LIMITS = [
    (Caps(per_member=2), 0, 0, [0, 0, 0, 1], [True, True, False, False]),
    (Caps(per_member_day=1), 0, 0, [0, 0, 1, 1, 2], [True, False, True, False, True]),
    (Caps(per_member=3, per_member_day=2), 0, 0, [0, 0, 0, 1, 1], [True, True, False, True, False]),
    (Caps(per_member_day=1, per_day=10), 9, 9, [0, 1], [True, True]),
    (Caps(per_member_day=1, per_day=10), 10, 10, [0, 1], [False, True]),  # the others' today are not tomorrow's
    (Caps(per_member=5, in_all=10), 0, 9, [0, 0], [True, False]),
    (Caps(per_member=5, in_all=10), 0, 10, [0, 5], [False, False]),
    (Caps(per_member=1, in_all=10), 0, 8, [0, 0], [True, False]),
    (Caps(), 0, 0, [0, 0], [True, True]),
]


@pytest.mark.parametrize(("caps", "today", "in_all", "days", "given"), LIMITS)
def test_a_campaign_is_given_so_often(caps: Caps, today: int, in_all: int, days: list[int], given: list[bool]) -> None:
    life = _life(caps)
    life.tallies = {"campaign/c/2026-03-14": today, "campaign/c": in_all}
    start = life.now
    found = []
    for day in days:
        life.now = start + timedelta(days=day)
        found.append("campaign c 7" in life.reasons(life.buy(1_000)))
    assert found == given
    used = sum(given)
    if caps.in_all is not None:
        assert life.tallies["campaign/c"] == in_all + used
    else:
        assert life.tallies["campaign/c"] == in_all


# The day is the programme's of when it occurred: an instant in UTC, minutes until the second purchase -> given again.
DAYS = [
    ("UTC", "2026-03-14T23:59:59.999999", timedelta(microseconds=1), True),
    ("UTC", "2026-03-14T00:00", timedelta(hours=23, minutes=59), False),
    ("Asia/Hong_Kong", "2026-03-14T15:59:59.999999", timedelta(microseconds=1), True),
    ("Asia/Hong_Kong", "2026-03-14T23:59:59.999999", timedelta(microseconds=1), False),
    ("America/New_York", "2026-03-08T05:00", timedelta(hours=22, minutes=59), False),  # a day of 23 hours
    ("America/New_York", "2026-03-08T05:00", timedelta(hours=23), True),
    ("America/New_York", "2026-11-01T04:00", timedelta(hours=24, minutes=59), False),  # and one of 25
    ("America/New_York", "2026-11-01T04:00", timedelta(hours=25), True),
]


@pytest.mark.parametrize(("zone", "first", "later", "again"), DAYS)
def test_a_limit_a_day_is_of_the_local_day(zone: str, first: str, later: timedelta, again: bool) -> None:
    life = _life(Caps(per_member_day=1), zone=zone, now=datetime.fromisoformat(first).replace(tzinfo=UTC))
    assert life.buy(1_000).points == 17
    life.now += later
    assert life.buy(1_000).points == (17 if again else 10)


def test_an_event_that_arrives_late_uses_up_its_own_day() -> None:
    life = _life(Caps(per_member_day=1))
    assert [life.buy(1_000).points, life.buy(1_000).points] == [17, 10]
    assert [life.buy(1_000, ago=timedelta(days=3)).points for _ in range(2)] == [17, 10]


def test_a_return_makes_no_room_for_another() -> None:
    """What was given was given: a member who returns and buys again would have the bonus for ever."""
    life = _life(Caps(per_member=1))
    assert life.buy(1_000).points == 17
    assert life.do(ReturnPurchase(2)).points == -17
    assert life.buy(1_000).points == 10


def test_counts_of_days_long_past_are_dropped_and_of_the_replay_window_kept() -> None:
    life = _life(Caps(per_member_day=1))
    life.buy(1_000)
    for _ in range(5):
        life.now += timedelta(days=10)
        life.buy(1_000)
    assert sorted(life.state.holdings.progress.counters) == [
        f"campaign/c/2026-{day}" for day in ("04-03", "04-13", "04-23", "05-03")
    ]


def _life(caps: Caps, *, zone: str = "UTC", now: datetime = datetime(2026, 3, 14, 9, tzinfo=UTC)) -> Life:
    campaign = Campaign("c", bonus=7, min_spend=1_000, caps=caps)
    return Life(parse(written(Rules(zone=zone, campaigns=[campaign]))), now=now)
