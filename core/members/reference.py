"""How a member's ledger names what came from another's: one number for that member and its own number there.

Holds, vouchers, pending points and purchases are named by the version that made them. When a member is merged into
another, its versions would be taken for the other's; so they keep the member they came from in the number itself. A
number of one's own stays what it is, and one that came from somewhere stays what it is through every further merge.
"""

from __future__ import annotations

from typing import NamedTuple

VERSIONS = 1 << 20
"""A member with as many cannot be merged: that is one event a minute for two years."""
LOWEST_MEMBER = 1_000
FOREIGN = LOWEST_MEMBER * VERSIONS
"""From here on a number names another member's."""


def seen_from_afar(member: int, no: int) -> int:
    """What `member` names `no`, as whoever it is merged into names it. 0, which names nothing, stays 0."""
    return no if no == 0 or no >= FOREIGN else member * VERSIONS + no


class Step(NamedTuple):
    """One merge on the way of a member to whoever it lives on as: `member`, whose last version was `last`, went `into`
    another, in which the lots of points of the first on the way lie `above` their own numbers."""

    member: int
    last: int
    into: int
    above: int


Way = tuple[Step, ...]


def along(way: Way, no: int) -> int:
    """A number that was said with the first member of `way`, as the one that lives on names it. Versions only grow along
    the way, so one beyond a member's last was told by whoever it had gone into."""
    for step in way:
        if no <= step.last:
            return seen_from_afar(step.member, no)
    return no


def origin_of(no: int) -> tuple[int, int] | None:
    """(member, number there) of what came from another; None for a number of one's own."""
    return divmod(no, VERSIONS) if no >= FOREIGN else None
