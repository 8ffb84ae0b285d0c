"""A member's account in one currency, and what the clock alone does to it.

An `Account` is a value: every movement returns a new one with the postings that explain it. Two things hold of any
account reachable from an empty one by `movements`:

    available = sum(lot.remaining) - debt      held = sum(hold.points)      pending = sum(part.remaining)

and the postings of its journal add up to the same three numbers. `settle` is the only place that lets time pass: it ends
the holds that ran out and the lots past their date and lets pending points vest, in the order in which it happened.
Decider and view both call it, so a lot past its date is gone on every surface whether or not a sweep has come by.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

AVAILABLE = "available"
PENDING = "pending"
HELD = "held"
ISSUED = "issued"
REDEEMED = "redeemed"
EXPIRED = "expired"
ADJUSTED = "adjusted"
MERGED = "merged"
"""Where a member's points go when it is merged into another, and where that one's come from."""


class Posting(msgspec.Struct, frozen=True, array_like=True):
    """One side of an entry. A posting on `available` names the lot it fills or empties; none means debt."""

    account: str
    amount: int
    lot: int | None = None


class Lot(msgspec.Struct, frozen=True, array_like=True):
    """Points of one origin with one date. `no` counts a member's lots; it is never used again."""

    no: int
    origin: int
    """The member's version that made it."""
    earned_at: datetime
    expires_at: datetime | None
    """The exclusive instant: local midnight after the last good day; None never expires."""
    amount: int
    remaining: int
    source: int = 0
    """The version of the purchase that earned them, where a return takes them first; 0 for any others. What came with a
    merged member is numbered by `core.members.reference`."""


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """Points that were earned and are not good yet: a return takes them before any lot."""

    no: int
    """The member's version that earned them."""
    earned_at: datetime
    vests_at: datetime
    expires_at: datetime | None
    amount: int
    remaining: int


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """Points set aside for a reward, taken from named lots, until captured, voided or timed out."""

    no: int
    """The member's version that opened it."""
    reward: str
    points: int
    opened_at: datetime
    expires_at: datetime
    takings: tuple[tuple[int, int], ...]
    """(lot, points) in the order taken."""
    store: str = ""
    """Where it is to be collected; empty: at whichever till."""
    stocked: bool = False
    """Whether it took a piece of the reward's stock."""
    money: int = 0
    """Minor units to be paid when it is captured."""


class Account(msgspec.Struct, frozen=True, array_like=True):
    """`lots` holds the open lots and those that an open hold took from, by number; `qualifying` points by year.

    A *thin* account leaves its older lots unnamed: `rest` is what they hold together. A credit needs no more, so a
    purchase costs the same for a member of ten years as for a new one. `rest` 0 means that every lot is named.
    """

    lots: tuple[Lot, ...] = ()
    holds: tuple[Hold, ...] = ()
    debt: int = 0
    lots_made: int = 0
    qualifying: dict[int, int] = {}
    rest: int = 0
    rest_due: datetime | None = None
    """Not after the first date among the unnamed lots."""
    pending: tuple[Pending, ...] = ()
    lapses_at: datetime | None = None
    """When the lots without a date of their own lapse together unless the member does something before: expiry by
    activity."""

    @property
    def available(self) -> int:
        return sum([lot.remaining for lot in self.lots]) + self.rest - self.debt

    @property
    def held(self) -> int:
        return sum([hold.points for hold in self.holds])

    @property
    def waiting(self) -> int:
        """Points that are pending."""
        return sum([part.remaining for part in self.pending])

    def end_of(self, lot: Lot) -> datetime | None:
        """When `lot` stops being good: by its own date, or without one for want of activity; None never."""
        return lot.expires_at or self.lapses_at


def whole(before: Account, thin: Account) -> Account:
    """`thin` with the lots it left unnamed, which are those of `before`, the account just before it."""
    if not thin.rest:
        return thin
    known = {lot.no for lot in before.lots}
    fresh = tuple(lot for lot in thin.lots if lot.no not in known)
    return msgspec.structs.replace(thin, lots=(*before.lots, *fresh), rest=0, rest_due=None)


def next_due(account: Account) -> datetime | None:
    """Not after the instant when the clock next does something; None if it never will."""
    ahead = [account.rest_due] if account.rest_due is not None else []
    ahead += [hold.expires_at for hold in account.holds]
    ahead += [part.vests_at for part in account.pending if part.remaining]
    ends = [account.end_of(lot) for lot in account.lots if lot.remaining]
    if account.rest and account.lapses_at is not None:
        ends.append(account.lapses_at)
    ahead += [end for end in ends if end is not None]
    return min(ahead, default=None)
