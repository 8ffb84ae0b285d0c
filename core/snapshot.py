"""What a surface is drawn from: one member at one version, and the record of each version.

A `Change` is the lasting record of one version: what happened and the balance after it. It carries ids and numbers,
never a name. A `Snapshot` is the account, the profile and the latest changes. `advance` makes the next snapshot from
the one before, so that the node that committed, and every node that heard of it, need no read; it refuses a gap.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from core.ledger.account import Account, whole

RECENT = 20
"""Changes a snapshot carries: two screens of a phone. Older ones are paged by cursor."""

Kind = Literal["enrol", "link", "purchase", "return", "hold", "capture", "void", "adjust", "expire"]


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
    expired: int = 0
    """Points that lapsed in the same command."""
    released: int = 0
    """Points that came back from timed-out holds in the same command."""
    reward: str = ""
    purchase: int = 0
    """For a return: the version of the purchase it takes back."""
    hold: int = 0
    reason: str = ""
    flags: tuple[str, ...] = ()


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
    account: Account
    recent: tuple[Change, ...]
    """Newest first, at most `RECENT`."""


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
    """The qualification period (year) its base points count in."""
    lot: int
    """The lot it made; 0 where it earned nothing or all of it paid a debt."""
    available: int
    """The balance after it, as printed."""
    returned: tuple[tuple[int, int], ...] = ()
    """For each line (quantity, amount) already returned; empty when nothing was."""
    taken_back: int = 0
    qualifying_taken_back: int = 0

    @property
    def earned(self) -> int:
        return self.base + self.bonus


def advance(snapshot: Snapshot, change: Change, account: Account) -> Snapshot | None:
    """The snapshot after `change`; None when it is not the very next version, or the profile must be read again."""
    if change.version != snapshot.version + 1 or change.kind == "link":
        return None
    return Snapshot(
        member=snapshot.member,
        version=change.version,
        recorded_at=change.recorded_at,
        profile=snapshot.profile,
        account=whole(snapshot.account, account),
        recent=(change, *snapshot.recent[: RECENT - 1]),
    )
