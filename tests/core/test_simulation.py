"""A draft on what was recorded: an equal one differs in nothing, and what differs is the draft's doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.adjustments.decide import AdjustPoints
from core.database import connect, connected
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.engine import Engine
from core.members.merge import MergeMembers
from core.programme import window
from core.programme.book import InForce, ProgrammeBook
from core.programme.simulation import Progress, Refusals, Report, simulate
from core.programme.validation import parse
from tests.conftest import OpenEngine, SettableClock
from tests.core.door import bought, enrol, publish_programme, scalar, send
from tests.core.programmes import document
from tests.databases import Database

WRITTEN = ("member", "member_version", "entry", "posting", "purchase", "claim", "outbox", "lot", "programme_revision")
COUNTS = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in WRITTEN)


class Shop:
    """The small programme in force, an engine to buy at, and the simulation of a draft."""

    def __init__(self, engine: Engine, pool: AsyncEngine, clock: SettableClock) -> None:
        self.engine, self.pool, self.clock = engine, pool, clock

    async def member(self, *amounts: int, channel: str = "store") -> int:
        """A new one that buys for so many cents, a minute apart."""
        member = await enrol(self.engine)
        for amount in amounts:
            await self.buy(member, amount, channel)
        return member

    async def buy(self, member: int, amount: int, channel: str = "store") -> int:
        self.clock.forward(minutes=1)
        return (await send(self.engine, bought(self.clock(), amount, channel=channel), member)).version

    async def give_back(self, member: int, version: int, *lines: ReturnLine) -> None:
        self.clock.forward(minutes=1)
        await send(self.engine, ReturnPurchase(version, lines or None), member)

    async def items(self, draft: str, days: int = 30) -> list[Progress | Report]:
        found = simulate(self.pool, await self.in_force(), parse(draft), days=days, now=self.clock())
        return [item async for item in found]

    async def in_force(self) -> InForce:
        book = ProgrammeBook(self.clock)
        async with connected(self.pool) as connection:
            await book.load(connection)
        return book.current

    async def report(self, draft: str, days: int = 30) -> Report:
        last = (await self.items(draft, days))[-1]
        assert isinstance(last, Report)
        return last


@pytest.fixture
async def shop(database: Database, open_engine: OpenEngine, clock: SettableClock) -> AsyncIterator[Shop]:
    await publish_programme(database.owner_url, document())
    pool = connect(database.url, pool_size=2)
    yield Shop(await open_engine(), pool, clock)
    await pool.dispose()


async def history(shop: Shop) -> None:
    """Members in every tier, with returns in one and in several parts, in and out of the window."""
    early = await shop.member(12_000, 20_000)
    await shop.give_back(early, 2, ReturnLine("CD", 1, 12_000))
    shop.clock.forward(days=40)
    await shop.buy(early, 5_000)
    several = await shop.member(9_000, 30_000, 100)
    await shop.give_back(several, 3)
    await shop.buy(several, 4_000, "market")
    await send(shop.engine, AdjustPoints(500, "a gift"), several)
    await shop.member()
    await shop.member(0, 15_000, channel="market")


async def test_an_equal_draft_differs_in_nothing_and_says_what_was_given(shop: Shop) -> None:
    await history(shop)
    same = await shop.report("# the same\n" + document())
    assert same.before == same.after
    assert (same.members, same.touched, same.purchases) == (4, 3, 7)
    # 50 with silver's quarter; 90, 300 all given back, 1, 32 again of a base member; 0, 120.
    assert same.before.by_reason == {"base": 50 + 90 + 300 + 1 + 32 + 0 + 120, "tier:silver": 12}
    assert same.before.points == sum(same.before.by_reason.values())
    assert same.before.taken_back == 300
    assert (same.before.refused, same.before.worth) == ([], None)
    truth = await scalar(shop.pool, "SELECT count(*) FROM member")
    assert sum(same.before.tiers.values()) == truth


async def test_what_members_did_before_they_became_one_is_decided_with_the_one(shop: Shop) -> None:
    """Also what was returned before and since, and the tier that both made together."""
    longer, shorter = await shop.member(5_000, 5_000, 1_000), await shop.member(6_000, 500)
    await shop.give_back(shorter, 3)
    await send(shop.engine, MergeMembers(shorter, "one person"), longer)
    await shop.give_back(shorter, 2)
    await shop.buy(shorter, 20_000)
    same = await shop.report(document())
    assert same.before == same.after
    assert (same.members, same.touched, same.purchases) == (1, 1, 6)
    # Both had bought for 160 before what was returned: silver's quarter is of the ten, and of the last two hundred.
    assert same.before.by_reason == {"base": 50 + 50 + 10 + 60 + 5 + 200, "tier:silver": 2 + 15 + 1 + 50}
    assert (same.before.taken_back, same.before.tiers) == (5 + 1 + 60 + 15, {"base": 0, "silver": 0, "gold": 1})


async def test_a_return_is_decided_after_its_purchase_though_no_time_passed(shop: Shop) -> None:
    """Recorded at one instant by hosts whose clocks differ, by two that became one."""
    longer, shorter = await shop.member(100, 100), await shop.member()
    bought_last = await shop.buy(shorter, 6_000)
    await send(shop.engine, MergeMembers(shorter, "one person"), longer)
    await send(shop.engine, ReturnPurchase(bought_last), shorter)
    assert (await shop.report(document())).before.taken_back == 60


async def test_what_the_programme_in_force_gives_is_what_was_given(shop: Shop) -> None:
    """It was the same all the time, so that its side is the ledger's."""
    await history(shop)
    report = await shop.report(document())
    given = await scalar(
        shop.pool,
        """SELECT sum((record->>'base')::bigint + (record->>'bonus')::bigint)::bigint FROM purchase
            WHERE (record->>'recorded_at')::timestamptz >= '2026-04-01'""",
    )
    assert report.before.points == given
    tiers = await scalar(shop.pool, """SELECT json_object_agg(tier, members)::text FROM (
        SELECT change->>'tier' AS tier, count(*) AS members FROM member_version v JOIN member m
            ON m.id = v.member_id AND m.version = v.version GROUP BY 1) AS newest""")  # fmt: skip
    assert msgspec.json.decode(str(tiers)) == {tier: count for tier, count in report.before.tiers.items() if count}


async def test_a_doubled_rate_doubles(shop: Shop) -> None:
    await shop.member(1_000, 2_000)
    await shop.member(3_300)
    report = await shop.report(document(rate="2"))
    assert (report.before.by_reason, report.after.by_reason) == ({"base": 63}, {"base": 126})
    assert report.before.tiers == report.after.tiers == {"base": 2, "silver": 0, "gold": 0}


async def test_the_tier_of_the_draft_gives_its_bonus_from_the_purchase_after(shop: Shop) -> None:
    """60 and 60 points: at a double rate the first reaches silver, and the second has its quarter."""
    await shop.member(6_000, 6_000)
    report = await shop.report(document(rate="2"))
    assert (report.before.by_reason, report.after.by_reason) == ({"base": 120}, {"base": 240, "tier:silver": 30})
    assert (report.before.tiers["silver"], report.after.tiers["silver"]) == (1, 1)
    gone = await shop.report(document().replace("threshold = 100", "threshold = 130"))
    assert (gone.before.tiers, gone.after.tiers) == (
        {"base": 0, "silver": 1, "gold": 0},
        {"base": 1, "silver": 0, "gold": 0},
    )


async def test_qualifying_points_of_before_the_window_stand_as_they_are(shop: Shop) -> None:
    member = await shop.member(11_000)
    shop.clock.forward(days=10)
    await shop.buy(member, 1_000)
    report = await shop.report(document(rate="0"), days=5)
    assert (report.touched, report.purchases) == (1, 1)
    assert (report.before.by_reason, report.after.by_reason) == ({"base": 10, "tier:silver": 2}, {})
    assert report.before.tiers == report.after.tiers == {"base": 0, "silver": 1, "gold": 0}


async def test_returns_take_back_what_the_draft_gave(shop: Shop) -> None:
    member = await shop.member(1_000, 1_000)
    await shop.give_back(member, 2)
    await shop.give_back(member, 3, ReturnLine("CD", 1, 500))
    report = await shop.report(document(rate="3"))
    assert [(side.points, side.taken_back) for side in (report.before, report.after)] == [(20, 15), (60, 45)]


async def test_what_the_draft_would_refuse_is_counted_by_its_code(shop: Shop) -> None:
    """A channel that it does not name; the return of what it refused is no refusal of its own."""
    member = await shop.member(1_000, 2_000)
    sold = await shop.buy(member, 3_000, "market")
    await shop.give_back(member, sold)
    report = await shop.report(document().replace(', market = { coefficient = "0.8" }', ""))
    assert (report.before.refused, report.after.refused) == ([], [Refusals("invalid_input", "/channel", 1)])
    assert (report.before.purchases, report.after.purchases) == (3, 2)
    foreign = await shop.report(document(money="EUR"))
    assert foreign.after.refused == [Refusals("invalid_input", "/currency", 3)]


async def test_progress_comes_in_order_and_nothing_is_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "AT_ONCE", 2)
    for amount in range(1_000, 6_000, 1_000):
        await shop.member(amount)
    before = await counts(shop)
    items = await shop.items(document(rate="2"))
    assert await counts(shop) == before
    *progress, report = items
    assert [(item.done, item.members) for item in progress if isinstance(item, Progress)] == [(2, 5), (4, 5), (5, 5)]
    assert isinstance(report, Report)
    points = [item.after.points for item in (*progress, report)]
    assert points == [60, 200, 300, 300]


async def test_it_sees_one_instant_and_lets_the_door_go_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is bought and who comes while it counts plays no part; nobody waits for it either."""
    monkeypatch.setattr(window, "AT_ONCE", 1)
    first, second = await shop.member(1_000), await shop.member(1_000)
    seen: list[Progress | Report] = []
    async with aclosing(
        simulate(shop.pool, await shop.in_force(), parse(document()), days=1, now=shop.clock())
    ) as items:
        async for item in items:
            seen.append(item)
            for member in (first, second, await enrol(shop.engine)):
                await shop.buy(member, 7_000)
    report = seen[-1]
    assert isinstance(report, Report)
    assert (report.members, report.purchases, report.before.points) == (2, 2, 20)


async def test_one_that_is_not_read_to_its_end_leaves_nothing_open(shop: Shop) -> None:
    await shop.member(1_000)
    async with aclosing(
        simulate(shop.pool, await shop.in_force(), parse(document()), days=1, now=shop.clock())
    ) as items:
        await anext(items)
    task = asyncio.create_task(shop.items(document()))
    assert isinstance((await task)[-1], Report)
    idle = (
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
    )
    assert await scalar(shop.pool, idle) == 0


CAMPAIGNS = """
[worth]
points = 10
amount = 5
cap = "1"

[[campaigns]]
id = "double"
name = { en = "Double" }
multiplier = "2"

[[campaigns]]
id = "hello"
name = { en = "Hello" }
bonus = 7
first_purchase = true

[[campaigns]]
id = "twice"
name = { en = "Twice" }
bonus = 3
limits = { per_member = 2 }

[[campaigns]]
id = "early"
name = { en = "The first three of a day" }
bonus = 100
min_spend = 1
limits = { per_day = 3 }
"""


async def test_a_campaign_of_the_draft_is_a_reason_and_points_have_their_worth(shop: Shop) -> None:
    await shop.member(1_000, 1_000, 1_000)
    await shop.member(1_000)
    report = await shop.report(document() + CAMPAIGNS)
    assert report.before.by_reason == {"base": 40}
    assert report.after.by_reason == {
        "base": 40,
        "campaign:double": 40,
        "campaign:hello": 14,
        "campaign:twice": 9,
        "campaign:early": 300,
    }
    assert (report.before.worth, report.after.worth) == (None, report.after.points // 2)


async def test_campaigns_in_force_gave_what_they_gave(shop: Shop, database: Database) -> None:
    """First purchases, a member's own limits, purchases paid with points, what came before the window: rewound, so that
    the side in force is the ledger's."""
    await publish_programme(database.owner_url, document() + CAMPAIGNS.replace("per_day = 3", "per_day = 30"))
    old = await shop.member(1_000)
    shop.clock.forward(days=40)
    await shop.buy(old, 1_000)
    await shop.buy(old, 1_000)
    new = await shop.member(1_000, 2_000, 3_000)
    await shop.give_back(new, 3)
    shop.clock.forward(minutes=1)
    paid = msgspec.structs.replace(bought(shop.clock(), 1_000), points=40)
    await send(shop.engine, paid, new)
    report = await shop.report(document() + CAMPAIGNS.replace("per_day = 3", "per_day = 30"))
    assert report.before == report.after
    assert report.before.refused == []
    given = await scalar(
        shop.pool,
        """SELECT sum((award->>2)::bigint)::bigint FROM purchase, jsonb_array_elements(record->'awards') AS award
            WHERE (record->>'recorded_at')::timestamptz >= '2026-04-01'""",
    )
    assert report.before.points == given
    assert report.before.by_reason["campaign:hello"] == 7
    assert report.before.by_reason["campaign:twice"] == 9


@pytest.mark.parametrize(("days", "purchases"), [(1, 1), (2, 2), (3, 3), (366, 3)])
async def test_the_window_is_the_last_days_recorded(shop: Shop, days: int, purchases: int) -> None:
    member = await enrol(shop.engine)
    for _ in range(3):
        await shop.buy(member, 1_000)
        shop.clock.forward(hours=23)
    report = await shop.report(document(), days)
    assert (report.purchases, report.until - report.since) == (purchases, timedelta(days=days))


async def counts(shop: Shop) -> tuple[int, ...]:
    async with connected(shop.pool) as connection:
        (row,) = await connection.fetch(COUNTS)
    return tuple(row)
