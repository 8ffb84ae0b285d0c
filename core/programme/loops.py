"""Programmes that could be drained: points that buy back at least the points they cost.

Points are valued in minor units of money, each currency at the best of what the programme takes it for: as part payment
(`worth`) or as a voucher of which there is no end. A *situation* is a kind of line, bought through a channel, in a store,
by a member of a tier, at a moment, with the campaigns that hold there. Of each, with exact fractions:

- `rate`: the worth of what one minor unit earns, roundings aside. Where points that pay earn too (`on_points_part`), a
  rate of 1 lets them pay for ever.
- a *slip*: a basket small enough that its rounding, or a bonus for a minimum spend, gives points worth the whole of it.
  Whoever splits baskets into such slips is paid for it, whether points that pay earn or not.

Proved of a programme that passes, for baskets of one kind of line: with `on_points_part`, no basket paid for with points
and vouchers without end earns as many points as it cost, at whatever rounding.

Left out, because they come to an end or to the same each day: bonuses under a limit per member, multipliers under a limit
per member or in all, vouchers of a stock or per member, first purchases, actions, prizes. A limit a day is no end to a
multiplier: a basket may be of any size. Taken for possible: that a sku is of any category, that a member is in every
segment and has the right birthday. Not looked at: what points fetch as goods; programmes that give back more than was
paid without `on_points_part` (the cap on a basket bounds those); roundings of a basket that mixes kinds of lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil, floor

import msgspec

from core.errors import FieldError
from core.points import POINTS, round_points
from core.programme.document import Programme, Tier
from core.programme.earn import Campaign
from core.programme.rounding import Rounding
from core.programme.situations import Situation, situations

MAX_STEPS = 5_000
"""A search for a slip that takes more is of a programme within a hair of a loop, and is taken for one."""

_SLACK: dict[Rounding, Fraction] = {
    "down": Fraction(0),
    "half_up": Fraction(1, 2),
    "half_even": Fraction(1, 2),
    "up": Fraction(1),
}


class Slip(msgspec.Struct, frozen=True):
    """A basket of `total` minor units and the `worth` of what it earns."""

    total: int
    worth: Fraction
    bonuses: tuple[Campaign, ...]


def faults(programme: Programme) -> Iterator[FieldError]:
    """Of a programme whose values are sound."""
    worths = worth_of_points(programme)
    if not worths:
        return
    campaigns = [one for one in programme.campaigns if one.currency in worths and _is_endless(one)]
    looks = [Look(one, worths, programme) for one in situations(programme, campaigns)]
    best = max(looks, key=lambda look: look.rate)
    if best.rate >= 1 and programme.earn.on_points_part:
        yield FieldError(
            "/earn/on_points_part", f"points that pay for 100 earn points worth {_decimal(best.rate * 100)} "
            f"({best.situation}), so they would pay for ever: set it to false, or make points worth less (a "
            "voucher, closed or not, is bounded by stock or per_member)"
        )  # fmt: skip
        return
    yield from _slip_faults(looks, best.rate >= 1, programme)


def worth_of_points(programme: Programme) -> dict[str, Fraction]:
    """Minor units of money for one point, by currency, of those that pay for anything."""
    worths: dict[str, Fraction] = {}
    if programme.worth is not None:
        worths[POINTS] = programme.worth.money_of(1)
    for reward in programme.rewards:
        endless = reward.kind == "voucher" and reward.stock is None and reward.per_member is None
        if endless and reward.value and reward.points:
            off = Fraction(reward.value * reward.uses, reward.points)
            worths[reward.currency] = max(off, worths.get(reward.currency, off))
    return worths


def _is_endless(campaign: Campaign) -> bool:
    limits = campaign.limits
    ends = campaign.first_purchase or limits.per_member is not None or limits.in_all is not None
    if campaign.bonus:
        ends = ends or limits.per_member_day is not None or limits.per_day is not None
    return not ends


def _slip_faults(looks: list[Look], above_all: bool, programme: Programme) -> Iterator[FieldError]:
    """One fault a place. Where the rate gives back everything by itself (`above_all`) there is only the rounding to
    refuse, since no slip is needed to see the rest."""
    found: dict[str, FieldError] = {}
    rounding = programme.earn.rounding
    for look in looks:
        slip = None if above_all else look.slip("down")
        if slip is not None:
            campaign = max(slip.bonuses, key=lambda one: one.min_spend)
            pointer = f"/campaigns/{programme.campaigns.index(campaign)}/min_spend"
            advice = "raise it above what its points are worth, or limit the campaign per member"
        elif rounding != "down" and (slip := look.slip(rounding)) is not None:
            pointer, advice = "/earn/rounding", 'round "down", or make points worth less'
        else:
            continue
        detail = f"a basket of {slip.total} minor units earns points worth {_decimal(slip.worth)} ({look.situation})"
        found.setdefault(pointer, FieldError(pointer, f"{detail}, so splitting baskets pays without end: {advice}"))
    yield from found.values()


class Look:
    """One situation, and what baskets in it earn."""

    def __init__(self, situation: Situation, worths: dict[str, Fraction], programme: Programme) -> None:
        self.situation = situation
        self._worths = worths
        self._stacking = programme.earn.stacking
        self._tier: Tier = situation.tier
        rates = {code: programme.rates.base(code, situation.channel) for code in worths if code != POINTS}
        if POINTS in worths:
            rates[POINTS] = situation.rate
        self._rates = {code: rate for code, rate in rates.items() if rate}
        self.rate = sum((self._worth_of_one(code, rate) for code, rate in self._rates.items()), start=Fraction(0))

    def _worth_of_one(self, code: str, rate: Fraction) -> Fraction:
        extra = stacked([(one, one.excess) for one in self._ours(code) if not one.bonus], self._stacking)
        bonus = self._tier.bonus if code == POINTS else Fraction(0)
        return self._worths[code] * rate * (1 + bonus + extra)

    def _ours(self, code: str) -> list[Campaign]:
        return [one for one in self.situation.campaigns if one.currency == code]

    def slip(self, rounding: Rounding) -> Slip | None:
        """A basket that earns points worth all of it, if there is one.

        Between two baskets where what is earned changes, the larger basket earns no more; so only those are looked at:
        each minimum spend, and each total at which a base gains a point, up to where roundings and bonuses together can
        no longer make up for a rate below 1.
        """
        minima = {max(one.min_spend, 1) for one in self.situation.campaigns if one.bonus}
        if self.rate >= 1:
            return self._of(self._whole())
        if not minima and rounding == "down":
            return None
        starts = sorted({1, *minima, *(max(one.min_spend, 1) for one in self.situation.campaigns)})
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            total, most = start, self._extra(start, rounding) / (1 - self.rate)
            for _ in range(MAX_STEPS):
                if total > most or (end is not None and total >= end):
                    break
                slip = self._of(total, rounding)
                if slip.worth >= total:
                    return slip
                total = self._next(total, rounding)
            else:
                return slip
        return None

    def _whole(self) -> int:
        """A total that earns whole points in every currency, and meets every minimum."""
        unit = 1
        for rate in self._rates.values():
            unit *= rate.denominator
        bonus = self._tier.bonus.denominator
        for one in self.situation.campaigns:
            bonus *= one.excess.denominator
        unit *= bonus
        least = max((one.min_spend for one in self.situation.campaigns), default=0)
        return unit * max(1, -(-least // unit))

    def _of(self, total: int, rounding: Rounding = "down") -> Slip:
        worth, bonuses = Fraction(0), list[Campaign]()
        for code, value in self._worths.items():
            base = _rounded(self._rates.get(code, Fraction(0)) * total, rounding)
            met = [one for one in self._ours(code) if one.min_spend <= total]
            gifts = [(one, Fraction(one.bonus or _rounded(base * one.excess, rounding))) for one in met]
            tier = _rounded(base * self._tier.bonus, rounding) if code == POINTS else 0
            worth += value * (base + tier + stacked(gifts, self._stacking))
            bonuses += [one for one in met if one.bonus]
        return Slip(total, worth, tuple(bonuses))

    def _next(self, total: int, rounding: Rounding) -> int:
        """The next total at which a base gains a point."""
        return min((_next_gain(rate, total, rounding) for rate in self._rates.values()), default=total * 2)

    def _extra(self, start: int, rounding: Rounding) -> Fraction:
        """The most that roundings, and bonuses to be had from `start` on, are worth together."""
        slack, extra = _SLACK[rounding], Fraction(0)
        for code, value in self._worths.items():
            bonus = self._tier.bonus if code == POINTS else Fraction(0)
            met = [one for one in self._ours(code) if one.min_spend <= start]
            gifts = sum((one.bonus or slack * (one.excess + 1) for one in met), start=Fraction(0))
            extra += value * (slack * (bonus + 2) + gifts)
        return extra


def stacked(gifts: Iterable[tuple[Campaign, Fraction]], stacking: str) -> Fraction:
    """What the campaigns of one currency give together, by the programme's stacking rule."""
    together = [gift for one, gift in gifts if not one.alone]
    alone = [gift for one, gift in gifts if one.alone]
    joint = sum(together, start=Fraction(0)) if stacking == "add" else max(together, default=Fraction(0))
    return max([joint, *alone])


def _rounded(exact: Fraction, rounding: Rounding) -> int:
    return round_points(exact.numerator, exact.denominator, rounding)


def _next_gain(rate: Fraction, total: int, rounding: Rounding) -> int:
    """The least total above `total` that rounds to more points."""
    points = _rounded(rate * total, rounding)
    if rounding == "up":
        return floor(points / rate) + 1
    exact = (points + 1 - _SLACK[rounding]) / rate
    tie_stays = rounding == "half_even" and points % 2 == 0
    return floor(exact) + 1 if tie_stays else ceil(exact)


def _decimal(value: Fraction) -> str:
    """Rounded down to hundredths."""
    whole, rest = divmod(floor(value * 100), 100)
    return f"{whole}.{rest:02}" if rest else str(whole)
