"""Two members that are one person: all of one joins the other, at one instant, and nothing of it is lost.

Points keep their lots and dates, pending points vest when they would have, holds and vouchers stay open, what qualified
adds up period by period, and so do the member's own counts. Purchases stay where they were recorded and can be returned
as before. From then on every identifier, token, pass and link of either leads to the one that lives on.

That is the one with the longer history, whichever was named first: any stamp that a screen holds of either is then older
than the next one it is sent. Whose name and code it goes by is for the command to say.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.decision import Context, Decision, Entry, HoldEnd, Merge, Opening, State, change_of, opening
from core.errors import FieldError, InvalidInput, NotFound, Rejected
from core.holdings import Holdings, Progress, Voucher
from core.ledger import merging
from core.ledger.account import Account, Posting
from core.members.identifiers import Identifier
from core.members.reference import VERSIONS, seen_from_afar
from core.points import MAX_POINTS
from core.snapshot import Purchase

MAX_POSTINGS = 30_000
"""Of one entry, as many as their column counts: so many open lots nobody has."""


class MergeMembers(msgspec.Struct, frozen=True, tag="merge"):
    """The member that the command is for keeps its name and code; `other` is joined to it."""

    other: Identifier | int
    reason: str


def merge(state: State, command: MergeMembers, context: Context) -> Decision:
    """Of two that are one already, nothing happens. Rejects `points_out_of_range`, `history_too_long`; raises `NotFound`
    at `/other`, `InvalidInput`."""
    if not command.reason.strip():
        raise InvalidInput.at("/reason", "must say why")
    other = context.other
    if other is None or not other.version:
        raise NotFound(
            "there is no such member to merge",
            code="unknown_member",
            errors=(FieldError("/other", "is no member"),),
        )
    if other.member == state.member:
        return Decision(change=None, holdings=state.holdings)
    survivor, absorbed = sorted((state, other), key=lambda one: (-one.version, one.member))
    if survivor.version + 1 >= VERSIONS:
        raise _too_long()
    lives_on, leaves = opening(survivor, context), opening(absorbed, context)
    reason = command.reason.strip()
    left, out = _left(leaves.holdings)
    above = {code: lives_on.holdings.of(code).lots_made for code, _ in leaves.holdings.accounts()}
    holdings, in_ = _joined(lives_on.holdings, leaves.holdings, absorbed.member, above, origin=survivor.version + 1)
    holdings = holdings.with_progress(_together(lives_on.holdings, leaves.holdings, absorbed.member, state))
    gone = Decision(
        change=change_of(absorbed, context, "merged", left, leaves, merged=survivor.member, reason=reason),
        holdings=left,
        entries=(*leaves.entries, *_entries(out, context)),
        hold_ends=(*leaves.hold_ends, *_moved(leaves)),
        tallies=leaves.tallies,
    )
    return Decision(
        change=change_of(survivor, context, "merge", holdings, lives_on, merged=absorbed.member, reason=reason),
        holdings=holdings,
        entries=(*lives_on.entries, *_entries(in_, context)),
        hold_ends=lives_on.hold_ends,
        tallies=lives_on.tallies,
        merge=Merge(gone, above, takes_name=survivor is not state),
    )


def purchase_seen(purchase: Purchase, member: int, above: int) -> Purchase:
    """A purchase of `member`, as whoever it is merged into sees it, where its lots of points lie `above` higher."""
    return msgspec.structs.replace(
        purchase,
        version=seen_from_afar(member, purchase.version),
        lot=purchase.lot and purchase.lot + above,
        paid_from=merging.takings_above(purchase.paid_from, above),
        vouchers=tuple((seen_from_afar(member, no), off) for no, off in purchase.vouchers),
    )


def _left(holdings: Holdings) -> tuple[Holdings, dict[str, tuple[Posting, ...]]]:
    """What was absorbed, without its points. Vouchers and counts stay as they were, for whoever looks back."""
    postings = {}
    for currency, account in holdings.accounts():
        emptied, postings[currency] = merging.leave(account)
        holdings = holdings.with_account(currency, emptied)
    return holdings, postings


def _joined(
    holdings: Holdings, joining: Holdings, member: int, above: Mapping[str, int], *, origin: int
) -> tuple[Holdings, dict[str, tuple[Posting, ...]]]:
    assert holdings.vouchers is not None, "a merge moves vouchers: it needs them all"
    assert joining.vouchers is not None, "a merge moves vouchers: it needs them all"
    postings, moved = {}, (_voucher(one, member, above.get(one.currency, 0)) for one in joining.vouchers)
    vouchers = tuple(sorted((*holdings.vouchers, *moved), key=lambda one: one.no))
    for currency, account in joining.accounts():
        after, postings[currency] = merging.join(holdings.of(currency), account, member, origin=origin)
        _check_range(after)
        holdings = holdings.with_account(currency, after)
    return msgspec.structs.replace(holdings, vouchers=vouchers), postings


def _voucher(voucher: Voucher, member: int, above: int) -> Voucher:
    return msgspec.structs.replace(
        voucher,
        no=seen_from_afar(member, voucher.no),
        takings=merging.takings_above(voucher.takings, above),
    )


def _together(holdings: Holdings, joined: Holdings, member: int, keeps: State) -> Progress:
    progress, joining = holdings.progress, joined.progress
    counters = dict(progress.counters)
    for key, count in joining.counters.items():
        counters[key] = counters.get(key, 0) + count
    return Progress(
        counters=counters,
        first_purchase=progress.first_purchase or seen_from_afar(member, joining.first_purchase),
        segments=tuple(sorted({*progress.segments, *joining.segments})),
        birthday=keeps.holdings.progress.birthday or progress.birthday or joining.birthday,
    )


def _too_long() -> Rejected:
    return Rejected("a member with so long a history cannot be merged", code="history_too_long")


def _entries(postings: dict[str, tuple[Posting, ...]], context: Context) -> tuple[Entry, ...]:
    if any(len(moved) > MAX_POSTINGS for moved in postings.values()):
        raise _too_long()
    return tuple(
        Entry(kind="merge", occurred_at=context.now, postings=moved, currency=currency)
        for currency, moved in postings.items()
        if moved
    )


def _moved(leaves: Opening) -> tuple[HoldEnd, ...]:
    return tuple(HoldEnd(held.no, "merged") for _, account in leaves.holdings.accounts() for held in account.holds)


def _check_range(account: Account) -> None:
    if account.available + account.held + account.waiting > MAX_POINTS:
        raise Rejected("the balance would be beyond what a ledger holds", code="points_out_of_range")
