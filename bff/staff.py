"""Staff: adjustments by hand, always with a reason, by a token that may."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.params import FromPath, JSONBody, RawBody

from bff.answers import changed, parse_number, reply
from bff.bodies import AdjustAnswer, AdjustBody
from bff.errors import refusals
from bff.holds import MAX_REASON
from bff.services import Given, idempotency_key
from core.adjustments.decide import AdjustPoints
from core.errors import InvalidInput, NotAllowed


class StaffController(Controller):
    path = "/staff/v1"
    tags = ("staff",)

    @post(
        "/members/{member:str}/adjustments",
        summary="Give or take points, with a reason",
        responses=refusals(
            (403, "scope_missing", "this token may not adjust points"),
            (404, "unknown_member", "no such member"),
            (409, "insufficient_points", "only 120 points are there"),
        ),
    )
    async def adjust(
        self,
        request: Request[Any, Any, Any],
        services: Given,
        member: FromPath[str],
        data: JSONBody[AdjustBody],
        body: RawBody,
    ) -> Response[AdjustAnswer]:
        """Needs an `Idempotency-Key`."""
        principal = services.principal(request, "staff")
        if not principal.may("adjust"):
            raise NotAllowed("this token may not adjust points", code="scope_missing")
        if len(data.reason) > MAX_REASON or "\0" in data.reason:
            raise InvalidInput.at("/reason", f"must be at most {MAX_REASON} characters of text")
        who = parse_number(member, "/member", "member id")
        command = AdjustPoints(data.points, data.reason)
        sent = {"member": member, "body": msgspec.json.decode(body)}
        answer = await services.submit(principal, "adjust", idempotency_key(request), sent, command, who)
        change = changed(answer)
        return reply(answer, AdjustAnswer(points=change.points, balance=change.available, **services.stamp(answer)))
