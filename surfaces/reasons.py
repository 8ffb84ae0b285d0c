"""Why points were given, in words: one line a reason, the same on every surface."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from msgspec.structs import replace

from core.points import POINTS, round_points
from core.programme.document import Programme, ProgrammeKey, text_in
from core.snapshot import Award, Change
from surfaces.figures import signed_text
from surfaces.views import Reason
from surfaces.wording import Words, formats, words


def reasons_of(change: Change, programme: Programme, w: Words) -> tuple[Reason, ...]:
    """A reason a line, in the order in which they were given."""
    awards = by_reason(change.awards or _unexplained(change))
    return tuple([_reason(award, change, programme, w) for award in awards]) if awards else ()


def by_reason(awards: Iterable[Award]) -> tuple[Award, ...]:
    """One award for each reason there is, with all that it gave: a ledger has one for the lines of each rate, so that
    returns take back what each earned, and that is nothing to be told."""
    found: dict[tuple[str, str, str], Award] = {}
    for part in awards:
        key = part.rule, part.id, part.currency
        one = found.get(key)
        found[key] = replace(one, points=one.points + part.points, lines=(*one.lines, *part.lines)) if one else part
    return tuple(found.values())


def _unexplained(change: Change) -> tuple[Award, ...]:
    """Of a purchase recorded before awards were."""
    if change.kind != "purchase" or not (change.base or change.bonus):
        return ()
    base = Award("base", "", change.base, qualifies=True)
    return (base, Award("tier", change.bonus_tier, change.bonus)) if change.bonus else (base,)


def _reason(award: Award, change: Change, programme: Programme, w: Words) -> Reason:
    channel = _channel_of(award, change, programme) if award.rule == "base" else ""
    text = w("reason.base") if channel is None else reason(award, programme, w, channel=channel)
    return Reason(
        text=text,
        points=award.points,
        currency=award.currency,
        points_text=signed_text(award.points, programme, w, award.currency),
    )


def _channel_of(award: Award, change: Change, programme: Programme) -> str | None:
    """A channel by whose rate these points follow from the money that earned: a change does not name its own. None where
    two rates would give them, or none does (some of the basket earned by another rule, or the rate is another by now):
    then no rate is told, rather than a wrong one."""
    if award.lines:
        return None
    money, found = change.amount if programme.earn.on_points_part else change.amount - change.paid_amount, None
    for channel, points, minor in _rates(award.currency, programme.key):
        if round_points(money * points, minor, programme.earn.rounding) == award.points:
            if found is not None:
                return None
            found = channel
    return found


@lru_cache(maxsize=64)
def _rates(currency: str, key: ProgrammeKey) -> tuple[tuple[str, int, int], ...]:
    """(a channel of each coefficient, so many points for so many minor units)."""
    rates = key.programme.rates
    by_coefficient = {coefficient: channel for channel, coefficient in rates.coefficients.items()}
    exact = [(channel, rates.base(currency, channel)) for channel in by_coefficient.values()]
    return tuple((channel, rate.numerator, rate.denominator) for channel, rate in exact)


def reason(award: Award, programme: Programme, w: Words, *, channel: str = "") -> str:
    """`Base, 10 per US$1`, `Silver Disc, +25%`, `Jazz week ×2`. Something the programme no longer has is told by its
    kind alone."""
    return _kept(award.rule, award.id, award.currency, channel, programme.key, w.locale)


@lru_cache(maxsize=2048)
def _kept(rule: str, id: str, currency: str, channel: str, key: ProgrammeKey, locale: str) -> str:
    programme, w = key.programme, words(locale)
    match rule:
        case "base":
            return _base(currency, programme, w, channel)
        case "rule":
            special = next((one for one in programme.earn.rules if one.id == id), None)
            return text_in(special.name, w.locale) if special else w("reason.rule")
        case "tier":
            tier = next((one for one in programme.tiers if one.key == id), None)
            if tier is None:
                return w("reason.tier")
            return w("receipt.bonus", tier=text_in(tier.name, w.locale), percent=formats.percent(tier.bonus))
        case "campaign":
            return _campaign(id, programme, w)
        case "prize":
            reward = programme.rewards_by_id.get(id)
            return w("reason.prize", draw=text_in(reward.name, w.locale)) if reward else w("reason.prize_plain")
        case _:
            return w(f"reason.{id}")


def _base(currency: str, programme: Programme, w: Words, channel: str) -> str:
    coefficient = programme.rates.coefficients.get(channel, Fraction(1))
    rate = _rate(currency, programme) * coefficient
    per = formats.money_unit(programme.money, w.locale)
    return w("receipt.base", rate=formats.fraction(rate), money=per, unit=_unit(currency, programme, w.locale))


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


def _campaign(id: str, programme: Programme, w: Words) -> str:
    campaign = programme.campaigns_by_id.get(id)
    if campaign is None:
        return w("reason.campaign")
    name = text_in(campaign.name, w.locale)
    if not campaign.multiplier:
        return name
    return w("reason.multiplied", campaign=name, times=formats.fraction(Fraction(campaign.multiplier)))
