"""The tier in words: where one stands, how far the next is, until when it is kept and what keeps it longer.

Distances are said in what the programme measures: points, money or visits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from core.programme.document import Programme, ProgrammeKey, text_in
from core.programme.document import Tier as UpperTier
from core.tiers import ladder
from surfaces.figures import Figures, share, unit
from surfaces.views import Celebration, Finish, Keep, Tier
from surfaces.wording import Words, formats, words


def tier_of(figures: Figures, programme: Programme, w: Words, now: datetime) -> Tier:
    stands = figures.stands
    tier, upper, qualifying = stands.tier, stands.next, stands.qualifying
    rung = _rung(tier.key, stands.period, stands.kept_through, programme.key, w.locale)
    shown = measured(qualifying, programme, w)
    if upper is None or figures.to_next is None:
        to_next, distance = "", w("tier.top")
        label = w(rung.label, qualifying=shown, **rung.spoken)
    else:
        to_next = measured(figures.to_next, programme, w)
        distance = _counted(rung.distance, figures.to_next, to_next, programme, w, tier=rung.next_name, **rung.unit)
        label = w(rung.label, goal=rung.goal_text, distance=distance, qualifying=shown, **rung.spoken)
    return Tier(
        key=tier.key,
        name=rung.spoken["tier"],
        measure=programme.qualification.measure,
        qualifying=qualifying,
        qualifying_text=shown,
        period=rung.spoken["period"],
        next_name=rung.next_name,
        next_threshold=upper.threshold if upper else None,
        to_next=figures.to_next,
        to_next_text=to_next,
        distance=distance,
        label=label,
        progress=figures.progress,
        notch=rung.notch,
        notch_text=rung.notch_text,
        goal_text=rung.goal_text,
        kept_text=rung.kept_text,
        keep=_keep(stands, programme, w, now) if stands.keep else None,
        benefits=rung.benefits,
        finish=rung.finish,
    )


def celebration_of(figures: Figures, programme: Programme, w: Words) -> Celebration | None:
    """For a day after an upgrade."""
    risen, stands = figures.risen, figures.stands
    if risen is None or risen.key != stands.tier.key:
        return None
    rung = _rung(risen.key, stands.period, stands.kept_through, programme.key, w.locale)
    bonus = w("tier.reached_bonus", percent=formats.percent(risen.bonus)) if risen.bonus else ""
    return Celebration(
        tier=risen.key,
        title=w("tier.reached", tier=rung.spoken["tier"]),
        text=" ".join(filter(None, (bonus, rung.kept_text))) if w.locale == "en" else bonus or rung.kept_text,
        finish=rung.finish,
    )


def measured(figure: int, programme: Programme, w: Words) -> str:
    """A qualifying figure by itself: `11,404`, `US$114.04`."""
    if programme.qualification.measure == "spend":
        return formats.money(figure, programme.money, w.locale)
    return formats.number(figure)


def finish_of(key: str, programme: Programme) -> Finish:
    rank = [tier.key for tier in programme.tiers].index(key)
    if rank == 0:
        return "petrol"
    return "gold" if rank > 1 and rank == len(programme.tiers) - 1 else "silver"


def calendar_years(programme: Programme) -> bool:
    """Whether a qualification period is a year as the calendar has it."""
    return programme.qualification.months == 12 and programme.qualification.starts == 1


def distance(missing: int, upper: UpperTier, programme: Programme, w: Words) -> str:
    """What is missing to a tier, in words: `11,404 to Gold Disc`."""
    measure = programme.qualification.measure
    word = {"unit": text_in(programme.points.other, w.locale)} if measure == "points" else {}
    shown, name = measured(missing, programme, w), text_in(upper.name, w.locale)
    return _counted(f"tier.distance_{measure}", missing, shown, programme, w, tier=name, **word)


def _counted(key: str, n: int, shown: str, programme: Programme, w: Words, **values: object) -> str:
    """Visits are counted in one or many; points and money are not."""
    if programme.qualification.measure == "visits":
        return w(f"{key}_{w.form(n)}", n=shown, **values)
    return w(key, n=shown, **values)


def _keep(stands: ladder.Standing, programme: Programme, w: Words, now: datetime) -> Keep:
    keep, measure, key = stands.keep, programme.qualification.measure, programme.key
    assert keep is not None
    name, falls_to = text_in(stands.tier.name, w.locale), text_in(keep.falls_to.name, w.locale)
    needed = measured(keep.needed, programme, w)
    word = {"unit": unit(keep.needed, programme, w.locale)} if measure == "points" else {}
    until = last_day(keep.until, key, w.locale)
    text = _counted(f"tier.keep_{measure}", keep.needed, needed, programme, w, date=until, tier=name, **word)
    near = now >= ladder.notice_from(keep, programme)
    fall = w("tier.fall", falls_to=falls_to) if near else ""
    return Keep(
        needed=keep.needed, needed_text=needed, until=keep.until, falls_to=falls_to, text=text, near=near, notice=fall
    )


class _Rung(msgspec.Struct, frozen=True):
    """What every member says alike who stands on one rung of the ladder in one period."""

    spoken: dict[str, str]
    unit: dict[str, str]
    """The unit's word, where a distance has one."""
    distance: str
    """Keys of the wording, by the programme's measure."""
    label: str
    next_name: str | None
    notch: float | None
    notch_text: str
    goal_text: str
    kept_text: str
    benefits: tuple[str, ...]
    finish: Finish


@lru_cache(maxsize=256)
def _rung(tier: str, period: int, kept_through: int | None, key: ProgrammeKey, locale: str) -> _Rung:
    programme, w = key.programme, words(locale)
    measure = programme.qualification.measure
    rank = [one.key for one in programme.tiers].index(tier)
    own = programme.tiers[rank]
    upper = programme.tiers[rank + 1] if rank + 1 < len(programme.tiers) else None
    first = own.threshold == 0
    word = {"unit": text_in(programme.points.other, locale)} if measure == "points" else {}
    label = f"tier.label_{measure}"
    return _Rung(
        spoken={"tier": text_in(own.name, locale), "period": period_text(period, programme, w), **word},
        unit=word,
        distance=f"tier.distance_{measure}",
        label=label if upper else f"{label}_top",
        next_name=text_in(upper.name, locale) if upper else None,
        notch=None if first or upper is None else share(own.threshold, upper.threshold),
        notch_text="" if first or upper is None else measured(own.threshold, programme, w),
        goal_text=measured(upper.threshold, programme, w) if upper else "",
        kept_text="" if first else _kept(kept_through, key, w),
        benefits=tuple(text_in(benefit, locale) for benefit in own.benefits),
        finish=finish_of(tier, programme),
    )


def _kept(through: int | None, key: ProgrammeKey, w: Words) -> str:
    if through is None:
        return w("tier.lifetime")
    return w("tier.kept", date=last_day(ladder.period_start(through + 1, key.programme), key, w.locale))


def period_text(period: int, programme: Programme, w: Words) -> str:
    """`2026`, `Jan–Jun 2026`."""
    if calendar_years(programme):
        return w("tier.period", year=period)
    first, after = ladder.period_start(period, programme), ladder.period_start(period + 1, programme)
    return formats.span(first, after - timedelta(microseconds=1), programme.tzinfo, w.locale)


@lru_cache(maxsize=4096)
def last_day(end: datetime, key: ProgrammeKey, locale: str) -> str:
    """The last whole day before `end`. Lots end at a day's end, so members share these instants."""
    return formats.date(end - timedelta(microseconds=1), key.programme.tzinfo, locale)
