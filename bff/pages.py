"""The member's pages and the kiosk's screen, server-rendered: complete at the first paint, live after it."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get
from litestar.datastructures import Cookie
from litestar.params import FromQuery
from litestar.response import Redirect

from bff import assets
from bff.auth import SESSION_COOKIE
from bff.html import SECURITY, html, page
from bff.passes import wallets
from bff.services import Given, locale_of
from bff.showing import snapshot_of
from core.errors import NotAllowed, NotFound
from push import render
from push.render import KioskSubject
from surfaces import app, kiosk, pages, web

SESSION_LIFETIME = timedelta(days=30)
_WORKER = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src 'self'",
    "X-Content-Type-Options": "nosniff",
}

_Request = Request[Any, Any, Any]


class PagesController(Controller):
    include_in_schema = False

    @get("/")
    async def home(self) -> Redirect:
        return Redirect("/card", status_code=303)

    @get("/card")
    async def card(self, request: _Request, services: Given, token: FromQuery[str | None] = None) -> Response[Any]:
        """The member's web page. `?token=` signs in: it becomes a cookie and leaves the address bar;
        `?lang=` stays."""
        if token is not None:
            principal = services.tokens.verify(token, "web")
            cookie = services.tokens.issue(principal, SESSION_LIFETIME)
            lang = request.query_params.get("lang")
            path = f"/card?{urlencode({'lang': lang})}" if lang else "/card"
            response = Redirect(path, status_code=303, headers=dict(SECURITY))
            response.set_cookie(
                Cookie(
                    SESSION_COOKIE,
                    value=cookie,
                    path="/",
                    httponly=True,
                    samesite="lax",
                    secure=services.settings.public_url.startswith("https://"),
                    max_age=int(SESSION_LIFETIME.total_seconds()),
                )
            )
            return response
        try:
            principal = services.tokens.verify(request.cookies.get(SESSION_COOKIE, ""), "web")
            snapshot = await snapshot_of(services, principal.member)
        except (NotAllowed, NotFound):
            locale = locale_of(request)
            return html(request, pages.signed_out(page(services, request, locale, None, {})), 401)
        locale = locale_of(request, snapshot.profile.locale)
        now, published = services.clock(), services.book.current
        stamp, _ = render.stamp_of(snapshot, published, services.engine.epoch, now, None)
        view = web.view(snapshot, published, now, locale)
        config = {"wallets": wallets(services), "push": {"key": services.outside.vapid.public}}
        return html(request, pages.card(view, page(services, request, locale, stamp, config)))

    @get("/sw.js", media_type="text/javascript", sync_to_thread=False)
    def service_worker(self) -> Response[bytes]:
        """At the root, for a worker may serve no page above it; asked again each time, for it has no version."""
        headers = {"Service-Worker-Allowed": "/", "Cache-Control": "no-cache", **_WORKER}
        return Response(_worker_script(), media_type="text/javascript; charset=utf-8", headers=headers)

    @get("/phone")
    async def phone(self, request: _Request, services: Given, token: FromQuery[str] = "") -> Response[Any]:
        """The app's face in a browser, for a look at it; a real app draws its own from the same view."""
        principal = services.tokens.verify(token, "app")
        snapshot = await snapshot_of(services, principal.member)
        locale = locale_of(request, snapshot.profile.locale)
        now, published = services.clock(), services.book.current
        stamp, _ = render.stamp_of(snapshot, published, services.engine.epoch, now, None)
        view = app.view(snapshot, published, now, locale)
        return html(request, pages.phone(view, page(services, request, locale, stamp, {"token": token})))

    @get("/kiosk")
    async def kiosk(self, request: _Request, services: Given, token: FromQuery[str] = "") -> Response[Any]:
        """The kiosk's screen; the device's token is in its start address."""
        principal = services.tokens.verify(token, "kiosk")
        session = await services.kiosk_session(principal.device)
        subject = KioskSubject(principal.store, session)
        snapshot = await snapshot_of(services, session.member) if session.member is not None else None
        locale = locale_of(request, snapshot.profile.locale if snapshot else "en")
        now, published = services.clock(), services.book.current
        stamp, _ = render.stamp_of(snapshot, published, services.engine.epoch, now, subject)
        view = kiosk.view(
            snapshot,
            published,
            now,
            locale,
            store=principal.store,
            session=session.session,
            clears_at=session.clears_at,
        )
        return html(request, pages.kiosk(view, page(services, request, locale, stamp, {"token": token})))


@cache
def _worker_script() -> bytes:
    return (assets.FOLDER / "sw.js").read_bytes()
