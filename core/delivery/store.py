"""The table of deliveries: each with its state, its attempts and its last reason.

A delivery is `pending` until it is `delivered`, `collapsed` (a newer one to the same target took its place), `dead` (its
address is no longer good), `rejected`, `failed` (every attempt was used up) or `unknown` (it may have been sent, and a
repeat would show). The last three are the dead letters: kept, and sent again only when an operator says so.

A worker takes deliveries with a lease. One whose lease ran out was left by a crashed worker, and is taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from core.database import Driver
from core.delivery.carrier import Delivery, Planned
from core.errors import NotFound

LEASE = timedelta(seconds=12)
"""How long a crashed worker's deliveries wait; one that lives extends its own."""
KEPT = timedelta(days=30)
"""Longer than the stream keeps a fact: while a fact can come again, what was done for it is known."""

MAX_REASON = 500
_TAKING_LOCK = 0x54414B45  # "TAKE"

State = Literal["pending", "delivered", "collapsed", "dead", "rejected", "failed", "unknown"]
DEAD_LETTERS: tuple[State, ...] = ("rejected", "failed", "unknown")


class Taken(msgspec.Struct, frozen=True):
    """`abandoned`: a worker had begun to send it, and crashed."""

    delivery: Delivery
    abandoned: bool


class Settled(msgspec.Struct, frozen=True):
    id: int
    attempt: int
    state: State
    reason: str = ""
    due_at: datetime | None = None
    """For one that stays pending."""


class Row(msgspec.Struct, frozen=True):
    """One delivery as an operator sees it."""

    id: int
    member: int
    version: int
    kind: str
    channel: str
    target: int
    state: str
    attempts: int
    reason: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime


async def add(
    connection: Driver, epoch: int, planned: Sequence[Planned], newest_only: Collection[str], now: datetime
) -> int:
    """Enter what is not there yet; returns how much was new. Of a `newest_only` channel the older waiting deliveries to
    a target give way to the newest, whichever is entered first."""
    if not planned:
        return 0
    # One order everywhere: two workers that enter the same facts must not wait for each other.
    rows = sorted(planned, key=lambda one: (one.channel, one.target, one.fact, one.member))
    new = await connection.fetch(
        _ADD,
        epoch,
        [one.fact for one in rows],
        [one.member for one in rows],
        [one.version for one in rows],
        [one.kind for one in rows],
        [one.channel for one in rows],
        [one.target for one in rows],
        [one.due_at or now for one in rows],
        now,
    )
    await _collapse(connection, new, newest_only, now)
    return len(new)


async def own_fact(connection: Driver) -> int:
    """A number for a change that is no fact of the ledger's: below zero, and never given twice."""
    return -int(await connection.fetchval("SELECT nextval('delivery_own_fact')"))


async def take(
    connection: Driver, room: Mapping[str, int], newest_only: Collection[str], worker: str, now: datetime
) -> list[Taken]:
    """The deliveries due now, soonest first, at most `room` of each channel; they are this worker's for `LEASE`. What a
    newer one made needless is collapsed here at the latest. Within a transaction."""
    newest = [channel in newest_only for channel in room]
    if any(newest):
        # One at a time: of two that look at the same moment, neither sees what the other takes for the same target.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _TAKING_LOCK)
    while True:
        rows = await connection.fetch(_TAKE, list(room), list(room.values()), newest, now, now + LEASE, worker)
        taken = [Taken(Delivery(*row[:-2]), row[-2]) for row in rows if not row[-1]]
        if taken or not rows:
            return taken


async def settle(
    connection: Driver, settled: Sequence[Settled], newest_only: Collection[str], worker: str, now: datetime
) -> None:
    """Record what became of deliveries that `worker` took. One that was taken over meanwhile is not touched; one that
    would be sent again gives way to a newer one of a `newest_only` channel."""
    rows = sorted(settled, key=lambda one: one.id)
    done = await connection.fetch(
        _SETTLE,
        [one.id for one in rows],
        [one.attempt for one in rows],
        [one.state for one in rows],
        [_kept(one.reason) for one in rows],
        [one.due_at for one in rows],
        now,
        worker,
    )
    await _collapse(connection, done, newest_only, now)


def _kept(reason: str) -> str:
    """A provider's words as a column takes them: one NUL among them would keep every outcome from being recorded."""
    return "".join(c if c.isprintable() else " " for c in reason[:MAX_REASON]).strip()


async def _collapse(
    connection: Driver, targets: Sequence[Sequence[object]], newest_only: Collection[str], now: datetime
) -> None:
    wanted = sorted({(str(channel), int(str(target))) for channel, target in targets if channel in newest_only})
    if wanted:
        await connection.execute(_COLLAPSE, [channel for channel, _ in wanted], [target for _, target in wanted], now)


async def extend(connection: Driver, ids: Sequence[int], worker: str, now: datetime) -> None:
    """`worker` lives, and is still at these deliveries. One that was taken over meanwhile stays so."""
    await connection.execute(_EXTEND, list(ids), worker, now + LEASE)


async def give_back(connection: Driver, ids: Sequence[int], worker: str, due_at: datetime) -> None:
    """Let go of deliveries that were taken and not begun; that was no attempt."""
    await connection.execute(_GIVE_BACK, list(ids), worker, due_at)


async def listed(
    connection: Driver, *, states: Collection[str], member: int | None, channel: str | None, limit: int
) -> list[Row]:
    """Deliveries in these states, newest first."""
    return [Row(*row) for row in await connection.fetch(_LIST, list(states), member, channel, limit)]


async def counts(connection: Driver) -> dict[tuple[str, str], int]:
    """How many, by (channel, state)."""
    return {(channel, state): n for channel, state, n in await connection.fetch(_COUNTS)}


async def replay(connection: Driver, ids: Sequence[int] | None, now: datetime) -> int:
    """Have dead letters sent again from a first attempt: those named, or all. Raises `NotFound` for a named one that is
    not a dead letter, and then replays none."""
    async with connection.transaction():
        done = {row[0] for row in await connection.fetch(_REPLAY, ids, list(DEAD_LETTERS), now)}
        if missing := set(ids or ()) - done:
            raise NotFound(f"delivery {min(missing)} is no dead letter", code="unknown_delivery")
    return len(done)


async def forget_old(connection: Driver, now: datetime) -> None:
    """Drop what is done and older than `KEPT`; dead letters stay three times as long."""
    await connection.execute(_FORGET, now - KEPT, now - 3 * KEPT, list(DEAD_LETTERS))


_ADD = """INSERT INTO delivery (epoch, fact, member_id, version, kind, channel, target, due_at, created_at, updated_at)
       SELECT $1, fact, member, version, kind, channel, target, due, $9, $9
         FROM unnest(CAST($2 AS bigint[]), CAST($3 AS bigint[]), CAST($4 AS bigint[]), CAST($5 AS text[]),
                     CAST($6 AS text[]), CAST($7 AS bigint[]), CAST($8 AS timestamptz[]))
              AS new (fact, member, version, kind, channel, target, due)
       ON CONFLICT DO NOTHING RETURNING channel, target"""

# Whether `old` is needless. Of two that wait the newer is the higher version, whenever it was entered, and of equals the
# later entered. One that was sent makes needless what is of a lower version. Version 0 has no place in that order: it is
# a change of the clock or the programme, which what is under way, or was sent, need not show; nor does one that waits
# take its place, if that is itself too old to be sent.
_SUPERSEDED = """EXISTS (SELECT FROM delivery AS newer
                       WHERE newer.channel = old.channel AND newer.target = old.target AND newer.id <> old.id
                         AND newer.version >= old.version
                         AND CASE WHEN newer.state <> 'pending' THEN newer.version > old.version AND old.version > 0
                                  WHEN old.version > 0 THEN (newer.version, newer.id) > (old.version, old.id)
                                  ELSE (newer.version, newer.id) > (0, old.id) AND newer.leased_until IS NULL
                                   AND NOT EXISTS (SELECT FROM delivery AS other
                                                    WHERE other.channel = old.channel AND other.target = old.target
                                                      AND other.version > newer.version AND newer.version > 0
                                                      AND (other.state <> 'pending' OR other.leased_until IS NOT NULL))
                             END)"""

_COLLAPSE = f"""UPDATE delivery AS old SET state = 'collapsed', reason = 'a newer one takes its place', updated_at = $3
         FROM unnest(CAST($1 AS text[]), CAST($2 AS bigint[])) AS wanted (channel, target)
        WHERE old.channel = wanted.channel AND old.target = wanted.target
          AND old.state = 'pending' AND (old.leased_until IS NULL OR old.leased_until <= $3)
          AND {_SUPERSEDED}"""  # noqa: S608 - our own words

_TAKE = f"""UPDATE delivery AS d
          SET leased_until = CASE WHEN taken.needless THEN NULL ELSE CAST($5 AS timestamptz) END,
              leased_by = CASE WHEN taken.needless THEN NULL ELSE CAST($6 AS text) END,
              attempts = attempts + CASE WHEN taken.needless THEN 0 ELSE 1 END,
              state = CASE WHEN taken.needless THEN 'collapsed' ELSE d.state END,
              reason = CASE WHEN taken.needless THEN 'a newer one took its place' ELSE d.reason END,
              updated_at = $4
         FROM unnest(CAST($1 AS text[]), CAST($2 AS integer[]), CAST($3 AS boolean[])) AS wanted (channel, most, newest)
        CROSS JOIN LATERAL (
               SELECT old.id, old.leased_until IS NOT NULL AS abandoned, wanted.newest AND {_SUPERSEDED} AS needless
                 FROM delivery AS old
                WHERE old.channel = wanted.channel AND old.state = 'pending' AND old.due_at <= $4
                  AND (old.leased_until IS NULL OR old.leased_until <= $4)
                  AND NOT (wanted.newest AND EXISTS (
                        SELECT FROM delivery AS other
                         WHERE other.channel = old.channel AND other.target = old.target AND other.state = 'pending'
                           AND other.id <> old.id
                           AND (other.leased_until > $4 OR (other.leased_until IS NOT NULL
                                                            AND (other.version, other.id) > (old.version, old.id)))))
                ORDER BY old.due_at, old.id
                LIMIT wanted.most
                  FOR UPDATE SKIP LOCKED) AS taken
        WHERE d.id = taken.id
    RETURNING d.id, d.reference, d.member_id, d.version, d.kind, d.channel, d.target, d.attempts, d.created_at,
              taken.abandoned, taken.needless"""  # noqa: S608 - our own words

_SETTLE = """UPDATE delivery SET state = new.state, reason = new.reason, updated_at = $6,
              due_at = coalesce(new.due_at, delivery.due_at), leased_until = NULL, leased_by = NULL
         FROM unnest(CAST($1 AS bigint[]), CAST($2 AS integer[]), CAST($3 AS text[]), CAST($4 AS text[]),
                     CAST($5 AS timestamptz[])) AS new (id, attempt, state, reason, due_at)
        WHERE delivery.id = new.id AND delivery.attempts = new.attempt AND delivery.state = 'pending'
          AND delivery.leased_by = $7
    RETURNING delivery.channel, delivery.target"""

_EXTEND = """UPDATE delivery SET leased_until = $3
        WHERE id = ANY(CAST($1 AS bigint[])) AND leased_by = $2 AND state = 'pending'"""

_GIVE_BACK = """UPDATE delivery SET leased_until = NULL, leased_by = NULL, attempts = attempts - 1, due_at = $3
        WHERE id = ANY(CAST($1 AS bigint[])) AND leased_by = $2 AND state = 'pending'"""

_LIST = """SELECT id, member_id, version, kind, channel, target, state, attempts, reason, created_at, updated_at, due_at
         FROM delivery
        WHERE state = ANY(CAST($1 AS text[])) AND (CAST($2 AS bigint) IS NULL OR member_id = $2)
          AND (CAST($3 AS text) IS NULL OR channel = $3)
        ORDER BY id DESC LIMIT $4"""

_COUNTS = "SELECT channel, state, count(*) FROM delivery GROUP BY channel, state"

_REPLAY = """UPDATE delivery SET state = 'pending', attempts = 0, reason = 'replayed', due_at = $3, updated_at = $3,
              created_at = $3
        WHERE (CAST($1 AS bigint[]) IS NULL OR id = ANY(CAST($1 AS bigint[]))) AND state = ANY(CAST($2 AS text[]))
    RETURNING id"""

_FORGET = """DELETE FROM delivery
        WHERE (state <> 'pending' AND updated_at < $1 AND NOT state = ANY(CAST($3 AS text[]))) OR
              (state = ANY(CAST($3 AS text[])) AND updated_at < $2)"""
