"""Money is an integer of minor units with an ISO 4217 code; nothing here is a float."""

from __future__ import annotations

from babel.core import get_global

MAX_AMOUNT = 10**12
"""Ten thousand million units of a two-digit currency: above any basket, far below what overflows a 64-bit sum."""


def _minor_digits() -> dict[str, int]:
    fractions = get_global("currency_fractions")
    default = fractions["DEFAULT"][0]
    return {code: fractions.get(code, (default,))[0] for code in get_global("all_currencies")}


MINOR_DIGITS: dict[str, int] = _minor_digits()
"""ISO 4217 code -> digits of its minor unit (CLDR): USD 2, JPY 0."""
