"""The stamp every balance carries, and the ETag made of it.

Stamps are compared field by field in order; a receiver ignores an older one. Two answers with the same ETag have
the same bytes: a view is a pure function of the member at a version, the programme revision, the instant the clock
last changed it, the surface, the locale and the schema of its shape.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from core.clock import rfc3339


class Stamp(msgspec.Struct, frozen=True, order=True):
    """`epoch`: the lineage of the database. `programme`: the published revision. `valid_from`: the last change of the
    view that the clock alone made."""

    epoch: int
    version: int
    programme: int
    valid_from: datetime


def etag(stamp: Stamp, surface: str, locale: str, schema: int) -> str:
    """A strong ETag with its quotes."""
    parts = (stamp.epoch, stamp.version, stamp.programme, rfc3339(stamp.valid_from), surface, locale, schema)
    return f'"{hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]}"'
