"""What a change is called, in words: `3 CDs, Harbour Street`, `US$5 off any order, voucher used`."""

from __future__ import annotations

from functools import lru_cache

from core.programme.document import Programme, ProgrammeKey, text_in
from core.snapshot import Change
from surfaces import masking
from surfaces.wording import Words, formats, words


def title(change: Change, programme: Programme, w: Words) -> str:
    match change.kind:
        case "purchase" | "return":
            return _trade(change.kind, change.sku, change.quantity, change.place, programme.key, w.locale)
        case "hold" | "void" if not change.reward:
            return w(f"activity.{change.kind}_basket")
        case "hold" | "capture" | "void" | "use" | "unuse" | "cancel":
            return w(f"activity.{change.kind}", reward=reward_name(change.reward, programme, w))
        case "claim":
            return w(
                f"activity.claim_{_claimed(change)}",
                reward=reward_name(change.reward, programme, w),
                no=formats.number(change.ticket),
            )
        case "grant":
            return _grant(change, programme, w)
        case "action":
            what = w(f"reason.{_action(change)}")
            where = store_name(change.place or _store_of(change, programme), programme, w)
            return w("activity.at", what=what, where=where) if where else what
        case "adjust" | "reinstate" | "extend":
            reason = masking.clean(change.reason)
            return w(f"activity.{change.kind}", reason=reason) if reason else w(f"activity.{change.kind}_plain")
        case "enrol":
            return w("activity.enrol", brand=text_in(programme.brand.name, w.locale))
        case _:
            return w(f"activity.{change.kind}")


def sentence_key(change: Change) -> str:
    """Which sentence tells of a change that moved no points by earning or adjusting."""
    match change.kind:
        case "claim":
            return f"claim_{_claimed(change)}"
        case "grant":
            return "grant" if change.voucher else "added"
        case _:
            return change.kind


def _claimed(change: Change) -> str:
    return "voucher" if change.voucher else "ticket" if change.ticket else "gift"


def _grant(change: Change, programme: Programme, w: Words) -> str:
    """A prize names its draw in `reason`; what staff grant has a reason in words."""
    draw = programme.rewards_by_id.get(change.reason) if change.ticket else None
    if change.voucher:
        key = "activity.won" if change.ticket else "activity.grant"
        return w(key, reward=reward_name(change.reward, programme, w))
    return w("reason.prize", draw=text_in(draw.name, w.locale)) if draw else w("reason.prize_plain")


def _action(change: Change) -> str:
    return next((award.id for award in change.awards if award.rule == "action"), "check_in")


def _store_of(change: Change, programme: Programme) -> str:
    """Where one checked in, if it is a store that the programme names: other subjects are the caller's own ids."""
    return change.reason if change.reason in programme.stores_by_id else ""


@lru_cache(maxsize=8192)
def _trade(kind: str, sku: str, quantity: int, place: str, key: ProgrammeKey, locale: str) -> str:
    """`3 CDs, Harbour Street`. Kept: a shop sells much the same day by day."""
    programme, w = key.programme, words(locale)
    what = w(f"activity.{kind}", what=items_text(sku, quantity, programme, w))
    where = store_name(place, programme, w)
    return w("activity.at", what=what, where=where) if where else what


def place_text(place: str, till: str, programme: Programme, w: Words) -> str:
    """`Harbour Street, till 2`; a store the programme does not name shows as its id."""
    return _place(place, till, programme.key, w.locale) if place else ""


@lru_cache(maxsize=4096)
def _place(place: str, till: str, key: ProgrammeKey, locale: str) -> str:
    w = words(locale)
    store = store_name(place, key.programme, w)
    return w("place.till", store=store, till=masking.clean(till)) if store and till else store


def items_text(sku: str, quantity: int, programme: Programme, w: Words) -> str:
    """`3 CDs` where all is of one sku the programme names, else `3 items`."""
    n = formats.number(quantity)
    product = programme.products_by_sku.get(sku)
    if product is None:
        return w.count("items.n", quantity, n)
    return w("items.known", n=n, product=text_in(product.one if quantity == 1 else product.other, w.locale))


def store_name(place: str, programme: Programme, w: Words) -> str:
    store = programme.stores_by_id.get(place)
    return text_in(store.name, w.locale) if store else masking.clean(place)


def reward_name(id: str, programme: Programme, w: Words) -> str:
    reward = programme.rewards_by_id.get(id)
    return text_in(reward.name, w.locale) if reward else w("activity.reward_gone")
