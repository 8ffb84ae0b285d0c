"""Small programmes with round numbers, so that a case's arithmetic can be done by eye."""

from __future__ import annotations

from core.programme.document import Programme, Published
from core.programme.validation import parse

PLAIN = """
schema = 1
name = "plain"
zone = "{zone}"
money = "{money}"
brand = {{ name = {{ en = "Plain" }} }}
points = {{ currency = "points", one = {{ en = "point" }}, other = {{ en = "points" }} }}
earn = {{ points_per_unit = "{rate}", rounding = "{rounding}", channels = {{ store = {{}}, market = {{ coefficient = "0.8" }} }} }}
expiry = {{ months = {months}, grace_days = {grace} }}
limits = {{ hold_minutes = 15, replay_window_days = 30, clock_skew_seconds = 300 }}

[[tiers]]
key = "base"
name = {{ en = "Base" }}
threshold = 0

[[tiers]]
key = "silver"
name = {{ en = "Silver" }}
threshold = 100
earn_bonus = "0.25"

[[tiers]]
key = "gold"
name = {{ en = "Gold" }}
threshold = 300
earn_bonus = "0.5"

[[rewards]]
id = "small"
name = {{ en = "Small" }}
stub = {{ en = "S" }}
points = 10

[[rewards]]
id = "large"
name = {{ en = "Large" }}
stub = {{ en = "L" }}
points = 100
"""  # noqa: E501 - TOML's inline tables stay on a line


def document(
    *,
    zone: str = "UTC",
    money: str = "USD",
    rate: str = "1",
    rounding: str = "down",
    months: int = 24,
    grace: int = 30,
) -> str:
    """The TOML of a programme: tiers at 100 and 300, rewards for 10 and 100 points, channels store and market (0.8)."""
    return PLAIN.format(zone=zone, money=money, rate=rate, rounding=rounding, months=months, grace=grace)


def programme(
    *,
    zone: str = "UTC",
    money: str = "USD",
    rate: str = "1",
    rounding: str = "down",
    months: int = 24,
    grace: int = 30,
) -> Programme:
    return parse(document(zone=zone, money=money, rate=rate, rounding=rounding, months=months, grace=grace))


def published(rules: Programme) -> Published:
    return Published(2, rules)
