"""A member as it was before a window of time, as far as what a purchase earns depends on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

import msgspec

from core import limits
from core.holdings import Holdings, Progress, Voucher
from core.ledger.account import Account, Lot
from core.programme.window import Recorded
from core.snapshot import Purchase


def rewound(recorded: Recorded, since: date) -> Holdings:
    """The member before the window, with the points and the vouchers that it paid with in it. Else the balance plays no
    part in what a purchase earns."""
    if not recorded.purchases:
        return Holdings(Account(qualifying=recorded.holdings.account.qualifying), progress=recorded.holdings.progress)
    qualifying, paid = dict(recorded.holdings.account.qualifying), 0
    for one in recorded.purchases:
        qualifying[one.period] = qualifying.get(one.period, 0) - qualified(one)
        paid += one.paid_points
    first = recorded.purchases[0]
    lots = (Lot(1, 1, first.recorded_at, None, paid, paid),) if paid else ()
    return Holdings(
        Account(lots, lots_made=len(lots), qualifying=qualifying),
        vouchers=tuple(_vouchers(recorded)),
        progress=_progress(recorded, since),
    )


def qualified(purchase: Purchase) -> int:
    """What a purchase adds to the qualifying figure, after its returns."""
    measured = purchase.measured if purchase.awards or purchase.measured else purchase.base
    return measured - purchase.qualifying_taken_back


def _vouchers(recorded: Recorded) -> Iterator[Voucher]:
    """Those that the window's purchases used, with so many uses more."""
    uses = Counter(no for one in recorded.purchases for no, _ in one.vouchers)
    for voucher in recorded.holdings.vouchers or ():
        if uses[voucher.no]:
            used = max(0, voucher.used - uses[voucher.no])
            yield msgspec.structs.replace(voucher, used=used, void=False)


def _progress(recorded: Recorded, since: date) -> Progress:
    """Without what the window counted."""
    progress = recorded.holdings.progress
    given = Counter(
        limits.campaign(id)
        for one in recorded.purchases
        for id in {award.id for award in one.granted if award.rule == "campaign"}
    )
    counters = {
        key: left
        for key, count in progress.counters.items()
        if (left := count - given[key]) > 0 and not _counts_a_day_from(key, since)
    }
    new = progress.first_purchase in {one.version for one in recorded.purchases}
    return msgspec.structs.replace(progress, counters=counters, first_purchase=0 if new else progress.first_purchase)


def _counts_a_day_from(key: str, since: date) -> bool:
    """Whether a count is of one campaign on one day of the window: whatever came to it, came in it."""
    kind, _, rest = key.partition("/")
    _, of_a_day, day = rest.rpartition("/")
    return kind == "campaign" and bool(of_a_day) and day >= since.isoformat()
