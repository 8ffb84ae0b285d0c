"""The wallet pass: the fields that the signed pass and its preview are both made of.

Points stand in the header, the only field that shows while passes are stacked. The colours are CSS `rgb()`, as a
`pass.json` wants them.
"""

from __future__ import annotations

from datetime import datetime

from core.programme.colours import rgb
from core.programme.document import Programme, Published, text_in
from core.snapshot import Snapshot
from surfaces.activity import activity
from surfaces.standing import Standing, finish_of, member_of, stand
from surfaces.views import Finish, Member, PassField, WalletView
from surfaces.wording import Words, formats, words

COLOURS: dict[Finish, tuple[str, str, str]] = {
    "petrol": ("rgb(5,36,48)", "rgb(244,248,249)", "rgb(188,204,210)"),
    "silver": ("rgb(193,203,207)", "rgb(5,31,41)", "rgb(46,65,74)"),
    "gold": ("rgb(225,183,97)", "rgb(46,26,7)", "rgb(79,53,20)"),
}
"""Background, foreground, label. Each label is at least 4.5:1 on its background; a test measures."""
RECENT = 3
"""Rows of what happened, on the back."""


def view(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> WalletView:
    standing, w = stand(snapshot, published, now, locale), words(locale)
    member, tier = member_of(snapshot.profile, locale), standing.tier
    background, foreground, label = colours_of(tier.key, published.programme)
    return WalletView(
        brand=standing.brand,
        serial=str(snapshot.member),
        tier_key=tier.key,
        finish=tier.finish,
        description=w("wallet.description", brand=standing.brand),
        background=background,
        foreground=foreground,
        label=label,
        header=(
            PassField(
                key="points",
                label=w("wallet.points"),
                value=formats.number(standing.balance.points),
                change_message=w("wallet.changed"),
            ),
        ),
        primary=(PassField(key="tier", label=w("wallet.tier"), value=tier.name),),
        secondary=_secondary(member, standing, w),
        auxiliary=_auxiliary(standing, w),
        back=_back(standing, snapshot, published, w),
        barcode=member.code,
        barcode_text=member.code_text,
        balance=standing.balance,
        tier=tier,
    )


def _secondary(member: Member, standing: Standing, w: Words) -> tuple[PassField, ...]:
    tier = standing.tier
    first = PassField(key="member", label=w("wallet.member"), value=member.name)
    if tier.next_name is None or tier.to_next is None:
        return first, PassField(key="standing", label=w("wallet.tier"), value=tier.distance)
    distance = formats.number(tier.to_next)
    return first, PassField(key="to_next", label=w("wallet.to_next", tier=tier.next_name), value=distance)


def _auxiliary(standing: Standing, w: Words) -> tuple[PassField, ...]:
    ready = sum(reward.affordable for reward in standing.rewards)
    return (
        PassField(key="this_year", label=w("wallet.this_year"), value=standing.tier.qualifying_text),
        PassField(key="ready", label=w("wallet.ready"), value=w.count("wallet.ready", ready, formats.number(ready))),
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


def _back(standing: Standing, snapshot: Snapshot, published: Published, w: Words) -> tuple[PassField, ...]:
    brand, tier = published.programme.brand, standing.tier
    rows = activity(snapshot.recent[:RECENT], published, w.locale)
    fields = [
        PassField(
            key="rewards",
            label=w("wallet.rewards"),
            value="\n".join(f"{reward.name}: {reward.note}" for reward in standing.rewards),
        )
    ]
    if tier.kept_text:
        fields.append(PassField(key="kept", label=tier.name, value=tier.kept_text))
    if standing.expiring:
        soonest = standing.expiring[0].text
        fields.append(PassField(key="expiring", label=w("wallet.expiring"), value=soonest))
    recent = "\n".join(f"{row.when}: {row.title} {row.points_text}".rstrip() for row in rows)
    fields.append(PassField(key="recent", label=w("wallet.recent"), value=recent))
    fields.append(PassField(key="website", label=w("wallet.website"), value=brand.website))
    fields.append(
        PassField(key="terms", label=w("wallet.terms"), value=text_in(brand.terms, w.locale) if brand.terms else "")
    )
    return tuple(field for field in fields if field.value)
