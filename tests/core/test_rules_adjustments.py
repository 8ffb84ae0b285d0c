"""Adjustments as a table, and what holds for every command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.decision import Context, State
from core.earning.returns import ReturnPurchase
from core.earning.slip import RecordPurchase
from core.engine.commands import Command, decide
from core.errors import ChorusError
from core.holdings import Holdings
from core.members.decide import LinkIdentifier
from core.members.identifiers import Identifier
from core.points import MAX_POINTS
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.snapshot import Line
from tests.conftest import START
from tests.core.life import Life
from tests.core.programmes import programme, published

MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)


# Adjustments on a balance of 50: points, reason -> balance, or the refusal and where.
ADJUSTMENTS: list[tuple[int, str, int | str, list[str]]] = [
    (7, "a reason", 57, []),
    (-50, "a reason", 0, []),
    (-51, "a reason", "insufficient_points", []),
    (0, "a reason", "invalid_input", ["/points"]),
    (5, " ", "invalid_input", ["/reason"]),
    (0, "", "invalid_input", ["/points", "/reason"]),
    (MAX_POINTS - 50, "a reason", MAX_POINTS, []),
    (MAX_POINTS - 49, "a reason", "points_out_of_range", []),
    (MAX_POINTS + 1, "a reason", "invalid_input", ["/points"]),
    (-MAX_POINTS - 1, "a reason", "invalid_input", ["/points"]),
]


@pytest.mark.parametrize(("points", "reason", "result", "pointers"), ADJUSTMENTS)
def test_adjustments(points: int, reason: str, result: int | str, pointers: list[str]) -> None:
    life = Life()
    life.buy(5_000)
    if isinstance(result, str):
        refused = life.refusal(AdjustPoints(points, reason))
        assert (refused.code, [error.pointer for error in refused.errors]) == (result, pointers)
    else:
        change = life.do(AdjustPoints(points, f" {reason} "))
        assert (change.available, change.points, change.reason) == (result, points, reason)
        assert {p.account for p in life.last.entries[0].postings} == {"available", "adjusted"}
        # Points by hand are no merit: they do not qualify.
        assert change.qualifying == 50


def test_points_beyond_what_a_ledger_holds_are_refused_held_ones_counted() -> None:
    life = Life()
    life.do(AdjustPoints(MAX_POINTS, "a gift"))
    life.do(HoldReward("large"))
    assert life.refusal(AdjustPoints(1, "a gift")).code == "points_out_of_range"
    command = RecordPurchase("till-1", START, "store", "USD", 100, (Line("CD", 1, 100),))
    assert life.refusal(command).code == "points_out_of_range"


def test_nobody_is_known_before_enrolment() -> None:
    context = Context(now=START, published=published(programme()), source="test")
    refused = decide(State(1, 0, Holdings()), AdjustPoints(1, "a gift"), context)
    assert isinstance(refused, ChorusError)
    assert refused.code == "unknown_member"


def test_an_entry_that_takes_back_another_names_it() -> None:
    life = Life()
    life.buy(10_000)
    life.do(HoldReward("small"))
    life.do(CaptureHold(3))
    assert life.last.entries[0].reverses == 3
    life.do(HoldReward("small"))
    life.do(VoidHold(5))
    assert life.last.entries[0].reverses == 5
    life.do(HoldReward("small"))
    life.now += timedelta(hours=1)
    life.do(ReturnPurchase(2))
    assert [(entry.kind, entry.reverses) for entry in life.last.entries] == [("time_out", 7), ("return", 2)]


@pytest.mark.parametrize(
    "command",
    [
        LinkIdentifier(Identifier("card", "CARD1")),
        AdjustPoints(5, "a gift"),
        ReturnPurchase(3),
        CaptureHold(4),
        VoidHold(4),
        HoldReward("small"),
        RecordPurchase("till-1", MIDNIGHT, "store", "USD", 100, (Line("CD", 1, 100),)),
        SettleDue(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_every_command_records_first_what_the_clock_did(command: Command) -> None:
    """Fifty points lapse at midnight, ten minutes after the hold and a minute before the command."""
    life = Life(programme(months=1), now=MIDNIGHT - timedelta(days=28, hours=12))
    life.buy(15_000)
    life.now = MIDNIGHT - timedelta(minutes=10)
    life.buy(20_000)
    life.do(HoldReward("large"))
    life.now = MIDNIGHT + timedelta(minutes=1)
    change = life.do(command)
    first = life.last.entries[0]
    assert (first.kind, first.occurred_at, change.expired, life.lots()[0]) == ("expire", MIDNIGHT, 50, 0)
