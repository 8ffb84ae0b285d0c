"""The wall: one member on every surface side by side, for a demo or a showroom.

It hands out tokens for the member it shows, so it exists only in a process started as a demo.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromQuery, JSONBody

from bff.auth import Principal
from bff.demo.control import Control, ReplayRemote, Status
from bff.html import html, page
from bff.kiosk import clears_at
from bff.live import receipt_subject
from bff.services import Given, Services, idempotency_key, locale_of
from bff.showing import snapshot_of
from core import devices, read
from core.errors import NotFound
from core.members.identifiers import Identifier, normalise
from core.snapshot import Snapshot
from push import render
from push.render import KioskSubject
from surfaces import app, kiosk, pages, wallet, web
from surfaces.activity import causes
from surfaces.pages import WallFaces
from surfaces.views import ReceiptView

TARGET_MS = 250
"""What faces.md promises on the wall; the axis and its colour follow from it."""
LIFETIME = timedelta(hours=12)

_Request = Request[Any, Any, Any]


class WallController(Controller):
    include_in_schema = False

    @get("/wall")
    async def wall(self, request: _Request, services: Given, member: FromQuery[str | None] = None) -> Response[str]:
        """`?member=` is a member code; otherwise the member the replay follows."""
        snapshot = await snapshot_of(services, await _shown(services, member))
        locale = locale_of(request)
        now, published = services.clock(), services.book.current
        session, kiosk_principal = await _kiosk(services, snapshot.member)
        subject = KioskSubject(kiosk_principal.store, session)
        receipt, token = await _receipt(services, snapshot, locale)
        faces = WallFaces(
            phone=app.view(snapshot, published, now, locale),
            web=web.view(snapshot, published, now, locale),
            kiosk=kiosk.view(
                snapshot,
                published,
                now,
                locale,
                store=subject.store,
                session=session.session,
                clears_at=session.clears_at,
            ),
            receipt=receipt,
            wallet=wallet.view(snapshot, published, now, locale),
        )
        config = {
            "target_ms": TARGET_MS,
            "demo": services.replay is not None and services.replay.status is not None,
            "faces": {
                "phone": {"surface": "app", "token": _token(services, "app", snapshot)},
                "web": {"surface": "web", "token": _token(services, "web", snapshot)},
                "kiosk": {"surface": "kiosk", "token": services.tokens.issue(kiosk_principal, LIFETIME)},
                "receipt": {"surface": "receipt", "token": token},
                "pass": {"surface": "wallet", "token": _token(services, "wallet", snapshot)},
            },
        }
        stamp, _ = render.stamp_of(snapshot, published, services.engine.epoch, now, None)
        last = causes(snapshot.recent[:1], published, locale)
        return html(
            request,
            pages.wall(faces, page(services, request, locale, stamp, config), last=last[0] if last else None),
        )

    @get("/wall/v1/receipt")
    async def receipt(self, request: _Request, services: Given, version: FromQuery[int]) -> dict[str, Any]:
        """The receipt of the shown member's purchase at `version`; asked with the web face's token."""
        principal = services.principal(request, "web")
        snapshot = await snapshot_of(services, principal.member)
        token = services.tokens.receipt_token(snapshot.member, version)
        view = await _receipt_view(services, snapshot, token, locale_of(request))
        return {"token": token, "view": view, "qr": pages.qr(view.link)}

    @get("/wall/v1/replay")
    async def replay(self, services: Given) -> Status:
        return _replay(services).status or await _replay(services).tell(Control())

    @post("/wall/v1/replay", status_code=200)
    async def control(self, services: Given, data: JSONBody[Control]) -> Status:
        """Pause, go on, faster, or on to a date. Going back is not possible: the ledger has no way back."""
        return await _replay(services).tell(Control(data.playing, data.speed, data.seek))

    @post("/wall/v1/sales")
    async def sale(self, request: _Request, services: Given) -> Status:
        """Ring up one sale for the member shown, at a till of the replay, by HTTP like any other."""
        return await _replay(services).tell(Control(sale=idempotency_key(request)))


def _replay(services: Services) -> ReplayRemote:
    assert services.replay is not None
    return services.replay


def _token(services: Services, surface: str, snapshot: Snapshot) -> str:
    return services.tokens.issue(Principal(surface, member=snapshot.member), LIFETIME)


async def _shown(services: Services, code: str | None) -> int:
    if code is not None:
        member = await read.member_of(services.database, normalise(Identifier("code", code), "/member"))
    else:
        member = services.replay.member if services.replay else None
    if member is None:
        raise NotFound("there is no member to show yet", code="unknown_member")
    return member


async def _kiosk(services: Services, member: int) -> tuple[devices.KioskSession, Principal]:
    """A kiosk of the wall's own for this member, bound to it."""
    stores = services.book.current.programme.stores
    store = stores[0].id if stores else "wall"
    device = devices.Device(f"wall-{member}", "kiosk", store, "The wall")
    await devices.add(services.database, device, services.clock())
    session = await devices.session_of(services.database, device.id)
    if session.member != member or (session.clears_at and session.clears_at <= services.clock()):
        session = await devices.bind(services.database, device.id, member, clears_at(services))
        services.bus.tell_device(session)
        await services.hub.rebind(session)
    else:
        session = await devices.touch(services.database, device.id, session.session, clears_at(services))
    return session, Principal("kiosk", device=device.id, store=store)


async def _receipt(services: Services, snapshot: Snapshot, locale: Any) -> tuple[ReceiptView | None, str]:
    version = await read.latest_purchase(services.database, snapshot.member)
    if version is None:
        return None, ""
    token = services.tokens.receipt_token(snapshot.member, version)
    return await _receipt_view(services, snapshot, token, locale), token


async def _receipt_view(services: Services, snapshot: Snapshot, token: str, locale: Any) -> ReceiptView:
    _, subject = await receipt_subject(services, token)
    view = render.view(snapshot, services.book.current, services.clock(), "receipt", locale, subject)
    assert isinstance(view, ReceiptView)
    return view
