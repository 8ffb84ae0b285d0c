"""The kiosk: a shared screen. It greets without a whole name, shows no history, and clears by itself."""

from __future__ import annotations

from datetime import datetime

from core.programme.document import Published, text_in
from core.snapshot import Snapshot
from surfaces import masking
from surfaces.standing import stand
from surfaces.tiers import last_day
from surfaces.views import KioskMember, KioskView, Reward, Voucher, VoucherBrief
from surfaces.wording import Words, formats, words

MOST_REWARDS = 4


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
        celebration=standing.celebration,
        balance=standing.balance,
        currencies=standing.currencies,
        tier=standing.tier,
        warning=standing.warning,
        rewards=_nearest(standing.rewards),
        vouchers=tuple([_brief(voucher) for voucher in standing.vouchers]) if standing.vouchers else (),
        vouchers_text=_vouchers_text(standing.vouchers, published, w) if standing.vouchers else "",
        holds=standing.holds,
    )


def _nearest(rewards: tuple[Reward, ...]) -> tuple[Reward, ...]:
    """As many as the screen has room for: those that may be had, then those that the fewest points are missing to."""
    if len(rewards) <= MOST_REWARDS:
        return rewards
    chosen = [reward for reward in rewards if reward.affordable][:MOST_REWARDS]
    if len(chosen) < MOST_REWARDS:
        others = [reward for reward in rewards if not reward.affordable]
        others.sort(key=lambda reward: (reward.state != "short", reward.missing))
        chosen += others[: MOST_REWARDS - len(chosen)]
    return tuple(chosen)


def _brief(voucher: Voucher) -> VoucherBrief:
    return VoucherBrief(id=voucher.id, name=voucher.name, stub=voucher.stub, note=voucher.note)


def _vouchers_text(vouchers: tuple[Voucher, ...], published: Published, w: Words) -> str:
    """In few words: how many, and until when the first of them is good."""
    many, first = w.count("kiosk.vouchers", len(vouchers), formats.number(len(vouchers))), vouchers[0].until
    if first is None:
        return many
    return w("kiosk.vouchers_until", vouchers=many, date=last_day(first, published.programme.key, w.locale))
