"""Enrolment, identifiers and traits: an identifier belongs to one member at most, for good."""

from __future__ import annotations

import re
from datetime import date

import msgspec

from core.decision import Context, Decision, State, change_of, opening
from core.errors import FieldError, InvalidInput, Rejected, Unavailable
from core.holdings import Holdings, Progress
from core.members.identifiers import Identifier
from core.snapshot import Profile

MAX_IDENTIFIERS = 8
"""Of one request: a person has a handful."""
_BIRTHDAY = re.compile(r"\d\d-\d\d", re.ASCII)


class Enrol(msgspec.Struct, frozen=True, tag="enrol"):
    """`code` is a fresh member code chosen by the engine; identifiers are normalised."""

    code: str
    identifiers: tuple[Identifier, ...]
    locale: str
    display_name: str
    birthday: str = ""
    """Month and day, "02-29"; empty where it was not said."""


class LinkIdentifier(msgspec.Struct, frozen=True, tag="link"):
    identifier: Identifier


class SetTraits(msgspec.Struct, frozen=True, tag="traits"):
    """What campaigns look at; None leaves it as it is. `segments` are all that the member is in from now on."""

    segments: tuple[str, ...] | None = None
    birthday: str | None = None


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
    check_birthday(command.birthday)
    holdings = Holdings(progress=Progress(birthday=command.birthday))
    return Decision(
        change=change_of(state, context, "enrol", holdings, opening(state, context)),
        holdings=holdings,
        identifiers=(Identifier("code", command.code), *command.identifiers),
        profile=Profile(command.code, command.display_name, command.locale),
    )


def link(state: State, command: LinkIdentifier, context: Context) -> Decision:
    """One more identifier; linking it again to the same member changes nothing. Rejects `identifier_taken`."""
    owner = context.owners.get(command.identifier)
    if owner == state.member:
        return Decision(change=None, holdings=state.holdings)
    if owner:
        raise _taken("/identifier")
    opened = opening(state, context)
    return Decision(
        change=change_of(state, context, "link", opened.holdings, opened, reason=command.identifier.kind),
        holdings=opened.holdings,
        entries=opened.entries,
        hold_ends=opened.hold_ends,
        identifiers=(command.identifier,),
        tallies=opened.tallies,
    )


def set_traits(state: State, command: SetTraits, context: Context) -> Decision:
    """Setting what is so already changes nothing. Raises `InvalidInput` for a segment the programme does not name, or a
    day that does not exist."""
    known = {segment.id for segment in context.programme.segments}
    segments, birthday = command.segments, command.birthday
    errors = [
        FieldError(f"/segments/{i}", "is not a segment of the programme")
        for i, segment in enumerate(segments or ())
        if segment not in known
    ]
    if errors:
        raise InvalidInput("the traits have wrong fields", errors=tuple(errors))
    check_birthday(birthday or "")
    before = state.holdings.progress
    progress = msgspec.structs.replace(
        before,
        segments=before.segments if segments is None else tuple(sorted(set(segments))),
        birthday=before.birthday if birthday is None else birthday,
    )
    if progress == before:
        return Decision(change=None, holdings=state.holdings)
    opened = opening(state, context)
    progress = msgspec.structs.replace(opened.holdings.progress, segments=progress.segments, birthday=progress.birthday)
    holdings = opened.holdings.with_progress(progress)
    return Decision(
        change=change_of(state, context, "traits", holdings, opened),
        holdings=holdings,
        entries=opened.entries,
        hold_ends=opened.hold_ends,
        tallies=opened.tallies,
    )


def check_birthday(birthday: str) -> None:
    """Raises `InvalidInput` unless it is empty or a day of a leap year as "MM-DD"."""
    if not birthday:
        return
    try:
        if not _BIRTHDAY.fullmatch(birthday):
            raise ValueError
        date(2024, int(birthday[:2]), int(birthday[3:]))
    except ValueError:
        raise InvalidInput.at("/birthday", 'must be a month and a day, such as "02-29"') from None


def _taken(pointer: str) -> Rejected:
    return Rejected(
        "this identifier belongs to another member",
        code="identifier_taken",
        errors=InvalidInput.at(pointer, "belongs to another member").errors,
    )
