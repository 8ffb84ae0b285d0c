"""The kiosk: a device of a store that shows one member at a time, and clears itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from bff import holds
from bff.auth import Principal
from bff.bodies import BindBody, HoldAnswer, HoldBody, KioskSessionAnswer, ShownView, VoidBody
from bff.errors import refusals
from bff.services import Given, Services
from bff.showing import show
from core import devices, read
from core.devices import KioskSession
from core.errors import InvalidInput, NotFound, Rejected
from core.members.identifiers import Identifier, normalise
from core.rewards.decide import HoldReward
from push.render import KioskSubject

_Request = Request[Any, Any, Any]


class KioskController(Controller):
    path = "/kiosk/v1"
    tags = ("kiosk",)

    @get("/me", summary="What the kiosk shows", responses=refusals())
    async def me(self, request: _Request, services: Given) -> Response[ShownView]:
        principal = services.principal(request, "kiosk")
        session = await services.kiosk_session(principal.device)
        subject = KioskSubject(principal.store, session)
        return await show(services, request, principal, "kiosk", session.member, subject)

    @post(
        "/session",
        summary="Show the member whose code was scanned",
        status_code=200,
        responses=refusals((404, "unknown_member", "no member has this code")),
    )
    async def bind(self, request: _Request, services: Given, data: JSONBody[BindBody]) -> KioskSessionAnswer:
        principal = services.principal(request, "kiosk")
        try:
            identifier = normalise(Identifier("code", data.code), "")
        except InvalidInput as refusal:
            raise InvalidInput.at("/code", refusal.detail) from None
        member = await read.member_of(services.database, identifier)
        if member is None:
            raise NotFound("no member has this code", code="unknown_member")
        session = await devices.bind(services.database, principal.device, member, clears_at(services))
        return await _told(services, session)

    @post(
        "/session/touch",
        summary="Keep the session for another while",
        status_code=200,
        responses=refusals((409, "no_session", "nobody's session runs on this kiosk")),
    )
    async def touch(self, request: _Request, services: Given) -> KioskSessionAnswer:
        principal = services.principal(request, "kiosk")
        session = await running(services, principal)
        session = await devices.touch(services.database, principal.device, session.session, clears_at(services))
        return await _told(services, session)

    @delete("/session", summary="Clear the screen", status_code=200, responses=refusals())
    async def unbind(self, request: _Request, services: Given) -> KioskSessionAnswer:
        principal = services.principal(request, "kiosk")
        return await _told(services, await devices.unbind(services.database, principal.device))

    @post("/holds", summary="Hold points for a reward", responses=holds.HOLD_REFUSALS)
    async def hold(self, request: _Request, services: Given, data: JSONBody[HoldBody]) -> Response[HoldAnswer]:
        """Needs an `Idempotency-Key`; for the member of the running session."""
        principal = services.principal(request, "kiosk")
        session = await running(services, principal)
        assert session.member is not None
        return await holds.submit(
            request, services, principal, session.member, "hold", HoldReward(data.reward, data.store)
        )

    @post("/holds/{hold:str}/void", summary="Give a hold back", responses=holds.END_REFUSALS)
    async def void(
        self, request: _Request, services: Given, hold: FromPath[str], data: JSONBody[VoidBody | None] = None
    ) -> Response[HoldAnswer]:
        principal = services.principal(request, "kiosk")
        session = await running(services, principal)
        assert session.member is not None
        command = holds.void(hold, data)
        return await holds.submit(request, services, principal, session.member, "void", command)


def clears_at(services: Services) -> Any:
    """When a session that begins or is touched now ends by itself."""
    return services.clock() + timedelta(seconds=services.book.current.programme.limits.kiosk_clears_seconds)


async def running(services: Services, principal: Principal) -> KioskSession:
    """The session of somebody. Rejects `no_session`."""
    session = await services.kiosk_session(principal.device)
    if session.member is None:
        raise Rejected("nobody's session runs on this kiosk", code="no_session")
    return session


async def _told(services: Services, session: KioskSession) -> KioskSessionAnswer:
    """Show the session on this process's screens, and tell the other processes."""
    services.bus.tell_device(session)
    await services.hub.rebind(session)
    return KioskSessionAnswer(session.session, session.member is not None, session.clears_at)
