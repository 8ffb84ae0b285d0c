"""Actions as a table: fixed points for what is no purchase, so often and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints
from core.earning.actions import RecordAction
from core.points import MAX_POINTS
from core.programme.validation import parse
from tests.conftest import START
from tests.core.life import Life
from tests.core.naive import Caps, Dates, Rules
from tests.core.programmes import written

ACTIONS = {
    "check_in": (5, Caps(per_member_day=1)),
    "review": (20, Caps(per_member=2, in_all=3)),
    "share": (3, Caps(per_member_day=2, per_day=3)),
}

# What others used of the shared counts; actions as (kind, days from the first) -> points of each, None: refused.
CASES = [
    ({}, [("check_in", 0), ("check_in", 0), ("check_in", 1)], [5, None, 5]),
    ({}, [("review", 0), ("review", 9), ("review", 20)], [20, 20, None]),
    ({"action/review": 2}, [("review", 0), ("review", 0)], [20, None]),
    ({"action/share/2026-03-14": 2}, [("share", 0), ("share", 0), ("share", 1)], [3, None, 3]),
    ({"action/share/2026-03-13": 3}, [("share", 0)], [3]),
    ({}, [("check_in", 0), ("review", 0), ("share", 0)], [5, 20, 3]),  # each by itself
]


@pytest.mark.parametrize(("used", "actions", "points"), CASES)
def test_an_action_gives_so_often(used: dict[str, int], actions: list[tuple[str, int]], points: list[int]) -> None:
    life = _life()
    life.tallies = dict(used)
    for (kind, days), expected in zip(actions, points, strict=True):
        life.now = START + timedelta(days=days)
        command = RecordAction(kind, life.now, "the subject")
        if expected is None:
            assert life.refusal(command).code == "action_limit"
        else:
            change = life.do(command)
            assert (change.points, life.reasons(change)) == (expected, [f"action {kind} {expected}"])
            assert (change.reason, change.qualified, change.qualifying) == ("the subject", 0, 0)


# What is wrong: kind, how long ago, staff -> where.
WRONG = [
    ("review", timedelta(minutes=-5, microseconds=-1), True, ["/occurred_at"]),
    ("review", timedelta(days=30, microseconds=1), False, ["/occurred_at"]),
    ("referral", timedelta(0), False, ["/kind"]),
    ("referral", timedelta(days=31), False, ["/kind", "/occurred_at"]),
]


@pytest.mark.parametrize(("kind", "ago", "staff", "pointers"), WRONG)
def test_a_wrong_action_is_refused_where_it_is_wrong(
    kind: str, ago: timedelta, staff: bool, pointers: list[str]
) -> None:
    refused = _life().refusal(RecordAction(kind, START - ago), staff=staff)  # type: ignore[arg-type]
    assert (refused.code, [error.pointer for error in refused.errors]) == ("invalid_input", pointers)


def test_a_late_action_counts_on_its_own_day_and_is_good_from_it() -> None:
    life = _life(zone="Asia/Hong_Kong")
    late = datetime(2026, 3, 13, 15, 59, 59, 999_999, tzinfo=UTC)
    assert life.do(RecordAction("check_in", late)).points == 5
    assert life.refusal(RecordAction("check_in", late)).code == "action_limit"
    assert life.do(RecordAction("check_in", late + timedelta(microseconds=1))).points == 5
    ends = [lot.expires_at for lot in life.state.holdings.account.lots]
    assert ends == [datetime(2026, 4, day, 16, tzinfo=UTC) for day in (13, 14)]


def test_an_action_so_late_that_its_points_are_past_their_date_gives_and_expires_at_once() -> None:
    change = _life().do(RecordAction("review", START - timedelta(days=40)), staff=True)
    assert (change.points, change.expired, change.available) == (0, 20, 0)


def test_an_action_beyond_what_a_ledger_holds_is_refused() -> None:
    life = _life()
    life.do(AdjustPoints(MAX_POINTS - 4, "a gift"))
    assert life.refusal(RecordAction("check_in", START)).code == "points_out_of_range"


def _life(zone: str = "UTC") -> Life:
    return Life(parse(written(Rules(zone=zone, actions=ACTIONS, dates=Dates("rolling", 1)))))
