"""The phone: a disc with the balance in it, the member's code, vouchers, what happened."""

from __future__ import annotations

from datetime import datetime

from core.programme.document import Published
from core.snapshot import Snapshot
from surfaces.activity import activity
from surfaces.standing import member_of, stand
from surfaces.views import AppView


def view(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> AppView:
    standing = stand(snapshot, published, now, locale)
    return AppView(
        brand=standing.brand,
        member=member_of(snapshot.profile, locale),
        hint=standing.hint,
        celebration=standing.celebration,
        balance=standing.balance,
        currencies=standing.currencies,
        tier=standing.tier,
        warning=standing.warning,
        pending=standing.pending,
        expiry_schedule=standing.expiring,
        rewards=standing.rewards,
        vouchers=standing.vouchers,
        holds=standing.holds,
        activity=activity(snapshot.recent, published, locale),
    )
