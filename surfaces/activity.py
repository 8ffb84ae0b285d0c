"""What happened, in words: the rows of the activity list, and the causes of a live frame.

Every kind of change has its words in every locale. A change's `points` is the whole move of the balance in that
version; what lapsed or came back from a timed-out hold in the same command is told in rows of its own, so the rows
of a list always add up to the balance.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from core.programme.document import Programme, ProgrammeKey, Published, text_in
from core.snapshot import Change
from surfaces import masking
from surfaces.standing import points_text
from surfaces.views import Activity, Cause
from surfaces.wording import Words, formats, words

MAX_CAUSES = 10
"""Of one frame: a client that missed more is told the newest, and its balance is whole anyway."""


def activity(changes: Iterable[Change], published: Published, locale: str) -> tuple[Activity, ...]:
    """Rows for `changes` in their order; linking a sign-in detail moves nothing and has none."""
    key = published.programme.key
    return tuple([row for change in changes for row in _kept_rows(change, key, locale)])


def activity_once(changes: Iterable[Change], published: Published, locale: str) -> list[Activity]:
    """`activity` for what is not soon drawn again, as a pass: keeping the rows would cost a third of drawing them."""
    programme, w = published.programme, words(locale)
    return [row for change in changes for row in _rows(change, programme, w)]


@lru_cache(maxsize=16384)
def _kept_rows(change: Change, key: ProgrammeKey, locale: str) -> tuple[Activity, ...]:
    """A change never changes, and the same twenty are drawn again and again, on two surfaces, at every new version."""
    return tuple(_rows(change, key.programme, words(locale)))


def causes(changes: Iterable[Change], published: Published, locale: str, *, public: bool = False) -> tuple[Cause, ...]:
    """What `changes` (those newer than the client's version, in any order) did, oldest first, at most `MAX_CAUSES`.

    `public` leaves out where and what, for a surface that others than the member may see (a receipt's link, a kiosk).
    """
    key = published.programme.key
    told = sorted((change for change in changes if change.kind != "link"), key=lambda change: change.version)
    return tuple(_kept_cause(change, key, locale, public) for change in told[-MAX_CAUSES:])


@lru_cache(maxsize=4096)
def _kept_cause(change: Change, key: ProgrammeKey, locale: str, public: bool) -> Cause:
    """Every surface of a member tells of the same change at the same moment."""
    return _cause(change, key.programme, words(locale), public)


def place_text(place: str, till: str, programme: Programme, w: Words) -> str:
    """`Harbour Street, till 2`; a store the programme does not name shows as its id."""
    store = _store(place, programme, w)
    return w("place.till", store=store, till=masking.clean(till)) if store and till else store


def items_text(sku: str, quantity: int, programme: Programme, w: Words) -> str:
    """`3 CDs` where all is of one sku the programme names, else `3 items`."""
    n = formats.number(quantity)
    product = programme.products_by_sku.get(sku)
    if product is None:
        return w.count("items.n", quantity, n)
    return w("items.known", n=n, product=text_in(product.one if quantity == 1 else product.other, w.locale))


def _rows(change: Change, programme: Programme, w: Words) -> list[Activity]:
    rows = []
    own = _own_points(change)
    if change.kind != "link" and not _only_clock(change):
        gain = own > 0 and change.kind in ("purchase", "adjust")
        rows.append(_row(change, "", change.kind, _title(change, programme, w), own, gain, programme, w))
    if change.released:
        text = w("activity.released")
        rows.append(_row(change, "r", "void", text, change.released, False, programme, w))
    if change.expired:
        rows.append(_row(change, "e", "expire", w("activity.expire"), -change.expired, False, programme, w))
    return rows


def _row(
    change: Change,
    suffix: str,
    kind: str,
    title: str,
    points: int,
    gain: bool,
    programme: Programme,
    w: Words,
) -> Activity:
    return Activity(
        id=f"{change.version}{suffix}",
        version=change.version,
        kind=kind,
        title=title,
        when=formats.date_time(change.occurred_at, programme.tzinfo, w.locale),
        at=change.occurred_at,
        points=points,
        points_text=formats.signed(points),
        gain=gain,
    )


def _own_points(change: Change) -> int:
    """What the command itself moved, without what the clock had done by then."""
    return change.points + change.expired - change.released


def _only_clock(change: Change) -> bool:
    """A sweep's version: nothing but lapses and time-outs put on record."""
    return change.kind == "expire" or (change.kind == "void" and not change.hold)


def _title(change: Change, programme: Programme, w: Words) -> str:
    match change.kind:
        case "purchase" | "return":
            return _trade(change.kind, change.sku, change.quantity, change.place, programme.key, w.locale)
        case "hold" | "capture" | "void":
            return w(f"activity.{change.kind}", reward=_reward(change, programme, w))
        case "adjust":
            reason = masking.clean(change.reason)
            return w("activity.adjust", reason=reason) if reason else w("activity.adjust_plain")
        case "enrol":
            return w("activity.enrol", brand=text_in(programme.brand.name, w.locale))
        case _:
            return w(f"activity.{change.kind}")


@lru_cache(maxsize=8192)
def _trade(kind: str, sku: str, quantity: int, place: str, key: ProgrammeKey, locale: str) -> str:
    """`3 CDs, Harbour Street`. Kept: a shop sells much the same day by day."""
    programme, w = key.programme, words(locale)
    what = w(f"activity.{kind}", what=items_text(sku, quantity, programme, w))
    where = _store(place, programme, w)
    return w("activity.at", what=what, where=where) if where else what


def _cause(change: Change, programme: Programme, w: Words, public: bool) -> Cause:
    own = _own_points(change)
    return Cause(
        kind=change.kind,
        points=change.points if _only_clock(change) else own,
        points_text=formats.signed(change.points if _only_clock(change) else own),
        gain=own > 0 and change.kind in ("purchase", "adjust"),
        version=change.version,
        where="" if public else _store(change.place, programme, w),
        text=_sentence(change, own, programme, w),
        what="" if public else _what(change, programme, w),
        when="" if public else formats.date_time(change.occurred_at, programme.tzinfo, w.locale),
    )


def _sentence(change: Change, own: int, programme: Programme, w: Words) -> str:
    """Spoken and toasted: what moved, then the balance after it."""
    values = {
        "points": points_text(abs(own), programme, w),
        "balance": points_text(change.available, programme, w),
        "reward": _reward(change, programme, w),
        "brand": text_in(programme.brand.name, w.locale),
    }
    if _only_clock(change):
        moved = change.expired or change.released
        values["points"] = points_text(moved, programme, w)
        return w("cause.expire" if change.expired else "cause.void", **values)
    match change.kind:
        case "purchase" | "adjust":
            key = "added" if own > 0 else "removed" if own < 0 else "recorded"
        case "return":
            key = "return" if own else "return_plain"
        case _:
            key = change.kind
    return w(f"cause.{key}", **values)


def _what(change: Change, programme: Programme, w: Words) -> str:
    if change.kind != "purchase":
        rows = _rows(change, programme, w)
        return rows[0].title if rows else ""
    values = {
        "what": _items(change, programme, w),
        "money": formats.money(change.amount, programme.money, w.locale),
    }
    place = place_text(change.place, change.till, programme, w)
    return w("cause.sale", place=place, **values) if place else w("cause.sale_nowhere", **values)


def _items(change: Change, programme: Programme, w: Words) -> str:
    return items_text(change.sku, change.quantity, programme, w)


def _store(place: str, programme: Programme, w: Words) -> str:
    store = programme.stores_by_id.get(place)
    return text_in(store.name, w.locale) if store else masking.clean(place)


def _reward(change: Change, programme: Programme, w: Words) -> str:
    reward = programme.rewards_by_id.get(change.reward)
    return text_in(reward.name, w.locale) if reward else w("activity.reward_gone")
