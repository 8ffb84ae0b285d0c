"""The till: what staff need to serve a member, with a short name and a masked code."""

from __future__ import annotations

from datetime import datetime

from core.programme.document import Published
from core.snapshot import Snapshot
from surfaces import masking
from surfaces.standing import stand
from surfaces.views import PosView
from surfaces.wording import words


def view(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> PosView:
    standing, profile = stand(snapshot, published, now, locale), snapshot.profile
    name = masking.short_name(profile.display_name)
    return PosView(
        brand=standing.brand,
        member=str(snapshot.member),
        name=name or words(locale)("member.unnamed", last=profile.code[-4:]),
        code_masked=masking.code_masked(profile.code),
        celebration=standing.celebration,
        balance=standing.balance,
        currencies=standing.currencies,
        tier=standing.tier,
        warning=standing.warning,
        rewards=standing.rewards,
        vouchers=standing.vouchers,
        holds=standing.holds,
    )
