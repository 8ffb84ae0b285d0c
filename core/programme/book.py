"""The published revisions, kept in memory and read again when the database has a newer one.

A revision is immutable, so a cached one is never wrong; which is newest is asked inside every commit (one index
look-up), so no decision is made on a programme that was superseded before the transaction began. Which of them is in
force is a matter of the clock (`timeline`): one that is scheduled is known here before its time.
"""

from __future__ import annotations

import bisect
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, rfc3339, system_clock
from core.database import Driver
from core.errors import InvalidInput, NotFound, Rejected
from core.programme.document import Programme, Published
from core.programme.succession import require_publishable
from core.programme.timeline import Record, effective
from core.programme.validation import parse, stored

MAX_AHEAD = timedelta(days=3660)
"""A date beyond it is a slip of the keyboard."""


class InForce(Published, frozen=True):
    """A revision while it is in force. `until` is when the one that is scheduled takes its place; None where none is."""

    until: datetime | None = None


class ProgrammeBook:
    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._published: list[Published] = []
        self._in_force: list[datetime] = []
        # The effective timeline: what is in force from each of the starts up to the next.
        self._starts: list[datetime] = []
        self._effective: list[InForce] = []

    @property
    def current(self) -> InForce:
        """What is in force now; a newer one may be scheduled."""
        return self.at(self._clock())

    @property
    def revision(self) -> int:
        """The newest revision known here, in force or not; 0 before the first load."""
        return self._published[-1].revision if self._published else 0

    def at(self, occurred_at: datetime) -> InForce:
        """The revision in force when an event occurred; the first one for anything before it."""
        return self._effective[max(bisect.bisect_right(self._starts, occurred_at) - 1, 0)]

    def published(self, revision: int) -> Published:
        """A revision that was published; they are numbered from 1 without a gap."""
        return self._published[revision - 1]

    def by_revision(self, revision: int) -> Programme:
        return self.published(revision).programme

    async def load(self, connection: Driver) -> bool:
        """Read what is newer than what is known. Returns whether there was anything."""
        rows = await connection.fetch(_NEWER, self.revision)
        for revision, document, in_force in rows:
            if revision <= self.revision:
                continue  # another lane read it while we waited
            self._published.append(Published(revision, stored(msgspec.json.decode(document))))
            self._in_force.append(in_force)
        spans = effective(self._in_force)
        self._effective = [InForce(span.revision, self.by_revision(span.revision), span.until) for span in spans]
        self._starts = [span.start for span in spans]
        return bool(rows)


async def publish(
    connection: AsyncConnection, source: str, *, by: str, now: datetime, at: datetime | None = None
) -> int:
    """Publish a TOML document as the next revision, in force from `at`, or from `now`. Returns its number.

    Raises `InvalidInput` that points into the document, where it is wrong or cannot follow the revision whose place it
    takes, or at `/at` where that is past or has no zone; `Rejected` when another was published at the same moment.
    """
    programme = parse(source)
    if at is not None:
        check_instant(at, now)
    in_force = now if at is None else at
    newest = await connection.scalar(_NEWEST)
    await require_following(connection, programme, in_force, now)
    revision = await connection.scalar(
        _PUBLISH,
        {
            "revision": newest + 1,
            "schema": programme.schema,
            "document": msgspec.json.encode(programme).decode(),
            "source": source,
            "in_force": in_force,
            "now": now,
            "by": by,
        },
    )
    if revision is None:
        raise Rejected("another revision was published at the same moment; look at it and try again", code="raced")
    return int(revision)


async def require_following(connection: AsyncConnection, programme: Programme, at: datetime, now: datetime) -> None:
    """Raises `InvalidInput` where `programme` cannot take the place of what is in force at `at`. Before the first member
    nobody has anything by it, and whatever follows at once is right; by a later instant there may be members."""
    document = await connection.scalar(_BINDING, {"at": at, "scheduled": at > now})
    if document is not None:
        require_publishable(stored(msgspec.json.decode(document)), programme)


def check_instant(at: datetime, now: datetime) -> None:
    """Raises `InvalidInput` where nothing can come into force at `at`."""
    if at.tzinfo is None:
        raise InvalidInput.at("/at", "needs its zone, as in 2026-12-01T00:00:00+08:00")
    if at < now:
        raise InvalidInput.at("/at", f"is in the past: now it is {rfc3339(now)}")
    if at > now + MAX_AHEAD:
        raise InvalidInput.at("/at", f"is more than {MAX_AHEAD.days} days ahead")


async def source_of(connection: AsyncConnection, revision: int) -> str:
    """The TOML of a revision as it was published. Raises `NotFound`."""
    found = await connection.scalar(_SOURCE, {"revision": revision}) if 0 < revision < 2**31 else None
    if found is None:
        raise NotFound(f"there is no revision {revision}", code="unknown_revision")
    return str(found)


async def records(connection: AsyncConnection) -> list[Record]:
    """Every revision without its document, from the first."""
    return [Record(*row) for row in (await connection.execute(_RECORDS)).all()]


_NEWER = """SELECT revision, CAST(document AS text), in_force FROM programme_revision
        WHERE revision > $1 ORDER BY revision"""

_NEWEST = text("SELECT max(revision) FROM programme_revision")

_BINDING = text(
    """SELECT CAST(document AS text) FROM programme_revision
        WHERE (in_force <= :at OR revision = 1) AND (:scheduled OR EXISTS (SELECT FROM member))
        ORDER BY revision DESC LIMIT 1"""
)

_PUBLISH = text(
    """INSERT INTO programme_revision (revision, schema, document, source, in_force, published_at, published_by)
       VALUES (:revision, :schema, CAST(:document AS jsonb), :source, :in_force, :now, :by)
       ON CONFLICT DO NOTHING RETURNING revision"""
)

_SOURCE = text("SELECT source FROM programme_revision WHERE revision = :revision")

_RECORDS = text("SELECT revision, in_force, published_at, published_by FROM programme_revision ORDER BY revision")
