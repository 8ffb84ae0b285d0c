"""Points are integers in the currency's smallest unit; a fraction becomes points by one stated rounding."""

from __future__ import annotations

from core.programme.rounding import Rounding

POINTS = "points"
"""The code of the currency that tiers stand on and that a programme always has; its name in words is the document's."""

MAX_POINTS = 10**15
"""No lot or posting goes beyond, and nothing that is given takes a balance beyond (what was spent and comes back may): it
keeps every sum inside 64 bits and numbers exact in JavaScript."""


def round_points(numerator: int, denominator: int, rounding: Rounding) -> int:
    """A fraction (not negative) as whole points under the programme's rounding rule."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    match rounding:
        case "down":
            return whole
        case "up":
            return whole + (rest > 0)
        case "half_up":
            return whole + (twice >= denominator)
        case "half_even":
            return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))
