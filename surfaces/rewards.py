"""What points buy, and what is set aside: each reward with its price, how it is had, and why not now if so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

import msgspec

from core import limits
from core.ledger.account import Hold
from core.points import POINTS
from core.programme.document import Programme, ProgrammeKey, text_in
from core.programme.spend import Reward as Rule
from core.rewards.offer import window
from surfaces.figures import Figures, points_text
from surfaces.tiers import last_day
from surfaces.views import Held, Place, Reward, RewardState
from surfaces.wording import Words, formats, words

HANDED_OUT = ("goods", "experience")
"""Kinds that are set aside and then handed out; the others are had at once."""


def rewards_of(figures: Figures, programme: Programme, w: Words, now: datetime) -> tuple[Reward, ...]:
    """Those on offer or to come, in the programme's order."""
    points, shown = figures.points, []
    for offer in _catalogue(programme.key, w.locale):
        reward = offer.reward
        if offer.plain:
            shown.append(reward if reward.points <= points else _short(reward, reward.points - points, w))
        elif (found := _judged(offer, figures, w, now)) is not None:
            shown.append(found)
    return tuple(shown)


class _Offer(msgspec.Struct, frozen=True):
    """A reward as one sees it who may have it now, and as others see it: before it opens, in another tier, having had as
    many as one may. `plain`: all it takes is enough points."""

    reward: Reward
    plain: bool
    rule: Rule
    soon: Reward
    barred: Reward
    had: Reward


@lru_cache(maxsize=64)
def _catalogue(key: ProgrammeKey, locale: str) -> tuple[_Offer, ...]:
    programme, w = key.programme, words(locale)
    return tuple(_offer(rule, programme, w) for rule in programme.rewards)


def _offer(rule: Rule, programme: Programme, w: Words) -> _Offer:
    price, name = price_of(rule, programme, w), text_in(rule.name, w.locale)
    opens, closes = window(rule, programme)
    handed_out = rule.kind in HANDED_OUT
    reward = Reward(
        id=rule.id,
        kind=rule.kind,
        kind_text="" if rule.kind == "goods" else w(f"reward.kind_{rule.kind}"),
        name=name,
        stub=text_in(rule.stub, w.locale),
        points=rule.points,
        currency=rule.currency,
        points_text=points_text(rule.points, programme, w, rule.currency),
        price_text=price,
        terms=text_in(rule.terms, w.locale) if rule.terms else "",
        affordable=True,
        state="open",
        missing=0,
        note=w("reward.open", points=price),
        when_text=w("reward.until", when=_moment(closes, programme, w)) if closes else "",
        opens=opens,
        closes=closes,
        action="hold" if handed_out else "claim",
        action_text=w(f"reward.do_{rule.kind}"),
        action_label=w(f"reward.label_{rule.kind}", points=price, reward=name),
        places=tuple(_places(programme, w)) if rule.collect_days else (),
    )
    soon = w("reward.from", when=_moment(opens, programme, w)) if opens else ""
    names = [text_in(tier.name, w.locale) for tier in programme.tiers if tier.key in rule.tiers]
    barred = w("reward.for_tiers", points=price, tiers=formats.listed(names, w.locale))
    most = rule.per_member or 0
    had = w.count("reward.had", most, formats.number(most))
    return _Offer(
        reward=reward,
        plain=not (opens or closes or rule.tiers) and rule.per_member is None and rule.currency == POINTS,
        rule=rule,
        soon=msgspec.structs.replace(_closed(reward, "soon", reward.note), when_text=soon),
        barred=_closed(reward, "tier", barred),
        had=_closed(reward, "had", had),
    )


def price_of(rule: Rule, programme: Programme, w: Words) -> str:
    """`1,000 points + US$5.00`, `Free`."""
    money = formats.money(rule.money, programme.money, w.locale) if rule.money else ""
    if not rule.points:
        return money or w("reward.free")
    points = points_text(rule.points, programme, w, rule.currency)
    return w("reward.points_and_money", points=points, money=money) if money else points


def _places(programme: Programme, w: Words) -> Iterator[Place]:
    yield Place(id="", name=w("reward.at_till"))
    for store in programme.stores:
        if store.collects:
            yield Place(id=store.id, name=text_in(store.name, w.locale))


def _moment(at: datetime, programme: Programme, w: Words) -> str:
    return formats.date_time(at, programme.tzinfo, w.locale)


def _judged(offer: _Offer, figures: Figures, w: Words, now: datetime) -> Reward | None:
    """None once it is closed."""
    reward, rule = offer.reward, offer.rule
    if reward.closes is not None and now >= reward.closes:
        return None
    if rule.tiers and figures.stands.tier.key not in rule.tiers:
        return offer.barred
    if reward.opens is not None and now < reward.opens:
        return offer.soon
    counters = figures.holdings.progress.counters
    if rule.per_member is not None and counters.get(limits.reward(rule.id), 0) >= rule.per_member:
        return offer.had
    there = figures.points if rule.currency == POINTS else figures.holdings.of(rule.currency).available
    return reward if rule.points <= there else _short(reward, rule.points - there, w)


def _short(reward: Reward, missing: int, w: Words) -> Reward:
    note = w("reward.locked", points=reward.price_text, missing=formats.number(missing))
    return msgspec.structs.replace(reward, affordable=False, state="short", missing=missing, note=note)


def _closed(reward: Reward, state: RewardState, note: str) -> Reward:
    return msgspec.structs.replace(reward, affordable=False, state=state, note=note)


def holds_of(figures: Figures, programme: Programme, w: Words) -> tuple[Held, ...]:
    if not figures.holdings.others:
        return tuple([_held(hold, POINTS, programme, w) for hold in figures.account.holds])
    accounts = figures.holdings.accounts()
    return tuple([_held(hold, code, programme, w) for code, account in accounts for hold in account.holds])


def _held(hold: Hold, currency: str, programme: Programme, w: Words) -> Held:
    rule = programme.rewards_by_id.get(hold.reward)
    store = programme.stores_by_id.get(hold.store)
    if hold.reward:
        name = text_in(rule.name, w.locale) if rule else w("activity.reward_gone")
    else:
        name = w("hold.basket", points=points_text(hold.points, programme, w))
    if hold.store:
        where = text_in(store.name, w.locale) if store else hold.store
        until = last_day(hold.expires_at, programme.key, w.locale)
        note = w("hold.collect", store=where, date=until)
    else:
        where, time = "", formats.time(hold.expires_at, programme.tzinfo)
        note = w("hold.note" if hold.reward else "hold.basket_note", time=time)
    return Held(
        id=str(hold.no),
        reward=hold.reward,
        name=name,
        stub=text_in(rule.stub, w.locale) if rule else "",
        points=hold.points,
        points_text=points_text(hold.points, programme, w, currency),
        store=hold.store,
        store_text=where,
        until=hold.expires_at,
        note=note,
        due=hold.money,
        due_text=w("hold.due", money=formats.money(hold.money, programme.money, w.locale)) if hold.money else "",
        cancel_label=w("hold.cancel_label", reward=name),
    )
