"""Why points were given, in words: one line an award, the same on every surface."""

from __future__ import annotations

from fractions import Fraction

from core.points import POINTS
from core.programme.document import Programme, text_in
from core.snapshot import Award
from surfaces.wording import Words, formats


def reason(award: Award, programme: Programme, w: Words, *, channel: str = "") -> str:
    """`Base, 10 per US$1`, `Silver Disc, +25%`, `Jazz week ×2`. Something the programme no longer has is told by its
    kind alone."""
    match award.rule:
        case "base":
            return _base(award, programme, w, channel)
        case "rule":
            rule = next((rule for rule in programme.earn.rules if rule.id == award.id), None)
            return text_in(rule.name, w.locale) if rule else w("reason.rule")
        case "tier":
            tier = next((tier for tier in programme.tiers if tier.key == award.id), None)
            if tier is None:
                return w("reason.tier")
            return w("receipt.bonus", tier=text_in(tier.name, w.locale), percent=formats.percent(tier.bonus))
        case "campaign":
            return _campaign(award, programme, w)
        case "action":
            return w(f"reason.{award.id}")
        case "prize":
            reward = programme.rewards_by_id.get(award.id)
            return w("reason.prize", draw=text_in(reward.name, w.locale)) if reward else w("reason.prize_plain")


def _base(award: Award, programme: Programme, w: Words, channel: str) -> str:
    coefficient = programme.rates.coefficients.get(channel, Fraction(1))
    rate = _rate(award.currency, programme) * coefficient
    per = formats.money_unit(programme.money, w.locale)
    return w("receipt.base", rate=formats.fraction(rate), money=per, unit=_unit(award.currency, programme, w.locale))


def _unit(currency: str, programme: Programme, locale: str) -> str:
    """The unit word for many of a currency."""
    for other in programme.currencies:
        if other.code == currency:
            return text_in(other.other, locale)
    return text_in(programme.points.other, locale)


def _rate(currency: str, programme: Programme) -> Fraction:
    if currency == POINTS:
        return programme.earn.rate
    rates = {one.code: Fraction(one.points_per_unit) for one in programme.currencies}
    return rates.get(currency, Fraction(0))


def _campaign(award: Award, programme: Programme, w: Words) -> str:
    campaign = programme.campaigns_by_id.get(award.id)
    if campaign is None:
        return w("reason.campaign")
    name = text_in(campaign.name, w.locale)
    if not campaign.multiplier:
        return name
    return w("reason.multiplied", campaign=name, times=formats.fraction(Fraction(campaign.multiplier)))
