"""A small life that uses every command and every part of a programme, for `verify` to prove."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from core.adjustments.decide import AdjustPoints, ExtendPoints, ReinstatePoints, SettleDue
from core.database import connect
from core.draws import run_draws
from core.earning.actions import RecordAction
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.embedded import Endpoints
from core.engine.commands import Command
from core.engine.engine import Engine
from core.members.decide import LinkIdentifier, SetTraits
from core.members.identifiers import Identifier, new_voucher_code
from core.members.merge import MergeMembers
from core.programme.book import ProgrammeBook
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward, GrantVoucher, UnuseVoucher, UseVoucher
from core.snapshot import Line
from tests.conftest import SettableClock, copy_of
from tests.core.door import enrol, publish_programme, submission

PROGRAMME = """
schema = 2
name = "whole"
zone = "Asia/Hong_Kong"
money = "USD"
brand = {{ name = {{ en = "Whole" }} }}
points = {{ currency = "points", one = {{ en = "point" }}, other = {{ en = "points" }} }}
expiry = {{ {expiry}, grace_days = 20 }}
qualification = {{ measure = "{measure}", months = 6, starts = 4, landing = "one" }}
returns = {{ negative = "{negative}" }}
worth = {{ points = 1, amount = 2, cap = "0.5" }}
segments = [{{ id = "sleeping", name = {{ en = "Sleeping" }} }}]
stores = [{{ id = "central", name = {{ en = "Central" }} }}]

[earn]
points_per_unit = "1"
channels = {{ store = {{}}, web = {{ vest_days = 7 }} }}
rules = [{{ id = "vinyl", name = {{ en = "Vinyl" }}, category = "vinyl", points_per_unit = "2" }}]
actions = {{ check_in = {{ points = 5, limits = {{ per_member_day = 2, per_day = 50 }} }} }}

[[currencies]]
code = "stars"
one = {{ en = "star" }}
other = {{ en = "stars" }}
points_per_unit = "0.1"
expiry = {{ {expiry} }}

[[campaigns]]
id = "double"
name = {{ en = "Double" }}
multiplier = "2"
categories = ["vinyl"]
qualifies = {qualifies}
limits = {{ per_member = 2, in_all = 5 }}

[[campaigns]]
id = "hello"
name = {{ en = "Hello" }}
bonus = 10
first_purchase = true

[[campaigns]]
id = "star"
name = {{ en = "Star" }}
bonus = 3
currency = "stars"
limits = {{ per_member_day = 1, per_day = 9 }}

[[tiers]]
key = "base"
name = {{ en = "Base" }}
threshold = 0

[[tiers]]
key = "silver"
name = {{ en = "Silver" }}
threshold = 50
earn_bonus = "0.25"

[[tiers]]
key = "gold"
name = {{ en = "Gold" }}
threshold = 150
earn_bonus = "0.5"
lifetime = 1000

[[rewards]]
id = "mug"
name = {{ en = "Mug" }}
stub = {{ en = "M" }}
points = 10
stock = 5
per_member = 4
collect_days = 3

[[rewards]]
id = "cup"
name = {{ en = "Cup" }}
stub = {{ en = "C" }}
points = 2
currency = "stars"

[[rewards]]
id = "five"
name = {{ en = "5 off" }}
stub = {{ en = "5" }}
kind = "voucher"
points = 20
value = 500
uses = 2
stock = 10

[[rewards]]
id = "trees"
name = {{ en = "Trees" }}
stub = {{ en = "T" }}
kind = "charity"
points = 5

[[rewards]]
id = "raffle"
name = {{ en = "Raffle" }}
stub = {{ en = "R" }}
kind = "draw"
points = 3
stock = 50
closes = 2026-03-20T00:00:00
prizes = [{{ points = 7 }}, {{ reward = "five" }}]
"""


def document(*, measure: str = "points", negative: str = "debt", expiry: str = "months = 6") -> str:
    return PROGRAMME.format(
        measure=measure, negative=negative, expiry=expiry, qualifies="true" if measure == "points" else "false"
    )


class Lived(NamedTuple):
    """Two members' life. `at` says at which version what happened; of the other's, `o_` before it."""

    url: str
    owner_url: str
    member: int
    other: int
    at: dict[str, int]


class _Member:
    def __init__(self, engine: Engine, clock: SettableClock, member: int) -> None:
        self.engine, self.clock, self.id = engine, clock, member
        self.at: dict[str, int] = {}

    async def does(self, name: str, command: Command, *, at: datetime | None = None) -> int:
        answer = await self.engine.submit(submission(command, self.id, occurred_at=at, staff=True))
        self.at[name] = answer.version
        return answer.version

    async def buys(
        self, name: str, *lines: Line, channel: str = "store", ago: int = 0, points: int = 0, hold: int = 0,
        vouchers: tuple[str, ...] = (),
    ) -> int:  # fmt: skip
        at, total = self.clock() - timedelta(days=ago), sum(line.amount for line in lines)
        command = RecordPurchase("till-1", at, channel, "USD", total, lines, points, hold, vouchers)
        return await self.does(name, command, at=at)


CD, LP = Line("CD", 3, 6_000), Line("LP", 2, 4_000, category="vinyl")


@asynccontextmanager
async def lived(endpoints: Endpoints, template: str, source: str, *, merges: bool = False) -> AsyncIterator[Lived]:
    """A database of its own in which every command was carried out under a programme; with `merges`, a third member then
    goes into the other, and the other into the first."""
    async with copy_of(endpoints, template) as database:
        clock, book = SettableClock(), ProgrammeBook()
        await publish_programme(database.owner_url, source)
        pool = connect(database.url, pool_size=2)
        engine = Engine(pool, book, lambda committed, seconds: None, lanes=1, clock=clock)
        await engine.open()
        await run_draws(pool, engine, book, clock)
        busy = _Member(engine, clock, await enrol(engine))
        other = _Member(engine, clock, await enrol(engine))
        await _shops(busy)
        await _redeems(busy)
        await _spends_and_returns(other)
        clock.forward(days=8)
        await busy.does("vest", SettleDue())
        await run_draws(pool, engine, book, clock)
        await _grows_old(busy, clock)
        await _leaves_open(other)
        third = _Member(engine, clock, await enrol(engine) if merges else 0)
        if merges:
            await _become_one(busy, other, third)
        await engine.close()
        await pool.dispose()
        at = busy.at | {f"o_{name}": version for name, version in other.at.items()}
        at |= {f"t_{name}": version for name, version in third.at.items()}
        at |= {"third": third.id, "voided_hold": at["held"], "prize_points": at["vest"] + 1}
        at |= {"vested_lot": 4, "adjusted_lot": 10, "anew_lot": 12}
        yield Lived(database.url, database.owner_url, busy.id, other.id, at)


async def _shops(member: _Member) -> None:
    """Bought in every way: paid with points of a hold and a voucher, on the web, and partly returned."""
    code = new_voucher_code()
    await member.buys("bought", CD, LP)
    await member.does("checked_in", RecordAction("check_in", member.clock(), "central"))
    voucher = await member.does("claimed", ClaimReward("five", code))
    hold = await member.does("basket", HoldPoints(30))
    await member.buys("paid", CD, LP, hold=hold, vouchers=(code,))
    await member.buys("web", Line("CD", 5, 5_500), channel="web", points=10)
    await member.does("part_back", ReturnPurchase(member.at["bought"], (ReturnLine("LP", 1, 1_999),)))
    await member.does("web_back", ReturnPurchase(member.at["web"], (ReturnLine("CD", 2, 1_111),)))
    await member.does("paid_back_in_part", ReturnPurchase(member.at["paid"], (ReturnLine("CD", 1, 2_000),)))
    await member.does("all_back", ReturnPurchase(member.at["paid"]))
    await member.does("used", UseVoucher(code))
    await member.does("used_again", UseVoucher(code))
    await member.does("unused", UnuseVoucher(code, "a slip of the hand"))
    cancelled = await member.does("claimed_in_vain", ClaimReward("five", new_voucher_code()))
    await member.does("cancelled", CancelVoucher(cancelled))
    await member.does("granted", GrantVoucher("five", new_voucher_code(), "for your patience"))
    assert voucher == member.at["claimed"]


async def _leaves_open(member: _Member) -> None:
    """What is still to come: points pending, a hold, a voucher."""
    await member.does("swept", SettleDue())
    await member.buys("anew", CD, LP)
    await member.buys("web_anew", CD, channel="web")
    await member.does("held_anew", HoldReward("mug", "central"))
    await member.does("claimed", ClaimReward("five", new_voucher_code()))


async def _become_one(member: _Member, other: _Member, third: _Member) -> None:
    """The third into the other, which goes into the first; what they had is returned, spent and given back there, named
    by whom it came from or by the one that lives on."""
    first = await third.buys("bought", LP)
    paid = await third.buys("paid", CD, points=20)
    await third.does("spent", AdjustPoints(-200 + 20 - 14, "owed to nobody yet"))
    await other.does("merge", MergeMembers(third.id, "one person"))
    other.at["merged_there"] = await member.does("merge", MergeMembers(other.id, "one person"))
    other.at["merged"] = other.at["merge"] + 1
    third.at["merged"] = third.at["spent"] + 1
    await other.does("after_back", ReturnPurchase(other.at["again"], (ReturnLine("CD", 1, 2_000),)))
    await third.does("after_back", ReturnPurchase(first))
    await member.does("after_paid_back", ReturnPurchase(third.id * 2**20 + paid))
    await other.does("collected", CaptureHold(other.at["held_anew"]))
    await member.does("after_cancelled", CancelVoucher(other.id * 2**20 + other.at["claimed"]))
    member.clock.forward(days=8)
    await member.does("after_vest", SettleDue())
    await member.buys("after", CD, points=10)


async def _redeems(member: _Member) -> None:
    kept = await member.does("kept", HoldReward("mug", "central"))
    await member.does("collected", CaptureHold(kept))
    voided = await member.does("held", HoldReward("mug"))
    await member.does("voided", VoidHold(voided))
    await member.does("left", HoldReward("mug"))
    cup = await member.does("cup", HoldReward("cup"))
    await member.does("has_cup", CaptureHold(cup))
    await member.does("gave", ClaimReward("trees"))
    await member.does("ticket", ClaimReward("raffle", entropy=b"mine"))
    await member.does("second_ticket", ClaimReward("raffle", entropy=b"mine too"))
    await member.does("stars", AdjustPoints(5, "for the queue", "stars"))
    await member.does("linked", LinkIdentifier(Identifier("card", "CARD1")))
    await member.does("traits", SetTraits(segments=("sleeping",), birthday="02-29"))


async def _spends_and_returns(member: _Member) -> None:
    """Spends what a purchase gave before it comes back: what is owed, or let go, is repaid by the next."""
    first = await member.buys("bought", CD)
    spent = AdjustPoints(-60, "spent at a fair")
    await member.does("spent", spent)
    await member.does("back", ReturnPurchase(first))
    await member.buys("again", CD, LP)
    await member.buys("web", CD, channel="web")
    await member.does("web_back", ReturnPurchase(member.at["web"]))
    await member.buys("late", LP, ago=400)
    await member.does("held", HoldReward("mug", "central"))


async def _grows_old(member: _Member, clock: SettableClock) -> None:
    """Points are given longer, lapse, and are given back; a period passes, and a tier with it."""
    now = clock()
    longer = ExtendPoints(now, now + timedelta(days=400), now + timedelta(days=300), "a long winter")
    await member.does("extended", longer)
    await member.does("after", AdjustPoints(3, "one more thing"))
    clock.forward(days=390)
    await member.does("expired", SettleDue())
    await member.does("reinstated", ReinstatePoints(15, "a mistake of ours"))
    await member.buys("anew", CD, LP)
