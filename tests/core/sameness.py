"""Where Chorus and the naive ledger must say the same, part by part."""

from __future__ import annotations

from datetime import datetime

from core.holdings import Holdings
from core.ledger.account import Account
from core.ledger.settle import settle
from core.points import POINTS
from core.programme.document import Programme
from core.snapshot import Change
from core.tiers.ladder import standing
from tests.core.naive import Naive
from tests.core.naive.base import Said
from tests.core.naive.dates import midnight_of, period_after
from tests.core.naive.earning import Award
from tests.core.naive.standing import current, rank_in


def said(change: Change, expected: Said) -> None:
    """The record of a version. A currency that nothing happened in is not among the others."""
    for name, value in expected.facts.items():
        assert getattr(change, name) == value, name
    others = {moved.currency: moved for moved in change.others}
    for currency, moved in expected.moved.items():
        found = change if currency == POINTS else others.get(currency)
        if found is None:
            assert moved[:4] == (0, 0, 0, 0), currency
        else:
            figures = (found.points, found.expired, found.released, found.vested, found.available, found.pending)
            assert figures == moved, currency
    awards = [Award(a.rule, a.id, a.points, a.currency, a.qualifies, a.lines) for a in change.awards]
    assert sorted(awards, key=repr) == sorted(expected.awards, key=repr)


def stored(holdings: Holdings, naive: Naive) -> None:
    for currency in naive.rules.currencies:
        _account(holdings.of(currency), naive, currency)
    figures = [(period, figure) for period, figure in holdings.account.qualifying.items() if figure]
    assert [figure for _, figure in sorted(figures)] == [n for _, n in sorted(naive.figures.items()) if n]
    open_ones = [
        (no, v.code, v.reward, v.until, v.uses, v.used, v.cost, v.stocked)
        for no, v in sorted(naive.vouchers.items())
        if not v.void and v.used < v.uses
    ]
    assert holdings.vouchers is not None
    found = [
        (v.no, v.code, v.reward, v.expires_at, v.uses, v.used, v.points, v.stocked) for v in holdings.vouchers if v.open
    ]
    assert found == open_ones
    progress = holdings.progress
    assert progress.counters == naive.counters()
    assert bool(progress.first_purchase) == naive.bought
    assert (progress.segments, progress.birthday) == (naive.segments, naive.birthday)


def shown(holdings: Holdings, naive: Naive, programme: Programme, now: datetime) -> None:
    """What a screen is drawn from at `now`, whether or not anything was recorded since."""
    later = naive.at(now)
    for currency, account in holdings.accounts():
        _account(settle(account, now, programme, currency=currency).account, later, currency)
    stands, expected = standing(holdings.account.qualifying, programme, now), naive.stands(now)
    assert (stands.tier.key, stands.qualifying) == (expected.tier, expected.qualifying)
    sure = None if stands.kept_through is None else stands.kept_through - stands.period
    assert sure == expected.sure_for
    if expected.keep is None:
        assert stands.keep is None
    else:
        assert stands.keep is not None
        keep = (stands.keep.needed, stands.keep.until, stands.keep.falls_to.key)
        assert keep == (expected.keep.needed, expected.keep.until, expected.keep.falls_to)


def landing(holdings: Holdings, naive: Naive, programme: Programme, now: datetime) -> None:
    """The tier in the periods to come, if nothing more is bought."""
    rules = naive.rules
    period = current(rules, now)
    for _ in range(len(rules.tiers) + 1):
        period = period_after(period, rules.months)
        tier = standing(holdings.account.qualifying, programme, midnight_of(period, rules.zone)).tier
        assert tier.key == rules.tiers[rank_in(rules, naive.figures, period)].key


def _account(account: Account, naive: Naive, currency: str) -> None:
    purse = naive.purse(currency)
    assert (account.available, account.held, account.debt) == (purse.balance(), naive.held(currency), purse.debt)
    assert account.waiting == purse.pending()
    parts = [(part.no, part.vests_at, part.remaining) for part in account.pending if part.remaining]
    assert sorted(parts) == sorted((part.bought, part.vests, part.left) for part in purse.waiting if part.left)
    sums: dict[tuple[datetime | None, int], int] = {}
    for lot in account.lots:
        if lot.remaining:
            key = (account.end_of(lot), lot.source)
            sums[key] = sums.get(key, 0) + lot.remaining
    lots = sorted(((end, source, n) for (end, source), n in sums.items()), key=lambda one: (str(one[0]), one[1:]))
    assert lots == purse.lots_by_date()
