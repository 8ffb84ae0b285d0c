"""Lucky draws: the outcome follows from what was shown beforehand, each ticket wins once, each prize is given once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from core import draws, sweep
from core.adjustments.decide import AdjustPoints
from core.database import connect, connected
from core.engine.engine import Engine
from core.errors import ChorusError, Rejected, Unavailable
from core.members.identifiers import new_voucher_code
from core.points import MAX_POINTS
from core.programme.book import ProgrammeBook
from core.rewards.draw import commitment, entropy_of, winners
from core.rewards.vouchers import ClaimReward
from tests.conftest import START, OpenEngine, SettableClock
from tests.core.door import enrol, publish_programme, scalar, send
from tests.core.programmes import document
from tests.databases import Database

SEED = bytes(range(32))
CLOSES = START + timedelta(days=1)
DRAW = f"""
[[rewards]]
id = "gift"
name = {{ en = "Gift" }}
stub = {{ en = "G" }}
kind = "voucher"
points = 50
value = 500

[[rewards]]
id = "raffle"
name = {{ en = "Raffle" }}
stub = {{ en = "R" }}
kind = "draw"
points = 5
closes = {CLOSES.isoformat()}
prizes = [{{ points = 1000 }}, {{ reward = "gift", count = 2 }}]
"""


def _by_the_words(seed: bytes, tickets: list[bytes], prizes: int) -> list[int]:
    """The rule as the module's docstring states it, written again."""
    digest = hashlib.sha256(b"".join(tickets)).digest()
    left, won = list(range(1, len(tickets) + 1)), []
    for i in range(prizes):
        if not left:
            break
        value = int(hmac.new(seed, digest + i.to_bytes(8, "big"), "sha256").hexdigest(), 16)
        won.append(left[value % len(left)])
        left.remove(won[-1])
    return won


@pytest.mark.parametrize(("tickets", "prizes"), [(0, 3), (1, 3), (2, 2), (5, 1), (40, 21), (40, 40)])
def test_winners_follow_from_seed_and_tickets(tickets: int, prizes: int) -> None:
    entropy = [entropy_of(f"key-{n}") for n in range(tickets)]
    won = winners(SEED, entropy, prizes)
    assert list(won) == _by_the_words(SEED, entropy, prizes)
    assert len(set(won)) == len(won) == min(tickets, prizes)
    assert all(1 <= no <= tickets for no in won)


def test_another_ticket_or_another_seed_is_another_draw() -> None:
    entropy = [entropy_of(f"key-{n}") for n in range(50)]
    first = winners(SEED, entropy, 20)
    assert winners(SEED, [*entropy[:-1], entropy_of("another")], 20) != first
    assert winners(SEED[::-1], entropy, 20) != first
    assert commitment(SEED) == hashlib.sha256(SEED).hexdigest()


def test_every_ticket_wins_about_as_often() -> None:
    """Two thousand draws of ten tickets: each wins some two hundred times; five deviations are allowed."""
    wins = [0] * 10
    for n in range(2_000):
        (won,) = winners(SEED, [entropy_of(f"{n}/{i}") for i in range(10)], 1)
        wins[won - 1] += 1
    assert all(abs(count - 200) < 5 * (2_000 * 0.1 * 0.9) ** 0.5 for count in wins), wins


async def _turn(database: AsyncEngine, engine: Engine, clock: SettableClock) -> None:
    book = ProgrammeBook()
    async with connected(database) as connection:
        await book.load(connection)
    await draws.run_draws(database, engine, book, clock)


async def _programme(database: AsyncEngine) -> ProgrammeBook:
    book = ProgrammeBook()
    async with connected(database) as connection:
        await book.load(connection)
    return book


async def _sold(engine: Engine, people: int, tickets: int) -> list[int]:
    """Members with points, who bought so many tickets each."""
    members = [await enrol(engine) for _ in range(people)]
    for member in members:
        await send(engine, AdjustPoints(100, "a gift"), member)
    claims = [
        send(engine, ClaimReward("raffle", new_voucher_code(), entropy_of(f"{member}/{n}")), member)
        for member in members
        for n in range(tickets)
    ]
    answers = await asyncio.gather(*claims)
    numbers = sorted(answer.change.ticket for answer in answers if answer.change)
    assert numbers == list(range(1, people * tickets + 1))
    return members


async def test_a_draw_from_its_commitment_to_its_winners(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    await publish_programme(database.owner_url, document() + DRAW)
    engine, pool = await open_engine(lanes=3), connect(database.url, pool_size=3)
    member = await enrol(engine)
    await send(engine, AdjustPoints(100, "a gift"), member)
    with pytest.raises(Rejected) as refused:
        await send(engine, ClaimReward("raffle", "", entropy_of("early")), member)
    assert refused.value.code == "reward_not_open"
    await _turn(pool, engine, clock)
    programme = (await _programme(pool)).current.programme
    before = await draws.draw_of(pool, "raffle", programme)
    assert before is not None
    assert (before.tickets, before.seed, before.won) == (0, "", ())
    members = await _sold(engine, 5, 2)
    await _turn(pool, engine, clock)
    clock.now = CLOSES
    with pytest.raises(Rejected) as refused:
        await send(engine, ClaimReward("raffle", "", entropy_of("late")), member)
    assert refused.value.code == "reward_closed"
    clock.now = CLOSES + draws.SETTLE
    await asyncio.gather(_turn(pool, engine, clock), _turn(pool, engine, clock))
    await _turn(pool, engine, clock)
    after = await draws.draw_of(pool, "raffle", programme)
    assert after is not None
    assert hashlib.sha256(bytes.fromhex(after.seed)).hexdigest() == before.commitment == after.commitment
    tickets = await draws.tickets_of(pool, "raffle", 0, 100)
    assert [no for no, _ in tickets] == list(range(1, 11))
    entropy = [bytes.fromhex(one) for _, one in tickets]
    assert list(after.won) == _by_the_words(bytes.fromhex(after.seed), entropy, 3)
    prizes = "SELECT count(*) FROM member_version WHERE command = 'grant'"
    assert await scalar(pool, prizes) == 3
    assert await scalar(pool, "SELECT count(*) FROM voucher WHERE points = 0 AND reward = 'gift'") == 2
    given = "SELECT sum(available) FROM account"
    assert await scalar(pool, given) == 100 + 5 * 90 + 1_000
    assert len(members) == 5
    await pool.dispose()


async def test_a_conclusion_that_dies_midway_is_gone_on_with(
    database: Database, open_engine: OpenEngine, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_programme(database.owner_url, document() + DRAW)
    engine, pool = await open_engine(), connect(database.url, pool_size=3)
    await _turn(pool, engine, clock)
    await _sold(engine, 3, 2)
    clock.now = CLOSES + draws.SETTLE
    submit, given = engine.submit, 0

    async def failing(submission: object) -> object:
        nonlocal given
        given += 1
        if given == 2:
            raise Unavailable("the power went", code="database_away")
        return await submit(submission)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "submit", failing)
    with pytest.raises(ChorusError):
        await _turn(pool, engine, clock)
    monkeypatch.undo()
    assert await scalar(pool, "SELECT count(*) FROM draw WHERE concluded_at IS NOT NULL") == 0
    await _turn(pool, engine, clock)
    assert await scalar(pool, "SELECT count(*) FROM member_version WHERE command = 'grant'") == 3
    assert await scalar(pool, "SELECT count(*) FROM draw WHERE concluded_at IS NOT NULL") == 1
    await pool.dispose()


async def test_a_prize_that_is_refused_keeps_no_other_from_its_winner(
    database: Database, open_engine: OpenEngine, clock: SettableClock
) -> None:
    """The first prize is points, and who wins it has as many as a ledger holds. Who it was is in the log, and the draw
    is over."""
    await publish_programme(database.owner_url, document() + DRAW)
    engine, pool = await open_engine(), connect(database.url, pool_size=3)
    await _turn(pool, engine, clock)
    members = await _sold(engine, 3, 1)
    for member in members:
        await send(engine, AdjustPoints(MAX_POINTS - 95, "all there is"), member)
    clock.now = CLOSES + draws.SETTLE
    with capture_logs() as logs:
        await _turn(pool, engine, clock)
    draw = await draws.draw_of(pool, "raffle", (await _programme(pool)).current.programme)
    assert draw is not None
    assert draw.concluded_at == clock()
    assert [entry for entry in logs if entry["event"] == "prize_refused"] == [
        {
            "event": "prize_refused",
            "log_level": "error",
            "draw": "raffle",
            "place": 0,
            "ticket": draw.won[0],
            "member": await scalar(pool, f"SELECT member_id FROM draw_ticket WHERE no = {draw.won[0]}"),
            "code": "points_out_of_range",
        }
    ]
    assert await scalar(pool, "SELECT count(*) FROM voucher WHERE points = 0 AND reward = 'gift'") == 2
    await _turn(pool, engine, clock)
    assert await scalar(pool, "SELECT count(*) FROM member_version WHERE command = 'grant'") == 2
    await pool.dispose()


async def test_a_sweep_that_fails_keeps_no_draw_from_its_end(
    database: Database, open_engine: OpenEngine, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_programme(database.owner_url, document() + DRAW)
    engine, pool = await open_engine(), connect(database.url, pool_size=3)

    async def stuck(*_: object) -> int:
        raise Unavailable("somebody cannot be settled", code="stuck")

    monkeypatch.setattr(sweep, "sweep", stuck)
    await sweep.turn(pool, engine, await _programme(pool), clock)
    assert await scalar(pool, "SELECT count(*) FROM draw") == 1
    await pool.dispose()
