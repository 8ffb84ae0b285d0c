"""The phone: a disc with the balance in it, the member's code, what happened."""

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
        balance=standing.balance,
        tier=standing.tier,
        expiring=standing.expiring[0] if standing.expiring else None,
        rewards=standing.rewards,
        holds=standing.holds,
        activity=activity(snapshot.recent, published, locale),
    )
