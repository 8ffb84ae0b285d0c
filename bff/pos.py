"""The till: enrolment, look-up, and what is on hold at the counter.

A till's token names its device and store.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody

from bff import answers, holds
from bff.answers import changed, reply, tier_answer
from bff.bodies import (
    CaptureBody,
    EnrolAnswer,
    EnrolBody,
    HoldAnswer,
    HoldBody,
    IdentifierBody,
    LinkAnswer,
    LinkBody,
    PointsHoldBody,
    ShownView,
    VoidBody,
)
from bff.errors import refusals
from bff.purchases import MAX_TEXT, identifier
from bff.services import Given, idempotency_key, locale_of
from bff.showing import show
from core import read
from core.errors import InvalidInput, NotFound
from core.members.decide import MAX_IDENTIFIERS, Enrol, LinkIdentifier
from core.members.identifiers import new_code
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward

_Request = Request[Any, Any, Any]


class PosController(Controller):
    path = "/pos/v1"
    tags = ("pos",)

    @post(
        "/members",
        summary="Enrol a member",
        responses=refusals((409, "identifier_taken", "this identifier belongs to another member")),
    )
    async def enrol(
        self, request: _Request, services: Given, data: JSONBody[EnrolBody], body: RawBody
    ) -> Response[EnrolAnswer]:
        """The answer has the member's new code. Other identifiers may come later."""
        principal = services.principal(request, "pos")
        if len(data.identifiers) > MAX_IDENTIFIERS:
            raise InvalidInput.at("/identifiers", f"must be at most {MAX_IDENTIFIERS}")
        if len(data.display_name) > MAX_TEXT or "\0" in data.display_name:
            raise InvalidInput.at("/display_name", f"must be at most {MAX_TEXT} characters of text")
        if any(identifier.kind == "code" for identifier in data.identifiers):
            raise InvalidInput.at("/identifiers", "a member's code is given by Chorus")
        identifiers = tuple(identifier(one, f"/identifiers/{i}") for i, one in enumerate(data.identifiers))
        command = Enrol(new_code(), identifiers, data.locale, data.display_name.strip(), data.birthday)
        answer = await services.submit(principal, "enrol", data.id, msgspec.json.decode(body), command, None)
        change, profile = changed(answer), answer.profile
        assert profile is not None
        return reply(
            answer,
            EnrolAnswer(
                member=str(answer.member),
                code=profile.code,
                balance=change.available,
                tier=tier_answer(services, change, locale_of(request)),
                **services.stamp(answer),
            ),
        )

    @post(
        "/members/{member:str}/identifiers",
        summary="Link an identifier",
        responses=refusals(
            (404, "unknown_member", "no such member"),
            (409, "identifier_taken", "this identifier belongs to another member"),
        ),
    )
    async def link(
        self, request: _Request, services: Given, member: FromPath[str], data: JSONBody[LinkBody], body: RawBody
    ) -> Response[LinkAnswer]:
        """Needs an `Idempotency-Key`. Linking what is linked already changes nothing."""
        principal = services.principal(request, "pos")
        if data.identifier.kind == "code":
            raise InvalidInput.at("/identifier/kind", "a member's code is given by Chorus")
        who = answers.parse_number(member, "/member", "member id")
        command = LinkIdentifier(identifier(data.identifier, "/identifier"))
        sent = {"member": member, "body": msgspec.json.decode(body)}
        answer = await services.submit(principal, "link", idempotency_key(request), sent, command, who)
        linked = answer.change is not None
        return reply(
            answer,
            LinkAnswer(member=str(answer.member), linked=linked, epoch=answer.epoch, version=answer.version),
            created=linked,
        )

    @get(
        "/members",
        summary="Look a member up",
        responses=refusals((404, "unknown_member", "no member has this identifier")),
    )
    async def look_up(
        self,
        request: _Request,
        services: Given,
        kind: Annotated[str, QueryParameter(description="code, email, phone or card")],
        value: FromQuery[str],
    ) -> Response[ShownView]:
        """What the till shows: short name, masked code, balance, tier, rewards."""
        principal = services.principal(request, "pos")
        try:
            body = msgspec.convert({"kind": kind, "value": value}, IdentifierBody)
        except msgspec.ValidationError:
            raise InvalidInput.at("/kind", "must be code, email, phone or card") from None
        member = await read.member_of(services.database, identifier(body, ""))
        if member is None:
            raise NotFound("no member has this identifier", code="unknown_member")
        return await show(services, request, principal, "pos", member)

    @post("/members/{member:str}/holds", summary="Hold points for a reward", responses=holds.HOLD_REFUSALS)
    async def hold(
        self, request: _Request, services: Given, member: FromPath[str], data: JSONBody[HoldBody]
    ) -> Response[HoldAnswer]:
        return await self._hold(request, services, member, "hold", HoldReward(data.reward, data.store))

    @post(
        "/members/{member:str}/basket-holds",
        summary="Hold points to pay for part of a basket",
        responses=holds.POINTS_REFUSALS,
    )
    async def hold_points(
        self, request: _Request, services: Given, member: FromPath[str], data: JSONBody[PointsHoldBody]
    ) -> Response[HoldAnswer]:
        """Needs an `Idempotency-Key`. The purchase that names the hold spends it."""
        return await self._hold(request, services, member, "hold", HoldPoints(data.points))

    @post("/members/{member:str}/holds/{hold:str}/capture", summary="Spend a hold", responses=holds.END_REFUSALS)
    async def capture(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        hold: FromPath[str],
        data: JSONBody[CaptureBody | None] = None,
    ) -> Response[HoldAnswer]:
        command = CaptureHold(answers.parse_number(hold, "/hold", "hold id"), data.paid if data else 0)
        return await self._hold(request, services, member, "capture", command)

    @post("/members/{member:str}/holds/{hold:str}/void", summary="Give a hold back", responses=holds.END_REFUSALS)
    async def void(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        hold: FromPath[str],
        data: JSONBody[VoidBody | None] = None,
    ) -> Response[HoldAnswer]:
        command = holds.void(hold, data)
        return await self._hold(request, services, member, "void", command)

    async def _hold(
        self, request: _Request, services: Given, member: str, kind: str, command: holds.HoldCommand
    ) -> Response[HoldAnswer]:
        principal = services.principal(request, "pos")
        who = answers.parse_number(member, "/member", "member id")
        return await holds.submit(request, services, principal, who, kind, command)
