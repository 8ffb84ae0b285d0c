"""Vouchers and what is had at once: claimed by the member, used at the till and on the web, granted by staff.

A voucher's code finds its member, so a till that scanned one needs nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody

from bff import following
from bff.answers import changed, parse_number, reply
from bff.auth import Principal
from bff.bodies import ClaimAnswer, ClaimBody, ReasonBody, VoidBody, VoucherAnswer
from bff.errors import refusals
from bff.kiosk import running
from bff.member import member_of
from bff.purchases import voucher_code
from bff.reasons import reason_of
from bff.services import Given, Services, idempotency_key, locale_of, stamp_fields
from core import read
from core.engine.submission import Answer
from core.errors import NotFound
from core.holdings import Voucher
from core.members.identifiers import Identifier, new_voucher_code
from core.programme.document import text_in
from core.rewards.draw import entropy_of
from core.rewards.vouchers import CancelVoucher, ClaimReward, UnuseVoucher, UseVoucher
from surfaces.etag import Stamp
from surfaces.views import Surface

_Request = Request[Any, Any, Any]

_UNKNOWN = (404, "unknown_voucher", "no voucher has this code")
_CONFLICT = (409, "idempotency_conflict", "the key was used for another request")
CLAIM_REFUSALS = refusals(
    (404, "unknown_reward", "no such reward"),
    (409, "insufficient_points", "2500 points are needed, 356 are there"),
    (409, "sold_out", "none of it is left"),
    (409, "reward_limit", "this member has had as many of it as one may"),
    (409, "reward_not_open", "this reward is not on offer yet"),
    (409, "reward_closed", "this reward is no longer on offer"),
    (409, "tier_too_low", "this reward is for members of another tier"),
    (409, "not_claimed", "this reward is held first, and captured at the till"),
    _CONFLICT,
)


class PosVouchersController(Controller):
    path = "/pos/v1/vouchers"
    tags = ("pos",)

    @get("/{code:str}", summary="Look a voucher up", responses=refusals(_UNKNOWN))
    async def look_up(self, request: _Request, services: Given, code: FromPath[str]) -> VoucherAnswer:
        services.principal(request, "pos")
        return await _shown(services, voucher_code(code, "/code"), locale_of(request))

    @post(
        "/{code:str}/use",
        summary="Use a voucher",
        responses=refusals(_UNKNOWN, (409, "voucher_not_good", "the voucher was used before"), _CONFLICT),
    )
    async def use(self, request: _Request, services: Given, code: FromPath[str]) -> Response[VoucherAnswer]:
        """Needs an `Idempotency-Key`. A voucher that pays for part of a purchase is named in the purchase instead."""
        principal = services.principal(request, "pos")
        return await _use(request, services, principal, code)

    @post(
        "/{code:str}/unuse",
        summary="Take a use of a voucher back",
        responses=refusals(_UNKNOWN, (409, "voucher_not_used", "no use of it can be taken back"), _CONFLICT),
    )
    async def unuse(
        self, request: _Request, services: Given, code: FromPath[str], data: JSONBody[ReasonBody]
    ) -> Response[VoucherAnswer]:
        """Needs an `Idempotency-Key` and a reason."""
        principal = services.principal(request, "pos")
        named = voucher_code(code, "/code")
        command = UnuseVoucher(named, reason_of(data.reason))
        return await _moved(request, services, principal, "unuse", command, named, {"reason": data.reason})


class _ClaimsController(Controller):
    surface: Surface

    @post(
        "/claims",
        summary="Spend points on a voucher, a gift or a ticket",
        responses=CLAIM_REFUSALS,
    )
    async def claim(self, request: _Request, services: Given, data: JSONBody[ClaimBody]) -> Response[ClaimAnswer]:
        """Needs an `Idempotency-Key`, from which a draw's ticket takes its entropy too."""
        principal = member_of(request, services, self.surface)
        return await claim(request, services, principal, principal.member, data)

    @post(
        "/vouchers/{voucher:str}/cancel",
        summary="Give an unused voucher back for its points",
        responses=refusals(_UNKNOWN, (409, "voucher_not_good", "only an unused voucher that is good"), _CONFLICT),
    )
    async def cancel(
        self, request: _Request, services: Given, voucher: FromPath[str], data: JSONBody[VoidBody | None] = None
    ) -> Response[ClaimAnswer]:
        """Needs an `Idempotency-Key`."""
        principal = member_of(request, services, self.surface)
        command = CancelVoucher(parse_number(voucher, "/voucher", "voucher id"), reason_of(data.reason) if data else "")
        sent = {"member": principal.member, "command": command}
        key = idempotency_key(request)
        member = await following.whose_voucher(services, principal.member, command.voucher)
        answer = await services.submit(principal, "cancel", key, sent, command, member)
        return reply(answer, claimed(services, answer), created=False)


class AppClaimsController(_ClaimsController):
    path = "/app/v1"
    tags = ("app",)
    surface = "app"


class WebClaimsController(_ClaimsController):
    """A shop's own checkout uses a member's voucher here as well."""

    path = "/web/v1"
    tags = ("web",)
    surface = "web"

    @post(
        "/vouchers/{code:str}/use",
        summary="Use a voucher in the web shop",
        responses=refusals(_UNKNOWN, (409, "voucher_not_good", "the voucher was used before"), _CONFLICT),
    )
    async def use(self, request: _Request, services: Given, code: FromPath[str]) -> Response[VoucherAnswer]:
        """Needs an `Idempotency-Key`. Only a voucher of whoever is signed in."""
        principal = member_of(request, services, self.surface)
        named = voucher_code(code, "/code")
        member = await read.living(services.database, principal.member)
        if await read.member_of(services.database, Identifier("voucher", named)) != member:
            raise NotFound("no voucher of yours has this code", code="unknown_voucher")
        return await _use(request, services, principal, named)


class KioskClaimsController(Controller):
    path = "/kiosk/v1"
    tags = ("kiosk",)

    @post("/claims", summary="Spend points on a voucher, a gift or a ticket", responses=CLAIM_REFUSALS)
    async def claim(self, request: _Request, services: Given, data: JSONBody[ClaimBody]) -> Response[ClaimAnswer]:
        """Needs an `Idempotency-Key`; for the member of the running session."""
        principal = services.principal(request, "kiosk")
        session = await running(services, principal)
        assert session.member is not None
        return await claim(request, services, principal, session.member, data)


async def claim(
    request: _Request, services: Services, principal: Principal, member: int, data: ClaimBody
) -> Response[ClaimAnswer]:
    """201, or 200 for a replay, which has the first answer's code and ticket."""
    key = idempotency_key(request)
    command = ClaimReward(data.reward, new_voucher_code(), entropy_of(key))
    sent = {"member": member, "reward": data.reward}
    answer = await services.submit(principal, "claim", key, sent, command, member)
    return reply(answer, claimed(services, answer))


def claimed(services: Services, answer: Answer) -> ClaimAnswer:
    """Of what was had at once, or granted."""
    change = changed(answer)
    return ClaimAnswer(
        reward=change.reward,
        voucher=str(change.voucher) if change.voucher else "",
        code=change.code,
        ticket=change.ticket,
        points=change.points,
        balance=change.available,
        **services.stamp(answer),
    )


async def _use(request: _Request, services: Services, principal: Principal, code: str) -> Response[VoucherAnswer]:
    named = voucher_code(code, "/code")
    return await _moved(request, services, principal, "use", UseVoucher(named), named, {})


async def _moved(
    request: _Request,
    services: Services,
    principal: Principal,
    kind: str,
    command: UseVoucher | UnuseVoucher,
    code: str,
    sent: dict[str, str],
) -> Response[VoucherAnswer]:
    key, who = idempotency_key(request), Identifier("voucher", code)
    try:
        answer = await services.submit(principal, kind, key, {"code": code, **sent}, command, who)
    except NotFound as refusal:
        raise NotFound("no voucher has this code", code="unknown_voucher", errors=refusal.errors) from None
    return reply(answer, await _shown(services, code, locale_of(request)), created=False)


async def _shown(services: Services, code: str, locale: str) -> VoucherAnswer:
    """The voucher as it is now, with its member's stamp."""
    found = await read.voucher(services.database, Identifier("voucher", code))
    if found is None:
        raise NotFound("no voucher has this code", code="unknown_voucher")
    state, voucher = found
    now, published = services.clock(), services.book.current
    reward = published.programme.rewards_by_id.get(voucher.reward)
    assert state.recorded_at is not None
    stamp = Stamp(services.engine.epoch, state.version, published.revision, state.recorded_at)
    return VoucherAnswer(
        voucher=str(voucher.no),
        code=voucher.code,
        reward=voucher.reward,
        name=text_in(reward.name, locale) if reward else voucher.reward,
        state=_state(voucher, now),
        uses_left=voucher.uses - voucher.used,
        value=reward.value if reward else 0,
        expires_at=voucher.expires_at,
        balance=state.holdings.account.available,
        **stamp_fields(stamp),
    )


def _state(voucher: Voucher, now: datetime) -> str:
    if voucher.void:
        return "void"
    if not voucher.open:
        return "used"
    return "good" if voucher.good_at(now) else "expired"
