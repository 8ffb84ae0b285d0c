"""The receipt behind a link. What was printed stays as printed; only `balance` and `returned_note` move.

The link is its own key and may be passed on, so a receipt never names its member, and after the programme's live
time the balance is gone from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

import msgspec

from core.ledger.expiry import vesting_of
from core.points import POINTS
from core.programme.document import Programme, ProgrammeKey, Published, text_in
from core.snapshot import Award, Line, Purchase, Snapshot
from surfaces import masking
from surfaces.expiry import good_from
from surfaces.figures import points_text
from surfaces.reasons import by_reason, reason
from surfaces.standing import balance_of
from surfaces.titles import items_text, place_text
from surfaces.views import Arithmetic, Payment, ReceiptLine, ReceiptView
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
        paid=tuple(_paid(purchase, programme, w)) if purchase.paid_points or purchase.vouchers else (),
        earned=purchase.earned,
        earned_text=formats.signed(purchase.earned) or "0",
        arithmetic=tuple(_arithmetic(award, purchase, programme, w) for award in by_reason(purchase.granted)),
        pending_note=_pending_note(purchase, programme, w),
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


def _paid(purchase: Purchase, programme: Programme, w: Words) -> Iterator[Payment]:
    for _, amount in purchase.vouchers:
        yield Payment(label=w("receipt.paid_voucher"), amount_text=formats.amount(-amount, purchase.currency))
    if purchase.paid_points:
        label = w("receipt.paid_points", points=points_text(purchase.paid_points, programme, w))
        yield Payment(label=label, amount_text=formats.amount(-purchase.paid_amount, purchase.currency))
    due = formats.money(purchase.unpaid, purchase.currency, w.locale)
    yield Payment(label=w("receipt.due"), amount_text=due)


def _arithmetic(award: Award, purchase: Purchase, programme: Programme, w: Words) -> Arithmetic:
    points = formats.number(award.points)
    if award.currency != POINTS:
        points = points_text(award.points, programme, w, award.currency)
    return Arithmetic(label=reason(award, programme, w, channel=purchase.channel), points_text=points)


def _pending_note(purchase: Purchase, programme: Programme, w: Words) -> str:
    channel = programme.earn.channels.get(purchase.channel)
    if channel is None or not channel.vest_days or not purchase.earned:
        return ""
    vests_at = vesting_of(purchase.occurred_at, channel.vest_days, programme)
    return good_from(purchase.earned, vests_at, programme, w) if vests_at > purchase.recorded_at else ""


def _returned_note(purchase: Purchase, programme: Programme, w: Words) -> str:
    if not any(quantity or amount for quantity, amount in purchase.returned):
        return ""
    whole = all(
        quantity >= line.quantity for line, (quantity, _) in zip(purchase.lines, purchase.returned, strict=True)
    )
    taken_back = points_text(purchase.taken_back, programme, w)
    note = w("receipt.returned" if whole else "receipt.returned_part", points=taken_back)
    if not purchase.paid_back:
        return note
    given_back = w("receipt.given_back", points=points_text(purchase.paid_back, programme, w))
    return f"{note} {given_back}" if w.locale == "en" else f"{note}{given_back}"
