"""Many at once, on two engines over one database: nothing is spent twice, nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from structlog.testing import capture_logs

from core.adjustments.decide import AdjustPoints
from core.engine.submission import Answer
from core.errors import ChorusError, Rejected
from core.members.decide import Enrol, LinkIdentifier
from core.members.identifiers import Identifier, new_code
from core.members.merge import MergeMembers
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from tests.conftest import START, OpenEngine
from tests.core.door import bought, enrol, publish_programme, send, verified
from tests.core.programmes import document
from tests.databases import Database, plain


def _codes(results: list[Answer | BaseException]) -> Counter[str]:
    assert all(isinstance(result, Answer | ChorusError) for result in results), results
    return Counter(result.code if isinstance(result, ChorusError) else "done" for result in results)


@asynccontextmanager
async def _in_the_way(database: Database, statement: str) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """A transaction that has run `statement`, undone at the end; gives what waits until two others (or so many) wait for
    a lock."""
    connection = await asyncpg.connect(plain(database.url))
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)

        async def both_wait(others: int = 2) -> None:
            async with asyncio.timeout(20):
                while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < others:
                    pass

        yield both_wait
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.mark.parametrize(("reward", "succeed"), [("small", 10), ("large", 1)])
async def test_fifty_redemptions_of_a_hundred_points_spend_a_hundred(
    database: Database, open_engine: OpenEngine, reward: str, succeed: int
) -> None:
    """Each engine's are one transaction. Both arrive while the member is locked, so that neither can have read what the
    other wrote before it: the second then sees all of the first, and need not try again."""
    batches: list[int] = []
    await publish_programme(database.owner_url, document())
    one, two = [await open_engine(listener=lambda committed, seconds: batches.append(len(committed))) for _ in range(2)]
    member = await enrol(one)
    await send(one, bought(START, 10_000), member)
    batches.clear()
    async with _in_the_way(database, f"SELECT FROM member WHERE id = {member} FOR UPDATE") as both_wait:
        sent = asyncio.gather(
            *(send(engine, HoldReward(reward), member) for engine in (one, two) for _ in range(25)),
            return_exceptions=True,
        )
        await both_wait()
    results = await sent
    assert sorted(batches) == [0, succeed]
    assert _codes(results) == {"done": succeed, "insufficient_points": 50 - succeed}
    report = await verified(database.url)
    assert report.findings == []
    assert (report.holds, report.versions) == (succeed, 2 + succeed)
    last = await send(two, AdjustPoints(1, "a gift"), member)
    assert last.change is not None
    assert last.change.available == 1


async def test_a_member_is_locked_in_turn_by_whatever_id_it_is_named(
    database: Database, open_engine: OpenEngine
) -> None:
    """One batch by the id that lives on and by the one that is no more, another by the latter alone: neither holds what
    the other waits for. (A deadlock would be undone and tried again a second later, and the log would say so.)"""
    await publish_programme(database.owner_url, document())
    one, two = await open_engine(lanes=1), await open_engine(lanes=1)
    low, high = await enrol(one), await enrol(one)
    await send(one, bought(START, 1_000), low)
    await send(one, MergeMembers(high, "one person"), low)
    with capture_logs() as logs:
        async with _in_the_way(database, f"SELECT FROM member WHERE id = {low} FOR UPDATE") as both_wait:
            sent = [asyncio.create_task(send(two, AdjustPoints(1, "a gift"), who)) for who in (low, low, high)]
            await both_wait(1)
            sent.append(asyncio.create_task(send(one, AdjustPoints(1, "a gift"), high)))
            await both_wait()
        answers = await asyncio.gather(*sent)
    assert {answer.member for answer in answers} == {low}
    assert [line["event"] for line in logs if line["event"] == "batch_retried"] == []


async def test_an_identifier_that_moves_in_a_merge_is_still_ones_own(
    database: Database, open_engine: OpenEngine
) -> None:
    """Linked while its member goes into another: it was linked already."""
    await publish_programme(database.owner_url, document())
    one, two = await open_engine(), await open_engine()
    card = Identifier("card", "CARD1")
    member, guest = await enrol(one), await enrol(one, card)
    await send(one, bought(START, 1_000), member)
    async with _in_the_way(database, f"SELECT FROM member WHERE id = {member} FOR UPDATE") as both_wait:
        merged = asyncio.create_task(send(one, MergeMembers(guest, "one person"), member))
        links = [asyncio.create_task(send(two, LinkIdentifier(card), who)) for who in (member, guest)]
        await both_wait()
    assert (await merged).member == member
    assert [(answer.member, answer.change) for answer in await asyncio.gather(*links)] in (
        [(member, None)] * 2, [(member, None), (guest, None)],
    )  # fmt: skip


async def test_a_hold_captured_and_voided_at_once_is_resolved_once(database: Database, open_engine: OpenEngine) -> None:
    await publish_programme(database.owner_url, document())
    one, two = await open_engine(), await open_engine()
    member = await enrol(one)
    await send(one, bought(START, 10_000), member)
    no = (await send(one, HoldReward("large"), member)).version
    results = await asyncio.gather(
        *(send(engine, command, member) for engine in (one, two) for command in (CaptureHold(no), VoidHold(no)) * 5),
        return_exceptions=True,
    )
    assert _codes(results) == {"done": 1, "hold_not_open": 19}
    assert (await verified(database.url)).findings == []


async def test_the_same_identifiers_enrolled_by_two_engines_belong_to_one_member(
    database: Database, open_engine: OpenEngine
) -> None:
    """Each pair is given in both orders. Were identifiers not given in one order, the first would be a sure deadlock:
    each engine is stopped in its midst, holding what the other wants next."""
    one, two = await open_engine(lanes=1), await open_engine(lanes=1)
    pairs = [(Identifier("email", f"m{i}@example.com"), Identifier("card", f"CARD{i}")) for i in range(20)]
    ours, theirs = [list(pair) for pair in pairs], [list(pair[::-1]) for pair in pairs]
    ours[0].insert(1, Identifier("card", "BLOCK1"))
    theirs[0].insert(1, Identifier("card", "BLOCK2"))
    taken = "INSERT INTO identifier VALUES ('card', 'BLOCK1', 1, now()), ('card', 'BLOCK2', 1, now())"
    with capture_logs() as logs:
        async with _in_the_way(database, taken) as both_wait:
            sent = asyncio.gather(
                *(send(one, Enrol(new_code(), tuple(wanted), "en", "Member 1"), None) for wanted in ours),
                *(send(two, Enrol(new_code(), tuple(wanted), "en", "Member 2"), None) for wanted in theirs),
                return_exceptions=True,
            )
            await both_wait()
        results = await sent
    assert logs == []  # a deadlock would be retried, and be seen here
    assert _codes(results) == {"done": 20, "identifier_taken": 20}
    for first, second in zip(results[:20], results[20:], strict=True):
        assert isinstance(first, Rejected) != isinstance(second, Rejected)
    report = await verified(database.url)
    assert (report.clean, report.members) == (True, 20)


async def test_identifiers_linked_crosswise_by_two_engines_are_given_once(
    database: Database, open_engine: OpenEngine
) -> None:
    """Batches of opposite order over the same members and the same identifiers."""
    one, two = await open_engine(lanes=1), await open_engine(lanes=1)
    members = [await enrol(one) for _ in range(10)]
    cards = [Identifier("card", f"CARD{i}") for i in range(10)]
    wishes = [(one, member, card) for member, card in zip(members, cards, strict=True)]
    wishes += [(two, member, card) for member, card in zip(members, reversed(cards), strict=True)][::-1]
    with capture_logs() as logs:
        results = await asyncio.gather(
            *(send(engine, LinkIdentifier(card), member) for engine, member, card in wishes), return_exceptions=True
        )
    assert logs == []  # a deadlock would be retried, and be seen here
    assert _codes(results) == {"done": 10, "identifier_taken": 10}
    owners = {
        card: member for (_, member, card), result in zip(wishes, results, strict=True) if isinstance(result, Answer)
    }
    for card in cards:
        assert (await send(two, AdjustPoints(1, "a gift"), card)).member == owners[card]
    assert (await verified(database.url)).findings == []


async def test_many_members_over_two_engines_add_up(database: Database, open_engine: OpenEngine) -> None:
    one, two = await open_engine(), await open_engine()
    members = [await enrol(one) for _ in range(20)]
    answers = await asyncio.gather(
        *(send((one, two)[n % 2], bought(START, 100 * n), member) for n in range(1, 11) for member in members)
    )
    assert len({(answer.member, answer.version) for answer in answers}) == 200
    for member in members:
        last = await send(one, AdjustPoints(1, "a gift"), member)
        assert last.change is not None
        # Ten points a dollar on 1 + 2 + ... + 10 dollars.
        assert (last.version, last.change.available) == (12, 551)
    assert (await verified(database.url)).findings == []
