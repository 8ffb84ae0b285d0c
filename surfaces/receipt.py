"""The receipt behind a link. What was printed stays as printed; only `balance` and `returned_note` move.

The link is its own key and may be passed on, so a receipt never names its member, and after the programme's live
time the balance is gone from it.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from functools import lru_cache

import msgspec

from core.programme.document import Programme, ProgrammeKey, Published, text_in
from core.snapshot import Line, Purchase, Snapshot
from surfaces import masking
from surfaces.activity import items_text, place_text
from surfaces.standing import balance_of, points_text, unit
from surfaces.views import Arithmetic, ReceiptLine, ReceiptView
from surfaces.wording import Words, formats, words


def view(
    snapshot: Snapshot,
    published: Published,
    now: datetime,
    locale: str,
    *,
    purchase: Purchase,
    link: str,
    live: bool,
    printed: Published | None = None,
) -> ReceiptView:
    """`printed` is the revision that decided the purchase (`purchase.programme`): its rates and tier names are what the
    arithmetic shows. Left out, it is `published`. `live` False leaves the balance out."""
    paper = _printed(purchase, (printed or published).programme.key, locale)
    balance = balance_of(snapshot, published, now, locale) if live else None
    return msgspec.structs.replace(paper, link=link, balance=balance)


@lru_cache(maxsize=1024)
def _printed(purchase: Purchase, key: ProgrammeKey, locale: str) -> ReceiptView:
    """All of it that does not move. Few are kept: a purchase may have hundreds of lines."""
    programme, w = key.programme, words(locale)
    return ReceiptView(
        brand=text_in(programme.brand.name, locale),
        number=purchase.external_id,
        number_text=w("receipt.number", number=purchase.external_id),
        place=place_text(purchase.place, purchase.till, programme, w),
        when=formats.date_time(purchase.occurred_at, programme.tzinfo, locale),
        lines=tuple(_line(line, purchase.currency, programme, w) for line in purchase.lines),
        total_text=formats.money(purchase.total, purchase.currency, locale),
        earned=purchase.earned,
        earned_text=formats.signed(purchase.earned) or "0",
        arithmetic=tuple(_arithmetic(purchase, programme, w)),
        balance_after=purchase.available,
        balance_after_text=points_text(purchase.available, programme, w),
        balance=None,
        returned_note=_returned_note(purchase, programme, w),
        link="",
    )


def _line(line: Line, currency: str, programme: Programme, w: Words) -> ReceiptLine:
    product = programme.products_by_sku.get(line.sku)
    name = masking.clean(line.name) or (text_in(product.other, w.locale) if product else masking.clean(line.sku))
    text = (
        items_text(line.sku, line.quantity, programme, w)
        if product
        else w("receipt.line", name=name, quantity=formats.number(line.quantity))
    )
    amount = formats.amount(line.amount, currency)
    return ReceiptLine(name=name, quantity=line.quantity, text=text, amount_text=amount)


def _arithmetic(purchase: Purchase, programme: Programme, w: Words) -> list[Arithmetic]:
    rows = []
    channel = programme.earn.channels.get(purchase.channel)
    rate = programme.earn.rate * Fraction(channel.coefficient if channel else 1)
    per = formats.money_unit(purchase.currency, w.locale)
    label = w("receipt.base", rate=formats.fraction(rate), money=per, unit=unit(purchase.base, programme, w.locale))
    rows.append(Arithmetic(label=label, points_text=formats.number(purchase.base)))
    tier = next((tier for tier in programme.tiers if tier.key == purchase.bonus_tier), None)
    if tier is not None:
        label = w("receipt.bonus", tier=text_in(tier.name, w.locale), percent=formats.percent(tier.bonus))
        rows.append(Arithmetic(label=label, points_text=formats.number(purchase.bonus)))
    return rows


def _returned_note(purchase: Purchase, programme: Programme, w: Words) -> str:
    if not any(quantity or amount for quantity, amount in purchase.returned):
        return ""
    whole = all(
        quantity >= line.quantity for line, (quantity, _) in zip(purchase.lines, purchase.returned, strict=True)
    )
    taken_back = points_text(purchase.taken_back, programme, w)
    return w("receipt.returned" if whole else "receipt.returned_part", points=taken_back)
