"""What is refused of what points buy: rewards whose settings contradict their kind, prizes, part payment, prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from core.errors import FieldError
from core.money import MAX_AMOUNT
from core.points import MAX_POINTS
from core.programme.checks import (
    MAX_COUNT,
    fraction_faults,
    listed,
    name_faults,
    reference,
    unique_ids,
    within,
    year_faults,
)
from core.programme.document import Programme
from core.programme.spend import MemberPrice, Prize, Reward, Worth

MAX_STUB = 4
"""Characters that fit a ticket's stub."""
MAX_USES = 1000
MAX_VALID_DAYS = 3660
MAX_COLLECT_DAYS = 366
MAX_WINNERS = 10_000
"""Of one draw: all of them are found, and written, at once."""

_HELD = ("goods", "experience")
_ONLY: tuple[tuple[str, tuple[str, ...], object], ...] = (
    ("money", _HELD, 0),
    ("collect_days", _HELD, 0),
    ("uses", ("voucher",), 1),
    ("valid_days", ("voucher",), 90),
    ("prizes", ("draw",), ()),
    ("stock", (*_HELD, "voucher", "draw"), None),
)
"""What only some kinds have a use for, and what it is where nobody set it."""


def faults(programme: Programme, zone: ZoneInfo | None) -> Iterator[FieldError]:
    """`zone` is the programme's, None where it has no good one."""
    yield from unique_ids("/rewards", "id", [reward.id for reward in programme.rewards])
    for i, reward in enumerate(programme.rewards):
        pointer = f"/rewards/{i}"
        yield from _number_faults(pointer, reward)
        yield from _kind_faults(pointer, reward)
        yield from _sale_faults(pointer, reward, zone)
        yield from reference(f"{pointer}/currency", reward.currency, programme.currency_codes, "currency")
        yield from listed(f"{pointer}/tiers", reward.tiers, [tier.key for tier in programme.tiers], "tier")
        for n, prize in enumerate(reward.prizes):
            yield from _prize_faults(f"{pointer}/prizes/{n}", prize, programme)
    if programme.worth is not None:
        yield from _worth_faults(programme.worth)
    yield from _price_faults(programme)


def _number_faults(pointer: str, reward: Reward) -> Iterator[FieldError]:
    if not reward.points and reward.kind == "charity":
        yield FieldError(f"{pointer}/points", "must be a positive number of points: there is nothing to give")
    elif not reward.points and reward.kind in ("goods", "experience"):
        yield FieldError(f"{pointer}/points", "must be a positive number of points: it is points that are held for it")
    elif not reward.points and reward.per_member is None:
        yield FieldError(f"{pointer}/points", "must be a positive number of points, unless per_member limits it")
    yield from within(f"{pointer}/points", reward.points, 0, MAX_POINTS)
    yield from within(f"{pointer}/value", reward.value, 0, MAX_AMOUNT)
    yield from within(f"{pointer}/money", reward.money, 0, MAX_AMOUNT)
    yield from within(f"{pointer}/uses", reward.uses, 1, MAX_USES)
    yield from within(f"{pointer}/valid_days", reward.valid_days, 0, MAX_VALID_DAYS)
    yield from within(f"{pointer}/collect_days", reward.collect_days, 0, MAX_COLLECT_DAYS)
    for name in ("stock", "per_member"):
        if (limit := getattr(reward, name)) is not None:
            yield from within(f"{pointer}/{name}", limit, 1, MAX_COUNT, "leave it out where there is no limit")
    if reward.stock is not None and reward.per_member is not None and 0 < reward.stock < reward.per_member <= MAX_COUNT:
        yield FieldError(f"{pointer}/per_member", f"must be at most stock ({reward.stock}), which is reached before it")
    for locale, stub in reward.stub.items():
        if len(stub) > MAX_STUB:
            yield FieldError(f"{pointer}/stub", f"must be at most {MAX_STUB} characters ({locale[:12]})")


def _kind_faults(pointer: str, reward: Reward) -> Iterator[FieldError]:
    for name, kinds, unset in _ONLY:
        if reward.kind not in kinds and getattr(reward, name) != unset:
            yield FieldError(f"{pointer}/{name}", f"must be left out: it is for {' and '.join(kinds)}")
    if reward.kind != "draw":
        return
    winners = sum(prize.count for prize in reward.prizes)
    if not reward.prizes:
        yield FieldError(f"{pointer}/prizes", "needs at least one prize")
    elif winners > MAX_WINNERS:
        yield FieldError(f"{pointer}/prizes", f"must have at most {MAX_WINNERS} winners together")
    elif reward.stock is not None and 0 < reward.stock < winners:
        yield FieldError(f"{pointer}/stock", f"must be at least the {winners} prizes: it is the number of tickets")
    if reward.closes is None:
        yield FieldError(f"{pointer}/closes", "is needed by a draw: the winners are drawn then")


def _sale_faults(pointer: str, reward: Reward, zone: ZoneInfo | None) -> Iterator[FieldError]:
    outside = [*year_faults(f"{pointer}/opens", reward.opens), *year_faults(f"{pointer}/closes", reward.closes)]
    yield from outside
    if reward.opens is None or reward.closes is None or outside:
        return
    if _instant(reward.closes, zone) <= _instant(reward.opens, zone):
        yield FieldError(f"{pointer}/closes", "must be after opens")


def _instant(at: datetime, zone: ZoneInfo | None) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=zone or UTC)).astimezone(UTC)


def _prize_faults(pointer: str, prize: Prize, programme: Programme) -> Iterator[FieldError]:
    if bool(prize.reward) == bool(prize.points):
        yield FieldError(pointer, "needs either a reward or points")
    elif prize.reward:
        yield from reference(f"{pointer}/reward", prize.reward, programme.rewards_by_id, "reward")
        found = programme.rewards_by_id.get(prize.reward)
        if found is not None and found.kind != "voucher":
            yield FieldError(f"{pointer}/reward", f"must be a voucher, and {found.id!r} is of kind {found.kind}")
    else:
        yield from within(f"{pointer}/points", prize.points, 1, MAX_POINTS // MAX_WINNERS)
    yield from within(f"{pointer}/count", prize.count, 1, MAX_WINNERS)


def _worth_faults(worth: Worth) -> Iterator[FieldError]:
    yield from within("/worth/points", worth.points, 1, MAX_POINTS)
    yield from within("/worth/amount", worth.amount, 1, MAX_AMOUNT)
    wrong = list(fraction_faults("/worth/cap", worth.cap))
    yield from wrong
    if not wrong and not 0 < worth.share <= 1:
        yield FieldError("/worth/cap", 'must be above 0 and at most 1: "0.3" lets points pay 30 % of a basket')


def _price_faults(programme: Programme) -> Iterator[FieldError]:
    prices = programme.member_prices
    for i, price in enumerate(prices):
        pointer = f"/member_prices/{i}"
        yield from name_faults(f"{pointer}/sku", price.sku)
        yield from within(f"{pointer}/amount", price.amount, 1, MAX_AMOUNT)
        yield from listed(f"{pointer}/tiers", price.tiers, [tier.key for tier in programme.tiers], "tier")
        if any(_both(price, before) for before in prices[:i]):
            detail = "has another price for some of the same members: name tiers in each, and no tier in two"
            yield FieldError(f"{pointer}/tiers", detail)


def _both(one: MemberPrice, other: MemberPrice) -> bool:
    everybody = not one.tiers or not other.tiers
    return one.sku == other.sku and (everybody or bool(set(one.tiers) & set(other.tiers)))
