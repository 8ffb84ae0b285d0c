"""The draws of the programme in force: seeds committed, and concluded once they have closed.

Run from any number of processes: a seed is made once, and prizes are commands under keys of their own, so the second
gives nothing. A draw closes in the database, under the lock that each ticket takes, before its tickets are counted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from core import limits
from core.clock import Clock
from core.database import connected, transaction
from core.engine.engine import Engine
from core.engine.submission import Submission, input_hash
from core.errors import ChorusError
from core.members.identifiers import new_voucher_code
from core.programme.book import ProgrammeBook
from core.programme.document import Programme, Reward
from core.programme.spend import Prize
from core.rewards.draw import SEED_BYTES, commitment, winners
from core.rewards.offer import window
from core.rewards.prize import AwardPrize

SETTLE = timedelta(seconds=60)
"""Beyond the longest that a command may wait for its commit: what was decided before the end is in by then."""

_log = structlog.get_logger("core.draws")


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """A draw as anybody may see it. `seed` and `won` once it is concluded."""

    id: str
    commitment: str
    committed_at: datetime
    tickets: int
    seed: str = ""
    concluded_at: datetime | None = None
    won: tuple[int, ...] = ()
    """Ticket numbers, the first prize's first."""


async def run_draws(database: AsyncEngine, engine: Engine, book: ProgrammeBook, clock: Clock) -> None:
    """Commit the seeds of new draws, and conclude those that closed. One that fails keeps no other from it; its error is
    raised in the end."""
    programme, now = book.current.programme, clock()
    draws = [reward for reward in programme.rewards if reward.kind == "draw"]
    if not draws:
        return
    async with connected(database) as connection:
        known = {id for (id,) in await connection.fetch(_KNOWN, [draw.id for draw in draws])}
    failed: list[ChorusError] = []
    for reward in draws:
        try:
            if reward.id not in known:
                await _commit(database, reward.id, now)
            elif (closes := window(reward, programme)[1]) is not None and now >= closes + SETTLE:
                await _conclude(database, engine, reward, now)
        except ChorusError as error:
            failed.append(error)
    if failed:
        raise failed[0]


async def draw_of(database: AsyncEngine, id: str, programme: Programme) -> Draw | None:
    """A draw, with its seed and winners once it is concluded."""
    async with transaction(database, one_instant=True) as connection:
        rows = await connection.fetch(_DRAW, id, limits.tickets(id))
        if not rows:
            return None
        seed, committed_at, tickets, concluded_at, sold = rows[0]
        shown = Draw(id=id, commitment=commitment(seed), committed_at=committed_at, tickets=tickets or sold)
        if concluded_at is None:
            return shown
        entropy = [bytes(one) for (one,) in await connection.fetch(_TICKETS, id)]
        reward = programme.rewards_by_id.get(id)
        prizes = sum(prize.count for prize in reward.prizes) if reward else 0
        return msgspec.structs.replace(
            shown, seed=seed.hex(), concluded_at=concluded_at, won=winners(seed, entropy, prizes)
        )


async def tickets_of(database: AsyncEngine, id: str, after: int, limit: int) -> list[tuple[int, str]]:
    """(number, entropy) of a draw's tickets, by number: what its outcome is reckoned from. Nobody is named."""
    async with connected(database) as connection:
        return [(no, bytes(entropy).hex()) for no, entropy in await connection.fetch(_PAGE, id, after, limit)]


async def _commit(database: AsyncEngine, id: str, now: datetime) -> None:
    async with transaction(database) as connection:
        await connection.execute(_COMMIT, id, secrets.token_bytes(SEED_BYTES), now)
        await connection.execute(_MAKE_TALLY, limits.tickets(id))


async def _conclude(database: AsyncEngine, engine: Engine, reward: Reward, now: datetime) -> None:
    """A prize that its winner cannot be given is logged, and the draw concluded all the same; where it may yet be given,
    the next turn goes on."""
    async with transaction(database) as connection:
        if await connection.fetchval(_CLOSE, limits.tickets(reward.id)) is None:
            return
        seed = await connection.fetchval(_OPEN_DRAW, reward.id)
        if seed is None:
            return
        rows = await connection.fetch(_ENTRIES, reward.id)
    members, entropy = [member for member, _ in rows], [bytes(one) for _, one in rows]
    for place, (no, prize) in enumerate(
        zip(winners(bytes(seed), entropy, _count(reward)), _prizes(reward), strict=False)
    ):
        command = AwardPrize(
            draw=reward.id, ticket=no, points=prize.points, reward=prize.reward, code=new_voucher_code()
        )
        key = f"{reward.id}/{place}"
        member = members[no - 1]
        try:
            await engine.submit(
                Submission(source="draw", key=key, hash=input_hash([key, no]), command=command, who=member)
            )
        except ChorusError as refusal:
            if refusal.retryable:
                raise
            _log.error("prize_refused", draw=reward.id, place=place, ticket=no, member=member, code=refusal.code)
    async with transaction(database) as connection:
        await connection.execute(_CONCLUDED, reward.id, len(entropy), now)


def _count(reward: Reward) -> int:
    return sum(prize.count for prize in reward.prizes)


def _prizes(reward: Reward) -> Iterator[Prize]:
    for prize in reward.prizes:
        for _ in range(prize.count):
            yield prize


_KNOWN = "SELECT id FROM draw WHERE id = ANY(CAST($1 AS text[]))"
_COMMIT = "INSERT INTO draw (id, seed, committed_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_MAKE_TALLY = "INSERT INTO tally (key, used) VALUES ($1, 0) ON CONFLICT DO NOTHING"
_CLOSE = "UPDATE tally SET closed = true WHERE key = $1 RETURNING used"
_OPEN_DRAW = "SELECT seed FROM draw WHERE id = $1 AND concluded_at IS NULL"
_ENTRIES = "SELECT member_id, entropy FROM draw_ticket WHERE draw = $1 ORDER BY no"
_TICKETS = "SELECT entropy FROM draw_ticket WHERE draw = $1 ORDER BY no"
_PAGE = "SELECT no, entropy FROM draw_ticket WHERE draw = $1 AND no > $2 ORDER BY no LIMIT $3"
_CONCLUDED = "UPDATE draw SET tickets = $2, concluded_at = $3 WHERE id = $1 AND concluded_at IS NULL"
_DRAW = """SELECT d.seed, d.committed_at, d.tickets, d.concluded_at, t.used
         FROM draw d JOIN tally t ON t.key = $2 WHERE d.id = $1"""
