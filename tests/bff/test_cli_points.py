"""`chorus points` against a real database: what is about to lapse, and a campaign that gives it longer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bff import cli
from core import ending
from core.clock import system_clock
from core.database import connect
from core.engine.engine import Engine
from core.extend_all import AT_ONCE
from core.programme.book import ProgrammeBook
from core.read import snapshots
from core.rewards.decide import HoldReward, VoidHold
from core.snapshot import Snapshot
from tests.conftest import SettableClock
from tests.core.door import bought, enrol, send, submission, verified
from tests.databases import Database

Chorus = Callable[..., str]
ZONE = ZoneInfo("Asia/Hong_Kong")
TODAY = system_clock().astimezone(ZONE).date()
MEMBERS = 3


def years_after(day: date, years: int) -> date:
    """As points of whole years are dated: of 29 February to the 28th."""
    return day.replace(year=day.year + years, day=min(day.day, 28 if day.month == 2 else 31))


def month(ahead: int, day: int) -> date:
    """A day of a month to come."""
    years, month0 = divmod(TODAY.month - 1 + ahead, 12)
    return date(TODAY.year + years, month0 + 1, day)


NEXT, SECOND_NEXT, LATER = month(1, 5), month(2, 5), month(8, 28)


class Shop:
    """Members with points of a given last good day, made when they were earned."""

    def __init__(self, runner: asyncio.Runner, url: str) -> None:
        self.runner, self.clock = runner, SettableClock()
        self.pool = connect(url, pool_size=3)
        self.engine = Engine(self.pool, ProgrammeBook(), lambda *_: None, lanes=2, clock=self.clock)
        runner.run(self.engine.open())

    def points(self, *last_days: date, amount: int = 1_000) -> list[int]:
        """`MEMBERS` members, each with the points of one purchase for each of `last_days`, soonest first."""
        return self.runner.run(self._points(last_days, amount))

    async def _points(self, last_days: tuple[date, ...], amount: int) -> list[int]:
        self.clock.now = noon(years_after(last_days[0], -2)) - timedelta(days=1)
        members = [await enrol(self.engine) for _ in range(MEMBERS)]
        for day in last_days:
            self.clock.now = noon(years_after(day, -2))
            await asyncio.gather(*(self.buy(member, amount) for member in members))
        return members

    async def buy(self, member: int, amount: int) -> None:
        now = self.clock.now
        await self.engine.submit(submission(bought(now, amount), member, occurred_at=now))

    def lots(self, members: list[int]) -> list[list[tuple[date, int]]]:
        """The last good day and the points of each open lot."""
        found = self.runner.run(snapshots(self.pool, members))
        return [_lots(found[member]) for member in members]


def _lots(snapshot: Snapshot) -> list[tuple[date, int]]:
    ends = [(lot.expires_at, lot.remaining) for lot in snapshot.account.lots]
    return [((end - timedelta(seconds=1)).astimezone(ZONE).date(), points) for end, points in ends if end]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZONE).astimezone(UTC)


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with asyncio.Runner() as runner:
        shop = Shop(runner, database.url)
        yield shop
        runner.run(shop.engine.close())
        runner.run(shop.pool.dispose())


@pytest.fixture
def chorus(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> Chorus:
    """The command, in the test's own process, on the test's database; returns what it printed."""
    monkeypatch.setenv("CHORUS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CHORUS_DATABASE_URL", database.url)
    monkeypatch.setenv("CHORUS_OWNER_URL", database.owner_url)
    monkeypatch.setenv("CHORUS_NATS_URL", "nats://127.0.0.1:1")

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["chorus", "points", *arguments])
        cli.main()
        return capsys.readouterr().out

    return run


def extend(first: date, last: date, until: date, *more: str) -> list[str]:
    return ["extend", "--from", str(first), "--to", str(last), "--until", str(until), "--reason", "Storm", *more]


def test_a_campaign_reaches_whose_points_end_within_its_days_and_nobody_twice(
    shop: Shop, chorus: Chorus, database: Database
) -> None:
    """The span's ends are last good days, both within; points before and after it stay; a repeat changes nothing."""
    before, after = NEXT - timedelta(days=1), SECOND_NEXT + timedelta(days=1)
    inside = shop.points(before, NEXT, SECOND_NEXT, after)
    outside = shop.points(before, after)
    campaign = extend(NEXT, SECOND_NEXT, LATER)
    assert json.loads(chorus(*campaign, "--dry-run", "--json")) == {"members": 3, "points": 600, "dry_run": True}
    assert shop.lots(inside)[0] == [(day, 100) for day in (before, NEXT, SECOND_NEXT, after)]
    assert chorus(*campaign) == f"600 points of 3 members are now good through {LATER}\n"
    assert shop.lots(inside) == [[(before, 100), (after, 100), (LATER, 100), (LATER, 100)]] * 3
    assert shop.lots(outside) == [[(before, 100), (after, 100)]] * 3
    assert json.loads(chorus(*campaign, "--json")) == {"members": 0, "points": 0, "again": 0}
    assert shop.runner.run(verified(database.url)).clean


def test_one_that_was_interrupted_goes_on(
    shop: Shop, chorus: Chorus, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    """The database refuses a member in the middle: those before it are done, and the next run does the others only."""
    members = shop.points(NEXT) + shop.points(NEXT)
    monkeypatch.setattr("core.extend_all.AT_ONCE", 2)
    real, calls = Engine.submit, iter(range(100))

    async def dies_at_the_fourth(self: Engine, *submitted: object) -> object:
        if next(calls) == 3:
            raise OSError("the machine went away")
        return await real(self, *submitted)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "submit", dies_at_the_fourth)
    with pytest.raises(SystemExit):
        chorus(*extend(NEXT, NEXT, LATER))
    monkeypatch.setattr(Engine, "submit", real)
    done = [lots for lots in shop.lots(members) if lots == [(LATER, 100)]]
    assert 2 <= len(done) < 6
    found = json.loads(chorus(*extend(NEXT, NEXT, LATER), "--json"))
    assert found == {"members": 6 - len(done), "points": 100 * (6 - len(done)), "again": 0}
    assert shop.lots(members) == [[(LATER, 100)]] * 6
    assert shop.runner.run(verified(database.url)).clean


def test_points_that_come_back_into_the_days_of_a_campaign_take_another_one(shop: Shop, chorus: Chorus) -> None:
    """What was on hold while it ran keeps its date when it comes back, and the command says so."""
    members = shop.points(NEXT, amount=30_000)
    shop.clock.now = system_clock()
    held = shop.runner.run(send(shop.engine, HoldReward("off5"), members[0]))
    assert chorus(*extend(NEXT, NEXT, LATER)).startswith("6,500 points of 3 members are now")
    shop.runner.run(send(shop.engine, VoidHold(held.version), members[0]))
    said = chorus(*extend(NEXT, NEXT, LATER)).splitlines()
    assert said[0].startswith("0 points of 0 members")
    assert said[1].startswith("1 member had been reached before and had points in this span again")
    again = extend(NEXT, NEXT, LATER)
    again[again.index("Storm")] = "Storm, those on hold"
    assert chorus(*again).startswith("2,500 points of 1 member are now")


def test_what_is_past_its_date_stays_gone(shop: Shop, chorus: Chorus) -> None:
    """Nobody has swept, so the lot is still open on record; it was over all the same."""
    shop.points(TODAY - timedelta(days=3))
    span = (TODAY - timedelta(days=10), TODAY + timedelta(days=20))
    assert json.loads(chorus(*extend(*span, LATER), "--json")) == {"members": 0, "points": 0, "again": 0}


def test_what_is_about_to_lapse_is_told_by_month_and_currency(shop: Shop, chorus: Chorus) -> None:
    """Points by their dates, stars by when their member was last active; of both, only what is good now."""
    sunday = next(day for n in range(1, 8) if (day := TODAY - timedelta(days=300 + n)).weekday() == 6)
    shop.points(TODAY - timedelta(days=3), NEXT, SECOND_NEXT)
    others = shop.points(SECOND_NEXT, month(3, 28))
    shop.clock.now = noon(sunday)
    shop.runner.run(shop.buy(others[0], 1_000))
    lapse = years_after(sunday, 1)
    months = sorted({f"{day:%Y-%m}" for day in (NEXT, SECOND_NEXT)})
    until = max(SECOND_NEXT, lapse)
    said = [line.split("\t") for line in chorus("due", "--until", str(until)).splitlines()]
    assert [line for line in said if line[0] == "points"][:2] == [
        ["points", months[0], "300 of 3 members"],
        ["points", months[1], "600 of 6 members"],
    ]
    assert [line for line in said if line[0] == "stars"] == [
        ["stars", f"{lapse:%Y-%m}", "1 of 1 member"],
        ["stars", "together", "1 of 1 member"],
    ]
    assert json.loads(chorus("due", "--until", str(SECOND_NEXT), "--json"))[2] == {
        "currency": "points",
        "month": None,
        "points": 900,
        "members": 6,
    }
    assert chorus("due", "--until", str(TODAY)) == f"nothing stops being good by {TODAY}\n"


WRONG = [
    ("the wrong way round", extend(SECOND_NEXT, NEXT, LATER), "/to: must not be before --from"),
    ("to an earlier day", extend(SECOND_NEXT, SECOND_NEXT, NEXT), "/until: must be later than the days it replaces"),
    ("no such currency", extend(NEXT, NEXT, LATER, "--currency", "miles"), "/currency: must be one of points, stars"),
    ("no reason", extend(NEXT, NEXT, LATER, "--reason", " "), "/reason: must say why"),
    ("the last of days", extend(NEXT, NEXT, date.max), "/until: is beyond the calendar"),
]


@pytest.mark.parametrize(("arguments", "line"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_nobody_can_mean_is_refused_once(
    arguments: list[str], line: str, chorus: Chorus, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        chorus(*arguments)
    assert line in capsys.readouterr().err


async def test_whom_a_campaign_reaches_is_found_by_the_index_of_dates(database: Database) -> None:
    pool = connect(database.url, pool_size=1)
    try:
        for query in (ending._SIZE, ending._MEMBERS):
            async with pool.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None
                rows = await raw.fetch(f"EXPLAIN {query}", "points", system_clock(), system_clock())
            plan = "\n".join(row[0] for row in rows)
            assert "lot_due" in plan
            assert "Seq Scan" not in plan
    finally:
        await pool.dispose()


def test_a_batch_leaves_room_in_a_lane() -> None:
    from core.engine.lane import MAX_BATCH

    assert AT_ONCE < MAX_BATCH
