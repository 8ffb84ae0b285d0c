"""A submission with the members it touches found: who it is for, and the second one that some commands name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from core.engine.commands import Command, as_survivor, second
from core.engine.submission import Submission
from core.members.decide import Enrol
from core.members.identifiers import Identifier
from core.members.merge import MergeMembers
from core.members.reference import Way


class Asked(msgspec.Struct, frozen=True):
    """`command` is the submission's, in the numbers of the member it is for now."""

    submission: Submission
    command: Command
    member: int | None
    other: int | None = None

    @classmethod
    def of(cls, submission: Submission, owners: Mapping[Identifier, int], enrolled: int | None) -> Asked:
        command, named = submission.command, second(submission.command)
        member = enrolled or _found(submission.who, owners)
        return cls(submission, command, member, None if named is None else _found(named, owners))

    @property
    def existing(self) -> Iterator[int]:
        """The members to be locked: one that is being enrolled is nobody's yet."""
        if self.member and not isinstance(self.command, Enrol):
            yield self.member
            if self.other:
                yield self.other

    @property
    def merges(self) -> bool:
        return isinstance(self.command, MergeMembers)

    def followed(self, moved: Mapping[int, int], ways: Mapping[int, Way]) -> Asked:
        """The same where members of `moved` were merged into others, by these ways."""
        member, other, command = self.member, self.other, self.command
        if member is not None and member in moved:
            member, command = moved[member], as_survivor(command, ways[member])
        if other is not None and other in moved:
            other = moved[other]
        return Asked(self.submission, command, member, other)


def _found(who: Identifier | int | None, owners: Mapping[Identifier, int]) -> int | None:
    return owners.get(who) if isinstance(who, Identifier) else who
