"""The pages where something is sold: the till's, and in a demo the shop's; and the modules that other shops embed.

A till signs in by its start address, as a kiosk does, but the token leaves the address bar at once: it becomes a cookie
that no script reads, sent to `/till` alone. The page has the token to ask with, for the till's API takes no cookie.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get
from litestar.datastructures import Cookie
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from bff import assets
from bff.auth import SESSION_COOKIE
from bff.bodies import ReturnBody
from bff.demo.shelf import SHELF
from bff.html import SECURITY, html, page
from bff.services import Given, Services, locale_of
from bff.showing import snapshot_of
from core.errors import NotAllowed, NotFound
from core.snapshot import Snapshot
from push import render
from surfaces import shop_pages, web
from surfaces.shop_pages import Article, Counter
from surfaces.wording import words

TILL_COOKIE = "chorus_till"
TILL_LIFETIME = timedelta(days=30)
"""Of the cookie; the token in it ends when it says."""
MODULES = ("chorus-shop.js", "chorus-quote.js", "chorus-live.js")
"""What may be embedded, by an address that stays."""

_Request = Request[Any, Any, Any]


class CounterController(Controller):
    include_in_schema = False

    @get("/till")
    async def till(self, request: _Request, services: Given, token: FromQuery[str | None] = None) -> Response[Any]:
        if token is not None:
            services.tokens.verify(token, "pos")
            lang = request.query_params.get("lang")
            path = f"/till?{urlencode({'lang': lang})}" if lang else "/till"
            response = Redirect(path, status_code=303, headers=dict(SECURITY))
            response.set_cookie(
                Cookie(
                    TILL_COOKIE,
                    value=token,
                    path="/till",
                    httponly=True,
                    samesite="lax",
                    secure=services.settings.public_url.startswith("https://"),
                    max_age=int(TILL_LIFETIME.total_seconds()),
                )
            )
            return response
        token, locale = request.cookies.get(TILL_COOKIE, ""), locale_of(request)
        try:
            principal = services.tokens.verify(token, "pos")
        except NotAllowed:
            return html(request, shop_pages.signed_out(page(services, request, locale, None, {})), 401)
        counter = Counter(
            programme=services.book.current.programme,
            device=principal.device,
            store=principal.store,
            till=principal.till,
            articles=SHELF if services.replay is not None else (),
            reasons_kept="reason" in ReturnBody.__struct_fields__,
        )
        return html(request, shop_pages.till(counter, page(services, request, locale, None, {"token": token})))

    @get("/embed/shop.json", sync_to_thread=False)
    def settings(self, request: _Request, services: Given) -> Response[dict[str, Any]]:
        """What the shop's modules need beside quotes: money, what points are worth, words."""
        programme = services.book.current.programme
        found = shop_pages.asking(programme, words(locale_of(request)), "shop")
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
        return Response({"channel": "web", **found}, headers=headers)

    @get("/embed/{name:str}", sync_to_thread=False)
    def module(self, name: FromPath[str]) -> Redirect:
        """The module as it is now; what it imports it finds beside itself."""
        if name not in MODULES:
            raise NotFound("there is no such module", code="unknown_module")
        return Redirect(f"{assets.prefix()}/js/{name}", status_code=307, headers={"Cache-Control": "no-cache"})


class ShopController(Controller):
    """Only in a demo: a shop of its own has pages of its own."""

    include_in_schema = False

    @get("/shop")
    async def shop(self, request: _Request, services: Given, sku: FromQuery[str | None] = None) -> Response[Any]:
        """For whoever is signed in by the card's cookie, or for a visitor."""
        now, published = services.clock(), services.book.current
        snapshot = await _member(request, services)
        locale = locale_of(request, snapshot.profile.locale if snapshot else "en")
        view, stamp = None, None
        if snapshot is not None:
            stamp, _ = render.stamp_of(snapshot, published, services.engine.epoch, now, None)
            view = web.view(snapshot, published, now, locale)
        shown = page(services, request, locale, stamp, {})
        response = html(request, shop_pages.shop(view, published.programme, SHELF, _chosen(sku), shown))
        if snapshot is None and SESSION_COOKIE in request.cookies:
            # A session that is over would be refused wherever the modules ask: without it they ask as a visitor.
            response.delete_cookie(SESSION_COOKIE)
        return response


async def _member(request: _Request, services: Services) -> Snapshot | None:
    """Whoever is signed in."""
    try:
        principal = services.tokens.verify(request.cookies.get(SESSION_COOKIE, ""), "web")
        return await snapshot_of(services, principal.member)
    except (NotAllowed, NotFound):
        return None


def _chosen(sku: str | None) -> Article:
    for article in SHELF:
        if sku is None or article.sku == sku:
            return article
    raise NotFound("there is no such article", code="unknown_article")
