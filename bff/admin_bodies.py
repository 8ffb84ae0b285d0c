"""The bodies of the owner's requests and answers. Strict, as `bff.bodies`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bff.errors import Field, Problem
from core.programme.diff import Difference
from core.programme.timeline import Listed


class _Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class SourceBody(_Body, frozen=True):
    """`source` is the TOML document."""

    source: str


class DiffBody(_Body, frozen=True):
    """A document or a revision, compared with revision `against`: the one in force where none is given."""

    source: str | None = None
    revision: int | None = None
    against: int | None = None


class SimulateBody(_Body, frozen=True):
    source: str
    days: int = 30


class PublishBody(_Body, frozen=True):
    """In force from `at`, with its zone; at once where none is given."""

    source: str
    at: datetime | None = None


class RollbackBody(_Body, frozen=True):
    """Publishes the document of `revision` again, as a new one."""

    revision: int
    at: datetime | None = None


class ProgrammeAnswer(msgspec.Struct, kw_only=True):
    """`history` is newest first, everything that was ever published."""

    in_force: Listed
    scheduled: list[Listed]
    history: list[Listed]
    next: str | None
    """Opaque; give it as `?cursor=` for the next page."""


class RevisionAnswer(Listed, frozen=True, kw_only=True):
    source: str


class CheckAnswer(msgspec.Struct, kw_only=True):
    """`errors` point into the document."""

    valid: bool
    errors: list[Field]


class DiffAnswer(msgspec.Struct, kw_only=True):
    against: int
    differences: list[Difference]


class PublishAnswer(msgspec.Struct, kw_only=True):
    revision: int
    in_force: datetime
    published_by: str


class Failure(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """The last line of a simulation that came to no end."""

    problem: Problem
