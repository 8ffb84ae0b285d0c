"""What points buy: the ladder of rewards, part payment, member prices.

Instants are written as local date-times of the programme's zone (or with an offset of their own).
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Literal

from core.points import POINTS
from core.programme.strict import Strict, Text, fraction

RewardKind = Literal["goods", "experience", "voucher", "charity", "draw"]


class Prize(Strict, frozen=True, kw_only=True):
    """`count` winners of one thing: a voucher reward's voucher, or points."""

    reward: str = ""
    points: int = 0
    count: int = 1


class Reward(Strict, frozen=True, kw_only=True):
    """`goods` and `experience` are held, then captured at the till (or `collect_days` later in a store). The others are
    spent at once: a `voucher` is issued, `charity` gives, a `draw` gives a ticket."""

    id: str
    name: Text
    points: int
    stub: Text
    """What the ticket's stub shows, at most four characters: "$5"."""
    terms: Text = {}
    value: int = 0
    """Worth in minor units of the programme's money currency; 0 where it has none. A voucher takes so much off."""
    kind: RewardKind = "goods"
    currency: str = POINTS
    money: int = 0
    """Points and money: minor units that the member pays on top when the hold is captured."""
    stock: int | None = None
    """How many there ever are; raising it in a later revision adds the difference. None: no end of them."""
    per_member: int | None = None
    """How many one member may ever have."""
    opens: datetime | None = None
    closes: datetime | None = None
    """From, and until before: a flash sale, or a draw's last ticket."""
    tiers: tuple[str, ...] = ()
    """Only members of these; empty: everybody."""
    uses: int = 1
    """Of a voucher."""
    valid_days: int = 90
    """A voucher is good through so many days after the day it was issued."""
    collect_days: int = 0
    """A hold may be placed for collection in a store and is kept so many days; 0: it is for the till one stands at."""
    prizes: tuple[Prize, ...] = ()
    """Of a draw, the first drawn first."""


class Worth(Strict, frozen=True, kw_only=True):
    """`points` points pay for `amount` minor units of money, up to the share `cap` of a basket."""

    points: int
    amount: int
    cap: str = "0.3"

    @property
    def share(self) -> Fraction:
        return fraction(self.cap)

    def money_of(self, points: int) -> Fraction:
        """Minor units, exactly."""
        return Fraction(points * self.amount, self.points)


class MemberPrice(Strict, frozen=True, kw_only=True):
    """One piece of `sku` for a member of `tiers` (empty: any member), in minor units."""

    sku: str
    amount: int
    tiers: tuple[str, ...] = ()
