"""What comes in at the door and what goes out: a keyed command, its answer, and the record of a commit."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from core.engine.commands import Command
from core.holdings import Holdings
from core.members.identifiers import Identifier
from core.snapshot import Change, Profile


@dataclass(slots=True, kw_only=True)
class Submission:
    """One command with its key.

    `source` is the authenticated principal and the kind of command; with `key` it is claimed once, for ever. `hash` is
    `input_hash` of the request as sent. `who` finds the member: an identifier, a member id, or None for an enrolment.
    `occurred_at` chooses the programme revision; None means now.
    """

    source: str
    key: str
    hash: bytes
    command: Command
    who: Identifier | int | None
    occurred_at: datetime | None = None
    place: str = ""
    till: str = ""
    staff: bool = False
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`change` is None when the command changed nothing. `replay`: the key had been used, this is the first answer."""

    member: int
    version: int
    epoch: int
    change: Change | None
    profile: Profile | None = None
    replay: bool = False


class Committed(msgspec.Struct, frozen=True):
    """One version that is now durable. `holdings` is None when only the fact is known (an unknown COMMIT, found
    later): whoever shows it must read."""

    change: Change
    holdings: Holdings | None


def input_hash(request: Any) -> bytes:
    """SHA-256 over the request's JSON as sent, keys sorted, before any default was filled in."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).digest()
