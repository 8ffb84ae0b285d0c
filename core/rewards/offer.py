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
from core.tiers.ladder import standing


def reward_of(id: str, context: Context) -> Reward:
    """Raises `NotFound`."""
    reward = context.programme.rewards_by_id.get(id)
    if reward is None:
        raise NotFound(
            "no such reward", code="unknown_reward", errors=(FieldError("/reward", "is not in the catalogue"),)
        )
    return reward


def check(reward: Reward, holdings: Holdings, context: Context) -> None:
    """Rejects `reward_not_open` (before its time), `reward_closed`, `tier_too_low`, `reward_limit`, `sold_out`,
    `insufficient_points`."""
    programme, now = context.programme, context.now
    opens, closes = window(reward, programme)
    if opens is not None and now < opens:
        raise Rejected("this reward is not on offer yet", code="reward_not_open")
    if (closes is not None and now >= closes) or limits.reward(reward.id) in context.closed:
        raise Rejected("this reward is no longer on offer", code="reward_closed")
    tier = standing(holdings.account.qualifying, programme, now).tier.key
    if reward.tiers and tier not in reward.tiers:
        raise Rejected("this reward is for members of another tier", code="tier_too_low")
    use = use_of(reward, context)
    match limits.exceeded(use, holdings.progress, context.tallies):
        case "per_member":
            raise Rejected("this member has had as many of it as one may", code="reward_limit")
        case "in_all":
            raise Rejected("none of it is left", code="sold_out")
    there = holdings.of(reward.currency).available
    if there < reward.points:
        raise Rejected(f"{reward.points} points are needed, {there} are there", code="insufficient_points")


def had(reward: Reward, holdings: Holdings, context: Context) -> tuple[Holdings, tuple[Tally, ...]]:
    """One more of it is had. A member's own are counted for any reward, so that a limit set later knows of them."""
    key = limits.reward(reward.id)
    progress = holdings.progress
    counters = {**progress.counters, key: progress.counters.get(key, 0) + 1}
    tallies = (Tally(key, 1),) if reward.stock is not None or reward.kind == "draw" else ()
    return _with_counters(holdings, counters), tallies


def given_back(reward: str, holdings: Holdings, *, stocked: bool) -> tuple[Holdings, tuple[Tally, ...]]:
    """One fewer of it is had."""
    key = limits.reward(reward)
    counters = dict(holdings.progress.counters)
    if counters.get(key):
        counters[key] -= 1
    return _with_counters(holdings, counters), ((Tally(key, -1),) if stocked else ())


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


def _with_counters(holdings: Holdings, counters: dict[str, int]) -> Holdings:
    progress = msgspec.structs.replace(holdings.progress, counters={key: n for key, n in counters.items() if n})
    return msgspec.structs.replace(holdings, progress=progress)
