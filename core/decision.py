"""The shape of deciding: what a decider is given and what it returns.

A decider is a pure function `(state, command, context) -> Decision`; it raises a `ChorusError` to refuse. The engine
dispatches on the command's type and owns all I/O. Time, programme and the next version come in by `Context`, so the
same inputs give the same decision for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from core import limits
from core.holdings import Holdings
from core.ledger import movements
from core.ledger.account import Hold, Lot, Pending, Posting
from core.ledger.expiry import lapse_of
from core.ledger.settle import Due, settle
from core.limits import Tally, Use
from core.members.identifiers import Identifier
from core.points import POINTS
from core.programme.document import Programme, Published
from core.snapshot import Award, Change, Kind, Moved, Profile, Purchase
from core.tiers.ladder import tier_of

HoldState = Literal["open", "captured", "voided", "timed_out", "merged"]


class State(msgspec.Struct, frozen=True):
    """One member as loaded under its lock. `version` 0: not enrolled yet."""

    member: int
    version: int
    holdings: Holdings
    purchases: Mapping[int, Purchase] = {}
    """Those that the commands of this batch name, by version."""
    recorded_at: datetime | None = None
    """When its version was recorded: what comes next is never recorded before, whatever this host's clock says."""
    lapsed: Mapping[str, int] = {}
    """By currency, points that expired in all and were not given back; read for commands that give them back."""


class Context(msgspec.Struct, frozen=True):
    """`published` is the revision in force when the event occurred, `current` the one in force at `now` where that is
    known to be another (an event came late); `owners` says who has the identifiers the command wants; `source` is the
    authenticated principal; `tallies` are the shared counts that `commands.shared` named, locked, and `closed` those of
    them that take nothing more."""

    now: datetime
    published: Published
    source: str
    owners: Mapping[Identifier, int] = {}
    place: str = ""
    till: str = ""
    staff: bool = False
    tallies: Mapping[str, int] = {}
    closed: frozenset[str] = frozenset()
    current: Published | None = None
    other: State | None = None
    """The second member that a command names."""

    @property
    def programme(self) -> Programme:
        return self.published.programme

    def day_of(self, instant: datetime) -> date:
        """The programme's day of an instant."""
        return instant.astimezone(self.programme.tzinfo).date()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One journal entry. Its postings are in one currency and sum to zero. `reverses` is the version of the entry it
    takes back, or 0; `awards` say why points were given."""

    kind: str
    occurred_at: datetime
    postings: tuple[Posting, ...]
    reverses: int = 0
    currency: str = POINTS
    awards: tuple[Award, ...] = ()


class HoldEnd(msgspec.Struct, frozen=True):
    no: int
    state: HoldState


class Ticket(msgspec.Struct, frozen=True):
    """A ticket of a draw. `entropy` is what the member brought to the draw's outcome."""

    draw: str
    no: int
    entropy: bytes


class Merge(msgspec.Struct, frozen=True):
    """A member that went into another, and how far the numbers of its lots lie above its own there, by currency.
    `takes_name`: the one that lives on goes by its name and code."""

    absorbed: Decision
    lots: Mapping[str, int]
    takes_name: bool


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a command does. `change` is None when it does nothing (an identifier that was linked already)."""

    change: Change | None
    holdings: Holdings
    entries: tuple[Entry, ...] = ()
    purchase: Purchase | None = None
    """New, or the one a return was taken against, as it is now."""
    hold_ends: tuple[HoldEnd, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    profile: Profile | None = None
    tallies: tuple[Tally, ...] = ()
    ticket: Ticket | None = None
    merge: Merge | None = None


class Opening(msgspec.Struct, frozen=True):
    """A command's start: the holdings as of now, with what the clock did already journaled."""

    holdings: Holdings
    entries: tuple[Entry, ...]
    hold_ends: tuple[HoldEnd, ...]
    tallies: tuple[Tally, ...]
    """The stock that timed-out holds gave back."""
    before: Holdings
    """Before the clock did anything."""
    done: Mapping[str, Iterable[Due]]
    """What the clock did, by currency."""


def opening(state: State, context: Context) -> Opening:
    """Settle what is due, as every command that moves points begins."""
    settled = {
        currency: settle(account, context.now, context.programme, currency=currency, origin=state.version + 1)
        for currency, account in state.holdings.accounts()
    }
    if not any(one.due for one in settled.values()):
        return Opening(state.holdings, (), (), (), state.holdings, {})
    ended = [due.subject for one in settled.values() for due in one.due if isinstance(due.subject, Hold)]
    holdings = state.holdings.with_accounts({currency: one.account for currency, one in settled.items()})
    holdings, tallies = put_back(holdings, ended)
    return Opening(
        holdings=holdings,
        entries=tuple(_entry(due, currency) for currency, one in settled.items() for due in one.due),
        hold_ends=tuple(HoldEnd(held.no, "timed_out") for held in ended),
        tallies=tallies,
        before=state.holdings,
        done={currency: one.due for currency, one in settled.items()},
    )


def _entry(due: Due, currency: str) -> Entry:
    kind = {Hold: "time_out", Pending: "vest", Lot: "expire"}[type(due.subject)]
    reverses = due.subject.no if isinstance(due.subject, Hold) else 0
    return Entry(kind=kind, occurred_at=due.at, postings=due.postings, reverses=reverses, currency=currency)


def with_released(context: Context, opened: Opening) -> Context:
    """The context in which the stock that the clock gave back in this very command is there again."""
    if not opened.tallies:
        return context
    tallies = dict(context.tallies)
    for tally in opened.tallies:
        tallies[tally.key] = tallies.get(tally.key, 0) + tally.by
    return msgspec.structs.replace(context, tallies=tallies)


def put_back(holdings: Holdings, ended: Iterable[Hold]) -> tuple[Holdings, tuple[Tally, ...]]:
    """The progress and the stock after holds that came to nothing: neither counts as had."""
    progress, tallies = holdings.progress, list[Tally]()
    for held in ended:
        progress, moved = limits.given_back(held.reward, progress, stocked=held.stocked)
        tallies += moved
    return holdings.with_progress(progress), tuple(tallies)


def counted(holdings: Holdings, uses: Collection[Use], context: Context) -> tuple[Holdings, tuple[Tally, ...]]:
    """The holdings with `uses` counted, and the tallies they move."""
    if not uses:
        return holdings, ()
    days = context.programme.limits.replay_window_days
    oldest = limits.oldest_counted(context.day_of(context.now), days)
    progress, tallies = limits.count(uses, holdings.progress, oldest=oldest)
    if progress is holdings.progress:
        return holdings, tallies
    return holdings.with_progress(progress), tallies


def active(holdings: Holdings, currency: str, at: datetime, context: Context) -> Holdings:
    """The member earned, was given or spent `currency` at an instant: where points expire by activity, they are good for
    longer. That is of all the points there are, so the programme in force now says it, however old the event."""
    account, standing = holdings.of(currency), (context.current or context.published).programme
    after = movements.active(account, lapse_of(at, standing, currency))
    return holdings if after is account else holdings.with_account(currency, after)


def change_of(
    state: State, context: Context, kind: Kind, holdings: Holdings, opened: Opening, **details: object
) -> Change:
    """The record of this command's version, with the balances and the tier after it."""
    account = holdings.account
    tier, qualifying = tier_of(account.qualifying, context.programme, context.now)
    mine = _moved(POINTS, holdings, opened)
    others = tuple(
        moved
        for currency in holdings.others
        if (moved := _moved(currency, holdings, opened)).points
        or moved.expired
        or moved.released
        or moved.pending != opened.before.of(currency).waiting
    )
    fields: dict[str, object] = {
        "occurred_at": context.now,
        "place": context.place,
        "till": context.till,
        "expired": mine.expired,
        "released": mine.released,
        "vested": mine.vested,
        "pending": mine.pending,
        "others": others,
        **details,
    }
    return Change(
        member=state.member,
        version=state.version + 1,
        kind=kind,
        programme=context.published.revision,
        recorded_at=context.now,
        available=mine.available,
        points=mine.points,
        tier=tier.key,
        qualifying=qualifying,
        **fields,  # type: ignore[arg-type]
    )


def _moved(currency: str, holdings: Holdings, opened: Opening) -> Moved:
    account, before = holdings.of(currency), opened.before.of(currency)
    available, done = account.available, opened.done.get(currency, ())
    if not done:
        return Moved(currency, available - before.available, available, account.waiting)
    sums = {Hold: 0, Pending: 0, Lot: 0}
    for due in done:
        subject = due.subject
        sums[type(subject)] += subject.points if isinstance(subject, Hold) else subject.remaining
    return Moved(
        currency,
        points=available - before.available,
        available=available,
        pending=account.waiting,
        expired=sums[Lot],
        released=sums[Hold],
        vested=sums[Pending],
    )
