"""Enrolment and identifiers: an identifier belongs to one member at most, for good."""

from __future__ import annotations

import msgspec

from core.decision import Context, Decision, State, change_of, opening
from core.errors import InvalidInput, Rejected, Unavailable
from core.ledger.account import Account
from core.members.identifiers import Identifier
from core.snapshot import Profile

MAX_IDENTIFIERS = 8
"""Of one request: a person has a handful."""


class Enrol(msgspec.Struct, frozen=True, tag="enrol"):
    """`code` is a fresh member code chosen by the engine; identifiers are normalised."""

    code: str
    identifiers: tuple[Identifier, ...]
    locale: str
    display_name: str


class LinkIdentifier(msgspec.Struct, frozen=True, tag="link"):
    identifier: Identifier


def enrol(state: State, command: Enrol, context: Context) -> Decision:
    """A new member with its code and identifiers. Rejects `identifier_taken`; raises `Unavailable` `code_taken` when
    another code must be tried."""
    if context.owners.get(Identifier("code", command.code)):
        raise Unavailable("the new code was given to another this moment; send it again", code="code_taken")
    for i, identifier in enumerate(command.identifiers):
        if context.owners.get(identifier):
            raise _taken(f"/identifiers/{i}")
        if identifier in command.identifiers[:i]:
            raise InvalidInput.at(f"/identifiers/{i}", "given twice")
    account = Account()
    return Decision(
        change=change_of(state, context, "enrol", account, opening(state, context)),
        account=account,
        identifiers=(Identifier("code", command.code), *command.identifiers),
        profile=Profile(command.code, command.display_name, command.locale),
    )


def link(state: State, command: LinkIdentifier, context: Context) -> Decision:
    """One more identifier; linking it again to the same member changes nothing. Rejects `identifier_taken`."""
    owner = context.owners.get(command.identifier)
    if owner == state.member:
        return Decision(change=None, account=state.account)
    if owner:
        raise _taken("/identifier")
    opened = opening(state, context)
    return Decision(
        change=change_of(state, context, "link", opened.account, opened, reason=command.identifier.kind),
        account=opened.account,
        entries=opened.entries,
        hold_ends=opened.hold_ends,
        identifiers=(command.identifier,),
    )


def _taken(pointer: str) -> Rejected:
    return Rejected(
        "this identifier belongs to another member",
        code="identifier_taken",
        errors=InvalidInput.at(pointer, "belongs to another member").errors,
    )
