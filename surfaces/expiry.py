"""When points stop and start being good, in words: the whole schedule, what is warned of, what is still to come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from core.ledger.account import Account
from core.points import POINTS
from core.programme.document import Programme, ProgrammeKey
from core.warning import schedule, warning
from surfaces.figures import Figures, points_text
from surfaces.tiers import last_day
from surfaces.views import Coming, Currency, Expiring, Lapsing, Reward
from surfaces.wording import Words, formats

EXACT = 6
"""Dates told by the day; what lies beyond is told by the month, so that a view stays small and nothing is left out."""
_LAST = timedelta(microseconds=1)
"""Points that end at an instant were good until just before it."""


def expiring(figures: Figures, programme: Programme, w: Words) -> tuple[Expiring, ...]:
    """All points that are there, soonest first; last those that never lapse, where there are others."""
    account, dates = figures.account, figures.dates
    rows = [_by_day(at, points, account, programme, w) for at, points in dates[:EXACT]]
    if len(dates) > EXACT:
        rows += _by_month(dates[EXACT:], programme, w)
    if dates and (lasting := _lasting(account)):
        text = w("expiring.never", points=points_text(lasting, programme, w))
        rows.append(Expiring(points=lasting, at=None, renews=False, text=text))
    return tuple(rows)


def warned(figures: Figures, rewards: tuple[Reward, ...], programme: Programme, w: Words) -> Lapsing | None:
    """What is about to lapse, and the dearest thing that the balance would buy instead."""
    lapse = figures.lapse
    if lapse is None:
        return None
    points, date = points_text(lapse.points, programme, w), last_day(lapse.at, programme.key, w.locale)
    within = [one for one in rewards if one.affordable and one.currency == POINTS and one.points]
    best = max(within, key=lambda one: one.points, default=None)
    renews = lapse.at == figures.account.lapses_at
    return Lapsing(
        level=lapse.level,
        points=lapse.points,
        at=lapse.at,
        title=w(f"warning.{lapse.level}"),
        text=w("warning.renews" if renews else "warning.text", points=points, date=date),
        reward=best.id if best else "",
        offer=w("warning.offer", reward=best.name) if best else "",
    )


def coming(figures: Figures, programme: Programme, w: Words) -> tuple[Coming, ...]:
    """Points that are earned and not good yet, by the day they become so."""
    by_date: dict[datetime, int] = {}
    for part in figures.account.pending:
        if part.remaining:
            by_date[part.vests_at] = by_date.get(part.vests_at, 0) + part.remaining
    dates = sorted(by_date.items())
    rows = [Coming(points=points, at=at, text=good_from(points, at, programme, w)) for at, points in dates[:EXACT]]
    for month, at, points in _months(dates[EXACT:], timedelta(0), programme, w):
        text = w("pending.month", points=points_text(points, programme, w), month=month)
        rows.append(Coming(points=points, at=at, text=text))
    return tuple(rows)


def good_from(points: int, at: datetime, programme: Programme, w: Words, currency: str = POINTS) -> str:
    """`445 points good from 15 Jan 2027`."""
    date = formats.date(at, programme.tzinfo, w.locale)
    return w("pending.text", points=points_text(points, programme, w, currency), date=date)


def others(figures: Figures, programme: Programme, w: Words, now: datetime) -> tuple[Currency, ...]:
    """The balances in other currencies, each with its first date; those that hold nothing are left out."""
    return tuple(
        _currency(code, account, programme, w, now)
        for code, account in figures.holdings.others.items()
        if account.available or account.waiting
    )


def _currency(code: str, account: Account, programme: Programme, w: Words, now: datetime) -> Currency:
    dates, waiting = schedule(account), account.waiting
    if dates and dates[0][1] == account.available:
        first = w("voucher.until", date=last_day(dates[0][0], programme.key, w.locale))
    else:
        first = _by_day(*dates[0], account, programme, w, code).text if dates else ""
    return Currency(
        id=code,
        points=account.available,
        text=points_text(account.available, programme, w, code),
        pending=waiting,
        pending_text=w("pending.some", points=points_text(waiting, programme, w, code)) if waiting else "",
        expiring=first,
        warned=warning(account, now, programme, code) is not None,
    )


def _by_day(
    at: datetime, points: int, account: Account, programme: Programme, w: Words, currency: str = POINTS
) -> Expiring:
    renews = at == account.lapses_at
    text = w(
        "expiring.activity" if renews else "expiring.text",
        points=points_text(points, programme, w, currency),
        date=last_day(at, programme.key, w.locale),
    )
    return Expiring(points=points, at=at, renews=renews, text=text)


def _by_month(dates: Sequence[tuple[datetime, int]], programme: Programme, w: Words) -> Iterator[Expiring]:
    for month, at, points in _months(dates, _LAST, programme, w):
        text = w("expiring.month", points=points_text(points, programme, w), month=month)
        yield Expiring(points=points, at=at, renews=False, text=text)


def _months(
    dates: Sequence[tuple[datetime, int]], before: timedelta, programme: Programme, w: Words
) -> Iterator[tuple[str, datetime, int]]:
    """(month, its last instant, points), by the month that lies `before` each instant."""
    months: dict[str, tuple[datetime, int]] = {}
    for at, points in dates:
        month = _month(at - before, programme.key, w.locale)
        months[month] = (at, points + months.get(month, (at, 0))[1])
    for month, (at, points) in months.items():
        yield month, at, points


def _lasting(account: Account) -> int:
    return sum([lot.remaining for lot in account.lots if account.end_of(lot) is None])


@lru_cache(maxsize=4096)
def _month(instant: datetime, key: ProgrammeKey, locale: str) -> str:
    return formats.month(instant, key.programme.tzinfo, locale)
