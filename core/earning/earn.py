"""What an amount of money earns: base by the programme's rate and channel, bonus by tier; each rounded once."""

from __future__ import annotations

import msgspec

from core.points import round_points
from core.programme.document import Programme, Tier


class Earned(msgspec.Struct, frozen=True):
    base: int
    """These qualify for a tier."""
    bonus: int
    tier: str
    """The tier that gave the bonus; empty where there is none."""


def earn(total: int, channel: str, tier: Tier, programme: Programme) -> Earned:
    """`total` in minor units of the programme's money; the channel is one the programme names."""
    rate = programme.rates[channel]
    base = round_points(total * rate.numerator, rate.denominator, programme.earn.rounding)
    extra = tier.bonus
    bonus = round_points(base * extra.numerator, extra.denominator, programme.earn.rounding)
    return Earned(base, bonus, tier.key if bonus else "")


def kept(points: int, total: int, returned: int) -> int:
    """Of `points` earned on `total`, how many stay once `returned` of the money was given back.

    Taking back is always the difference of two such numbers, so parts add up to the whole and never beyond it.
    """
    return points * (total - returned) // total if total else points
