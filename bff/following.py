"""What a member's own screen names by a number, once that member was merged into another.

The screen shows the one that lives on, with that one's numbers of holds and vouchers. A screen that has not heard of it
yet, or a request on its way, names by the numbers that it showed before. A till says whose number it is.
"""

from __future__ import annotations

from bff.services import Services
from core import read
from core.members.reference import FOREIGN


async def whose_hold(services: Services, member: int, no: int) -> int:
    """The member that a screen of `member` means by the hold `no`: the one that lives on if it ever had such a one by
    that number, else the member itself. Never one after the other: what the first refuses is refused."""
    return await _whose(services, member, no, frozenset({"hold"}))


async def whose_voucher(services: Services, member: int, no: int) -> int:
    """The same of a voucher."""
    return await _whose(services, member, no, frozenset({"claim", "grant"}))


async def _whose(services: Services, member: int, no: int, made_by: frozenset[str]) -> int:
    living = await read.living(services.database, member)
    if living == member or no >= FOREIGN:
        return living
    made = (await read.changes(services.database, [(living, no)])).get((living, no))
    return living if made is not None and made.kind in made_by else member
