"""Staff: what is done by hand, always with a reason, by a token that may."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.params import FromPath, JSONBody, RawBody

from bff.answers import changed, parse_number, reply
from bff.auth import Principal
from bff.bodies import (
    AdjustAnswer,
    AdjustBody,
    ClaimAnswer,
    ExtendBody,
    GrantBody,
    ReinstateBody,
    TraitsAnswer,
    TraitsBody,
)
from bff.errors import refusals
from bff.extending import extension
from bff.merging import MergeAnswer, MergeBody, OneAlready, answer_of, command_of
from bff.reasons import reason_of
from bff.services import Given, Services, idempotency_key, locale_of
from bff.vouchers import claimed
from core.adjustments.decide import AdjustPoints, ReinstatePoints
from core.engine.commands import Command
from core.engine.submission import Answer
from core.errors import NotAllowed
from core.members.decide import SetTraits
from core.members.identifiers import new_voucher_code
from core.rewards.vouchers import GrantVoucher

_Request = Request[Any, Any, Any]
_SCOPE = (403, "scope_missing", "this token may not adjust points")
_MEMBER = (404, "unknown_member", "no such member")
_CONFLICT = (409, "idempotency_conflict", "the key was used for another request")


class StaffController(Controller):
    path = "/staff/v1/members/{member:str}"
    tags = ("staff",)

    @post(
        "/adjustments",
        summary="Give or take points, with a reason",
        responses=refusals(_SCOPE, _MEMBER, (409, "insufficient_points", "only 120 points are there")),
    )
    async def adjust(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[AdjustBody],
        body: RawBody,
    ) -> Response[AdjustAnswer]:
        """Needs an `Idempotency-Key`."""
        principal = _may_adjust(request, services)
        command = AdjustPoints(data.points, reason_of(data.reason), data.currency)
        return _adjusted(services, await _submit(request, services, principal, "adjust", command, member, body))

    @post(
        "/reinstatements",
        summary="Give back points that expired",
        responses=refusals(
            _SCOPE, _MEMBER, (409, "nothing_expired", "only 120 points of this member expired"), _CONFLICT
        ),
    )
    async def reinstate(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[ReinstateBody],
        body: RawBody,
    ) -> Response[AdjustAnswer]:
        """Needs an `Idempotency-Key`. They are good for the programme's grace."""
        principal = _may_adjust(request, services)
        command = ReinstatePoints(data.points, reason_of(data.reason), data.currency)
        return _adjusted(services, await _submit(request, services, principal, "reinstate", command, member, body))

    @post("/extensions", summary="Give points longer", responses=refusals(_SCOPE, _MEMBER, _CONFLICT))
    async def extend(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[ExtendBody],
        body: RawBody,
    ) -> Response[TraitsAnswer]:
        """Needs an `Idempotency-Key`. A member with no such points is left as it is."""
        principal = _may_adjust(request, services)
        zone = services.book.current.programme.tzinfo
        command = extension(
            data.first_day, data.last_day, data.until, reason=data.reason, zone=zone, currency=data.currency
        )
        return _maybe(await _submit(request, services, principal, "extend", command, member, body))

    @post(
        "/vouchers",
        summary="Grant a voucher, with a reason",
        responses=refusals(
            _SCOPE,
            (404, "unknown_reward", "no such reward"),
            (409, "sold_out", "none of it is left"),
            _CONFLICT,
        ),
    )
    async def grant(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[GrantBody],
        body: RawBody,
    ) -> Response[ClaimAnswer]:
        """Needs an `Idempotency-Key`."""
        principal = _may_adjust(request, services)
        command = GrantVoucher(data.reward, new_voucher_code(), reason_of(data.reason))
        answer = await _submit(request, services, principal, "grant", command, member, body)
        return reply(answer, claimed(services, answer))

    @post("/traits", summary="Set segments and birthday", responses=refusals(_SCOPE, _MEMBER, _CONFLICT))
    async def set_traits(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[TraitsBody],
        body: RawBody,
    ) -> Response[TraitsAnswer]:
        """Needs an `Idempotency-Key`. What is so already changes nothing."""
        principal = _may_adjust(request, services)
        command = SetTraits(None if data.segments is None else tuple(data.segments), data.birthday)
        return _maybe(await _submit(request, services, principal, "traits", command, member, body))

    @post(
        "/merge",
        summary="Join another member to this one: they are one person",
        responses=refusals(
            _SCOPE,
            (404, "unknown_member", "there is no such member to merge"),
            (409, "points_out_of_range", "the balance would be beyond what a ledger holds"),
            (409, "history_too_long", "a member with so long a history cannot be merged"),
            _CONFLICT,
        ),
    )
    async def merge(
        self,
        request: _Request,
        services: Given,
        member: FromPath[str],
        data: JSONBody[MergeBody],
        body: RawBody,
    ) -> Response[MergeAnswer | OneAlready]:
        """Needs an `Idempotency-Key`. This member keeps its name and code; which id lives on, the answer says. Two that
        are one already change nothing. It cannot be taken back."""
        principal = _may_adjust(request, services)
        answer = await _submit(request, services, principal, "merge", command_of(data), member, body)
        return reply(answer, answer_of(services, answer, locale_of(request)), created=answer.change is not None)


def _may_adjust(request: _Request, services: Services) -> Principal:
    principal = services.principal(request, "staff")
    if not principal.may("adjust"):
        raise NotAllowed("this token may not adjust points", code="scope_missing")
    return principal


async def _submit(
    request: _Request,
    services: Services,
    principal: Principal,
    kind: str,
    command: Command,
    member: str,
    body: bytes,
) -> Answer:
    who = parse_number(member, "/member", "member id")
    sent = {"member": member, "body": msgspec.json.decode(body)}
    return await services.submit(principal, kind, idempotency_key(request), sent, command, who)


def _adjusted(services: Services, answer: Answer) -> Response[AdjustAnswer]:
    change = changed(answer)
    return reply(answer, AdjustAnswer(points=change.points, balance=change.available, **services.stamp(answer)))


def _maybe(answer: Answer) -> Response[TraitsAnswer]:
    done = answer.change is not None
    return reply(answer, TraitsAnswer(changed=done, epoch=answer.epoch, version=answer.version), created=done)
