"""The three languages say the same things, and numbers, money and dates are what CLDR writes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal

from core.money import MINOR_DIGITS
from surfaces.views import LOCALES
from surfaces.wording import formats, words
from tests.surfaces.samples import NOW

BABEL = {"en": "en", "zh-Hans": "zh_Hans", "zh-Hant": "zh_Hant"}
PATTERNS = {"en": "d MMM y, HH:mm", "zh-Hans": "y年M月d日 HH:mm", "zh-Hant": "y年M月d日 HH:mm"}
ZONE = ZoneInfo("Asia/Hong_Kong")


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_the_languages_have_the_same_keys_and_values() -> None:
    english = words("en")
    for locale in LOCALES:
        other = words(locale)
        assert other.keys() == english.keys()
        for key in english.keys():  # noqa: SIM118 - a method of ours, not a dict
            differing = placeholders(other(key)) ^ placeholders(english(key))
            assert differing <= {"unit"}, f"{locale} {key}"
            assert other(key).strip() == other(key) != "", f"{locale} {key}"


def test_simplified_and_traditional_are_not_mixed() -> None:
    """Characters that only one of the two scripts writes."""
    texts = {locale: "".join(words(locale)(key) for key in words(locale).keys()) for locale in LOCALES}  # noqa: SIM118
    assert not set(texts["zh-Hans"]) & set("點獎賞紀錄會員買連線時間號這裡開啟積")
    assert not set(texts["zh-Hant"]) & set("点奖赏记录会员买连线时间号这里开启积")


def test_an_unknown_locale_reads_english_and_an_unknown_key_raises() -> None:
    assert words("fr")("live.live") == "Live"
    with pytest.raises(KeyError):
        words("en")("no.such_key")
    with pytest.raises(KeyError):
        words("en")("tier.distance_points", n="1")


@pytest.mark.parametrize("locale", LOCALES)
def test_numbers_and_dates_are_babels(locale: str) -> None:
    for n in (0, 1, 999, 1000, 12925, 10**15):
        assert formats.number(n) == format_decimal(n, locale=BABEL[locale])
        assert formats.number(-n) == format_decimal(-n, locale=BABEL[locale]).replace("-", "−")
    for months in range(12):
        instant = NOW + timedelta(days=30 * months, hours=7 * months)
        local = instant.astimezone(ZONE)
        assert formats.date_time(instant, ZONE, locale) == format_datetime(
            local, PATTERNS[locale], locale=BABEL[locale]
        )


@pytest.mark.parametrize("currency", ["USD", "CNY", "HKD", "TWD", "JPY", "EUR", "KWD"])
@pytest.mark.parametrize("locale", LOCALES)
def test_money_is_babels_with_cldrs_space_after_a_letter(locale: str, currency: str) -> None:
    written = formats.money(123456, currency, locale)
    value = Decimal(123456).scaleb(-MINOR_DIGITS[currency])
    expected = format_currency(value, currency, locale="en_001" if locale == "en" else BABEL[locale])
    assert written.replace("\u00a0", "") == expected.replace("\u00a0", "")
    assert formats.money(-123456, currency, locale) == "−" + written


def test_what_the_design_table_says() -> None:
    at = datetime(1997, 12, 12, 14, 32, tzinfo=ZONE)
    assert formats.date_time(at, ZONE, "en") == "12 Dec 1997, 14:32"
    assert formats.date_time(at, ZONE, "zh-Hant") == "1997年12月12日 14:32"
    assert {formats.money(3560, "USD", locale) for locale in LOCALES} == {"US$35.60"}
    assert [formats.signed(n) for n in (445, -2500, 0)] == ["+445", "−2,500", ""]
