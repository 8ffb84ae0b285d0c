"""The published revisions, kept in memory and read again when the database has a newer one.

A revision is immutable, so a cached one is never wrong; which is newest is asked inside every commit (one index
look-up), so no decision is made on a programme that was superseded before the transaction began.
"""

from __future__ import annotations

import bisect
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Driver
from core.errors import Rejected
from core.programme.document import Programme, Published
from core.programme.validation import from_builtins, parse


class ProgrammeBook:
    def __init__(self) -> None:
        self._revisions: list[tuple[datetime, Published]] = []

    @property
    def current(self) -> Published:
        return self._revisions[-1][1]

    @property
    def revision(self) -> int:
        """The newest revision known here; 0 before the first load."""
        return self.current.revision if self._revisions else 0

    def at(self, occurred_at: datetime) -> Published:
        """The revision in force when an event occurred; the first one for anything before it."""
        index = bisect.bisect_right(self._revisions, occurred_at, key=lambda revision: revision[0])
        return self._revisions[max(index - 1, 0)][1]

    def published(self, revision: int) -> Published:
        """A revision that was published; they are numbered from 1 without a gap."""
        return self._revisions[revision - 1][1]

    def by_revision(self, revision: int) -> Programme:
        return self.published(revision).programme

    async def load(self, connection: Driver) -> bool:
        """Read what is newer than what is known. Returns whether there was anything."""
        rows = await connection.fetch(_NEWER, self.revision)
        for revision, document, in_force in rows:
            if revision <= self.revision:
                continue  # another lane read it while we waited
            programme = from_builtins(msgspec.json.decode(document))
            self._revisions.append((in_force, Published(revision, programme)))
        return bool(rows)


async def publish(connection: AsyncConnection, source: str, *, by: str, now: datetime) -> int:
    """Publish a TOML document as the next revision, in force from `now`. Returns its number.

    Raises `InvalidInput` that points into the document; `Rejected` when another was published at the same moment.
    """
    programme = parse(source)
    revision = await connection.scalar(
        _PUBLISH,
        {
            "schema": programme.schema,
            "document": msgspec.json.encode(programme).decode(),
            "source": source,
            "now": now,
            "by": by,
        },
    )
    if revision is None:
        raise Rejected("another revision was published at the same moment; look at it and try again", code="raced")
    return int(revision)


_NEWER = """SELECT revision, CAST(document AS text), in_force FROM programme_revision
        WHERE revision > $1 ORDER BY revision"""

_PUBLISH = text(
    """INSERT INTO programme_revision (revision, schema, document, source, in_force, published_at, published_by)
       SELECT max(revision) + 1, :schema, CAST(:document AS jsonb), :source, :now, :now, :by FROM programme_revision
       ON CONFLICT DO NOTHING RETURNING revision"""
)
