"""Two members that are one person, at the door: everything of either leads to the one that lives on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from core import read
from core.adjustments.decide import AdjustPoints, ReinstatePoints, SettleDue
from core.database import connect
from core.earning.returns import ReturnPurchase
from core.engine.engine import Engine
from core.engine.submission import Answer
from core.errors import ChorusError, IdempotencyConflict, NotFound, Rejected
from core.members.decide import Enrol, LinkIdentifier
from core.members.identifiers import Identifier, new_code, new_voucher_code
from core.members.merge import MergeMembers
from core.members.reference import seen_from_afar
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward, UseVoucher
from core.snapshot import Change
from tests.conftest import START, OpenEngine, SettableClock
from tests.core.door import bought, enrol, publish_programme, scalar, send, verified
from tests.core.programmes import document
from tests.databases import Database, execute

ONE, TWO = Identifier("email", "one@example.com"), Identifier("email", "two@example.com")
REWARDS = """
[worth]
points = 10
amount = 100
cap = "0.5"

[[rewards]]
id = "five"
name = { en = "5 off" }
stub = { en = "5" }
kind = "voucher"
points = 20
value = 500
uses = 2
stock = 3
per_member = 2
"""


@pytest.fixture
async def engine(database: Database, open_engine: OpenEngine) -> Engine:
    await publish_programme(database.owner_url, document(months=12) + REWARDS)
    return await open_engine()


async def done(engine: Engine, command: object, who: int | Identifier, *, key: str = "") -> Change:
    answer = await send(engine, command, who, key=key)  # type: ignore[arg-type]
    assert answer.change is not None
    return answer.change


async def two_members(engine: Engine) -> tuple[int, int]:
    """The first has the longer history: 300 points and one purchase more."""
    one, two = await enrol(engine, ONE), await enrol(engine, TWO)
    for _ in range(2):
        await send(engine, bought(START, 5_000), one)
    await send(engine, bought(START, 5_000), two)
    return one, two


async def scalar_of(database: Database, query: str) -> object:
    pool = connect(database.url, pool_size=1)
    try:
        return await scalar(pool, query)
    finally:
        await pool.dispose()


async def proved(database: Database) -> None:
    assert [str(finding) for finding in (await verified(database.url)).findings] == []


async def test_whatever_named_the_one_names_the_other(engine: Engine, database: Database) -> None:
    one, two = await two_members(engine)
    voucher = await done(engine, ClaimReward("five", new_voucher_code()), two)
    merged = await send(engine, MergeMembers(two, "one person"), one)
    assert merged.change
    assert (merged.member, merged.change.available, merged.change.points) == (one, 130, 30)
    by_code = Identifier("voucher", voucher.code)
    for who in (one, two, ONE, TWO, by_code):
        assert (await send(engine, AdjustPoints(1, "a gift"), who)).member == one
    with pytest.raises(Rejected) as taken:
        await enrol(engine, TWO)
    assert taken.value.code == "identifier_taken"
    assert (await done(engine, UseVoucher(voucher.code), by_code)).member == one
    assert (await send(engine, LinkIdentifier(TWO), one)).change is None
    await proved(database)


async def test_what_was_open_is_ended_by_the_number_it_had(engine: Engine, database: Database) -> None:
    """By whom it came from and its old number, or by the one that lives on and the number it has there. An own hold of
    the same number is not meant."""
    one, two = await two_members(engine)
    own = await done(engine, HoldReward("small"), one)
    await send(engine, AdjustPoints(1, "a gift"), two)
    first, second = [await done(engine, HoldReward("small"), two) for _ in range(2)]
    voucher = await done(engine, ClaimReward("five", new_voucher_code()), two)
    assert own.hold == first.hold
    for _ in range(4):
        await send(engine, AdjustPoints(1, "a gift"), one)
    merged = await done(engine, MergeMembers(two, "one person"), one)
    assert (merged.member, merged.available) == (one, 100 - 10 + 4 + 50 + 1 - 10 - 10 - 20)
    captured = await done(engine, CaptureHold(first.hold), two)
    assert captured.hold == seen_from_afar(two, first.hold)
    voided = await done(engine, VoidHold(seen_from_afar(two, second.hold)), one)
    assert voided.points == 10
    cancelled = await done(engine, CancelVoucher(voucher.voucher), two)
    assert cancelled.points == 20
    assert (await done(engine, CaptureHold(own.hold), one)).hold == own.hold
    for who, hold in ((two, first.hold), (one, own.hold), (one, first.hold + 1)):
        with pytest.raises(Rejected) as ended:
            await send(engine, CaptureHold(hold), who)
        assert ended.value.code == "hold_not_open"
    await proved(database)


async def test_what_was_opened_since_is_ended_by_any_of_its_members(engine: Engine, database: Database) -> None:
    """An answer to whoever asked by an id that is no more has the number of the one that lives on."""
    one, two = await two_members(engine)
    third = await enrol(engine)
    for _ in range(3):
        await send(engine, bought(START, 1_000), one)
    await send(engine, bought(START, 2_000), third)
    await send(engine, MergeMembers(third, "one person"), two)
    between = await done(engine, HoldReward("small"), third)
    await send(engine, MergeMembers(two, "one person"), one)
    since = await done(engine, HoldReward("small"), third)
    assert (between.member, since.member) == (two, one)
    assert (await done(engine, CaptureHold(between.hold), third)).hold == seen_from_afar(two, between.hold)
    assert (await done(engine, CaptureHold(since.hold), third)).hold == since.hold
    again = await done(engine, HoldReward("small"), two)
    assert (await done(engine, VoidHold(again.hold), two)).hold == again.hold
    await proved(database)


async def test_a_basket_is_paid_from_the_hold_that_is_named_and_from_no_other(
    engine: Engine, database: Database
) -> None:
    """What now leads to the other says nothing of whose number it is: a hold opened before has another there."""
    one, two = await two_members(engine)
    await send(engine, AdjustPoints(1, "a gift"), two)
    own, its = await done(engine, HoldPoints(20), one), await done(engine, HoldPoints(30), two)
    assert own.hold == its.hold
    await send(engine, AdjustPoints(1, "a gift"), one)
    await send(engine, MergeMembers(two, "one person"), one)
    by_number = msgspec.structs.replace(bought(START, 1_000), hold=own.hold)
    assert (await done(engine, by_number, TWO)).paid_points == 20
    with pytest.raises(Rejected) as spent:
        await send(engine, by_number, TWO)
    assert spent.value.code == "hold_not_open"
    there = msgspec.structs.replace(by_number, hold=seen_from_afar(two, its.hold))
    assert (await done(engine, there, TWO)).paid_points == 30
    await proved(database)


async def test_a_member_of_a_million_versions_keeps_its_own_purchases(engine: Engine, database: Database) -> None:
    """Its numbers are not another's for being long."""
    member = await enrol(engine)
    await execute(database.owner_url, f"UPDATE member SET version = {2**20 - 1} WHERE id = {member}")
    for _ in range(2):
        sold = await send(engine, bought(START, 5_000), member)
        assert (await done(engine, ReturnPurchase(sold.version), member)).points == -50
    with pytest.raises(Rejected) as long:
        await send(engine, MergeMembers(member, "one person"), await enrol(engine))
    assert long.value.code == "history_too_long"


async def test_a_purchase_is_returned_as_before_and_once(engine: Engine, database: Database) -> None:
    """Through a chain of merges too; what it earned goes first from its own lots."""
    one, two = await two_members(engine)
    third = await enrol(engine)
    await send(engine, bought(START, 2_000), third)
    await send(engine, MergeMembers(third, "one person"), two)
    await send(engine, MergeMembers(two, "one person"), one)
    assert (await done(engine, ReturnPurchase(2), third)).points == -20
    assert (await done(engine, ReturnPurchase(2), two)).points == -50
    assert (await done(engine, ReturnPurchase(2), one)).points == -50
    for who in (one, two, third):
        with pytest.raises(Rejected) as again:
            await send(engine, ReturnPurchase(2), who)
        assert again.value.code == "already_returned"
    with pytest.raises(NotFound):
        await send(engine, ReturnPurchase(3), third)
    await proved(database)


async def test_a_limit_of_one_member_is_that_of_both_together(engine: Engine, database: Database) -> None:
    one, two = await two_members(engine)
    for who in (one, two):
        await send(engine, ClaimReward("five", new_voucher_code()), who)
    await send(engine, MergeMembers(two, "one person"), one)
    with pytest.raises(Rejected) as limit:
        await send(engine, ClaimReward("five", new_voucher_code()), two)
    assert limit.value.code == "reward_limit"
    assert await scalar_of(database, "SELECT used FROM tally WHERE key = 'reward/five'") == 2
    await proved(database)


async def test_what_either_lost_to_a_date_can_be_given_back(
    engine: Engine, database: Database, clock: SettableClock
) -> None:
    one, two = await two_members(engine)
    clock.forward(days=366)
    await send(engine, SettleDue(), two)
    await send(engine, MergeMembers(two, "one person"), one)
    with pytest.raises(Rejected):
        await send(engine, ReinstatePoints(151, "a mistake of ours"), one)
    assert (await done(engine, ReinstatePoints(150, "a mistake of ours"), one)).available == 150
    await proved(database)


async def test_a_repeat_is_answered_as_the_first(engine: Engine, database: Database) -> None:
    """Of the merge, and of what either did before it; another request under its key is refused."""
    one, two = await two_members(engine)
    before = await send(engine, AdjustPoints(5, "a gift"), two, key="before")
    merge = MergeMembers(two, "one person")
    first = await send(engine, merge, one, key="merge")
    again = await send(engine, merge, one, key="merge")
    assert again.replay
    assert (again.member, again.version, again.change) == (first.member, first.version, first.change)
    repeat = await send(engine, AdjustPoints(5, "a gift"), two, key="before")
    assert (repeat.member, repeat.version, repeat.replay) == (two, before.version, True)
    with pytest.raises(IdempotencyConflict):
        await send(engine, MergeMembers(two, "another reason"), one, key="merge")
    for other in (two, TWO, ONE, one):
        assert (await send(engine, MergeMembers(other, "one person"), one)).change is None
    await proved(database)


async def test_the_name_asked_for_is_kept(engine: Engine, database: Database) -> None:
    """Though the other's history goes on; the code of either still leads to it."""
    one, two = await two_members(engine)
    guest = Enrol(code := new_code(), (), "zh-Hans", "Guest", "02-29")
    short = await send(engine, guest, None, key="guest")
    merged = await send(engine, MergeMembers(one, "one person"), short.member)
    assert merged.member == one
    pool = connect(database.url, pool_size=1)
    snapshot = (await read.snapshots(pool, [one]))[one]
    await pool.dispose()
    assert (snapshot.profile.code, snapshot.profile.display_name, snapshot.profile.locale) == (code, "Guest", "zh-Hans")
    assert snapshot.holdings.progress.birthday == "02-29"
    again = await send(engine, guest, None, key="guest")
    assert (again.replay, again.member, again.profile) == (True, short.member, short.profile)
    assert (await send(engine, AdjustPoints(1, "a gift"), Identifier("code", code))).member == one
    assert (await send(engine, AdjustPoints(1, "a gift"), two)).member == two
    await proved(database)


@pytest.mark.parametrize("other", [999_999, Identifier("email", "nobody@example.com")])
async def test_nobody_cannot_be_merged(engine: Engine, database: Database, other: int | Identifier) -> None:
    one, _ = await two_members(engine)
    with pytest.raises(NotFound) as unknown:
        await send(engine, MergeMembers(other, "one person"), one)
    assert unknown.value.errors[0].pointer == "/other"
    with pytest.raises(NotFound):
        await send(engine, MergeMembers(one, "one person"), 999_999)
    await proved(database)


async def test_purchases_at_the_same_moment_are_all_there(
    engine: Engine, open_engine: OpenEngine, database: Database
) -> None:
    """Sent by two engines to either member while they become one."""
    second = await open_engine()
    one, two = await two_members(engine)
    results = await asyncio.gather(
        *(send(at, bought(START, 1_000), who) for at in (engine, second) for who in (one, two, TWO) for _ in range(10)),
        send(second, MergeMembers(TWO, "one person"), ONE),
        *(send(at, bought(START, 1_000), who) for at in (engine, second) for who in (one, two, TWO) for _ in range(10)),
        return_exceptions=True,
    )
    assert all(isinstance(result, Answer) for result in results), results
    report = await verified(database.url)
    assert [str(finding) for finding in report.findings] == []
    assert report.purchases == 3 + 120
    last = await done(engine, AdjustPoints(1, "a gift"), one)
    earned = await scalar_of(database, "SELECT -sum(amount) FROM posting WHERE account = 'issued'")
    assert last.available == int(str(earned)) + 1


async def test_three_that_are_merged_with_each_other_at_once_become_one(
    engine: Engine, open_engine: OpenEngine, database: Database
) -> None:
    """In every direction, by two engines."""
    second = await open_engine()
    members = [*await two_members(engine), await enrol(engine)]
    results = await asyncio.gather(
        *(
            send(at, MergeMembers(other, "one person"), who)
            for at in (engine, second)
            for who in members
            for other in members
        ),
        return_exceptions=True,
    )
    assert all(isinstance(result, Answer | ChorusError) for result in results), results
    assert all(isinstance(result, Answer) for result in results), results
    merges = [result for result in results if isinstance(result, Answer) and result.change is not None]
    assert len(merges) == 2
    changes = [await done(engine, AdjustPoints(1, "a gift"), who) for who in members]
    assert len({change.member for change in changes}) == 1
    assert changes[-1].available == 150 + 3
    await proved(database)


async def test_a_batch_of_others_waits_for_a_merge(engine: Engine, open_engine: OpenEngine, database: Database) -> None:
    """What was sent before and after it in one lane is decided on the members as they were then."""
    lane = await open_engine(lanes=1)
    one, two = await two_members(engine)
    results = await asyncio.gather(
        send(lane, AdjustPoints(1, "before"), two),
        send(lane, MergeMembers(two, "one person"), one),
        send(lane, AdjustPoints(2, "after"), two),
        send(lane, ReturnPurchase(2), two),
        send(lane, MergeMembers(two, "again"), one),
    )
    assert [result.member for result in results] == [two, one, one, one, one]
    assert [result.version for result in results] == [3, 4, 5, 6, 6]
    assert results[3].change
    assert results[3].change.available == 100 + 51 + 2 - 50
    await proved(database)


async def test_a_hold_that_runs_out_goes_back_to_the_lot_it_came_from(
    engine: Engine, database: Database, clock: SettableClock
) -> None:
    one, two = await two_members(engine)
    await send(engine, HoldReward("small"), two)
    merged = await done(engine, MergeMembers(two, "one person"), one)
    clock.forward(minutes=20)
    settled = await done(engine, SettleDue(), one)
    assert (settled.released, settled.available) == (10, merged.available + 10)
    ends = await scalar_of(database, f"SELECT count(*) FROM lot WHERE member_id = {one} AND remaining > 0")
    assert ends == 3
    clock.now = START + timedelta(days=300)
    await proved(database)
