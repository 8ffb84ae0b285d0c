"""The till: purchases, returns, enrolment, look-up, and rewards at the counter.

A till's token names its device and store; the till's own purchase number is the idempotency key.
"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, FromQuery, JSONBody, QueryParameter, RawBody

from bff import answers, holds
from bff.answers import changed, reply, tier_answer
from bff.bodies import (
    EnrolAnswer,
    EnrolBody,
    HoldAnswer,
    HoldBody,
    IdentifierBody,
    LinkAnswer,
    LinkBody,
    PurchaseAnswer,
    PurchaseBody,
    ReceiptLink,
    ReturnAnswer,
    ReturnBody,
    ShownView,
    VoidBody,
)
from bff.errors import refusals
from bff.services import Given, idempotency_key, locale_of
from bff.showing import show
from core import read
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import MAX_LINES, RecordPurchase
from core.errors import FieldError, InvalidInput, NotFound
from core.members.decide import MAX_IDENTIFIERS, Enrol, LinkIdentifier
from core.members.identifiers import Identifier, new_code, normalise
from core.rewards.decide import CaptureHold, HoldReward
from core.snapshot import Line

MAX_TEXT = 200
"""Of a sku, a name, a category."""

PURCHASE_EXAMPLE = {
    "id": "S12-T3-000123",
    "member": {"kind": "code", "value": "0714 3298 1175"},
    "occurred_at": "2026-11-22T08:00:00Z",
    "channel": "store",
    "currency": "USD",
    "total": 3560,
    "lines": [{"sku": "CD", "quantity": 3, "amount": 3560, "name": "Compact disc"}],
}

_Request = Request[Any, Any, Any]


class PosController(Controller):
    path = "/pos/v1"
    tags = ("pos",)

    @post(
        "/purchases",
        summary="Record a purchase",
        responses=refusals(
            (404, "unknown_member", "no member has this identifier"),
            (409, "idempotency_conflict", "the key 'S12-T3-000123' was used for another request"),
        ),
    )
    async def record_purchase(
        self,
        request: _Request,
        services: Given,
        data: Annotated[PurchaseBody, Body(examples=[Example(value=PURCHASE_EXAMPLE)])],
        body: RawBody,
    ) -> Response[PurchaseAnswer]:
        """Answers when the purchase is durable. Sending the same `id` again answers 200 with the first answer."""
        principal = services.principal(request, "pos")
        occurred_at = data.occurred_at
        if occurred_at.tzinfo is None:
            raise InvalidInput.at("/occurred_at", "needs its zone: 2026-11-22T08:00:00Z")
        try:
            occurred_at = occurred_at.astimezone(UTC)
        except OverflowError:
            raise InvalidInput.at("/occurred_at", "is beyond the calendar") from None
        command = RecordPurchase(data.id, occurred_at, data.channel, data.currency, data.total, _lines(data))
        answer = await services.submit(
            principal,
            "purchase",
            data.id,
            msgspec.json.decode(body),
            command,
            _identifier(data.member, "/member"),
            occurred_at=command.occurred_at,
            staff=principal.may("backdate"),
        )
        change = changed(answer)
        return reply(
            answer,
            PurchaseAnswer(
                purchase_id=answers.purchase_id(answer.member, answer.version),
                earned=change.base + change.bonus,
                pending=0,
                balance=change.available,
                tier=tier_answer(services, change, locale_of(request)),
                receipt=ReceiptLink(services.receipt_url(answer.member, answer.version)),
                flags=list(change.flags),
                **services.stamp(answer),
            ),
        )

    @post(
        "/purchases/{purchase_id:str}/returns",
        summary="Return a purchase, whole or by line",
        responses=refusals(
            (404, "unknown_purchase", "there is no such purchase"),
            (409, "return_exceeds_purchase", "more than is left of the purchase"),
            (409, "already_returned", "all of this purchase was returned before"),
        ),
    )
    async def record_return(
        self, request: _Request, services: Given, purchase_id: FromPath[str], data: JSONBody[ReturnBody], body: RawBody
    ) -> Response[ReturnAnswer]:
        principal = services.principal(request, "pos")
        member, version = answers.parse_purchase_id(purchase_id)
        lines = data.lines
        if lines is not None and not 1 <= len(lines) <= MAX_LINES:
            raise InvalidInput.at("/lines", f"must have 1 to {MAX_LINES} lines, or be left out for the whole")
        command = ReturnPurchase(
            version, tuple(ReturnLine(line.sku, line.quantity, line.amount) for line in lines) if lines else None
        )
        sent = {"purchase": purchase_id, "body": msgspec.json.decode(body)}
        try:
            answer = await services.submit(principal, "return", data.id, sent, command, member)
        except NotFound as refusal:
            raise NotFound("there is no such purchase", code="unknown_purchase", errors=refusal.errors) from None
        change = changed(answer)
        return reply(
            answer,
            ReturnAnswer(
                purchase_id=purchase_id,
                taken_back=-change.base,
                balance=change.available,
                tier=tier_answer(services, change, locale_of(request)),
                flags=list(change.flags),
                **services.stamp(answer),
            ),
        )

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
        identifiers = tuple(_identifier(one, f"/identifiers/{i}") for i, one in enumerate(data.identifiers))
        command = Enrol(new_code(), identifiers, data.locale, data.display_name.strip())
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
        command = LinkIdentifier(_identifier(data.identifier, "/identifier"))
        sent = {"member": member, "body": msgspec.json.decode(body)}
        answer = await services.submit(principal, "link", idempotency_key(request), sent, command, who)
        linked = answer.change is not None
        return reply(
            answer, LinkAnswer(member=member, linked=linked, epoch=answer.epoch, version=answer.version), created=linked
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
        member = await read.member_of(services.database, _identifier(body, ""))
        if member is None:
            raise NotFound("no member has this identifier", code="unknown_member")
        return await show(services, request, principal, "pos", member)

    @post("/members/{member:str}/holds", summary="Hold points for a reward", responses=holds.HOLD_REFUSALS)
    async def hold(
        self, request: _Request, services: Given, member: FromPath[str], data: JSONBody[HoldBody]
    ) -> Response[HoldAnswer]:
        return await self._hold(request, services, member, "hold", HoldReward(data.reward))

    @post("/members/{member:str}/holds/{hold:str}/capture", summary="Spend a hold", responses=holds.END_REFUSALS)
    async def capture(
        self, request: _Request, services: Given, member: FromPath[str], hold: FromPath[str]
    ) -> Response[HoldAnswer]:
        command = CaptureHold(answers.parse_number(hold, "/hold", "hold id"))
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


def _identifier(body: IdentifierBody, pointer: str) -> Identifier:
    if "\0" in body.value:
        raise InvalidInput.at(f"{pointer}/value", "is not text")
    return normalise(Identifier(body.kind, body.value), pointer)


def _lines(data: PurchaseBody) -> tuple[Line, ...]:
    errors = [
        FieldError(f"/lines/{i}/{name}", f"must be {'1' if name == 'sku' else '0'} to {MAX_TEXT} characters")
        for i, line in enumerate(data.lines)
        for name, text in (("sku", line.sku), ("name", line.name), ("category", line.category))
        if len(text) > MAX_TEXT or (name == "sku" and not text.strip()) or "\0" in text
    ]
    if errors:
        raise InvalidInput("the purchase has wrong fields", errors=tuple(errors))
    return tuple(Line(line.sku, line.quantity, line.amount, line.name, line.category) for line in data.lines)
