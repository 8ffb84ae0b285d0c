"""Points of an event so late that they are past their date when it arrives: entered and expired in one command."""

from __future__ import annotations

import msgspec

from core.decision import Context, Entry
from core.holdings import Holdings
from core.ledger import movements
from core.points import POINTS
from core.snapshot import Change, Moved


def expire_late(holdings: Holdings, version: int, context: Context) -> tuple[Holdings, tuple[Entry, ...]]:
    """Let lots that this very version made lapse if their date has passed."""
    entries, now = [], context.now
    for currency, account in holdings.accounts():
        for lot in account.lots:
            if lot.origin != version or not lot.remaining or (end := account.end_of(lot)) is None or end > now:
                continue
            account, postings = movements.expire(account, lot)
            entries.append(Entry(kind="expire", occurred_at=now, postings=postings, currency=currency))
            holdings = holdings.with_account(currency, account)
    return holdings, tuple(entries)


def with_lapsed(change: Change, lapsed: tuple[Entry, ...], holdings: Holdings) -> Change:
    """The record with the points that lapsed on arrival among those that expired. A currency of which all did moved by
    nothing, and is named all the same."""
    if not lapsed:
        return change
    sums: dict[str, int] = {}
    for entry in lapsed:
        sums[entry.currency] = sums.get(entry.currency, 0) + entry.postings[-1].amount
    moved = {one.currency: one for one in change.others}
    for currency in sums.keys() - {POINTS}:
        account = holdings.of(currency)
        before = moved.get(currency) or Moved(currency, 0, account.available, account.waiting)
        moved[currency] = msgspec.structs.replace(before, expired=before.expired + sums[currency])
    others = tuple(moved[currency] for currency in holdings.others if currency in moved)
    return msgspec.structs.replace(change, expired=change.expired + sums.get(POINTS, 0), others=others)
