"""A late event, decided by the revision of its day, against points that lapse by activity under the one in force now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import bought, enrol, publish_programme, send, submission, verified
from tests.core.programmes import document
from tests.databases import Database

ROLLING = document()
ACTIVITY = ROLLING.replace("expiry = { months = 24,", 'expiry = { mode = "activity", months = 6,').replace(
    "schema = 1", "schema = 2"
)
NEVER = ROLLING.replace("expiry = { months = 24,", "expiry = { months = 0,")

# The revision of the late slip, the one in force when 10 points are earned and when it arrives -> what a member with it
# and one without have a year on.
CASES = [
    pytest.param(ROLLING, ACTIVITY, 1, 0, id="the date by which points lapse stays"),
    pytest.param(ACTIVITY, NEVER, 11, 10, id="points that never expire still do not"),
    pytest.param(ACTIVITY, ACTIVITY, 0, 0, id="the same rule before and after"),
]


@pytest.mark.parametrize(("before", "now", "with_slip", "without"), CASES)
async def test_a_late_slip_changes_nothing_of_when_other_points_lapse(
    database: Database,
    open_engine: OpenEngine,
    clock: SettableClock,
    before: str,
    now: str,
    with_slip: int,
    without: int,
) -> None:
    await publish_programme(database.owner_url, before, now=clock())
    clock.forward(days=1)
    offline = clock()
    clock.forward(days=1)
    await publish_programme(database.owner_url, now, now=clock())
    engine = await open_engine()
    late, other = await enrol(engine), await enrol(engine)
    for member in (late, other):
        await send(engine, AdjustPoints(10, "a gift"), member)
    clock.forward(hours=1)
    answer = await engine.submit(submission(bought(offline, 100), late, occurred_at=offline))
    assert answer.change is not None
    assert (answer.change.programme, answer.change.earned) == (2, 1)
    clock.now += timedelta(days=365)
    left = [(await send(engine, AdjustPoints(1, "to see"), member)).change for member in (late, other)]
    assert [change.available - 1 for change in left if change] == [with_slip, without]
    await send(engine, SettleDue(), late)
    assert (await verified(database.url)).findings == []
