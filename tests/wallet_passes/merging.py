"""Two members of a house that turn out to be one person."""

from __future__ import annotations

from core.members.merge import MergeMembers
from core.snapshot import Change
from tests.bff.house import House, Shopper
from tests.core.door import send


async def merge(house: House, gone: Shopper, into: Shopper) -> Change:
    """`gone` is joined to `into`, which must have the longer history; what this made of that one."""
    answer = await send(house.services.engine, MergeMembers(gone.member, "the same person"), into.member)
    assert answer.change is not None
    assert answer.member == into.member
    return answer.change
