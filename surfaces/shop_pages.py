"""The pages of the counter: the till, and a shop page with the modules that a retailer's own shop embeds.

As in `surfaces.pages`, a page is whole at its first paint and a pure function of what it is given. Neither page has a
price list of its own: what is sold comes from whoever serves it, as `Article`s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from core.money import MINOR_DIGITS
from core.programme.document import Programme, Text, text_in
from surfaces.activity import place_text
from surfaces.pages import Page, message_page, render_page
from surfaces.views import WebView
from surfaces.wording import Words, formats, words


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """`amount`: minor units a piece."""

    sku: str
    name: Text
    amount: int
    category: str = ""


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """Where a till stands, and what it sells. Without articles their prices are typed."""

    programme: Programme
    device: str
    store: str
    till: str
    articles: tuple[Article, ...] = ()
    reasons_kept: bool = False
    """Whether a return's reason is taken by the server."""


def till(counter: Counter, page: Page) -> str:
    """`page.config` has the till's `token`."""
    programme, w = counter.programme, words(page.locale)
    articles = shown_articles(counter.articles, programme, page.locale)
    return render_page(
        "till.html",
        page,
        "pos",
        script="till.js",
        sheets=("css/till.css", "css/till-member.css", "css/quote.css"),
        config={
            **asking(programme, w, "till"),
            "channel": "store",
            "articles": articles,
            "device": counter.device,
            "till": counter.till or "0",
            "reasons_kept": counter.reasons_kept,
            "store": counter.store,
            "brand": text_in(programme.brand.name, page.locale),
        },
        brand=text_in(programme.brand.name, page.locale),
        place=place_text(counter.store, counter.till, programme, w),
        articles=articles,
        zero=formats.money(0, programme.money, page.locale),
        pays=programme.worth is not None,
    )


def shop(view: WebView | None, programme: Programme, articles: tuple[Article, ...], chosen: Article, page: Page) -> str:
    """`view` is the signed-in member's, None for a visitor; `chosen` is the article whose page it is."""
    w = words(page.locale)
    shown = {one["sku"]: one for one in shown_articles(articles, programme, page.locale)}
    return render_page(
        "shop.html",
        page,
        "web",
        script="shop.js",
        sheets=("css/shop.css", "css/quote.css"),
        config={**asking(programme, w, "shop"), "channel": "web", "balance": view.balance if view else None},
        view=view,
        brand=text_in(programme.brand.name, page.locale),
        articles=tuple(shown.values()),
        chosen=shown[chosen.sku],
        currency=programme.money,
    )


def signed_out(page: Page) -> str:
    """For a till whose token is missing or no longer good."""
    w = words(page.locale)
    title, text = w("till.signed_out_title"), w("till.signed_out_text")
    return message_page(page, title=title, text=text, action_href="", action_text="")


def asking(programme: Programme, w: Words, table: str) -> dict[str, Any]:
    """What the modules need that ask for quotes: money, what points are worth, and the words of `table`."""
    worth = programme.worth
    return {
        "locale": w.locale,
        "zone": programme.zone,
        "money": {
            "code": programme.money,
            "symbol": formats.money_unit(programme.money, w.locale).removesuffix("1"),
            "digits": MINOR_DIGITS[programme.money],
        },
        "worth": {"points": worth.points, "amount": worth.amount} if worth else None,
        "points": {
            "one": text_in(programme.points.one, w.locale),
            "other": text_in(programme.points.other, w.locale),
        },
        "units": {
            one.code: {"one": text_in(one.one, w.locale), "other": text_in(one.other, w.locale)}
            for one in programme.currencies
        },
        "words": {**w.table("live"), **w.table("quote"), **w.table(table)},
    }


def shown_articles(articles: Iterable[Article], programme: Programme, locale: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "sku": one.sku,
            "name": text_in(one.name, locale),
            "category": one.category,
            "amount": one.amount,
            "price": formats.money(one.amount, programme.money, locale),
        }
        for one in articles
    )
