"""The door: one answer for one key, one version for one command, and neighbours of a batch that do not disturb."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from core.adjustments.decide import AdjustPoints, SettleDue
from core.database import connect, connected
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine import load
from core.engine.submission import Answer, Committed, input_hash
from core.errors import ChorusError, IdempotencyConflict, InvalidInput, NotFound, Rejected, Unavailable
from core.holdings import whole
from core.members.decide import Enrol, LinkIdentifier
from core.members.identifiers import Identifier, new_code
from core.programme.book import ProgrammeBook
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.snapshot import Line
from tests.conftest import START, OpenEngine, SettableClock
from tests.core.door import bought, enrol, publish_programme, send, submission, verified
from tests.core.programmes import document
from tests.databases import Database

CODE = "079927398713"


async def test_an_equal_replay_is_the_first_answer_and_changes_nothing(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    engine = await open_engine()
    member = await enrol(engine)
    first = await send(engine, bought(START, 1234), member, key="slip 1")
    await send(engine, bought(START, 500), member)
    clock.forward(days=400)
    again = await send(engine, bought(START, 1234), member, key="slip 1")
    assert (first.replay, again.replay) == (False, True)
    assert again == msgspec.structs.replace(first, replay=True)
    report = await verified(database.url)
    assert (report.clean, report.versions) == (True, 3)


async def test_an_enrolment_answered_again_has_its_profile(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    first = await send(engine, Enrol(CODE, (), "zh-Hant", "Member 1"), None, key="enrol")
    # The engine's caller makes a new code for each request; the hash is taken over what was sent.
    sent = submission(Enrol(new_code(), (), "zh-Hant", "Member 1"), None, key="enrol")
    sent.hash = input_hash(repr(Enrol(CODE, (), "zh-Hant", "Member 1")))
    again = await engine.submit(sent)
    assert again.profile == first.profile
    assert again.profile is not None
    assert again.profile.code == CODE
    assert (again.member, again.version, again.replay) == (first.member, 1, True)


async def test_another_request_under_a_used_key_is_a_conflict(database: Database, open_engine: OpenEngine) -> None:
    engine = await open_engine()
    member = await enrol(engine)
    await send(engine, bought(START, 1234), member, key="slip 1")
    with pytest.raises(IdempotencyConflict) as refused:
        await send(engine, bought(START, 1235), member, key="slip 1")
    assert refused.value.code == "idempotency_conflict"
    assert not refused.value.retryable
    report = await verified(database.url)
    assert (report.clean, report.versions) == (True, 2)


async def test_the_same_key_of_another_source_is_another_key(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    member = await enrol(engine)
    await send(engine, bought(START, 1000), member, key="slip 1")
    other = submission(bought(START, 1000), member, key="slip 1")
    other.source = "another till"
    answer = await engine.submit(other)
    assert (answer.version, answer.replay) == (3, False)


async def test_a_refused_key_may_succeed_later(database: Database, open_engine: OpenEngine) -> None:
    engine = await open_engine()
    member = await enrol(engine)
    with pytest.raises(Rejected) as refused:
        await send(engine, HoldReward("off5"), member, key="cart 1")
    assert refused.value.code == "insufficient_points"
    await send(engine, AdjustPoints(2_500, "a gift"), member)
    answer = await send(engine, HoldReward("off5"), member, key="cart 1")
    assert (answer.version, answer.replay) == (3, False)
    assert (await send(engine, HoldReward("off5"), member, key="cart 1")).replay
    assert (await verified(database.url)).clean


async def test_a_command_that_changes_nothing_is_answered_again_as_that(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    card = Identifier("card", "CARD1")
    member = await enrol(engine, card)
    first = await send(engine, LinkIdentifier(card), member, key="link")
    assert (first.change, first.version) == (None, 1)
    await send(engine, AdjustPoints(5, "a gift"), member)
    again = await send(engine, LinkIdentifier(card), member, key="link")
    assert again == msgspec.structs.replace(first, replay=True)


@pytest.mark.parametrize("times", [2, 20])
async def test_one_key_many_times_at_once_counts_once(database: Database, open_engine: OpenEngine, times: int) -> None:
    """Over two engines, so in one batch, in two lanes' batches, and from two processes at once."""
    one, two = await open_engine(), await open_engine()
    member = await enrol(one)
    answers = await asyncio.gather(
        *(send(engine, bought(START, 1000), member, key="slip 1") for engine in [one, two] * (times // 2))
    )
    assert sorted(answer.replay for answer in answers) == [False] + [True] * (times - 1)
    assert {(answer.version, answer.change) for answer in answers} == {(2, answers[0].change)}
    report = await verified(database.url)
    assert (report.clean, report.versions, report.claims) == (True, 2, 2)


async def test_one_key_twice_in_one_batch(open_engine: OpenEngine) -> None:
    batches: list[list[Committed]] = []
    engine = await open_engine(lanes=1, listener=lambda committed, seconds: batches.append(committed))
    member = await enrol(engine)
    first, again = await asyncio.gather(*(send(engine, bought(START, 1000), member, key="slip 1") for _ in range(2)))
    assert (first.replay, again.replay) == (False, True)
    conflict = await asyncio.gather(
        send(engine, bought(START, 1000), member, key="slip 2"),
        send(engine, bought(START, 2000), member, key="slip 2"),
        return_exceptions=True,
    )
    assert isinstance(conflict[0], Answer)
    assert isinstance(conflict[1], IdempotencyConflict)
    assert [change.change.version for batch in batches for change in batch] == [1, 2, 3]


async def test_a_batch_sees_itself_and_a_refusal_leaves_its_neighbours_alone(
    database: Database, open_engine: OpenEngine
) -> None:
    """All in one transaction: bought, returned in two parts, held, captured, and two that are refused."""
    batches: list[list[Committed]] = []
    await publish_programme(database.owner_url, document())
    engine = await open_engine(lanes=1, listener=lambda committed, seconds: batches.append(committed))
    member = await enrol(engine)
    results = await asyncio.gather(
        send(engine, bought(START, 5_000), member),
        send(engine, ReturnPurchase(2, (ReturnLine("CD", 1, 500),)), member),
        send(engine, HoldReward("small"), member),
        send(engine, HoldReward("large"), member),
        send(engine, CaptureHold(4), member),
        send(engine, HoldReward("small"), member),
        send(engine, VoidHold(6), member),
        send(engine, VoidHold(4), member),
        return_exceptions=True,
    )
    codes = [result.code if isinstance(result, ChorusError) else "" for result in results]
    balances = [r.change.available for r in results if isinstance(r, Answer) and r.change]
    # The purchase had no version when the return was sent, so nothing was loaded of it: the batch itself knows it.
    assert codes == ["", "", "", "insufficient_points", "", "", "", "hold_not_open"]
    assert balances == [50, 45, 35, 35, 25, 35]
    assert [len(batch) for batch in batches] == [1, 6]
    report = await verified(database.url)
    assert report.findings == []
    assert report.holds == 2


async def test_two_returns_of_one_purchase_in_one_batch(database: Database, open_engine: OpenEngine) -> None:
    batches: list[int] = []
    await publish_programme(database.owner_url, document())
    engine = await open_engine(lanes=1, listener=lambda committed, seconds: batches.append(len(committed)))
    member = await enrol(engine)
    lines = (Line("CD", 3, 3_000),)
    await send(engine, msgspec.structs.replace(bought(START, 3_000), lines=lines), member)
    part = ReturnPurchase(2, (ReturnLine("CD", 1, 1_000),))
    answers = await asyncio.gather(*(send(engine, part, member) for _ in range(3)))
    assert [answer.change.available for answer in answers if answer.change] == [20, 10, 0]
    assert batches == [1, 1, 3]
    assert (await verified(database.url)).findings == []


async def test_a_member_code_that_is_taken_refuses_that_enrolment_only(
    database: Database, open_engine: OpenEngine
) -> None:
    engine = await open_engine(lanes=1)
    await send(engine, Enrol(CODE, (), "en", "Member 1"), None)
    taken, other = await asyncio.gather(
        send(engine, Enrol(CODE, (), "en", "Member 2"), None),
        send(engine, Enrol(new_code(), (), "en", "Member 3"), None),
        return_exceptions=True,
    )
    assert isinstance(taken, Unavailable)
    assert taken.retryable
    assert isinstance(other, Answer)
    assert (await verified(database.url)).members == 2


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(ReturnPurchase(2**90), id="a number beyond the database's"),
        pytest.param(AdjustPoints(5, "a \0 in a text"), id="a character the database refuses"),
    ],
)
async def test_a_poison_fails_alone_and_at_once(
    database: Database, open_engine: OpenEngine, poison: ReturnPurchase | AdjustPoints
) -> None:
    engine = await open_engine(lanes=1)
    member = await enrol(engine)
    with capture_logs() as logs:
        before, failed, after = await asyncio.gather(
            send(engine, AdjustPoints(1, "a gift"), member),
            send(engine, poison, member),
            send(engine, AdjustPoints(2, "a gift"), member),
            return_exceptions=True,
        )
    assert isinstance(before, Answer)
    assert isinstance(after, Answer)
    assert isinstance(failed, Exception)
    assert not isinstance(failed, Unavailable)
    assert [line["event"] for line in logs] == ["command_failed"]
    assert after.change is not None
    assert after.change.available == 3
    assert (await verified(database.url)).findings == []


@pytest.mark.parametrize(
    ("who", "command", "code"),
    [
        (Identifier("email", "nobody@example.com"), AdjustPoints(1, "a gift"), "unknown_member"),
        (424242, AdjustPoints(1, "a gift"), "unknown_member"),
        (1000, ReturnPurchase(7), "unknown_purchase"),
        (1000, HoldReward("no such"), "unknown_reward"),
    ],
)
async def test_what_does_not_exist_is_not_found(
    open_engine: OpenEngine,
    who: int | Identifier,
    command: AdjustPoints | ReturnPurchase | HoldReward,
    code: str,
) -> None:
    engine = await open_engine()
    assert await enrol(engine) == 1000
    with pytest.raises(NotFound) as refused:
        await send(engine, command, who)
    assert refused.value.code == code


async def test_a_member_is_found_by_each_of_its_identifiers(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    email, card = Identifier("email", "member@example.com"), Identifier("card", "CARD1")
    member = await enrol(engine, email)
    await send(engine, LinkIdentifier(card), email)
    answers = [await send(engine, AdjustPoints(1, "a gift"), who) for who in (email, card, member)]
    assert [(answer.member, answer.version) for answer in answers] == [(member, 3), (member, 4), (member, 5)]


async def test_an_identifier_of_another_member_is_refused_where_it_stands(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    card, email = Identifier("card", "CARD1"), Identifier("email", "member@example.com")
    await enrol(engine, card)
    with pytest.raises(Rejected) as refused:
        await enrol(engine, email, card)
    assert refused.value.code == "identifier_taken"
    assert [error.pointer for error in refused.value.errors] == ["/identifiers/1"]
    with pytest.raises(InvalidInput) as twice:
        await enrol(engine, email, email)
    assert [error.pointer for error in twice.value.errors] == ["/identifiers/1"]
    other = await enrol(engine, email)
    with pytest.raises(Rejected) as linked:
        await send(engine, LinkIdentifier(card), other)
    assert [error.pointer for error in linked.value.errors] == ["/identifier"]


async def test_closing_finishes_what_was_taken_and_takes_nothing_more(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    member = await enrol(engine)
    taken = [asyncio.ensure_future(send(engine, AdjustPoints(1, "a gift"), member)) for _ in range(5)]
    await asyncio.sleep(0)  # lets each of them come as far as the lane
    await engine.close()
    assert sorted([(await answer).version for answer in taken]) == [2, 3, 4, 5, 6]
    with pytest.raises(Unavailable) as refused:
        await send(engine, AdjustPoints(1, "a gift"), member)
    assert (refused.value.code, refused.value.retryable) == ("draining", True)


async def test_a_caller_that_goes_away_cancels_nothing(database: Database, open_engine: OpenEngine) -> None:
    engine = await open_engine(lanes=1)
    member = await enrol(engine)
    gone = asyncio.ensure_future(send(engine, AdjustPoints(1, "a gift"), member))
    stays = asyncio.ensure_future(send(engine, AdjustPoints(2, "a gift"), member))
    await asyncio.sleep(0)  # lets both come as far as the lane
    gone.cancel()
    answer = await stays
    assert answer.change is not None
    assert (answer.version, answer.change.available) == (3, 3)
    assert (await verified(database.url)).clean


async def test_an_event_is_decided_by_the_revision_of_its_time(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """Ten points a unit until a programme of one point is published; a late event still earns ten."""
    await publish_programme(database.owner_url, document(rate="10"))
    engine = await open_engine()
    member = await enrol(engine)
    before = clock()
    clock.forward(days=1)
    await publish_programme(database.owner_url, document(), clock())
    late = await engine.submit(submission(bought(before, 1000), member, occurred_at=before))
    now = await engine.submit(submission(bought(clock(), 1000), member, occurred_at=clock()))
    assert [(a.change.base, a.change.programme) for a in (late, now) if a.change] == [(100, 2), (10, 3)]


async def test_a_book_read_by_two_at_once_holds_each_revision_once(database: Database) -> None:
    pool = connect(database.owner_url, pool_size=2)
    book = ProgrammeBook()
    async with connected(pool) as one, connected(pool) as two:
        for rate in ("2", "3", "4"):
            await publish_programme(database.owner_url, document(rate=rate), START)
            await asyncio.gather(book.load(one), book.load(two))
    await pool.dispose()
    assert book.revision == 4
    assert [book.by_revision(n).earn.points_per_unit for n in (1, 2, 3, 4)] == ["10", "2", "3", "4"]


async def test_what_waits_for_the_clock_is_settled_once(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    await publish_programme(database.owner_url, document(months=1))
    engine = await open_engine()
    member = await enrol(engine)
    await send(engine, bought(clock(), 5000), member)
    await send(engine, HoldReward("small"), member)
    assert (await send(engine, SettleDue(), member)).change is None
    clock.forward(minutes=15)
    released = (await send(engine, SettleDue(), member)).change
    assert released is not None
    assert (released.kind, released.points, released.released) == ("void", 10, 10)
    clock.forward(days=60)
    expired = (await send(engine, SettleDue(), member)).change
    assert expired is not None
    assert (expired.kind, expired.points, expired.expired, expired.available) == ("expire", -50, 50, 0)
    assert (await send(engine, SettleDue(), member)).change is None
    pool = connect(database.url, pool_size=1)
    async with connected(pool) as connection:
        holdings = (await load.holdings(connection, [member]))[member]
        outbox = [kind for (kind,) in await connection.fetch("SELECT kind FROM outbox ORDER BY id")]
    await pool.dispose()
    assert holdings.account.lots == ()
    assert outbox == ["enrol", "purchase", "hold", "void", "expire"]
    assert (await verified(database.url)).findings == []


async def test_what_is_read_is_what_the_last_decision_left(database: Database, open_engine: OpenEngine) -> None:
    """Lot by lot, the one that a hold emptied in its place: a view is the same whichever way it came."""
    told: list[Committed] = []
    await publish_programme(database.owner_url, document())
    engine = await open_engine(listener=lambda committed, seconds: told.extend(committed))
    member = await enrol(engine)
    await send(engine, bought(START, 400), member)
    await send(engine, bought(START, 2000), member)
    await send(engine, HoldReward("small"), member)
    pool = connect(database.url, pool_size=1)
    async with connected(pool) as connection:
        held = (await load.holdings(connection, [member]))[member]
        assert [(lot.no, lot.remaining) for lot in held.account.lots] == [(1, 0), (2, 14)]
        assert held == told[-1].holdings
        await send(engine, bought(START, 500), member)
        after = (await load.holdings(connection, [member]))[member]
    await pool.dispose()
    assert [(lot.no, lot.remaining) for lot in after.account.lots] == [(1, 0), (2, 14), (3, 5)]
    assert told[-1].holdings is not None
    assert whole(held, told[-1].holdings) == after
    assert (await verified(database.url)).findings == []


async def test_a_clock_that_goes_back_records_nothing_before_what_was_recorded(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """Two hosts' clocks differ; a member's versions are in order all the same."""
    engine = await open_engine()
    member = await enrol(engine)
    clock.forward(minutes=-10)
    first = (await send(engine, AdjustPoints(1, "a gift"), member)).change
    clock.forward(minutes=30)
    second = (await send(engine, AdjustPoints(1, "a gift"), member)).change
    assert first is not None
    assert second is not None
    assert (first.recorded_at, second.recorded_at) == (START, clock())
    assert (await verified(database.url)).findings == []
