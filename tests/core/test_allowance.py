"""How often somebody may: so many at once, then at a rate, each by a name of its own; and a bounded memory of names."""

from __future__ import annotations

import pytest

from core.allowance import Allowance


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_so_many_at_once_then_at_the_rate(time: Time) -> None:
    allowance = Allowance(0.5, 3, time)
    assert [allowance.take() for _ in range(5)] == [True, True, True, False, False]
    for later, may in ((1.9, False), (0.1, True), (0.0, False), (2.0, True), (1.0, False), (1.0, True), (0.0, False)):
        time.now += later
        assert allowance.take() is may, (later, may)


def test_it_never_saves_up_more_than_at_once(time: Time) -> None:
    allowance = Allowance(10, 2, time)
    allowance.take()
    time.now += 1_000_000
    assert [allowance.take() for _ in range(3)] == [True, True, False]


def test_one_that_is_refused_is_not_kept_waiting_for_it(time: Time) -> None:
    allowance = Allowance(1, 1, time)
    assert allowance.take()
    assert not any(allowance.take() for _ in range(100))
    time.now += 1
    assert allowance.take()


def test_each_name_has_its_own(time: Time) -> None:
    allowance = Allowance(1, 1, time)
    assert [allowance.take(name) for name in (1, 2, 1, "1", (1,), None, 2)] == [
        True,
        True,
        False,
        True,
        True,
        True,
        False,
    ]


def test_who_waits_has_a_turn_one_after_the_other(time: Time) -> None:
    """`wait` counts the turn: those who come together are let in one by one."""
    allowance = Allowance(2, 2, time)
    assert [allowance.wait() for _ in range(5)] == [0, 0, 0.5, 1.0, 1.5]
    assert not allowance.take()
    time.now += 1.5
    assert [allowance.wait(), allowance.wait()] == [0.5, 1.0]


def test_looking_does_not_count_where_it_must_wait(time: Time) -> None:
    allowance = Allowance(2, 1, time)
    assert allowance.wait(only_now=True) == 0
    assert [allowance.wait(only_now=True) for _ in range(3)] == [0.5, 0.5, 0.5]


def test_a_bounded_number_of_names_is_remembered(time: Time) -> None:
    """Those heard of last; one that was forgotten begins anew, so this guards against storms only."""
    allowance = Allowance(1, 1, time, names=3)
    for name in range(10):
        assert allowance.take(name)
        assert len(allowance._left) <= 3
    assert [allowance.take(name) for name in (7, 8, 9)] == [False] * 3
    assert not allowance.take(7), "asking keeps it in mind"
    assert allowance.take(10)
    assert [allowance.take(name) for name in (9, 7, 8)] == [False, False, True]


@pytest.mark.parametrize(("rate", "most"), [(0.1, 7), (3.0, 1), (1 / 3, 2), (1000.0, 5)])
def test_in_the_long_run_the_rate_holds(time: Time, rate: float, most: int) -> None:
    allowance, taken = Allowance(rate, most, time), 0
    for _ in range(10_000):
        time.now += 0.01
        taken += allowance.take()
    allowed = min(10_000, most + 100 * rate)
    assert 0.97 * allowed - 1 <= taken <= allowed + 1
