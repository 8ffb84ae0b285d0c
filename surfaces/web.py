"""The member's web page: card, vouchers, rewards, activity, and when points lapse."""

from __future__ import annotations

from datetime import datetime

from core.programme.document import Published
from core.snapshot import Snapshot
from surfaces.activity import activity
from surfaces.standing import member_of, stand
from surfaces.views import WebView


def view(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> WebView:
    standing = stand(snapshot, published, now, locale)
    return WebView(
        brand=standing.brand,
        website=published.programme.brand.website,
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
