"""The member's own surfaces: the phone app, the website and the wallet pass.

The member is whoever the token was made for; nothing in a request can name another.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from bff import holds
from bff.auth import SESSION_COOKIE, Principal, same_origin
from bff.bodies import ActivityPage, HoldAnswer, HoldBody, ShownView, VoidBody
from bff.errors import refusals
from bff.services import Given, Services, locale_of
from bff.showing import show
from core import read
from core.errors import InvalidInput, NotAllowed
from core.rewards.decide import HoldReward
from surfaces.activity import activity
from surfaces.views import Surface

MAX_PAGE = 100
MAX_VERSION = 2**63 - 1
"""What a version's column holds."""

_Request = Request[Any, Any, Any]


def member_of(request: _Request, services: Services, surface: Surface) -> Principal:
    """By bearer token; on the web also by its session cookie, then only for reading or from our own pages."""
    cookie = request.cookies.get(SESSION_COOKIE) if surface == "web" else None
    if cookie is None or "authorization" in request.headers:
        return services.principal(request, surface)
    own = same_origin(request.headers.get("origin"), request.headers.get("host"), services.settings.public_url)
    if request.method not in ("GET", "HEAD") and not own:
        raise NotAllowed("this request did not come from our own page", code="wrong_origin")
    return services.tokens.verify(cookie, surface)


class _MemberController(Controller):
    surface: Surface

    @get(
        "/me",
        summary="The surface's view, with its stamp",
        responses=refusals((404, "unknown_member", "no such member")),
    )
    async def me(self, request: _Request, services: Given) -> Response[ShownView]:
        """304 when `If-None-Match` has the ETag."""
        principal = member_of(request, services, self.surface)
        return await show(services, request, principal, self.surface, principal.member)


class _Rewards(_MemberController):
    @get("/activity", summary="What happened, newest first", responses=refusals())
    async def activity(
        self, request: _Request, services: Given, cursor: FromQuery[str | None] = None, limit: FromQuery[int] = 20
    ) -> Response[ActivityPage]:
        """Pages stay the same while the ledger grows, and where the member is merged with another meanwhile."""
        principal = member_of(request, services, self.surface)
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput.at("/limit", f"must be 1 to {MAX_PAGE}")
        member, before = _open_cursor(cursor, principal.member) if cursor else (principal.member, None)
        if member != principal.member and member != await read.living(services.database, principal.member):
            raise InvalidInput.at("/cursor", "is not one of ours")
        changes, more = await read.activity(services.database, member, before=before, limit=limit)
        items = list(activity(changes, services.book.current, locale_of(request)))
        following = urlsafe_b64encode(f"{changes[-1].member}.{more}".encode()).decode() if more else None
        return Response(ActivityPage(items, following))

    @post("/holds", summary="Hold points for a reward", responses=holds.HOLD_REFUSALS)
    async def hold(self, request: _Request, services: Given, data: JSONBody[HoldBody]) -> Response[HoldAnswer]:
        """Needs an `Idempotency-Key`. The reward is spent at the till."""
        principal = member_of(request, services, self.surface)
        return await holds.submit(
            request, services, principal, principal.member, "hold", HoldReward(data.reward, data.store)
        )

    @post("/holds/{hold:str}/void", summary="Give a hold back", responses=holds.END_REFUSALS)
    async def void(
        self, request: _Request, services: Given, hold: FromPath[str], data: JSONBody[VoidBody | None] = None
    ) -> Response[HoldAnswer]:
        principal = member_of(request, services, self.surface)
        command = holds.void(hold, data)
        return await holds.submit(request, services, principal, principal.member, "void", command)


class AppController(_Rewards):
    path = "/app/v1"
    tags = ("app",)
    surface = "app"


class WebController(_Rewards):
    path = "/web/v1"
    tags = ("web",)
    surface = "web"


class WalletController(_MemberController):
    """The fields of the pass."""

    path = "/wallet/v1"
    tags = ("wallet",)
    surface = "wallet"


def _open_cursor(cursor: str, member: int) -> tuple[int, int]:
    """(member, version) of the list that a cursor goes on with; of one that names no member, `member`'s."""
    try:
        of, _, version = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").rpartition(".")
        listed, before = int(of or member), int(version)
    except ValueError:
        listed = before = 0
    if not (0 < before <= MAX_VERSION and 0 < listed <= MAX_VERSION):
        raise InvalidInput.at("/cursor", "is not one of ours")
    return listed, before
