"""A basket as earning looks at it: its lines, where and when, and how much of each line earns."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from core.snapshot import Line


class Basket(msgspec.Struct, frozen=True):
    """`earning` is minor units of money, a line each: what of it was not paid with points."""

    lines: tuple[Line, ...]
    earning: tuple[int, ...]
    channel: str
    store: str
    occurred_at: datetime

    @property
    def money(self) -> int:
        """Minor units that earn."""
        return sum(self.earning)


def shares(amounts: Collection[int], part: int) -> tuple[int, ...]:
    """`part` of the sum of `amounts` spread over them in proportion: whole numbers that add up to `part`, none above its
    amount."""
    total, passed, given, spread = sum(amounts), 0, 0, []
    for amount in amounts:
        passed += amount
        upto = part * passed // total if total else 0
        spread.append(upto - given)
        given = upto
    return tuple(spread)


def earning_of(lines: tuple[Line, ...], paid: int) -> tuple[int, ...]:
    """What of each line earns once `paid` minor units of the basket do not."""
    amounts = [line.amount for line in lines]
    if not paid:
        return tuple(amounts)
    return tuple(amount - share for amount, share in zip(amounts, shares(amounts, paid), strict=True))
