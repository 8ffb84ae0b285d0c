"""Two members that are one person: how staff name them, and what they are told of it."""

from __future__ import annotations

import msgspec

from bff.answers import parse_number, tier_answer
from bff.bodies import IdentifierBody, Stamped, TierAnswer
from bff.purchases import identifier
from bff.reasons import reason_of
from bff.services import Services
from core.engine.submission import Answer
from core.members.merge import MergeMembers


class MergeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`other` is joined to the member of the address, whose name and code are kept: an identifier of it, or its member id
    as text. `reason` is required and kept."""

    other: IdentifierBody | str
    reason: str


class MergeAnswer(Stamped, kw_only=True):
    """`member` is the id that lives on, either of the two, and `merged` the one that leads to it from now on."""

    changed: bool
    member: str
    merged: str
    balance: int
    tier: TierAnswer


class OneAlready(msgspec.Struct, kw_only=True):
    """Both were this member; `changed` is False, and `version` that at which it was answered."""

    changed: bool
    member: str
    epoch: int
    version: int


def command_of(data: MergeBody) -> MergeMembers:
    """Raises `InvalidInput`."""
    if isinstance(data.other, str):
        other = parse_number(data.other, "/other", "member id")
        return MergeMembers(other, reason_of(data.reason))
    return MergeMembers(identifier(data.other, "/other"), reason_of(data.reason))


def answer_of(services: Services, answer: Answer, locale: str) -> MergeAnswer | OneAlready:
    change = answer.change
    if change is None:
        return OneAlready(changed=False, member=str(answer.member), epoch=answer.epoch, version=answer.version)
    return MergeAnswer(
        changed=True,
        member=str(change.member),
        merged=str(change.merged),
        balance=change.available,
        tier=tier_answer(services, change, locale),
        **services.stamp(answer),
    )
