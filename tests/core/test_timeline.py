"""Which revision is in force when, and what becomes of one that is scheduled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.programme.timeline import Record, effective, listed

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


# The days on which revisions 1, 2, ... come into force -> (from that day, which is in force); the first is always there.
TIMELINES: list[tuple[str, list[int], list[tuple[int, int]]]] = [
    ("the first alone", [-100], []),
    ("one after the other", [-100, 1, 2], [(1, 2), (2, 3)]),
    ("scheduled", [-100, 1, 30], [(1, 2), (30, 3)]),
    ("withdrawn by what is in force at once", [-100, 1, 30, 2], [(1, 2), (2, 4)]),
    ("withdrawn by what is scheduled before it", [-100, 1, 30, 20], [(1, 2), (20, 4)]),
    ("two scheduled, both come", [-100, 20, 30], [(20, 2), (30, 3)]),
    ("two scheduled, both withdrawn", [-100, 20, 30, 5], [(5, 4)]),
    ("the later withdrawn, the earlier comes", [-100, 20, 30, 25], [(20, 2), (25, 4)]),
    ("at the same instant the later published", [-100, 20, 20], [(20, 3)]),
    ("rolled back after it came", [-100, 20, 21], [(20, 2), (21, 3)]),
    ("before the first, the first", [5, 3], [(3, 2)]),
    ("the first is never hidden for what was before", [5, 5], [(5, 2)]),
]


@pytest.mark.parametrize(("days", "expected"), [row[1:] for row in TIMELINES], ids=[row[0] for row in TIMELINES])
def test_what_is_in_force_and_from_when(days: list[int], expected: list[tuple[int, int]]) -> None:
    spans = effective([day(number) for number in days])
    assert [(span.start, span.revision) for span in spans[1:]] == [(day(start), which) for start, which in expected]
    assert spans[0].revision == 1
    assert [span.until for span in spans] == [*(span.start for span in spans[1:]), None]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8), st.floats(-6, 6))
def test_it_is_the_highest_revision_whose_time_has_come(days: list[int], at: float) -> None:
    """The rule itself, on anything; and the number in force never falls as time goes on."""
    spans = effective([day(number) for number in days])
    found = [span.revision for span in spans if span.start <= day(at) and (span.until is None or day(at) < span.until)]
    assert found == [max([1, *(revision for revision, number in enumerate(days, 1) if day(number) <= day(at))])]
    assert sorted(span.revision for span in spans) == [span.revision for span in spans]


STATES: list[tuple[list[int], float, list[str]]] = [
    ([-100], 0, ["in_force"]),
    ([-100, 1, 30], 0.5, ["in_force", "scheduled", "scheduled"]),
    ([-100, 1, 30], 1, ["past", "in_force", "scheduled"]),
    ([-100, 1, 30], 30, ["past", "past", "in_force"]),
    ([-100, 1, 30, 2], 1.5, ["past", "in_force", "withdrawn", "scheduled"]),
    ([-100, 1, 30, 2], 31, ["past", "past", "withdrawn", "in_force"]),
    ([5, 3], 0, ["in_force", "scheduled"]),
]


@pytest.mark.parametrize(("days", "now", "states"), STATES)
def test_what_has_become_of_each(days: list[int], now: float, states: list[str]) -> None:
    records = [Record(number, day(start), DAY_0, "ada") for number, start in enumerate(days, 1)]
    found = listed(records, day(now))
    assert [one.state for one in found] == states
    assert [one.in_force for one in found] == [day(start) for start in days]
    assert all(one.until is None for one in found if one.state == "withdrawn")
