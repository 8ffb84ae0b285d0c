"""The wallet pass: the fields that the signed pass and its preview are both made of.

Points stand in the header, the only field that shows while passes are stacked. The colours are CSS `rgb()`, as a
`pass.json` wants them.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import msgspec

from core.programme.colours import rgb
from core.programme.document import Programme, ProgrammeKey, Published, text_in
from core.snapshot import Snapshot
from surfaces.activity import activity_once
from surfaces.standing import Standing, member_of, stand
from surfaces.tiers import calendar_years, finish_of
from surfaces.views import Activity, Finish, Member, PassField, Tier, WalletView
from surfaces.wording import Words, formats, words

COLOURS: dict[Finish, tuple[str, str, str]] = {
    "petrol": ("rgb(5,36,48)", "rgb(244,248,249)", "rgb(188,204,210)"),
    "silver": ("rgb(193,203,207)", "rgb(5,31,41)", "rgb(46,65,74)"),
    "gold": ("rgb(225,183,97)", "rgb(46,26,7)", "rgb(79,53,20)"),
}
"""Background, foreground, label. Each label is at least 4.5:1 on its background; a test measures."""
RECENT = 3
"""Rows of what happened, and of vouchers, on the back: a pass stays small."""


def view(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> WalletView:
    standing, w = stand(snapshot, published, now, locale), words(locale)
    member, tier = member_of(snapshot.profile, locale), standing.tier
    face = _face(tier.key, tier.name, tier.next_name, tier.period, published.programme.key, w.locale)
    return WalletView(
        brand=standing.brand,
        serial=str(snapshot.member),
        tier_key=tier.key,
        finish=tier.finish,
        description=face.description,
        background=face.background,
        foreground=face.foreground,
        label=face.label,
        header=(
            PassField(
                key="points",
                label=face.points,
                value=formats.number(standing.balance.points),
                change_message=face.changed,
            ),
        ),
        primary=face.primary,
        secondary=_secondary(member, tier, face),
        auxiliary=_auxiliary(standing, face, w),
        back=_back(standing, snapshot, published, face, w),
        barcode=member.code,
        barcode_text=member.code_text,
        balance=standing.balance,
        tier=tier,
    )


class _Face(msgspec.Struct, frozen=True):
    """What every pass of a tier says alike in one language: its colours, labels and whole fields."""

    background: str
    foreground: str
    label: str
    description: str
    points: str
    changed: str
    primary: tuple[PassField, ...]
    member: str
    goal: str
    """The label of the distance; at the top, of the tier."""
    this_year: str
    ready: str
    rewards: str
    expiring: str
    recent: str
    foot: tuple[PassField, ...]
    """The last fields of the back."""


@lru_cache(maxsize=256)
def _face(tier: str, name: str, next_name: str | None, period: str, key: ProgrammeKey, locale: str) -> _Face:
    programme, brand, w = key.programme, key.programme.brand, words(locale)
    background, foreground, label = colours_of(tier, programme)
    foot = (
        PassField(key="website", label=w("wallet.website"), value=brand.website),
        PassField(key="terms", label=w("wallet.terms"), value=text_in(brand.terms, locale) if brand.terms else ""),
    )
    return _Face(
        background=background,
        foreground=foreground,
        label=label,
        description=w("wallet.description", brand=text_in(brand.name, locale)),
        points=w("wallet.points"),
        changed=w("wallet.changed"),
        primary=(PassField(key="tier", label=w("wallet.tier"), value=name),),
        member=w("wallet.member"),
        goal=w("wallet.to_next", tier=next_name) if next_name else w("wallet.tier"),
        this_year=w("wallet.this_year") if calendar_years(programme) else period,
        ready=w("wallet.ready"),
        rewards=w("wallet.rewards"),
        expiring=w("wallet.expiring"),
        recent=w("wallet.recent"),
        foot=tuple(field for field in foot if field.value),
    )


def _secondary(member: Member, tier: Tier, face: _Face) -> tuple[PassField, ...]:
    first = PassField(key="member", label=face.member, value=member.name)
    if tier.to_next is None:
        return first, PassField(key="standing", label=face.goal, value=tier.distance)
    return first, PassField(key="to_next", label=face.goal, value=tier.to_next_text)


def _auxiliary(standing: Standing, face: _Face, w: Words) -> tuple[PassField, ...]:
    ready = sum([reward.affordable for reward in standing.rewards])
    return (
        PassField(key="this_year", label=face.this_year, value=standing.tier.qualifying_text),
        PassField(key="ready", label=face.ready, value=w.count("wallet.ready", ready, formats.number(ready))),
    )


def colours_of(tier: str, programme: Programme) -> tuple[str, str, str]:
    """Background, foreground and label of a tier's card: the programme's own, or those of the tier's finish."""
    card = next((known.card for known in programme.tiers if known.key == tier), None)
    if card is None:
        return COLOURS[finish_of(tier, programme)]
    background, foreground, label = (
        "rgb({},{},{})".format(*rgb(colour)) for colour in (card.background, card.foreground, card.label)
    )
    return background, foreground, label


def _back(standing: Standing, snapshot: Snapshot, published: Published, face: _Face, w: Words) -> tuple[PassField, ...]:
    tier, warning, fields = standing.tier, standing.warning, []
    if standing.vouchers:
        fields.append(PassField(key="vouchers", label=w("wallet.vouchers"), value=_vouchers(standing, w)))
    if standing.rewards:
        rewards = "\n".join([f"{reward.name}: {reward.note}" for reward in standing.rewards])
        fields.append(PassField(key="rewards", label=face.rewards, value=rewards))
    if tier.kept_text:
        kept = [tier.kept_text, tier.keep.text, tier.keep.notice] if tier.keep else [tier.kept_text]
        fields.append(PassField(key="kept", label=tier.name, value="\n".join(filter(None, kept))))
    if standing.expiring:
        value = f"{warning.text}\n{warning.offer}".rstrip() if warning else standing.expiring[0].text
        fields.append(PassField(key="expiring", label=face.expiring, value=value))
    if standing.pending:
        coming = "\n".join([one.text for one in standing.pending[:RECENT]])
        fields.append(PassField(key="pending", label=w("wallet.pending"), value=coming))
    if standing.currencies:
        others = "\n".join([one.text for one in standing.currencies])
        fields.append(PassField(key="currencies", label=w("wallet.points"), value=others))
    if rows := activity_once(snapshot.recent[:RECENT], published, w.locale):
        recent = "\n".join([_recent(row) for row in rows])
        fields.append(PassField(key="recent", label=face.recent, value=recent))
    return (*fields, *face.foot)


def _vouchers(standing: Standing, w: Words) -> str:
    """Those whose dates come first, without their codes: whoever is handed the phone at a till sees the back."""
    lines = [f"{voucher.name}: {voucher.note}" for voucher in standing.vouchers[:RECENT]]
    if (more := len(standing.vouchers) - RECENT) > 0:
        lines.append(w("receipt_page.more", count=formats.number(more)))
    return "\n".join(lines)


def _recent(row: Activity) -> str:
    return f"{row.when}: {row.title} {row.points_text or row.others_text}".rstrip()
