"""A thousand members through two years of the programme's clock, a leap day and four changes of the clocks among them.

Every day somebody shops, some dozens of commands at once, and every night it is swept. At the end the ledger is proved,
every balance is what a second set of books makes it, and the figures are printed. `make two-years` runs it bigger
(`CHORUS_TWO_YEARS`, commands times so many); `CHORUS_SEED` lives the same lives again, but for who comes first where
many want the last of something.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import perf_counter
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import draws, read
from core.database import connect, connected
from core.engine.engine import Engine
from core.engine.submission import Answer, Committed, Submission
from core.errors import ChorusError
from core.members.decide import Enrol
from core.members.identifiers import new_code
from core.members.merge import MergeMembers
from core.programme.book import ProgrammeBook
from core.snapshot import Change
from core.sweep import sweep
from tests.conftest import SettableClock
from tests.core.door import publish_programme, submission, verified
from tests.databases import Database
from tests.simulation.years_life import Life, Wish
from tests.simulation.years_programme import FIRST, FIRST_DAY, LAST_DAY, REVISED_ON, SECOND, ZONE
from tests.simulation.years_purse import Books

MEMBERS = 1_000
AT_ONCE = 22
"""Commands of a day, all at the same moment; a hold is resolved some minutes later."""
TIMES = int(os.environ.get("CHORUS_TWO_YEARS", "1"))
SEED = int(os.environ.get("CHORUS_SEED", "0")) or Random().randrange(1, 10**9)

REFUSALS = {
    "action_limit", "already_returned", "hold_not_open", "insufficient_points", "nothing_expired", "points_above_cap",
    "return_exceeds_purchase", "reward_closed", "reward_limit", "reward_not_open", "sold_out", "tier_too_low",
    "voucher_not_good", "voucher_not_used",
}  # fmt: skip
"""What a till, a phone or a desk may be told; anything else would be a slip of ours."""


class Years:
    def __init__(self, database: Database) -> None:
        self.rng = Random(SEED)
        self.clock = SettableClock()
        self.database = database
        self.pool: AsyncEngine = connect(database.url, pool_size=6)
        self.book = ProgrammeBook()
        self.engine = Engine(self.pool, self.book, self._heard, lanes=2, clock=self.clock)
        self.books = Books()
        self.lives: list[Life] = []
        self.answered = 0
        self.swept = 0
        self.refused: Counter[str] = Counter()
        self.merged = 0
        self._fresh: list[Change] = []
        self._first: tuple[Submission, Answer] | None = None

    def _heard(self, committed: list[Committed], seconds: float) -> None:
        self._fresh += [one.change for one in committed]

    async def live(self) -> None:
        day = FIRST_DAY
        while day <= LAST_DAY:
            await self._night(day)
            await self._day(day)
            day += timedelta(days=1)
        await self._night(day)

    async def _night(self, day: date) -> None:
        """The very midnight that begins `day`: what ended with the day before is over."""
        self.clock.now = _midnight(day)
        if day == REVISED_ON:
            await publish_programme(self.database.owner_url, SECOND, self.clock.now)
        self.swept += await sweep(self.pool, self.engine, self.clock)
        async with connected(self.pool) as connection:
            assert [members async for members in read.due(connection, self.clock.now, 10)] == []
        if day.day == 1:
            await draws.run_draws(self.pool, self.engine, self.book, self.clock)
        self._write()

    async def _day(self, day: date) -> None:
        rng, length = self.rng, _midnight(day + timedelta(days=1)) - _midnight(day)
        self.clock.now = _midnight(day) + length * rng.random() * 0.99
        joining = MEMBERS // 2 if day == FIRST_DAY else min(3, MEMBERS - len(self.lives))
        await asyncio.gather(*(self._enrol() for _ in range(joining)))
        lives = rng.choices(self._awake(day), k=AT_ONCE * TIMES)
        await asyncio.gather(*(self._do(life, life.wish(self.clock.now)) for life in lives))
        self.clock.forward(minutes=5)
        later = [
            (life, wish) for life in {id(one): one for one in lives}.values() if (wish := life.resolve(self.clock.now))
        ]
        await asyncio.gather(*(self._do(life, wish) for life, wish in later))
        self._write()
        if rng.random() < 0.1:
            await self._merge(*rng.sample(self.lives, 2))

    async def _merge(self, one: Life, other: Life) -> None:
        """Two of them turn out to be one person. Another joins in its place."""
        self.clock.forward(minutes=1)
        answer = await self.engine.submit(submission(MergeMembers(other.member, "one person"), one.member))
        self.answered, self.merged = self.answered + 1, self.merged + 1
        lives_on, gone = (one, other) if answer.member == one.member else (other, one)
        assert answer.change is not None
        lives_on.points = answer.change.available
        lives_on.takes(gone)
        self.lives.remove(gone)
        self._write()

    def _awake(self, day: date) -> list[Life]:
        """Everybody stays away for some months, each at a time of its own: points lapse and tiers fall."""
        season = (day - FIRST_DAY).days // 50
        awake = [life for life in self.lives if (life.member * 7 + season) % 8 > 2]
        return awake or self.lives

    async def _enrol(self) -> None:
        answer = await self.engine.submit(submission(Enrol(new_code(), (), "en", ""), None))
        self.answered += 1
        self.lives.append(Life(answer.member, Random(self.rng.random())))

    async def _do(self, life: Life, wish: Wish) -> None:
        twice = self.rng.random() < 0.02
        sent = submission(wish.command, life.member, occurred_at=wish.occurred_at, place=wish.place, staff=wish.staff)
        try:
            answer = await self.engine.submit(sent)
        except ChorusError as refusal:
            if refusal.code not in REFUSALS:
                raise
            self.refused[refusal.code] += 1
            return
        self.answered += 1
        if answer.change is not None:
            life.told(wish, answer.change)
        if twice:
            again = submission(wish.command, life.member, key=sent.key, occurred_at=wish.occurred_at, staff=wish.staff)
            assert await self.engine.submit(again) == msgspec.structs.replace(answer, replay=True)

    def _write(self) -> None:
        """Into the second set of books, a member's versions in their order."""
        for change in sorted(self._fresh, key=lambda one: (one.kind != "merged", one.member, one.version)):
            self.books.read(change)
        self._fresh.clear()

    async def compare(self) -> None:
        """What is stored against the second set of books."""
        truth = await read.snapshots(self.pool, [life.member for life in self.lives])
        assert all(one.version == self.books.versions[member] for member, one in truth.items())
        assert not self.books.left, "what members left with is with others"
        for member, snapshot in truth.items():
            for currency in {"points", "stars"}:
                account, purse = snapshot.holdings.of(currency), self.books.purses[(member, currency)]
                stored = (account.available, account.waiting, account.held)
                assert stored == (purse.available, purse.pending, purse.held), (member, currency)
                if account.available < 0:
                    assert account.debt == -account.available
                    assert (member, currency) in self.books.owing


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


@pytest.fixture
async def years(database: Database) -> AsyncIterator[Years]:
    await publish_programme(database.owner_url, FIRST)
    years = Years(database)
    await years.engine.open()
    yield years
    await years.engine.close()
    await years.pool.dispose()


async def test_two_years(years: Years, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\ntwo years: CHORUS_SEED={SEED} CHORUS_TWO_YEARS={TIMES}")
    started = perf_counter()
    await years.live()
    seconds = perf_counter() - started
    await years.compare()
    report = await verified(years.database.url)
    books = years.books
    with capsys.disabled():
        print(
            f"  {years.answered:,} commands answered and {years.refused.total():,} refused in {seconds:.1f} s, "
            f"{report.versions:,} versions, {report.lots:,} lots, {years.swept:,} settled by night\n"
            f"  {books.expired['points']:,} points and {books.expired['stars']:,} stars expired, "
            f"{books.rises:,} rises and {books.falls:,} falls of a tier, {len(books.owing)} times somebody owed, "
            f"{years.merged} merged\n"
            f"  verified in {report.seconds:.1f} s: {report.found} findings\n"
            f"  {dict(sorted(books.kinds.items()))}\n  {dict(sorted(years.refused.items()))}"
        )
    assert report.findings == []
    assert report.clean
    assert report.members == len(years.lives) + years.merged
    assert years.merged > 20
    assert len(books.kinds) == 21, "every kind of version was lived through"
    assert min(books.expired["points"], books.expired["stars"]) > 0
    assert min(books.rises, books.falls, len(books.owing)) > 0
