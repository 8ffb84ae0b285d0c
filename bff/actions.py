"""Check-ins, reviews and shares: points for what is no purchase, within the programme's limits."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.params import FromPath, JSONBody, RawBody

from bff.answers import changed, parse_number, reply
from bff.auth import Principal
from bff.bodies import ActionAnswer, ActionBody
from bff.errors import refusals
from bff.member import member_of
from bff.purchases import MAX_TEXT, instant
from bff.services import Given, Services, idempotency_key
from core.earning.actions import RecordAction
from core.errors import InvalidInput
from surfaces.views import Surface

_Request = Request[Any, Any, Any]

REFUSALS = refusals(
    (404, "unknown_member", "no such member"),
    (409, "action_limit", "no more points are given for this now"),
    (409, "idempotency_conflict", "the key was used for another request"),
)


class PosActionsController(Controller):
    """What the shop's own systems saw: a visit, a review that was published."""

    path = "/pos/v1"
    tags = ("pos",)

    @post("/members/{member:str}/actions", summary="Give points for an action", responses=REFUSALS)
    async def record(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[ActionBody],
        body: RawBody,
    ) -> Response[ActionAnswer]:
        """Needs an `Idempotency-Key`."""
        principal = services.principal(request, "pos")
        who = parse_number(member, "/member", "member id")
        return await _record(request, services, principal, who, data, body)


class _ActionsController(Controller):
    surface: Surface

    @post("/actions", summary="Check in, or share", responses=REFUSALS)
    async def record(
        self, request: _Request, services: Given, data: JSONBody[ActionBody], body: RawBody
    ) -> Response[ActionAnswer]:
        """Needs an `Idempotency-Key`. A member cannot date it back, and says nothing of a review: the shop does."""
        principal = member_of(request, services, self.surface)
        if data.kind == "review":
            raise InvalidInput.at("/kind", "is told by the shop once the review is there")
        if data.occurred_at is not None:
            raise InvalidInput.at("/occurred_at", "is now")
        return await _record(request, services, principal, principal.member, data, body)


class AppActionsController(_ActionsController):
    path = "/app/v1"
    tags = ("app",)
    surface = "app"


class WebActionsController(_ActionsController):
    path = "/web/v1"
    tags = ("web",)
    surface = "web"


async def _record(
    request: _Request, services: Services, principal: Principal, member: int, data: ActionBody, body: bytes
) -> Response[ActionAnswer]:
    if len(data.subject) > MAX_TEXT or "\0" in data.subject:
        raise InvalidInput.at("/subject", f"must be at most {MAX_TEXT} characters of text")
    occurred_at = services.clock() if data.occurred_at is None else instant(data.occurred_at, "/occurred_at")
    command = RecordAction(data.kind, occurred_at, data.subject)
    sent = {"member": member, "body": msgspec.json.decode(body)}
    answer = await services.submit(
        principal,
        "action",
        idempotency_key(request),
        sent,
        command,
        member,
        occurred_at=occurred_at,
        staff=principal.may("backdate"),
    )
    change = changed(answer)
    return reply(answer, ActionAnswer(earned=change.earned, balance=change.available, **services.stamp(answer)))
