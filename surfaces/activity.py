"""What happened, in words: the rows of the activity list, and the causes of a live frame.

Every kind of change has its words in every locale, and everything earned its reasons. A change's `points` is the whole
move of the balance in that version; what paid for a purchase, and what lapsed, vested or came back from a timed-out hold
in the same command, is told in rows of its own, so the rows of a list always add up to the balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from core.points import POINTS
from core.programme.document import Programme, ProgrammeKey, Published, text_in
from core.snapshot import Change, Moved
from surfaces.expiry import good_from
from surfaces.figures import moved_text, points_text
from surfaces.reasons import reasons_of
from surfaces.tiers import last_day
from surfaces.titles import items_text, place_text, reward_name, sentence_key, store_name, title
from surfaces.views import Activity, Cause, Reason
from surfaces.wording import Words, formats, words

__all__ = ["MAX_CAUSES", "activity", "activity_once", "causes", "items_text", "place_text"]

MAX_CAUSES = 10
"""Of one frame: a client that missed more is told the newest, and its balance is whole anyway."""

_UNTOLD = ("link", "traits", "merged")
"""They move nothing that a member would look for in a list of what happened; a member that went into another is shown as
that one."""
_CLOCK = (("released", "void", 1), ("vested", "vest", 1), ("expired", "expire", -1))
"""What the clock did in a version: the field, the kind of its row, the sign. Their first letter is the row's suffix."""


def activity(changes: Iterable[Change], published: Published, locale: str) -> tuple[Activity, ...]:
    """Rows for `changes` in their order. Names are those of `published`: a campaign or reward that it no longer has is
    told by its kind alone."""
    key = published.programme.key
    return tuple([row for change in changes for row in _kept_rows(change, key, locale)])


def activity_once(changes: Iterable[Change], published: Published, locale: str) -> list[Activity]:
    """`activity` for what is not soon drawn again, as a pass: keeping the rows would cost a third of drawing them. It
    leaves the reasons out."""
    programme, w = published.programme, words(locale)
    return [row for change in changes for row in _rows(change, programme, w, why=False)]


@lru_cache(maxsize=16384)
def _kept_rows(change: Change, key: ProgrammeKey, locale: str) -> tuple[Activity, ...]:
    """A change never changes, and the same twenty are drawn again and again, on two surfaces, at every new version."""
    return tuple(_rows(change, key.programme, words(locale)))


def causes(changes: Iterable[Change], published: Published, locale: str, *, public: bool = False) -> tuple[Cause, ...]:
    """What `changes` (those newer than the client's version, in any order) did, oldest first, at most `MAX_CAUSES`.

    `public` leaves out where and what, for a surface that others than the member may see (a receipt's link, a kiosk).
    """
    key = published.programme.key
    told = sorted((change for change in changes if change.kind not in _UNTOLD), key=lambda change: change.version)
    return tuple(_kept_cause(change, key, locale, public) for change in told[-MAX_CAUSES:])


@lru_cache(maxsize=4096)
def _kept_cause(change: Change, key: ProgrammeKey, locale: str, public: bool) -> Cause:
    """Every surface of a member tells of the same change at the same moment."""
    return _cause(change, key.programme, words(locale), public)


def _own(change: Change) -> tuple[int, dict[str, int]]:
    """What a command itself moved, without what the clock had done by then: points, and other currencies by code."""
    points = change.points + change.expired - change.released - change.vested
    return points, {moved.currency: _own_of(moved) for moved in change.others} if change.others else {}


def _own_of(moved: Moved) -> int:
    return moved.points + moved.expired - moved.released - moved.vested


def _paid(change: Change) -> int:
    """What points paid for a purchase moved (those of a hold had left the balance before), or a return gave back."""
    if change.kind == "return":
        return change.paid_points
    return 0 if change.hold else -change.paid_points


def _rows(change: Change, programme: Programme, w: Words, *, why: bool = True) -> list[Activity]:
    rows = []
    if change.kind not in _UNTOLD and not _only_clock(change):
        points, others = _own(change)
        paid = _paid(change) if change.paid_points else 0
        rows.append(_main(change, points - paid, others, programme, w, why=why))
        if change.paid_points:
            rows.append(_payment(change, paid, programme, w))
    if change.expired or change.released or change.vested or change.others:
        rows += _clock_rows(change, programme, w)
    return rows


def _main(
    change: Change, points: int, others: dict[str, int], programme: Programme, w: Words, *, why: bool
) -> Activity:
    return _row(
        change,
        "",
        change.kind,
        title(change, programme, w),
        points,
        programme,
        w,
        others_text=moved_text(others, programme, w) if others else "",
        gain=_gains(change, points, others),
        reasons=reasons_of(change, programme, w) if why else (),
        note=_note(change, points, programme, w),
    )


def _gains(change: Change, points: int, others: dict[str, int]) -> bool:
    """Whether something was earned, given or joined, rather than that it came back."""
    gives = change.kind in ("purchase", "adjust", "action", "merge") or (change.kind == "grant" and bool(change.awards))
    return gives and (points > 0 or (not points and any(n > 0 for n in others.values())))


def _note(change: Change, points: int, programme: Programme, w: Words) -> str:
    """What the row's title and number leave open."""
    if change.vests_at is not None:
        waiting = change.earned
        others = [award for award in change.awards if award.currency != POINTS]
        if waiting:
            return good_from(waiting, change.vests_at, programme, w)
        return good_from(others[0].points, change.vests_at, programme, w, others[0].currency) if others else ""
    if change.kind == "return" and (waiting := -change.base + points) > 0:
        return w("activity.unpending", points=points_text(waiting, programme, w))
    if change.until is not None and change.kind in ("reinstate", "extend", "claim", "grant"):
        date = last_day(change.until, programme.key, w.locale)
        if change.kind == "extend":
            return w("expiring.text", points=points_text(change.base, programme, w, change.currency), date=date)
        return w("voucher.until", date=date)
    return ""


def _payment(change: Change, paid: int, programme: Programme, w: Words) -> Activity:
    """The points that paid for part of a purchase, or that a return gave back."""
    points = points_text(change.paid_points, programme, w)
    if change.kind == "return":
        return _row(change, "p", "refund", w("activity.refund"), paid, programme, w)
    money = formats.money(change.paid_amount, programme.money, w.locale)
    note = w("activity.paid_held", points=points) if change.hold else ""
    return _row(change, "p", "paid", w("activity.paid", money=money), paid, programme, w, note=note)


def _clock_rows(change: Change, programme: Programme, w: Words) -> Iterator[Activity]:
    for field, kind, sign in _CLOCK:
        points = sign * getattr(change, field)
        others = {moved.currency: sign * getattr(moved, field) for moved in change.others if getattr(moved, field)}
        if points or others:
            text = moved_text(others, programme, w) if others else ""
            yield _row(change, field[0], kind, w(f"activity.{field}"), points, programme, w, others_text=text)


def _row(
    change: Change,
    suffix: str,
    kind: str,
    called: str,
    points: int,
    programme: Programme,
    w: Words,
    *,
    others_text: str = "",
    gain: bool = False,
    reasons: tuple[Reason, ...] = (),
    note: str = "",
) -> Activity:
    return Activity(
        id=f"{change.version}{suffix}",
        version=change.version,
        kind=kind,
        title=called,
        when=formats.date_time(change.occurred_at, programme.tzinfo, w.locale),
        at=change.occurred_at,
        place=place_text(change.place, change.till, programme, w),
        points=points,
        points_text=formats.signed(points),
        others_text=others_text,
        gain=gain,
        reasons=reasons,
        note=note,
    )


def _only_clock(change: Change) -> bool:
    """A sweep's version: nothing but lapses, time-outs and vestings put on record."""
    return change.kind in ("expire", "vest") or (change.kind == "void" and not change.hold)


def _cause(change: Change, programme: Programme, w: Words, public: bool) -> Cause:
    # A merge is told on the screens of either side: what came to the one was on the other before.
    own, others = (0, {}) if change.kind == "merge" else _own(change)
    points = change.points if _only_clock(change) else own
    return Cause(
        kind=change.kind,
        points=points,
        points_text=formats.signed(points) or (moved_text(others, programme, w) if others else ""),
        gain=_gains(change, points, others),
        version=change.version,
        where="" if public else store_name(change.place, programme, w),
        text=_sentence(change, own, others, programme, w),
        what="" if public else _what(change, programme, w),
        when="" if public else formats.date_time(change.occurred_at, programme.tzinfo, w.locale),
    )


def _sentence(change: Change, own: int, others: dict[str, int], programme: Programme, w: Words) -> str:
    """Spoken and toasted: what moved, then the balance after it; in another currency where only that moved."""
    if _only_clock(change):
        return _clock_sentence(change, programme, w)
    moved, code, after = own, POINTS, change.available
    if not moved and any(others.values()):
        code, moved = next((code, n) for code, n in others.items() if n)
        after = next(one.available for one in change.others if one.currency == code)
    values = {
        "points": points_text(abs(moved), programme, w, code),
        "balance": points_text(after, programme, w, code),
        "reward": reward_name(change.reward, programme, w),
        "brand": text_in(programme.brand.name, w.locale),
        "no": formats.number(change.ticket),
    }
    match change.kind:
        case "purchase" if change.paid_points and not change.hold:
            values["earned"] = points_text(own + change.paid_points, programme, w)
            values["points"] = points_text(change.paid_points, programme, w)
            key = "paid" if own + change.paid_points else "paid_only"
        case "purchase" if change.vests_at is not None and change.earned:
            values["points"] = points_text(change.earned, programme, w)
            values["date"] = formats.date(change.vests_at, programme.tzinfo, w.locale)
            key = "pending"
        case "purchase" | "adjust" | "action":
            key = "added" if moved > 0 else "removed" if moved < 0 else "recorded"
        case "return":
            key = "return" if own < 0 else "refunded" if own else "return_plain"
        case "extend":
            assert change.until is not None
            values["points"] = points_text(change.base, programme, w, change.currency)
            values["date"] = last_day(change.until, programme.key, w.locale)
            key = "extend"
        case _:
            key = sentence_key(change)
    return w(f"cause.{key}", **values)


def _clock_sentence(change: Change, programme: Programme, w: Words) -> str:
    """Of what mattered most: points lost, points gained, points that came back; of another currency where it was that."""
    for field, kind, _ in reversed(_CLOCK):
        for code, moved, after in _clocked(change, field):
            if moved:
                points, balance = points_text(moved, programme, w, code), points_text(after, programme, w, code)
                return w(f"cause.{kind}", points=points, balance=balance)
    return w("cause.void", points=points_text(0, programme, w), balance=points_text(change.available, programme, w))


def _clocked(change: Change, field: str) -> Iterator[tuple[str, int, int]]:
    yield POINTS, getattr(change, field), change.available
    for moved in change.others:
        yield moved.currency, getattr(moved, field), moved.available


def _what(change: Change, programme: Programme, w: Words) -> str:
    if change.kind != "purchase":
        rows = _rows(change, programme, w, why=False)
        return rows[0].title if rows else ""
    values = {
        "what": items_text(change.sku, change.quantity, programme, w),
        "money": formats.money(change.amount, programme.money, w.locale),
    }
    place = place_text(change.place, change.till, programme, w)
    return w("cause.sale", place=place, **values) if place else w("cause.sale_nowhere", **values)
