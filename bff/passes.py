"""Adding a pass: the file for Apple Wallet, the link for Google Wallet, its pictures and its callbacks."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from bff.apple import pass_response
from bff.auth import SESSION_COOKIE
from bff.errors import refusals
from bff.html import SECURITY
from bff.member import member_of
from bff.outside import GOOGLE_CALLBACK, PICTURES
from bff.services import Given, Services
from core.errors import NotFound
from surfaces.standing import finish_of
from surfaces.views import Surface
from surfaces.wallet import colours_of
from wallet_passes.apple.factory import MEDIA_TYPE
from wallet_passes.google.service import GoogleService
from wallet_passes.images import Look, apple_images, google_hero, google_logo, look

_FILE = "card.pkpass"
_DAY = "public, max-age=86400"
_REFUSED = refusals(
    (404, "not_set_up", "Google Wallet is not set up"),
    (429, "too_many", "come back"),
    (503, "google_away", "try again shortly"),
)
MAX_CALLBACK = 16 * 1024
"""Google's are of about 1 KB, and strangers post here too."""

_Request = Request[Any, Any, Any]


class SaveLink(msgspec.Struct, frozen=True):
    url: str


class PassPagesController(Controller):
    """What the buttons of the member's page lead to; the session's cookie says whose pass it is."""

    include_in_schema = False

    @get("/card/pass.pkpass", media_type=MEDIA_TYPE)
    async def apple(self, request: _Request, services: Given) -> Response[bytes]:
        member = services.tokens.verify(request.cookies.get(SESSION_COOKIE, ""), "web").member
        return pass_response(await services.outside.apple.issue(member), file=_FILE)

    @get("/card/google")
    async def google(self, request: _Request, services: Given) -> Redirect:
        member = services.tokens.verify(request.cookies.get(SESSION_COOKIE, ""), "web").member
        link = await _google(services).save_link(member)
        return Redirect(link, status_code=303, headers={"Cache-Control": "no-store", **SECURITY})


class _PassesController(Controller):
    surface: Surface

    @get("/passes/apple", summary="The member's pass for Apple Wallet", media_type=MEDIA_TYPE, responses=refusals())
    async def apple(self, request: _Request, services: Given) -> Response[bytes]:
        """For `PKAddPassesViewController`, or to save as a file."""
        member = member_of(request, services, self.surface).member
        return pass_response(await services.outside.apple.issue(member), file=_FILE)

    @get("/passes/google", summary="Where the member saves its pass in Google Wallet", responses=_REFUSED)
    async def google(self, request: _Request, services: Given) -> SaveLink:
        member = member_of(request, services, self.surface).member
        return SaveLink(await _google(services).save_link(member))


class AppPassesController(_PassesController):
    path = "/app/v1"
    tags = ("app", "wallet")
    surface = "app"


class WebPassesController(_PassesController):
    path = "/web/v1"
    tags = ("web", "wallet")
    surface = "web"


class PicturesController(Controller):
    """Public: a pass's pictures show a tier, and no member."""

    path = PICTURES
    include_in_schema = False

    @get("/{tier:str}/hero.png", media_type="image/png")
    async def hero(self, services: Given, tier: FromPath[str]) -> Response[bytes]:
        return _png(await asyncio.to_thread(google_hero, _look(services, tier)))

    @get("/logo.png", media_type="image/png")
    async def logo(self, services: Given) -> Response[bytes]:
        first = services.book.current.programme.tiers[0].key
        return _png(await asyncio.to_thread(google_logo, _look(services, first)))

    @get("/icon.png", media_type="image/png")
    async def icon(self, services: Given) -> Response[bytes]:
        """What a notification of the website shows."""
        first = services.book.current.programme.tiers[0].key
        return _png((await asyncio.to_thread(apple_images, _look(services, first)))["icon@3x.png"])


class GoogleController(Controller):
    """Google's protocol, not ours: the document of our interface leaves it out."""

    include_in_schema = False

    @post(GOOGLE_CALLBACK, status_code=200, request_max_body_size=MAX_CALLBACK)
    async def callback(self, request: _Request, services: Given) -> dict[str, bool]:
        """Signed by Google (ECv2SigningOnly); told twice, it counts once."""
        return {"new": await _google(services).called_back(await request.body())}


def wallets(services: Services) -> dict[str, str]:
    """Which passes a page can offer, and where they are."""
    google = {"google": "/card/google"} if services.outside.google is not None else {}
    return {"apple": "/card/pass.pkpass", **google}


def _google(services: Services) -> GoogleService:
    if services.outside.google is None:
        raise NotFound("Google Wallet is not set up", code="not_set_up")
    return services.outside.google


def _look(services: Services, tier: str) -> Look:
    programme = services.book.current.programme
    if tier not in {known.key for known in programme.tiers}:
        raise NotFound("there is no such tier", code="unknown_tier")
    background, foreground, _ = colours_of(tier, programme)
    return look(finish_of(tier, programme), background, foreground)


def _png(data: bytes) -> Response[bytes]:
    return Response(data, media_type="image/png", headers={"Cache-Control": _DAY})
