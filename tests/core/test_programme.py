"""A programme document is refused whole, and each fault is named by its place in it."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import msgspec
import pytest

from core.errors import InvalidInput
from core.points import round_points
from core.programme.document import text_in
from core.programme.rounding import Rounding
from core.programme.spend import RewardKind
from core.programme.validation import default_document, from_builtins, parse
from tests.core.programmes import document, programme

GOOD = document()

# What is written in place of what -> where it is wrong.
FAULTS = [
    ("schema = 1", "schema = 3", ["/schema"]),
    ('zone = "UTC"', 'zone = "Mars/Olympus"', ["/zone"]),
    ('zone = "UTC"', 'zone = "../etc/passwd"', ["/zone"]),
    ('zone = "UTC"', 'zone = ""', ["/zone"]),
    ('money = "USD"', 'money = "usd"', ["/money"]),
    ('currency = "points"', 'currency = ""', ["/points/currency"]),
    ('one = { en = "point" }', 'one = { fr = "point" }', ["/points/one"]),
    ('points_per_unit = "1"', 'points_per_unit = "many"', ["/earn/points_per_unit"]),
    ('points_per_unit = "1"', 'points_per_unit = "-1"', ["/earn/points_per_unit"]),
    ('points_per_unit = "1"', 'points_per_unit = "1/0"', ["/earn/points_per_unit"]),
    ('points_per_unit = "1"', 'points_per_unit = "1000001"', ["/earn/points_per_unit"]),
    ('points_per_unit = "1"', "points_per_unit = 1.5", ["/earn/points_per_unit"]),
    ('coefficient = "0.8"', 'coefficient = "x"', ["/earn/channels/market/coefficient"]),
    ('{ store = {}, market = { coefficient = "0.8" } }', "{}", ["/earn/channels"]),
    ('rounding = "down"', 'rounding = "nearest"', ["/earn/rounding"]),
    ("months = 24", "months = -1", ["/expiry/months"]),
    ("months = 24", "months = 1201", ["/expiry/months"]),
    ("grace_days = 30", "grace_days = 0", ["/expiry/grace_days"]),
    ("threshold = 0", "threshold = 1", ["/tiers/0/threshold"]),
    ("threshold = 300", "threshold = 100", ["/tiers/2/threshold"]),
    ("threshold = 300", "threshold = 99", ["/tiers/2/threshold"]),
    ("threshold = 300", "threshold = 1000000000000001", ["/tiers/2/threshold"]),
    ('key = "gold"', 'key = "silver"', ["/tiers/2/key"]),
    ('key = "gold"', 'key = ""', ["/tiers/2/key"]),
    ('earn_bonus = "0.5"', 'earn_bonus = "half"', ["/tiers/2/earn_bonus"]),
    ('id = "large"', 'id = "small"', ["/rewards/1/id"]),
    ("points = 10\n", "points = 0\n", ["/rewards/0/points"]),
    ("points = 10\n", "points = -10\n", ["/rewards/0/points"]),
    ("points = 10\n", "points = 10\nvalue = -1\n", ["/rewards/0/value"]),
    ('stub = { en = "S" }', "stub = {}", ["/rewards/0/stub"]),
    ("hold_minutes = 15", "hold_minutes = 0", ["/limits/hold_minutes"]),
    ("replay_window_days = 30", "replay_window_days = 0", ["/limits/replay_window_days"]),
    ("clock_skew_seconds = 300", "clock_skew_seconds = -1", ["/limits/clock_skew_seconds"]),
    ("clock_skew_seconds = 300", "receipt_live_days = 0", ["/limits/receipt_live_days"]),
    ("clock_skew_seconds = 300", "kiosk_clears_seconds = 0", ["/limits/kiosk_clears_seconds"]),
    ('brand = { name = { en = "Plain" } }', "", [""]),
    ('brand = { name = { en = "Plain" } }', "brand = { name = {} }", ["/brand/name"]),
    ("grace_days = 30", "grace_day = 30", ["/expiry"]),
    ("schema = 1", "schema = 1\nsurprise = true", [""]),
    ("schema = 1", "schema =", [""]),
    ("schema = 1", "schema = 3\nstores = [ { id = 's', name = { en = 'S' } }, { id = 's', name = {} } ]",
     ["/schema", "/stores/1/id", "/stores/1/name"]),
    ("schema = 1", "schema = 1\nproducts = [ { sku = '', one = { en = 'a' }, other = {} } ]",
     ["/products/0/sku", "/products/0/other"]),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "pointers"), FAULTS, ids=[bad[:40] for _, bad, _ in FAULTS])
def test_a_fault_is_named_by_its_place(good: str, bad: str, pointers: list[str]) -> None:
    assert GOOD.count(good) >= 1
    with pytest.raises(InvalidInput) as refused:
        parse(GOOD.replace(good, bad, 1))
    assert refused.value.code == "programme_invalid"
    assert [error.pointer for error in refused.value.errors] == pointers
    assert all(error.detail for error in refused.value.errors)


def test_no_tiers_are_one_fault() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse("tiers = []\n" + GOOD[: GOOD.index("[[tiers]]")])
    assert [error.pointer for error in refused.value.errors] == ["/tiers"]


@pytest.mark.parametrize("source", [GOOD, default_document()], ids=["plain", "default"])
def test_a_programme_stored_as_json_is_read_back_the_same(source: str) -> None:
    read = parse(source)
    assert from_builtins(msgspec.json.decode(msgspec.json.encode(read))) == read


def test_the_default_programme_has_its_figures() -> None:
    rules = parse(default_document())
    assert [(tier.threshold, float(tier.bonus)) for tier in rules.tiers] == [
        (0, 0.0), (10_000, 0.25), (30_000, 0.5)
    ]  # fmt: skip
    assert (rules.earn.rate, rules.expiry.months, rules.earn.channels["marketplace"].coefficient) == (
        Fraction(10),
        24,
        "0.8",
    )
    assert {reward.kind for reward in rules.rewards} == set(get_args(RewardKind)), "the sample shows each kind"
    assert rules.rewards_by_id.keys() == {reward.id for reward in rules.rewards}


@pytest.mark.parametrize(
    ("locale", "text"), [("en", "point"), ("zh-Hant", "點"), ("zh-Hans", "分"), ("fr", "point"), ("", "point")]
)
def test_wording_falls_back_to_english(locale: str, text: str) -> None:
    assert text_in(parse(default_document()).points.one, locale) == text


ROUNDED: list[tuple[str, int, int, int, int]] = [
    # value, down, half up, half even, up
    ("0", 0, 0, 0, 0),
    ("0.1", 0, 0, 0, 1),
    ("0.5", 0, 1, 0, 1),
    ("1.5", 1, 2, 2, 2),
    ("2.5", 2, 3, 2, 3),
    ("2.49", 2, 2, 2, 3),
    ("2.51", 2, 3, 3, 3),
    ("3", 3, 3, 3, 3),
    ("1/3", 0, 0, 0, 1),
    ("2/3", 0, 1, 1, 1),
]


@pytest.mark.parametrize(("value", "down", "half_up", "half_even", "up"), ROUNDED)
def test_a_fraction_becomes_points_by_the_stated_rounding(
    value: str, down: int, half_up: int, half_even: int, up: int
) -> None:
    modes: tuple[Rounding, ...] = ("down", "half_up", "half_even", "up")
    assert [round_points(*Fraction(value).as_integer_ratio(), mode) for mode in modes] == [down, half_up, half_even, up]


def test_the_small_programme_of_the_tests_is_what_its_tables_assume() -> None:
    rules = programme()
    assert [tier.threshold for tier in rules.tiers] == [0, 100, 300]
    assert {reward.id: reward.points for reward in rules.rewards} == {"small": 10, "large": 100}
