"""The wall: one member on every surface side by side, for a demo or a showroom.

It hands out tokens for the member it shows, so it exists only in a process started as a demo.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from bff.auth import Principal
from bff.demo.control import Control, PassStatus, ReplayRemote, Status
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
from surfaces import app, kiosk, pages, web
from surfaces.activity import causes
from surfaces.pages import PassFace, WallFaces
from surfaces.views import Locale, ReceiptView

TARGET_MS = 250
"""What faces.md promises on the wall; the axis and its colour follow from it."""
LIFETIME = timedelta(hours=12)
WAIT_SECONDS = 8.0
"""How long a question for the pass waits for an answer; shorter than a browser's patience."""

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
        held = await _replay(services).pass_of(snapshot.member)
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
            wallet=_pass_face(held, locale),
        )
        config = {
            "target_ms": TARGET_MS,
            "demo": services.replay is not None and services.replay.status is not None,
            "faces": {
                "phone": {"surface": "app", "token": _token(services, "app", snapshot)},
                "web": {"surface": "web", "token": _token(services, "web", snapshot)},
                "kiosk": {"surface": "kiosk", "token": services.tokens.issue(kiosk_principal, LIFETIME)},
                "receipt": {"surface": "receipt", "token": token},
                **_pass_config(services, held, snapshot),
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

    @get("/wall/v1/pass")
    async def shown_pass(self, request: _Request, services: Given, after: FromQuery[int]) -> Response[Any]:
        """What the phone of the shown member shows after its change number `after`: at once, or as soon as there is one;
        204 where there is none for a while."""
        member = services.principal(request, "wallet").member
        held = await _replay(services).next_pass(member, after, WAIT_SECONDS)
        if held is None:
            return Response(None, status_code=204)
        change = (await read.changes(services.database, [(member, held.version)])).get((member, held.version))
        return Response(
            {
                "changes": held.changes,
                "version": held.version,
                "recorded_at": change.recorded_at if change else services.clock(),
                "view": _pass_face(held, locale_of(request)),
                "events": held.events,
            }
        )

    @get("/wall/v1/strips/{member:int}/{name:str}", media_type="image/png")
    async def strip(self, services: Given, member: FromPath[int], name: FromPath[str]) -> Response[bytes]:
        """The picture of the pass in the member's phone; its name changes with it."""
        held = await _replay(services).pass_of(member)
        if held is None or held.strip_name != name:
            raise NotFound("there is no such picture", code="unknown_picture")
        headers = {"Cache-Control": "private, max-age=86400"}
        return Response(base64.b64decode(held.strip), media_type="image/png", headers=headers)

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


def _pass_face(held: PassStatus | None, locale: Locale) -> PassFace | None:
    if held is None:
        return None
    strip = f"/wall/v1/strips/{held.member}/{held.strip_name}"
    return msgspec.structs.replace(held.faces[locale], strip=strip)


def _pass_config(services: Services, held: PassStatus | None, snapshot: Snapshot) -> dict[str, Any]:
    if held is None:
        return {}
    return {"pass": {"token": _token(services, "wallet", snapshot), "version": held.version}}


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
