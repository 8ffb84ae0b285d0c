"""What members use up together, asked for by many at once on two engines over one database: exactly as much is given as
there is, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from core.adjustments.decide import AdjustPoints, ReinstatePoints, SettleDue
from core.database import connect, connected
from core.draws import run_draws
from core.earning.slip import RecordPurchase
from core.engine.engine import Engine
from core.engine.submission import Answer
from core.errors import ChorusError
from core.programme.book import ProgrammeBook
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward, UseVoucher
from core.snapshot import Line
from tests.conftest import START, OpenEngine, SettableClock
from tests.core.door import bought, enrol, publish_programme, scalar, send, submission, verified
from tests.core.naive import Campaign, Caps, Dates, Reward, Rules, Tier, Worth
from tests.core.programmes import written
from tests.databases import Database

SECONDS = 60
"""Far more than any of it takes, on a busy machine too."""

RULES = Rules(
    dates=Dates("rolling", 24),
    tiers=[Tier("base", 0)],
    worth=Worth(20, 3, "1"),
    campaigns=[
        Campaign("few", bonus=7, min_spend=1_000, caps=Caps(in_all=5)),
        Campaign("today", bonus=11, min_spend=1_000, caps=Caps(per_day=4)),
        Campaign("mine", bonus=13, caps=Caps(per_member=3)),
    ],
    rewards=[
        Reward("rare", 10, stock=7),
        Reward("mug", 10, stock=12),
        Reward("triple", 10, kind="voucher", value=500, uses=3, stock=6),
        Reward("draw", 4, kind="draw", closes="2026-12-24T18:00:00"),
    ],
)


async def _all(requests: Iterable[Awaitable[Answer]]) -> list[Answer | ChorusError]:
    async with asyncio.timeout(SECONDS):
        results = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(result, Answer | ChorusError) for result in results), results
    return results  # type: ignore[return-value]


def _codes(results: list[Answer | ChorusError]) -> Counter[str]:
    return Counter(result.code if isinstance(result, ChorusError) else "done" for result in results)


class Shop:
    """Two engines, and members with points to spend."""

    def __init__(self, engines: list[Engine], database: Database) -> None:
        self.engines = engines
        self.database = database
        self.members: list[int] = []

    async def enrol(self, count: int, points: int) -> list[int]:
        self.members = list(await asyncio.gather(*(enrol(self.engines[n % 2]) for n in range(count))))
        if points:
            await _all(send(self.engines[0], AdjustPoints(points, "a gift"), member) for member in self.members)
        return self.members

    async def sums(self) -> tuple[object, object]:
        """(available, held) of everybody."""
        pool = connect(self.database.url, pool_size=1)
        try:
            found = await scalar(
                pool, "SELECT sum(available) || ' ' || sum(held) FROM account WHERE currency = 'points'"
            )
        finally:
            await pool.dispose()
        available, held = str(found).split()
        return int(available), int(held)

    async def used(self, key: str) -> object:
        pool = connect(self.database.url, pool_size=1)
        try:
            return await scalar(pool, f"SELECT used FROM tally WHERE key = '{key}'")
        finally:
            await pool.dispose()


@pytest.fixture
async def shop(database: Database, open_engine: OpenEngine, clock: SettableClock) -> Shop:
    await publish_programme(database.owner_url, written(RULES))
    engines = [await open_engine(lanes=3), await open_engine(lanes=3)]
    pool, book = connect(database.url, pool_size=1), ProgrammeBook()
    try:
        async with connected(pool) as connection:
            await book.load(connection)
        await run_draws(pool, engines[0], book, clock)
    finally:
        await pool.dispose()
    return Shop(engines, database)


async def test_fifty_members_share_a_stock_of_seven(shop: Shop) -> None:
    members = await shop.enrol(50, 10)
    results = await _all(send(shop.engines[n % 2], HoldReward("rare"), m) for n, m in enumerate(members))
    assert _codes(results) == {"done": 7, "sold_out": 43}
    assert await shop.used("reward/rare") == 7
    assert await shop.sums() == (430, 70)
    # Two who think better of it let just two others have one.
    had = [result.member for result in results if isinstance(result, Answer)]
    await _all(send(shop.engines[0], VoidHold(3), member) for member in had[:2])
    others = [member for member in members if member not in had]
    again = await _all(send(shop.engines[n % 2], HoldReward("rare"), m) for n, m in enumerate(others))
    assert _codes(again) == {"done": 2, "sold_out": 41}
    assert (await verified(shop.database.url)).findings == []


async def test_fifty_purchases_share_what_a_campaign_gives_in_all_and_a_day(shop: Shop) -> None:
    members = await shop.enrol(50, 0)
    results = await _all(send(shop.engines[n % 2], bought(START, 1_000), m) for n, m in enumerate(members))
    given: Counter[str] = Counter()
    for result in results:
        assert isinstance(result, Answer)
        assert result.change is not None
        given.update(award.id for award in result.change.awards if award.rule == "campaign")
    assert given == {"few": 5, "today": 4, "mine": 50}
    assert (await shop.used("campaign/few"), await shop.used("campaign/today/2026-03-14")) == (5, 4)
    assert await shop.sums() == (50 * 10 + 5 * 7 + 4 * 11 + 50 * 13, 0)
    assert (await verified(shop.database.url)).findings == []


async def test_fifty_purchases_of_one_member_meet_its_own_limit(shop: Shop) -> None:
    (member,) = await shop.enrol(1, 0)
    results = await _all(send(shop.engines[n % 2], bought(START, 100), member) for n in range(50))
    assert _codes(results) == {"done": 50}
    assert await shop.sums() == (50 + 3 * 13, 0)
    assert (await verified(shop.database.url)).findings == []


async def test_a_voucher_has_its_uses_and_no_more(shop: Shop) -> None:
    (member,) = await shop.enrol(1, 10)
    await send(shop.engines[0], ClaimReward("triple", "AAAA"), member)
    slip = RecordPurchase("till-1", START, "store", "USD", 900, (Line("CD", 1, 900),), vouchers=("AAAA",))
    commands = [UseVoucher("AAAA"), slip, CancelVoucher(3)] * 17
    results = await _all(send(shop.engines[n % 2], command, member) for n, command in enumerate(commands[:50]))
    codes = _codes(results)
    done = [result.change.kind for result in results if isinstance(result, Answer) and result.change]
    # Taken back before any use, or used three times and never taken back.
    assert (done == ["cancel"] and codes["done"] == 1) or (codes["done"] == 3 and "cancel" not in done)
    assert set(codes) == {"done", "voucher_not_good"}
    assert (await verified(shop.database.url)).findings == []


async def test_one_balance_pays_for_two_baskets_and_not_for_three(shop: Shop) -> None:
    (member,) = await shop.enrol(1, 100)
    for _ in range(3):
        await send(shop.engines[0], bought(START, 0), member)  # its own limit is used up
    before, _ = await shop.sums()
    slip = RecordPurchase("till-1", START, "store", "USD", 99, (Line("CD", 1, 99),), points=60)
    results = await _all(send(shop.engines[n % 2], slip, member) for n in range(50))
    assert before == 139
    assert _codes(results) == {"done": 2, "insufficient_points": 48}
    assert await shop.sums() == (19, 0)
    assert (await verified(shop.database.url)).findings == []


async def test_tickets_of_a_draw_are_numbered_without_a_gap_or_a_repeat(shop: Shop) -> None:
    members = await shop.enrol(10, 20)
    results = await _all(
        send(shop.engines[n % 2], ClaimReward("draw", entropy=bytes([n])), members[n % 10]) for n in range(60)
    )
    assert _codes(results) == {"done": 50, "insufficient_points": 10}
    tickets = [result.change.ticket for result in results if isinstance(result, Answer) and result.change]
    assert sorted(tickets) == list(range(1, 51))
    assert await shop.used("draw/draw") == 50
    assert (await verified(shop.database.url)).findings == []


async def test_rewards_given_back_and_taken_in_opposite_order_stop_nobody(shop: Shop) -> None:
    """Each engine's batches name both stocks, one voiding what the other holds. Were the shared counts not locked in one
    order, and after all members, this would deadlock."""
    one, two = shop.engines
    members = await shop.enrol(10, 100)
    with capture_logs() as logs:
        for reward in ("rare", "mug"):
            await _all(send(one, HoldReward(reward), member) for member in members)
        requests = []
        for n in range(10):
            forth, back = members[n], members[-1 - n]
            for no in (3, 4):
                requests += [send(one, VoidHold(no), forth), send(two, HoldReward("mug"), back)]
                requests += [send(two, VoidHold(7 - no), back), send(one, HoldReward("rare"), forth)]
                requests += [send(one, HoldReward("mug"), forth), send(two, HoldReward("rare"), back)]
                requests += [send(two, CaptureHold(5), forth), send(one, VoidHold(6), back)]
                requests += [send(two, HoldReward("rare"), forth), send(one, VoidHold(5), forth)]
        results = await _all(requests)
    assert logs == []  # a deadlock would be retried, and be seen here
    assert len(results) == 200
    assert set(_codes(results)) <= {"done", "sold_out", "hold_not_open", "insufficient_points"}
    pool = connect(shop.database.url, pool_size=1)
    try:
        for reward, stock in (("rare", 7), ("mug", 12)):
            holds = f"SELECT count(*) FROM hold WHERE reward = '{reward}' AND state IN ('open', 'captured')"
            gone = await scalar(pool, holds)
            assert gone == await shop.used(f"reward/{reward}")
            assert isinstance(gone, int)
            assert gone <= stock
    finally:
        await pool.dispose()
    assert (await verified(shop.database.url)).findings == []


async def test_points_that_expired_earlier_in_the_same_batch_can_be_given_back(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    await publish_programme(database.owner_url, written(Rules(dates=Dates("rolling", 1))))
    engine = await open_engine(lanes=1)
    member = await enrol(engine)
    await send(engine, AdjustPoints(50, "a gift"), member)
    clock.now += timedelta(days=60)
    sent = [submission(command, member) for command in (SettleDue(), ReinstatePoints(50, "a reason"))]
    results = await _all(engine.submit(one) for one in sent)
    assert _codes(results) == {"done": 2}
    last = results[-1]
    assert isinstance(last, Answer)
    assert last.change is not None
    assert (last.change.available, last.change.points) == (50, 50)
