"""What a surface is drawn from: one member at one version, and the record of each version.

A `Change` is the lasting record of one version: what happened and the balance after it. It carries ids and numbers,
never a name. A `Snapshot` is the holdings, the profile and the latest changes. `advance` makes the next snapshot from
the one before, so that the node that committed, and every node that heard of it, need no read; it refuses a gap.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from core.holdings import Holdings, whole
from core.ledger.account import Account
from core.ledger.movements import Takings
from core.points import POINTS

RECENT = 20
"""Changes a snapshot carries: two screens of a phone. Older ones are paged by cursor."""

Kind = Literal[
    "enrol",
    "link",
    "traits",
    "purchase",
    "return",
    "action",
    "hold",
    "capture",
    "void",
    "claim",
    "grant",
    "use",
    "unuse",
    "cancel",
    "adjust",
    "reinstate",
    "extend",
    "vest",
    "expire",
    "merge",
    "merged",
]
"""By what a version was made. `claim` buys a voucher, a gift or a ticket; `grant` gives one; `use` and `unuse` are a
voucher's; `cancel` takes an unused voucher back for its points; `vest` and `expire` are the clock's alone; `merge` takes
another member in, whose last version is `merged`."""


class Award(msgspec.Struct, frozen=True, array_like=True):
    """Points that one rule gave, which is the reason a member is told."""

    rule: Literal["base", "rule", "tier", "campaign", "action", "prize"]
    id: str
    """Of the rule, tier, campaign, action or draw; empty for the base rate."""
    points: int
    currency: str = POINTS
    qualifies: bool = False
    lines: tuple[int, ...] = ()
    """The purchase's lines it was given for, by index; empty: all of it."""


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """What a version did in a currency other than the points; the fields mean what they mean in `Change`."""

    currency: str
    points: int
    available: int
    pending: int = 0
    expired: int = 0
    released: int = 0
    vested: int = 0


class Change(msgspec.Struct, frozen=True, cache_hash=True, omit_defaults=True, kw_only=True):
    """One version of one member. `points` is the change of the spendable balance, `available` the balance after."""

    member: int
    version: int
    kind: Kind
    programme: int
    recorded_at: datetime
    occurred_at: datetime
    available: int
    points: int = 0
    tier: str = ""
    """The tier after it."""
    qualifying: int = 0
    """Qualifying points of the current period after it."""
    place: str = ""
    """Store id."""
    till: str = ""
    sku: str = ""
    """Set when all lines are of one sku, for the wording "3 CDs"."""
    quantity: int = 0
    amount: int = 0
    """Money in minor units: the purchase's total, or what a return gave back."""
    base: int = 0
    bonus: int = 0
    bonus_tier: str = ""
    awards: tuple[Award, ...] = ()
    """Everything that was earned, with its reason; `base` and `bonus` are among them."""
    expired: int = 0
    """Points that lapsed in the same command."""
    released: int = 0
    """Points that came back from timed-out holds in the same command."""
    vested: int = 0
    """Pending points that became good in the same command."""
    pending: int = 0
    """Points pending after it."""
    vests_at: datetime | None = None
    """When what it earned becomes good; None where it is at once."""
    others: tuple[Moved, ...] = ()
    """Other currencies that it moved."""
    qualified: int = 0
    """What it added to (or took from) the qualifying figure of `period`, in the programme's measure."""
    period: int = 0
    reward: str = ""
    currency: str = POINTS
    """Of the points that a reward costs."""
    purchase: int = 0
    """For a return: the version of the purchase it takes back."""
    parts: tuple[tuple[int, int, int], ...] = ()
    """For a return: (line, pieces, money) by the purchase's index."""
    hold: int = 0
    voucher: int = 0
    """The version that issued it."""
    code: str = ""
    """A voucher's, in the version that issued it."""
    ticket: int = 0
    """Of a draw, from 1."""
    paid_points: int = 0
    """Points that paid for part of a purchase; for a return, those given back."""
    paid_amount: int = 0
    """Minor units of money that points and vouchers paid; for a return, their part of what was returned."""
    until: datetime | None = None
    """For an extension: the new date."""
    reason: str = ""
    flags: tuple[str, ...] = ()
    merged: int = 0
    """The member that was taken in, or the one that it went into."""

    @property
    def earned(self) -> int:
        """Points earned by it, pending ones among them."""
        if self.awards:
            return sum([award.points for award in self.awards if award.currency == POINTS])
        return self.base + self.bonus


class Profile(msgspec.Struct, frozen=True):
    """The personal part, read at the edge and never put on the bus."""

    code: str
    display_name: str
    locale: str


class Snapshot(msgspec.Struct, frozen=True):
    member: int
    version: int
    recorded_at: datetime
    profile: Profile
    holdings: Holdings
    recent: tuple[Change, ...]
    """Newest first, at most `RECENT`."""

    @property
    def account(self) -> Account:
        """In points."""
        return self.holdings.account


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a purchase as the till sent it; `amount` in minor units for the whole line."""

    sku: str
    quantity: int
    amount: int
    name: str = ""
    category: str = ""


class Purchase(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """One purchase as recorded: what a receipt prints, and what returns are held against."""

    member: int
    version: int
    external_id: str
    """The till's own id."""
    occurred_at: datetime
    recorded_at: datetime
    place: str
    till: str
    channel: str
    currency: str
    total: int
    lines: tuple[Line, ...]
    programme: int
    base: int
    bonus: int
    bonus_tier: str
    period: int
    """The qualification period it counts in."""
    lot: int
    """The lot of points it made; 0 where it earned none that are good at once, or all of them paid a debt."""
    available: int
    """The balance after it, as printed."""
    returned: tuple[tuple[int, int], ...] = ()
    """For each line (quantity, amount) already returned; empty when nothing was."""
    taken_back: int = 0
    """Points that returns took."""
    qualifying_taken_back: int = 0
    awards: tuple[Award, ...] = ()
    measure: Literal["points", "spend", "visits"] = "points"
    measured: int = 0
    """What it added to the qualifying figure, in that measure; of a purchase without awards, its base."""
    due_back: tuple[int, ...] = ()
    """For each award, the points that were due for what is returned, taken or let go."""
    paid_points: int = 0
    """Points that paid for part of it, from the lots in `paid_from`,"""
    paid_from: Takings = ()
    paid_amount: int = 0
    """and the minor units of money they paid."""
    paid_back: int = 0
    """Of those points, what returns gave back."""
    vouchers: tuple[tuple[int, int], ...] = ()
    """(voucher, minor units of money it took off)."""

    @property
    def granted(self) -> tuple[Award, ...]:
        """Its awards; those of a purchase recorded before there were such."""
        if self.awards or not (self.base or self.bonus):
            return self.awards
        base = Award("base", "", self.base, qualifies=True)
        return (base, Award("tier", self.bonus_tier, self.bonus)) if self.bonus else (base,)

    @property
    def earned(self) -> int:
        return sum([award.points for award in self.granted if award.currency == POINTS])

    @property
    def unpaid(self) -> int:
        """Minor units of money that were not paid with points or vouchers."""
        return self.total - self.paid_amount - sum(amount for _, amount in self.vouchers)


def advance(snapshot: Snapshot, change: Change, holdings: Holdings) -> Snapshot | None:
    """The snapshot after `change`; None when it is not the very next version, or the profile must be read again."""
    if change.version != snapshot.version + 1 or change.kind in ("link", "merge", "merged"):
        return None
    return Snapshot(
        member=snapshot.member,
        version=change.version,
        recorded_at=change.recorded_at,
        profile=snapshot.profile,
        holdings=whole(snapshot.holdings, holdings),
        recent=(change, *snapshot.recent[: RECENT - 1]),
    )
