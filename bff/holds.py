"""Holding, spending and releasing a reward: the same three requests on every surface that may."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response

from bff import following
from bff.answers import changed, parse_number, reply
from bff.auth import Principal
from bff.bodies import HoldAnswer, VoidBody
from bff.errors import refusals
from bff.reasons import reason_of
from bff.services import Services, idempotency_key
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold

HoldCommand = HoldReward | HoldPoints | CaptureHold | VoidHold

_CONFLICT = (409, "idempotency_conflict", "the key was used for another request")
HOLD_REFUSALS = refusals(
    (404, "unknown_reward", "no such reward"),
    (409, "insufficient_points", "2500 points are needed, 356 are there"),
    (409, "too_many_holds", "20 are on hold already"),
    (409, "sold_out", "none of it is left"),
    (409, "reward_limit", "this member has had as many of it as one may"),
    (409, "reward_not_open", "this reward is not on offer yet"),
    (409, "reward_closed", "this reward is no longer on offer"),
    (409, "tier_too_low", "this reward is for members of another tier"),
    (409, "not_held", "this reward is had at once, not held"),
    (409, "not_collected", "this reward is not kept for collection in a store"),
    _CONFLICT,
)
POINTS_REFUSALS = refusals(
    (409, "insufficient_points", "only 356 points are there"),
    (409, "points_pay_nothing", "points pay for no part of a purchase in this programme"),
    (409, "too_many_holds", "20 are on hold already"),
    _CONFLICT,
)
END_REFUSALS = refusals(
    (409, "hold_not_open", "this hold is not open (captured, voided or timed out)"),
    (409, "money_due", "500 minor units of money are to be paid for it"),
    _CONFLICT,
)


def void(hold: str, body: VoidBody | None) -> VoidHold:
    """The command of a request to give a hold back. Raises `InvalidInput`."""
    reason = reason_of(body.reason) if body else ""
    return VoidHold(parse_number(hold, "/hold", "hold id"), reason)


async def submit(
    request: Request[Any, Any, Any],
    services: Services,
    principal: Principal,
    member: int,
    kind: str,
    command: HoldCommand,
) -> Response[HoldAnswer]:
    """Needs an `Idempotency-Key`; answers 201, or 200 for a replay and for the end of a hold."""
    sent, key = {"member": member, "command": command}, idempotency_key(request)
    if principal.surface != "pos" and isinstance(command, VoidHold):
        member = await following.whose_hold(services, member, command.hold)
    answer = await services.submit(principal, kind, key, sent, command, member)
    change = changed(answer)
    body = HoldAnswer(
        hold_id=str(change.hold),
        reward=change.reward,
        points=change.points,
        balance=change.available,
        **services.stamp(answer),
    )
    return reply(answer, body, created=kind == "hold")
