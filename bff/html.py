"""Pages over HTTP: headers that keep a page to itself, the language cookie, and what a page's modules are told."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie

from bff import assets
from bff.services import LANGUAGE_COOKIE, Services, locale_of
from surfaces.etag import Stamp
from surfaces.letters import letters
from surfaces.pages import Page
from surfaces.views import Locale

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "worker-src 'self'; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_YEAR = 365 * 24 * 3600


def page(
    services: Services, request: Request[Any, Any, Any], locale: Locale, have: Stamp | None, config: dict[str, Any]
) -> Page:
    programme = services.book.current.programme
    return Page(
        locale=locale,
        zone=programme.zone,
        have=have,
        as_of=services.clock(),
        config=config,
        static=assets.prefix(),
        letters=letters(programme, locale),
    )


def html(request: Request[Any, Any, Any], text: str, status: int = 200) -> Response[str]:
    """A page; `?lang=` is remembered."""
    response = Response(text, media_type="text/html; charset=utf-8", status_code=status, headers=SECURITY)
    if request.query_params.get("lang"):
        response.set_cookie(Cookie(LANGUAGE_COOKIE, value=locale_of(request), path="/", max_age=_YEAR, samesite="lax"))
    return response
