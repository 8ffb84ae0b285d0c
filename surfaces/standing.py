"""What all surfaces say alike about a member: balance, tier, what it buys, what is set aside, what lapses when.

Every view is composed from one `Standing`, so that no two surfaces can disagree about the same version: the account is
settled once as of `now`, and each number has its words beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from core.ledger.account import Account
from core.ledger.settle import settle
from core.programme.document import Programme, ProgrammeKey, Published, text_in
from core.snapshot import Profile, Snapshot
from core.tiers import ladder
from surfaces import masking
from surfaces.views import Balance, Expiring, Finish, Held, Member, Reward, Tier
from surfaces.wording import Words, formats, words

EXPIRIES = 6
"""Dates listed on the web page: the rest is far away, and a view stays small."""


class Standing(msgspec.Struct, frozen=True):
    brand: str
    balance: Balance
    tier: Tier
    rewards: tuple[Reward, ...]
    holds: tuple[Held, ...]
    expiring: tuple[Expiring, ...]
    """Soonest first, at most `EXPIRIES`."""
    hint: str


def stand(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> Standing:
    """The latest one is kept: a fan-out asks for the same standing once for each surface."""
    global _latest
    latest = _latest  # passes are drawn in threads: what another puts here meanwhile is another member's
    if latest is None or latest[:2] != (id(snapshot), id(published)) or latest[2:4] != (now, locale):
        latest = (id(snapshot), id(published), now, locale, snapshot, _stand(snapshot, published, now, locale))
        _latest = latest
    return latest[5]


_latest: tuple[int, int, datetime, str, Snapshot, Standing] | None = None
"""By identity: the snapshot is kept with it, so that its id is not given to another meanwhile."""


def _stand(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> Standing:
    programme, w, figures = published.programme, words(locale), _figures(snapshot, published, now)
    account = figures.account
    return Standing(
        brand=text_in(programme.brand.name, locale),
        balance=_balance(figures, programme, w),
        tier=_tier(figures, programme, w),
        rewards=_rewards(figures.points, programme, w),
        holds=tuple(_holds(account, programme, w)),
        expiring=tuple(_expiring(figures, programme, w)),
        hint="" if account.lots_made or account.debt else w("member.hint"),
    )


class _Figures(msgspec.Struct, frozen=True):
    """What is the same in every language. A pass is drawn in all of them."""

    account: Account
    """As of now."""
    points: int
    points_shown: str
    stands: ladder.Standing
    qualifying_shown: str
    to_next: int | None
    to_next_shown: str
    progress: float
    expiring: tuple[tuple[datetime, int, str], ...]
    """(date, points, points as shown), as `Standing.expiring`."""


def _figures(snapshot: Snapshot, published: Published, now: datetime) -> _Figures:
    """The latest are kept, as in `stand`."""
    global _latest_figures
    latest = _latest_figures
    if latest is None or latest[:2] != (id(snapshot), id(published)) or latest[2] != now:
        latest = (id(snapshot), id(published), now, snapshot, _counted(snapshot, published.programme, now))
        _latest_figures = latest
    return latest[4]


_latest_figures: tuple[int, int, datetime, Snapshot, _Figures] | None = None


def _counted(snapshot: Snapshot, programme: Programme, now: datetime) -> _Figures:
    account = settle(snapshot.account, now, programme).account
    points, stands = account.available, ladder.standing(account.qualifying, programme, now)
    to_next = stands.next.threshold - stands.qualifying if stands.next else None
    return _Figures(
        account=account,
        points=points,
        points_shown=formats.number(points),
        stands=stands,
        qualifying_shown=formats.number(stands.qualifying),
        to_next=to_next,
        to_next_shown="" if to_next is None else formats.number(to_next),
        progress=_share(stands.qualifying, stands.next.threshold) if stands.next else 100.0,
        expiring=_dates(account),
    )


def _dates(account: Account) -> tuple[tuple[datetime, int, str], ...]:
    by_date: dict[datetime, int] = {}
    for lot in account.lots:
        if lot.remaining and lot.expires_at is not None:
            by_date[lot.expires_at] = by_date.get(lot.expires_at, 0) + lot.remaining
    return tuple((at, by_date[at], formats.number(by_date[at])) for at in sorted(by_date)[:EXPIRIES])


def balance_of(snapshot: Snapshot, published: Published, now: datetime, locale: str) -> Balance:
    """The balance alone, for a surface that shows nothing else of the member."""
    return _balance(_figures(snapshot, published, now), published.programme, words(locale))


def points_text(points: int, programme: Programme, w: Words) -> str:
    """`12,925 points`, `1 point`, `12,925 點`."""
    return w("amount.points", n=formats.number(points), unit=unit(points, programme, w.locale))


def unit(points: int, programme: Programme, locale: str) -> str:
    return text_in(programme.points.one if abs(points) == 1 else programme.points.other, locale)


def member_of(profile: Profile, locale: str) -> Member:
    """The member as its own devices show it. One who gave no name is called by the end of the code."""
    name = masking.clean(profile.display_name) or words(locale)("member.unnamed", last=profile.code[-4:])
    return Member(name=name, code=profile.code, code_text=masking.code_grouped(profile.code))


def _balance(figures: _Figures, programme: Programme, w: Words) -> Balance:
    word = unit(figures.points, programme, w.locale)
    return Balance(
        points=figures.points,
        held=figures.account.held,
        unit=word,
        text=w("amount.points", n=figures.points_shown, unit=word),
    )


def _tier(figures: _Figures, programme: Programme, w: Words) -> Tier:
    stands, shown = figures.stands, figures.qualifying_shown
    tier, upper, qualifying = stands.tier, stands.next, stands.qualifying
    kept_through = stands.period + 1 if qualifying >= tier.threshold else stands.period
    rung = _rung(tier.key, stands.period, kept_through, programme.key, w.locale)
    if upper is None:
        distance = w("tier.top")
        label = w("tier.label_top", qualifying=shown, **rung.spoken)
    else:
        distance = w("tier.distance", n=figures.to_next_shown, tier=rung.next_name, unit=rung.spoken["unit"])
        label = w("tier.label", goal=rung.goal_text, distance=distance, qualifying=shown, **rung.spoken)
    return Tier(
        key=tier.key,
        name=rung.spoken["tier"],
        qualifying=qualifying,
        qualifying_text=shown,
        period=rung.spoken["period"],
        next_name=rung.next_name,
        next_threshold=upper.threshold if upper else None,
        to_next=figures.to_next,
        distance=distance,
        label=label,
        progress=figures.progress,
        notch=rung.notch,
        notch_text=rung.notch_text,
        goal_text=rung.goal_text,
        kept_text=rung.kept_text,
        finish=rung.finish,
    )


class _Rung(msgspec.Struct, frozen=True):
    """What every member says alike who stands on one rung of the ladder in one period."""

    spoken: dict[str, str]
    next_name: str | None
    notch: float | None
    notch_text: str
    goal_text: str
    kept_text: str
    finish: Finish


@lru_cache(maxsize=256)
def _rung(tier: str, period: int, kept_through: int, key: ProgrammeKey, locale: str) -> _Rung:
    programme, w = key.programme, words(locale)
    rank = [one.key for one in programme.tiers].index(tier)
    own = programme.tiers[rank]
    upper = programme.tiers[rank + 1] if rank + 1 < len(programme.tiers) else None
    first = own.threshold == 0
    end = ladder.period_start(kept_through + 1, programme)
    return _Rung(
        spoken={
            "tier": text_in(own.name, locale),
            "unit": text_in(programme.points.other, locale),
            "period": w("tier.period", year=period),
        },
        next_name=text_in(upper.name, locale) if upper else None,
        notch=None if first or upper is None else _share(own.threshold, upper.threshold),
        notch_text="" if first or upper is None else formats.number(own.threshold),
        goal_text=formats.number(upper.threshold) if upper else "",
        kept_text="" if first else w("tier.kept", date=_last_day(end, key, locale)),
        finish=finish_of(tier, programme),
    )


def _share(part: int, whole: int) -> float:
    """0-100 with one decimal, held inside: a return may take more than this period earned."""
    return min(100.0, max(0.0, round(100 * part / whole, 1)))


def finish_of(key: str, programme: Programme) -> Finish:
    rank = [tier.key for tier in programme.tiers].index(key)
    if rank == 0:
        return "petrol"
    return "gold" if rank > 1 and rank == len(programme.tiers) - 1 else "silver"


def _rewards(balance: int, programme: Programme, w: Words) -> tuple[Reward, ...]:
    return tuple(
        reward if reward.points <= balance else _locked(reward, reward.points - balance, w)
        for reward in _catalogue(programme.key, w.locale)
    )


@lru_cache(maxsize=64)
def _catalogue(key: ProgrammeKey, locale: str) -> tuple[Reward, ...]:
    """The rewards as one sees them who can afford them all."""
    programme, w = key.programme, words(locale)
    rewards = []
    for reward in programme.rewards:
        cost, name = points_text(reward.points, programme, w), text_in(reward.name, locale)
        rewards.append(
            Reward(
                id=reward.id,
                name=name,
                stub=text_in(reward.stub, locale),
                points=reward.points,
                points_text=cost,
                terms=text_in(reward.terms, locale) if reward.terms else "",
                affordable=True,
                missing=0,
                note=w("reward.open", points=cost),
                action_label=w("reward.use_label", points=cost, reward=name),
            )
        )
    return tuple(rewards)


def _locked(reward: Reward, missing: int, w: Words) -> Reward:
    note = w("reward.locked", points=reward.points_text, missing=formats.number(missing))
    return msgspec.structs.replace(reward, affordable=False, missing=missing, note=note)


def _holds(account: Account, programme: Programme, w: Words) -> list[Held]:
    held = []
    for hold in account.holds:
        reward = programme.rewards_by_id.get(hold.reward)
        name = text_in(reward.name, w.locale) if reward else w("activity.reward_gone")
        held.append(
            Held(
                id=str(hold.no),
                reward=hold.reward,
                name=name,
                stub=text_in(reward.stub, w.locale) if reward else "",
                points=hold.points,
                until=hold.expires_at,
                note=w("hold.note", time=formats.time(hold.expires_at, programme.tzinfo)),
                cancel_label=w("hold.cancel_label", reward=name),
            )
        )
    return held


def _expiring(figures: _Figures, programme: Programme, w: Words) -> Iterator[Expiring]:
    for at, points, shown in figures.expiring:
        lapsing = w("amount.points", n=shown, unit=unit(points, programme, w.locale))
        text = w("expiring.text", points=lapsing, date=_last_day(at, programme.key, w.locale))
        yield Expiring(points=points, at=at, text=text)


@lru_cache(maxsize=4096)
def _last_day(end: datetime, key: ProgrammeKey, locale: str) -> str:
    """The last whole day before `end`. Lots end at a day's end, so members share these instants."""
    return formats.date(end - timedelta(microseconds=1), key.programme.tzinfo, locale)
