"""Whether a member may have a reward now: it is on offer, there is a piece left, and the points are there."""

from __future__ import annotations

from datetime import datetime

import msgspec

from core import limits
from core.decision import Context
from core.errors import FieldError, NotFound, Rejected
from core.holdings import Holdings
from core.limits import Tally, Use
from core.programme.document import Programme, Reward
from core.programme.earn import UseLimits
from core.tiers.ladder import tier_of


def reward_of(id: str, context: Context) -> Reward:
    """Raises `NotFound`."""
    reward = context.programme.rewards_by_id.get(id)
    if reward is None:
        raise NotFound(
            "no such reward", code="unknown_reward", errors=(FieldError("/reward", "is not in the catalogue"),)
        )
    return reward


def check(reward: Reward, holdings: Holdings, context: Context) -> None:
    """Rejects with `refusal`'s code where there is one."""
    if (code := refusal(reward, holdings, context)) is None:
        return
    detail = _DETAILS[code]
    if code == "insufficient_points":
        detail = f"{reward.points} points are needed, {holdings.of(reward.currency).available} are there"
    raise Rejected(detail, code=code)


_DETAILS = {
    "reward_not_open": "this reward is not on offer yet",
    "reward_closed": "this reward is no longer on offer",
    "tier_too_low": "this reward is for members of another tier",
    "reward_limit": "this member has had as many of it as one may",
    "sold_out": "none of it is left",
    "insufficient_points": "",
}


def refusal(reward: Reward, holdings: Holdings, context: Context) -> str | None:
    """Why the member cannot have it now, a key of `_DETAILS`; None if it can. A draw whose seed is not committed yet is
    not open."""
    programme, now, tickets = context.programme, context.now, limits.tickets(reward.id)
    opens, closes = window(reward, programme)
    if (opens is not None and now < opens) or (reward.kind == "draw" and tickets not in context.tallies):
        return "reward_not_open"
    if (closes is not None and now >= closes) or tickets in context.closed:
        return "reward_closed"
    if reward.tiers and tier_of(holdings.account.qualifying, programme, now)[0].key not in reward.tiers:
        return "tier_too_low"
    match limits.exceeded(use_of(reward, context), holdings.progress, context.tallies):
        case "per_member":
            return "reward_limit"
        case "in_all":
            return "sold_out"
    return None if holdings.of(reward.currency).available >= reward.points else "insufficient_points"


def had(reward: Reward, holdings: Holdings, context: Context) -> tuple[Holdings, tuple[Tally, ...]]:
    """One more of it is had. A member's own are counted for any reward, so that a limit set later knows of them."""
    key, counters = limits.reward(reward.id), holdings.progress.counters
    shared = [key] if reward.stock is not None else []
    if reward.kind == "draw":
        shared.append(limits.tickets(reward.id))
    progress = msgspec.structs.replace(holdings.progress, counters={**counters, key: counters.get(key, 0) + 1})
    return holdings.with_progress(progress), tuple(Tally(one, 1) for one in shared)


def use_of(reward: Reward, context: Context) -> Use:
    day = context.day_of(context.now)
    return Use(limits.reward(reward.id), day, UseLimits(per_member=reward.per_member, in_all=reward.stock))


def window(reward: Reward, programme: Programme) -> tuple[datetime | None, datetime | None]:
    """When it is on offer: from, and until before. A local time is of the programme's zone."""
    opens, closes = reward.opens, reward.closes
    return (
        opens if opens is None or opens.tzinfo else opens.replace(tzinfo=programme.tzinfo),
        closes if closes is None or closes.tzinfo else closes.replace(tzinfo=programme.tzinfo),
    )
