"""The kiosk: a shared screen. It greets without a whole name, shows no history, and clears by itself."""

from __future__ import annotations

from datetime import datetime

from core.programme.document import Published, text_in
from core.snapshot import Snapshot
from surfaces import masking
from surfaces.standing import stand
from surfaces.views import KioskMember, KioskView
from surfaces.wording import words


def view(
    snapshot: Snapshot | None,
    published: Published,
    now: datetime,
    locale: str,
    *,
    store: str,
    session: int,
    clears_at: datetime | None,
) -> KioskView:
    """`store` is the id the device was registered with; `snapshot` None while nobody's session runs."""
    programme = published.programme
    named = programme.stores_by_id.get(store)
    return KioskView(
        brand=text_in(programme.brand.name, locale),
        store=text_in(named.name, locale) if named else masking.clean(store),
        session=session,
        member=_member(snapshot, published, now, locale) if snapshot else None,
        clears_at=clears_at if snapshot else None,
        clears_seconds=programme.limits.kiosk_clears_seconds,
    )


def _member(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> KioskMember:
    standing, w = stand(snapshot, published, now, locale), words(locale)
    name = masking.greeting_name(snapshot.profile.display_name)
    return KioskMember(
        greeting=w("kiosk.greeting", name=name) if name else w("kiosk.greeting_plain"),
        code_masked=masking.code_masked(snapshot.profile.code),
        balance=standing.balance,
        tier=standing.tier,
        rewards=standing.rewards,
        holds=standing.holds,
    )
