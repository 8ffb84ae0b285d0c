"""What is the same in every language about a member at an instant: the numbers that all surfaces are drawn from.

The clock has done what it does: holds that ran out, points past their date, pending points that are good by now. A pass
is drawn in three languages and a fan-out draws four surfaces, so the latest figures are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from core.holdings import Holdings
from core.ledger.account import Account
from core.ledger.settle import settle
from core.points import POINTS
from core.programme.document import Programme, Published, Tier, text_in
from core.snapshot import Change, Snapshot
from core.tiers import ladder
from core.tiers.upgrade import upgrade
from core.warning import Lapse, schedule, warning
from surfaces.wording import Words, formats


class Figures(msgspec.Struct, frozen=True):
    holdings: Holdings
    """Settled."""
    account: Account
    """In points."""
    points: int
    points_shown: str
    stands: ladder.Standing
    to_next: int | None
    progress: float
    dates: tuple[tuple[datetime, int], ...]
    """Every date of the points, soonest first."""
    lapse: Lapse | None
    risen: Tier | None
    """The tier that was just reached."""


def figures(snapshot: Snapshot, published: Published, now: datetime) -> Figures:
    global _latest
    latest = _latest  # passes are drawn in threads: what another puts here meanwhile is another member's
    if latest is None or latest[0] is not snapshot or latest[1] is not published or latest[2] != now:
        latest = (snapshot, published, now, _counted(snapshot, published.programme, now))
        _latest = latest
    return latest[3]


_latest: tuple[Snapshot, Published, datetime, Figures] | None = None
"""By identity: both are kept with it, for an id alone is given to another when its object is gone."""


def _counted(snapshot: Snapshot, programme: Programme, now: datetime) -> Figures:
    holdings = _settled(snapshot.holdings, programme, now)
    account = holdings.account
    points, stands, dates = account.available, ladder.standing(account.qualifying, programme, now), schedule(account)
    return Figures(
        holdings=holdings,
        account=account,
        points=points,
        points_shown=formats.number(points),
        stands=stands,
        to_next=stands.next.threshold - stands.qualifying if stands.next else None,
        progress=share(stands.qualifying, stands.next.threshold) if stands.next else 100.0,
        dates=dates,
        lapse=_lapse(account, dates, programme, now),
        risen=_risen(snapshot.recent, programme, now),
    )


def _settled(holdings: Holdings, programme: Programme, now: datetime) -> Holdings:
    account = settle(holdings.account, now, programme).account
    if not holdings.others:
        return holdings if account is holdings.account else holdings.with_account(POINTS, account)
    others = {code: settle(one, now, programme, currency=code).account for code, one in holdings.others.items()}
    return msgspec.structs.replace(holdings, account=account, others=others)


def _lapse(
    account: Account, dates: tuple[tuple[datetime, int], ...], programme: Programme, now: datetime
) -> Lapse | None:
    """Asked only where the first date is within reach: most members' is not."""
    if not dates or now < dates[0][0] - timedelta(days=programme.expiry.warn_days):
        return None
    return warning(account, now, programme)


def _risen(recent: tuple[Change, ...], programme: Programme, now: datetime) -> Tier | None:
    """Looked for only where the tier changed at all of late."""
    return upgrade(recent, now, programme) if len({change.tier for change in recent}) > 1 else None


def share(part: int, whole: int) -> float:
    """0-100 with one decimal, held inside: a return may take more than this period earned."""
    return min(100.0, max(0.0, round(100 * part / whole, 1)))


def points_text(points: int, programme: Programme, w: Words, currency: str = POINTS) -> str:
    """`12,925 points`, `1 point`, `12,925 點`, `3 stars`."""
    return w("amount.points", n=formats.number(points), unit=unit(points, programme, w.locale, currency))


def unit(points: int, programme: Programme, locale: str, currency: str = POINTS) -> str:
    """The unit's word for a number of a currency; its code where the programme does not know it."""
    if currency == POINTS:
        return text_in(programme.points.one if abs(points) == 1 else programme.points.other, locale)
    for known in programme.currencies:
        if known.code == currency:
            return text_in(known.one if abs(points) == 1 else known.other, locale)
    return currency


def signed_text(points: int, programme: Programme, w: Words, currency: str) -> str:
    """`+445`; of another currency with its unit: `+1 star`. Empty for 0."""
    if currency == POINTS or not points:
        return formats.signed(points)
    return w("amount.points", n=formats.signed(points), unit=unit(points, programme, w.locale, currency))


def moved_text(moved: Mapping[str, int], programme: Programme, w: Words) -> str:
    """What other currencies moved by: `+1 star`; empty where none did."""
    return formats.listed([signed_text(n, programme, w, code) for code, n in moved.items() if n], w.locale)
