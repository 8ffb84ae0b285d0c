"""Numbers, money and dates as a member reads them, from Babel's CLDR data.

Babel's own formatting functions parse a pattern on every call, too slow for twenty rows on six surfaces at every
commit. So the few patterns that the faces use are written here, with symbols and month names taken from Babel once;
a test holds each against Babel's answer, another against the browser's `Intl` (`static/js/format.js` has the same
patterns).

A minus is U+2212, as wide as a plus. English money is that of the international locale, so that a dollar says whose.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import cache

from babel import Locale
from babel.numbers import get_currency_symbol

from core.money import MINOR_DIGITS

MINUS = "−"

_BABEL = {"en": "en", "zh-Hans": "zh_Hans", "zh-Hant": "zh_Hant"}
_MONEY = {"en": "en_001", "zh-Hans": "zh_Hans", "zh-Hant": "zh_Hant"}


def number(value: int) -> str:
    """`12,925`, `−2,500`: all three locales group by thousands with a comma."""
    return f"{value:,}" if value >= 0 else f"{MINUS}{-value:,}"


def signed(value: int) -> str:
    """`+445`, `−2,500`; empty for 0, where no points moved."""
    return f"+{value:,}" if value > 0 else number(value) if value else ""


def fraction(value: Fraction) -> str:
    """A rate: `10`, `0.8`, at most three decimals."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    rounded = exact.quantize(Decimal("0.001"), ROUND_HALF_EVEN).normalize()
    return f"{rounded:,f}"


def percent(value: Fraction) -> str:
    """`25%`, `12.5%`."""
    return f"{fraction(value * 100)}%"


def amount(minor: int, currency: str) -> str:
    """An amount without its currency: `35.60`."""
    digits = MINOR_DIGITS[currency]
    sign = MINUS if minor < 0 else ""
    whole, rest = divmod(abs(minor), 10**digits)
    return f"{sign}{whole:,}.{rest:0{digits}d}" if digits else f"{sign}{whole:,}"


def money(minor: int, currency: str, locale: str) -> str:
    """`US$35.60`."""
    text = amount(abs(minor), currency)
    return f"{MINUS if minor < 0 else ''}{_symbol(currency, locale)}{text}"


def money_unit(currency: str, locale: str) -> str:
    """One whole unit of it: `US$1`."""
    return f"{_symbol(currency, locale)}1"


def date(instant: datetime, zone: tzinfo, locale: str) -> str:
    """`12 Dec 1997`, `1997年12月12日`: the day it is in `zone`."""
    local = instant.astimezone(zone)
    if locale in ("zh-Hans", "zh-Hant"):
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {_months('en')[local.month]} {local.year}"


def time(instant: datetime, zone: tzinfo) -> str:
    """`14:32`."""
    local = instant.astimezone(zone)
    return f"{local.hour:02}:{local.minute:02}"


def date_time(instant: datetime, zone: tzinfo, locale: str) -> str:
    """`12 Dec 1997, 14:32`, `1997年12月12日 14:32`."""
    local = instant.astimezone(zone)
    if locale in ("zh-Hans", "zh-Hant"):
        return f"{local.year}年{local.month}月{local.day}日 {local.hour:02}:{local.minute:02}"
    return f"{local.day} {_months('en')[local.month]} {local.year}, {local.hour:02}:{local.minute:02}"


def listed(texts: list[str], locale: str) -> str:
    """`445 points, 1 star`."""
    return ("、" if locale in ("zh-Hans", "zh-Hant") else ", ").join(texts)


def month(instant: datetime, zone: tzinfo, locale: str) -> str:
    """`Dec 1997`, `1997年12月`."""
    local = instant.astimezone(zone)
    if locale in ("zh-Hans", "zh-Hant"):
        return f"{local.year}年{local.month}月"
    return f"{_months('en')[local.month]} {local.year}"


def span(first: datetime, last: datetime, zone: tzinfo, locale: str) -> str:
    """The months from one instant's to another's: `Jan–Jun 2026`, `Apr 2026 – Mar 2027`, `2026年1月至6月`."""
    a, b = first.astimezone(zone), last.astimezone(zone)
    if (a.year, a.month) == (b.year, b.month):
        return month(first, zone, locale)
    if locale in ("zh-Hans", "zh-Hant"):
        return f"{a.year}年{a.month}月至{'' if a.year == b.year else f'{b.year}年'}{b.month}月"
    names = _months("en")
    if a.year == b.year:
        return f"{names[a.month]}–{names[b.month]} {b.year}"
    return f"{names[a.month]} {a.year} – {names[b.month]} {b.year}"


@cache
def _months(locale: str) -> dict[int, str]:
    return dict(Locale.parse(_BABEL[locale]).months["format"]["abbreviated"])


@cache
def _symbol(currency: str, locale: str) -> str:
    """A symbol that ends in a letter ("CHF") is set off by a no-break space, as CLDR's spacing rule asks."""
    symbol = get_currency_symbol(currency, locale=_MONEY.get(locale, "en_001"))
    return f"{symbol}\u00a0" if symbol[-1].isalpha() else symbol
