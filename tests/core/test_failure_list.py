"""What goes wrong in loyalty systems elsewhere, as they tell it themselves: each once here, at its smallest.

Larger ones have tests of their own: twenty at once and fifty against a stock in `test_parallel*`, a till's retry in
`test_door`, a guest registered at two places at once in `test_parallel`, all that a merge keeps in `test_rules_merge` and
`test_merge`, notifications in `tests/push`. Messages come with journeys.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from core import read
from core.adjustments.decide import AdjustPoints, SettleDue
from core.database import connect
from core.earning.returns import ReturnPurchase
from core.earning.slip import RecordPurchase
from core.errors import Rejected
from core.members.identifiers import Identifier, normalise
from core.members.merge import MergeMembers
from core.programme.validation import parse
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.snapshot import Line
from core.warning import schedule
from tests.conftest import START, OpenEngine
from tests.core.door import bought, enrol, publish_programme, send, submission, verified
from tests.core.life import Life
from tests.core.programmes import document, programme

WORTH = """
[worth]
points = 10
amount = 100
cap = "0.5"
"""


def _paid(life: Life, total: int, points: int) -> RecordPurchase:
    return RecordPurchase("till-1", life.now, "store", "USD", total, (Line("CD", 1, total),), points=points)


def test_giving_back_never_credits_more_than_was_taken() -> None:
    """Voided once, and no second time; captured, it cannot be voided."""
    life = Life()
    life.do(AdjustPoints(100, "a gift"))
    first = life.do(HoldReward("small"))
    assert life.do(VoidHold(first.hold)).available == 100
    assert life.refusal(VoidHold(first.hold)).code == "hold_not_open"
    second = life.do(HoldReward("small"))
    life.do(CaptureHold(second.hold))
    assert life.refusal(VoidHold(second.hold)).code == "hold_not_open"
    assert life.do(AdjustPoints(-90, "all")).available == 0


def test_points_that_expired_are_not_subtracted_again_by_what_was_spent_before() -> None:
    """Earned 90, spent 60, 30 expire: nothing is left, and nothing is owed."""
    life = Life(programme(months=1))
    life.buy(9_000)
    life.do(AdjustPoints(-60, "spent"))
    life.now += timedelta(days=60)
    expired = life.do(SettleDue())
    assert (expired.expired, expired.available, life.state.holdings.account.debt) == (30, 0, 0)
    assert life.buy(1_000).available == 10


def test_the_last_good_day_is_the_members_own() -> None:
    """Half past eleven in the evening of the last day in Hong Kong is good; the instant after midnight is not."""
    life = Life(programme(zone="Asia/Hong_Kong", months=1), now=datetime(2026, 3, 14, 4, tzinfo=UTC))
    life.buy(1_000)
    ((end, points),) = schedule(life.state.holdings.account)
    assert (points, end) == (10, datetime(2026, 4, 14, 16, tzinfo=UTC))
    life.now = end - timedelta(microseconds=1)
    assert life.do(HoldReward("small")).available == 0
    other = Life(programme(zone="Asia/Hong_Kong", months=1), now=datetime(2026, 3, 14, 4, tzinfo=UTC))
    other.buy(1_000)
    other.now = end
    assert other.refusal(HoldReward("small")).code == "insufficient_points"


def test_buying_redeeming_and_returning_keeps_nothing() -> None:
    life = Life()
    life.buy(10_000)
    held = life.do(HoldReward("large"))
    life.do(CaptureHold(held.hold))
    assert life.do(ReturnPurchase(2)).available == -100
    assert life.buy(10_000).available == 0


def test_the_part_paid_with_points_earns_nothing() -> None:
    life = Life(parse(document() + WORTH))
    life.do(AdjustPoints(100, "a gift"))
    bought = life.do(_paid(life, 2_000, 100))
    assert (bought.earned, bought.paid_amount, bought.available) == (10, 1_000, 10)


def test_a_return_of_what_points_paid_gives_back_those_points_and_no_more() -> None:
    life = Life(parse(document() + WORTH))
    life.do(AdjustPoints(100, "a gift"))
    life.do(_paid(life, 2_000, 100))
    back = life.do(ReturnPurchase(3))
    assert (back.paid_points, back.paid_amount, back.available) == (100, 1_000, 100)
    assert life.refusal(ReturnPurchase(3)).code == "already_returned"


def test_a_hold_for_a_basket_is_spent_once() -> None:
    life = Life(parse(document() + WORTH))
    life.do(AdjustPoints(100, "a gift"))
    held = life.do(HoldPoints(100))
    assert life.do(_held(life, held.hold)).available == 10
    assert life.refusal(_held(life, held.hold)).code == "hold_not_open"


def _held(life: Life, hold: int) -> RecordPurchase:
    return RecordPurchase("till-1", life.now, "store", "USD", 2_000, (Line("CD", 1, 2_000),), hold=hold)


def test_the_tier_does_not_follow_the_balance() -> None:
    life = Life()
    life.do(AdjustPoints(5_000, "a gift"))
    assert life.buy(100).tier == "base"
    assert life.buy(9_900).tier == "silver"
    assert life.do(AdjustPoints(-5_000, "spent")).tier == "silver"


def test_every_date_is_shown_not_the_next_alone() -> None:
    life = Life(programme(months=12))
    for days in (40, 20, 0):
        life.buy(1_000, ago=timedelta(days=days))
    dates = schedule(life.state.holdings.account)
    assert [points for _, points in dates] == [10, 10, 10]
    assert sum(points for _, points in dates) == life.state.holdings.account.available


async def test_a_merge_loses_no_point_and_no_date(open_engine: OpenEngine, owner_url: str, database_url: str) -> None:
    """What two had by date, one has by date; what a guest bought makes the tier of the member it turns out to be."""
    await publish_programme(owner_url, document(months=12))
    engine = await open_engine()
    member, guest = await enrol(engine), await enrol(engine, Identifier("email", "guest@example.com"))
    for who, days, amount in ((member, 20, 6_000), (member, 0, 1_000), (guest, 20, 2_000), (guest, 10, 3_000)):
        await engine.submit(submission(bought(START - timedelta(days=days), amount), who))
    pool = connect(database_url, pool_size=1)
    before = await read.snapshots(pool, [member, guest])
    merged = await send(engine, MergeMembers(guest, "the guest is a member"), member)
    after = (await read.snapshots(pool, [member]))[member]
    await pool.dispose()
    had = Counter[datetime]()
    for one in before.values():
        had.update(dict(schedule(one.account)))
    assert dict(schedule(after.account)) == had
    assert merged.change
    assert (merged.change.available, merged.change.tier) == (70 + 50, "silver")
    assert (await verified(database_url)).findings == []


@pytest.mark.parametrize("written", ["  Guest@Example.COM ", "guest@example.com"])
async def test_a_guest_who_is_known_does_not_become_a_second_account(open_engine: OpenEngine, written: str) -> None:
    """However the address is written: it is refused to a second member, and what is bought by it is the first one's."""
    engine = await open_engine()
    member = await enrol(engine, Identifier("email", "guest@example.com"))
    who = normalise(Identifier("email", written), "/member")
    with pytest.raises(Rejected) as refused:
        await enrol(engine, who)
    assert refused.value.code == "identifier_taken"
    answer = await send(engine, AdjustPoints(5, "a gift"), who)
    assert (answer.member, answer.change.available) == (member, 5)
