"""The vouchers a member may use now: what each is for, its code to be scanned, how often and until when it is good."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from itertools import groupby

import segno

from core.holdings import Voucher as Kept
from core.programme.document import Programme, text_in
from surfaces import masking
from surfaces.figures import Figures, points_text
from surfaces.tiers import last_day
from surfaces.views import Qr, Voucher
from surfaces.wording import Words, formats

_QUIET = 4
"""Modules of quiet zone, as the standard asks."""


def vouchers_of(figures: Figures, programme: Programme, w: Words, now: datetime) -> tuple[Voucher, ...]:
    """Soonest date first; those without a date last."""
    kept = figures.holdings.vouchers
    if not kept:
        return ()
    good = [one for one in kept if one.good_at(now)]
    good.sort(key=lambda one: (one.expires_at is None, one.expires_at or one.issued_at, one.no))
    return tuple([_voucher(one, programme, w) for one in good])


def _voucher(kept: Kept, programme: Programme, w: Words) -> Voucher:
    rule = programme.rewards_by_id.get(kept.reward)
    name = text_in(rule.name, w.locale) if rule else w("voucher.plain")
    left, until = kept.uses - kept.used, kept.expires_at
    date = w("voucher.until", date=last_day(until, programme.key, w.locale)) if until else w("voucher.no_date")
    uses = w.count("voucher.uses", left, formats.number(left)) if kept.uses > 1 else ""
    worth = formats.money(rule.value, programme.money, w.locale) if rule and rule.value else ""
    refund = points_text(kept.points, programme, w, kept.currency) if kept.points and not kept.used else ""
    return Voucher(
        id=str(kept.no),
        reward=kept.reward,
        name=name,
        stub=text_in(rule.stub, w.locale) if rule else "",
        terms=text_in(rule.terms, w.locale) if rule and rule.terms else "",
        code=kept.code,
        code_text=masking.code_grouped(kept.code),
        qr=qr_path(kept.code),
        uses_left=left,
        uses_text=uses,
        until=until,
        until_text=date,
        note=w("voucher.note", uses=uses, date=date) if uses else date,
        value=rule.value if rule else 0,
        value_text=w("voucher.worth", money=worth) if worth else "",
        cancellable=bool(refund),
        cancel_text=w("voucher.cancel", points=refund) if refund else "",
        show_label=w("voucher.show_label", reward=name),
    )


@lru_cache(maxsize=4096)
def qr_path(text: str) -> Qr:
    """`text` as the QR code that `pages.qr` draws, small enough to travel in a view: runs of dark modules as lines."""
    matrix = segno.make_qr(text, error="m").matrix
    runs = []
    for y, row in enumerate(matrix):
        x = _QUIET
        for dark, modules in groupby(row):
            length = len(list(modules))
            if dark:
                runs.append(f"M{x} {y + _QUIET}.5h{length}")
            x += length
    side = len(matrix) + 2 * _QUIET
    return Qr(box=f"0 0 {side} {side}", path="".join(runs))
