"""A basket before it is paid: the very decision a purchase would be, without its effect.

Nothing here is a rule of its own: what the basket would earn is what `purchase.record` decides on the member as it is
now, and a basket that would be refused is refused here with the same error.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.decision import Context, State, opening, with_released
from core.earning import purchase, tender
from core.earning.slip import RecordPurchase
from core.holdings import Holdings
from core.ledger.expiry import vesting_of
from core.programme.document import Programme, Reward, Tier
from core.rewards import offer
from core.snapshot import Award
from core.tiers.ladder import standing

VISITOR = State(0, 1, Holdings())
"""Somebody who is no member yet: what one would earn with a first purchase."""


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """`awards` say why; `vests_at` is set where the points would be pending until then."""

    awards: tuple[Award, ...]
    earned: int
    vests_at: datetime | None
    due: int
    """Minor units of money to pay once points and vouchers have paid."""
    balance_after: int
    tier: Tier
    """Held now,"""
    reaches: Tier | None
    """and the higher one this purchase would reach."""
    to_next: int | None
    """What is missing to the next tier now, in the measure that tiers stand on,"""
    to_next_after: int | None
    """and after the purchase."""
    next_after: Tier | None
    """the tier that is, from the one held then."""
    most_points: int
    """The most points that may pay for part of it now,"""
    most_amount: int
    """and the money they would pay."""
    vouchers: tuple[tuple[str, str, int], ...]
    """(code, reward, minor units it would take off) of the vouchers that are good now and not in the basket yet."""
    rewards: tuple[Reward, ...]
    """Those the member may have now."""
    member_prices: tuple[tuple[int, int], ...]
    """(line, the member's price of one piece) where there is one and it is less than asked."""


def quote(state: State, command: RecordPurchase, context: Context) -> Quote:
    """What `command` would do. Raises what the purchase would be refused with."""
    decision = purchase.record(state, command, context)
    change, bought = decision.change, decision.purchase
    assert change is not None
    assert bought is not None
    programme, opened = context.programme, opening(state, context)
    before = standing(opened.holdings.account.qualifying, programme, context.now)
    after = standing(decision.holdings.account.qualifying, programme, context.now)
    days = programme.earn.channels[command.channel].vest_days
    vests_at = vesting_of(command.occurred_at, days, programme) if days else None
    left, offers = bought.unpaid + bought.paid_amount, with_released(context, opened)
    points = tender.most_points(command.total, left, opened.holdings.account.available, programme)
    return Quote(
        awards=change.awards,
        earned=change.earned,
        vests_at=vests_at,
        due=bought.unpaid,
        balance_after=change.available,
        tier=before.tier,
        reaches=after.tier if _rank(after.tier, programme) > _rank(before.tier, programme) else None,
        to_next=None if before.next is None else before.next.threshold - before.qualifying,
        to_next_after=None if after.next is None else after.next.threshold - after.qualifying,
        next_after=after.next,
        most_points=points,
        most_amount=tender.amount_of(points, programme) if points else 0,
        vouchers=_vouchers(opened.holdings, command, left, context),
        rewards=tuple(reward for reward in programme.rewards if _may_have(reward, opened.holdings, offers)),
        member_prices=tuple(_member_prices(command, before.tier, programme)),
    )


def _rank(tier: Tier, programme: Programme) -> int:
    return programme.tiers.index(tier)


def _vouchers(
    holdings: Holdings, command: RecordPurchase, left: int, context: Context
) -> tuple[tuple[str, str, int], ...]:
    good = [voucher for voucher in holdings.vouchers or () if voucher.good_at(context.now)]
    worths = [(voucher, tender.value_of(voucher, context)) for voucher in good if voucher.code not in command.vouchers]
    return tuple((voucher.code, voucher.reward, min(left, worth)) for voucher, worth in worths if left or not worth)


def _may_have(reward: Reward, holdings: Holdings, context: Context) -> bool:
    return offer.refusal(reward, holdings, context) is None


def _member_prices(command: RecordPurchase, tier: Tier, programme: Programme) -> list[tuple[int, int]]:
    found = []
    for i, line in enumerate(command.lines):
        prices = [
            price.amount
            for price in programme.member_prices
            if price.sku == line.sku and (not price.tiers or tier.key in price.tiers)
        ]
        if prices and min(prices) * line.quantity < line.amount:
            found.append((i, min(prices)))
    return found
