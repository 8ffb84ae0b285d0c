"""The till's purchases and returns.

The till's own number of a purchase, or of a return, is the idempotency key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody, RawBody

from bff import answers
from bff.answers import changed, reply, tier_answer
from bff.bodies import (
    AwardAnswer,
    IdentifierBody,
    LineBody,
    PurchaseAnswer,
    PurchaseBody,
    ReceiptLink,
    ReturnAnswer,
    ReturnBody,
)
from bff.errors import refusals
from bff.reasons import reason_of
from bff.services import Given, locale_of
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import MAX_LINES, RecordPurchase
from core.errors import FieldError, InvalidInput, NotFound
from core.members.identifiers import Identifier, normalise
from core.snapshot import Line
from surfaces.reasons import by_reason

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


class PurchasesController(Controller):
    path = "/pos/v1"
    tags = ("pos",)

    @post(
        "/purchases",
        summary="Record a purchase",
        responses=refusals(
            (404, "unknown_member", "no member has this identifier"),
            (404, "unknown_voucher", "no such voucher"),
            (409, "idempotency_conflict", "the key 'S12-T3-000123' was used for another request"),
            (409, "insufficient_points", "1000 points are needed, 356 are there"),
            (409, "points_above_cap", "the points would pay 2000, and points may pay 1068 of this basket"),
            (409, "points_pay_nothing", "points pay for no part of a purchase in this programme"),
            (409, "hold_not_open", "no points are on hold for a basket under this number"),
            (409, "voucher_not_good", "the voucher was used before"),
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
        occurred_at = instant(data.occurred_at, "/occurred_at")
        command = RecordPurchase(
            data.id,
            occurred_at,
            data.channel,
            data.currency,
            data.total,
            lines_of(data.lines),
            points=data.points,
            hold=answers.parse_number(data.hold, "/hold", "hold id") if data.hold else 0,
            vouchers=tuple(voucher_code(code, f"/vouchers/{i}") for i, code in enumerate(data.vouchers)),
        )
        answer = await services.submit(
            principal,
            "purchase",
            data.id,
            msgspec.json.decode(body),
            command,
            identifier(data.member, "/member"),
            occurred_at=command.occurred_at,
            staff=principal.may("backdate"),
        )
        change = changed(answer)
        return reply(
            answer,
            PurchaseAnswer(
                purchase_id=answers.purchase_id(answer.member, answer.version),
                earned=change.earned,
                pending=change.earned if change.vests_at else 0,
                awards=[AwardAnswer(one.rule, one.id, one.points, one.currency) for one in by_reason(change.awards)],
                due=change.amount - change.paid_amount,
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
            version,
            tuple(ReturnLine(line.sku, line.quantity, line.amount) for line in lines) if lines else None,
            reason_of(data.reason),
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
                points_given_back=change.paid_points,
                refund=change.amount - change.paid_amount,
                balance=change.available,
                tier=tier_answer(services, change, locale_of(request)),
                flags=list(change.flags),
                **services.stamp(answer),
            ),
        )


def identifier(body: IdentifierBody, pointer: str) -> Identifier:
    """Raises `InvalidInput` at `pointer`."""
    if "\0" in body.value:
        raise InvalidInput.at(f"{pointer}/value", "is not text")
    return normalise(Identifier(body.kind, body.value), pointer)


def lines_of(lines: list[LineBody]) -> tuple[Line, ...]:
    """Raises `InvalidInput` that names every text that cannot be."""
    errors = [
        FieldError(f"/lines/{i}/{name}", f"must be {'1' if name == 'sku' else '0'} to {MAX_TEXT} characters")
        for i, line in enumerate(lines)
        for name, text in (("sku", line.sku), ("name", line.name), ("category", line.category))
        if len(text) > MAX_TEXT or (name == "sku" and not text.strip()) or "\0" in text
    ]
    if errors:
        raise InvalidInput("the purchase has wrong fields", errors=tuple(errors))
    return tuple(Line(line.sku, line.quantity, line.amount, line.name, line.category) for line in lines)


def voucher_code(code: str, pointer: str) -> str:
    """The one spelling of a voucher's code. Raises `InvalidInput` at `pointer`."""
    try:
        return normalise(Identifier("voucher", code), "").value
    except InvalidInput as refusal:
        raise InvalidInput.at(pointer, refusal.errors[0].detail) from None


def instant(given: datetime, pointer: str) -> datetime:
    """A request's instant in UTC. Raises `InvalidInput` where it has no zone or is beyond the calendar."""
    if given.tzinfo is None:
        raise InvalidInput.at(pointer, "needs its zone: 2026-11-22T08:00:00Z")
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise InvalidInput.at(pointer, "is beyond the calendar") from None
