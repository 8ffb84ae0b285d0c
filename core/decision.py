"""The shape of deciding: what a decider is given and what it returns.

A decider is a pure function `(state, command, context) -> Decision`; it raises a `ChorusError` to refuse. The engine
dispatches on the command's type and owns all I/O. Time, programme and the next version come in by `Context`, so the
same inputs give the same decision for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from core.ledger.account import Account, Posting
from core.ledger.settle import settle
from core.members.identifiers import Identifier
from core.programme.document import Programme, Published
from core.snapshot import Change, Kind, Profile, Purchase
from core.tiers.ladder import standing

HoldState = Literal["open", "captured", "voided", "timed_out"]


class State(msgspec.Struct, frozen=True):
    """One member as loaded under its lock. `version` 0: not enrolled yet."""

    member: int
    version: int
    account: Account
    purchases: Mapping[int, Purchase] = {}
    """Those that the commands of this batch name, by version."""
    recorded_at: datetime | None = None
    """When its version was recorded: what comes next is never recorded before, whatever this host's clock says."""


class Context(msgspec.Struct, frozen=True):
    """`published` is the revision in force when the event occurred; `owners` says who has the identifiers the command
    wants; `source` is the authenticated principal."""

    now: datetime
    published: Published
    source: str
    owners: Mapping[Identifier, int] = {}
    place: str = ""
    till: str = ""
    staff: bool = False

    @property
    def programme(self) -> Programme:
        return self.published.programme


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One journal entry. Its postings sum to zero. `reverses` is the version of the entry it takes back, or 0."""

    kind: str
    occurred_at: datetime
    postings: tuple[Posting, ...]
    reverses: int = 0


class HoldEnd(msgspec.Struct, frozen=True):
    no: int
    state: HoldState


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a command does. `change` is None when it does nothing (an identifier that was linked already)."""

    change: Change | None
    account: Account
    entries: tuple[Entry, ...] = ()
    purchase: Purchase | None = None
    """New, or the one a return was taken against, as it is now."""
    hold_ends: tuple[HoldEnd, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    profile: Profile | None = None


class Opening(msgspec.Struct, frozen=True):
    """A command's start: the account as of now, with what the clock did already journaled."""

    account: Account
    entries: tuple[Entry, ...]
    hold_ends: tuple[HoldEnd, ...]
    before: int
    """The spendable balance before the clock did anything."""
    expired: int
    released: int


def opening(state: State, context: Context) -> Opening:
    """Settle what is due, as every command that moves points begins."""
    settled = settle(state.account, context.now, context.programme, origin=state.version + 1)
    entries = tuple(
        Entry(
            kind="expire" if due.lot else "time_out",
            occurred_at=due.at,
            postings=due.postings,
            reverses=due.hold.no if due.hold else 0,
        )
        for due in settled.due
    )
    return Opening(
        account=settled.account,
        entries=entries,
        hold_ends=tuple(HoldEnd(due.hold.no, "timed_out") for due in settled.due if due.hold),
        before=state.account.available,
        expired=sum(due.lot.remaining for due in settled.due if due.lot),
        released=sum(due.hold.points for due in settled.due if due.hold),
    )


def change_of(
    state: State, context: Context, kind: Kind, account: Account, opened: Opening, **details: object
) -> Change:
    """The record of this command's version, with the balance and tier after it."""
    stands = standing(account.qualifying, context.programme, context.now)
    fields: dict[str, object] = {
        "occurred_at": context.now,
        "place": context.place,
        "till": context.till,
        "expired": opened.expired,
        "released": opened.released,
        **details,
    }
    return Change(
        member=state.member,
        version=state.version + 1,
        kind=kind,
        programme=context.published.revision,
        recorded_at=context.now,
        available=account.available,
        points=account.available - opened.before,
        tier=stands.tier.key,
        qualifying=stands.qualifying,
        **fields,  # type: ignore[arg-type]
    )
