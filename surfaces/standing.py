"""What all surfaces say alike about a member: balance, tier, what it buys, what is set aside, what lapses when.

Every view is composed from one `Standing`, so that no two surfaces can disagree about the same version: the holdings are
settled once as of `now`, and each number has its words beside it.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import msgspec

from core.programme.document import Programme, Published, text_in
from core.snapshot import Profile, Snapshot
from surfaces import masking
from surfaces.expiry import coming, expiring, others, warned
from surfaces.figures import Figures, figures, points_text, unit
from surfaces.rewards import holds_of, rewards_of
from surfaces.tiers import celebration_of, finish_of, tier_of
from surfaces.views import (
    Balance,
    Celebration,
    Coming,
    Currency,
    Expiring,
    Held,
    Lapsing,
    Member,
    Reward,
    Tier,
    Voucher,
)
from surfaces.vouchers import vouchers_of
from surfaces.wording import Words, words

__all__ = ["Standing", "balance_of", "finish_of", "member_of", "points_text", "stand", "unit"]


class Standing(msgspec.Struct, frozen=True):
    brand: str
    celebration: Celebration | None
    balance: Balance
    currencies: tuple[Currency, ...]
    tier: Tier
    warning: Lapsing | None
    pending: tuple[Coming, ...]
    expiring: tuple[Expiring, ...]
    rewards: tuple[Reward, ...]
    vouchers: tuple[Voucher, ...]
    holds: tuple[Held, ...]
    hint: str


def stand(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> Standing:
    """The latest one is kept: a fan-out asks for the same standing once for each surface."""
    global _latest
    latest = _latest  # passes are drawn in threads: what another puts here meanwhile is another member's
    same = latest is not None and latest[0] is snapshot and latest[1] is published
    if latest is None or not same or latest[2:4] != (now, locale):
        latest = (snapshot, published, now, locale, _stand(snapshot, published, now, locale))
        _latest = latest
    return latest[4]


_latest: tuple[Snapshot, Published, datetime, str, Standing] | None = None
"""By identity: both are kept with it, for an id alone is given to another when its object is gone."""


def _stand(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> Standing:
    """Lists are made only where there is something in them: most members have neither vouchers nor pending points."""
    programme, w, found = published.programme, words(locale), figures(snapshot, published, now)
    account, holdings = found.account, found.holdings
    rewards = rewards_of(found, programme, w, now)
    untouched = not (account.lots_made or account.debt or account.pending or holdings.others or holdings.vouchers)
    return Standing(
        brand=text_in(programme.brand.name, locale),
        celebration=celebration_of(found, programme, w) if found.risen else None,
        balance=_balance(found, programme, w),
        currencies=others(found, programme, w, now) if holdings.others else (),
        tier=tier_of(found, programme, w, now),
        warning=warned(found, rewards, programme, w) if found.lapse else None,
        pending=coming(found, programme, w) if account.pending else (),
        expiring=expiring(found, programme, w) if found.dates else (),
        rewards=rewards,
        vouchers=vouchers_of(found, programme, w, now) if holdings.vouchers else (),
        holds=holds_of(found, programme, w),
        hint=w("member.hint") if untouched else "",
    )


def balance_of(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> Balance:
    """The balance alone, for a surface that shows nothing else of the member."""
    return _balance(figures(snapshot, published, now), published.programme, words(locale))


@lru_cache(maxsize=4096)
def member_of(profile: Profile, locale: str) -> Member:
    """The member as its own devices show it. One who gave no name is called by the end of the code."""
    name = masking.clean(profile.display_name) or words(locale)("member.unnamed", last=profile.code[-4:])
    return Member(name=name, code=profile.code, code_text=masking.code_grouped(profile.code))


def _balance(found: Figures, programme: Programme, w: Words) -> Balance:
    word, waiting = unit(found.points, programme, w.locale), found.account.waiting if found.account.pending else 0
    return Balance(
        points=found.points,
        held=found.account.held,
        pending=waiting,
        unit=word,
        text=w("amount.points", n=found.points_shown, unit=word),
        pending_text=w("pending.some", points=points_text(waiting, programme, w)) if waiting else "",
    )
