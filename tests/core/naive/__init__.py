"""A second ledger, written from the words of the design and nothing else: slow, mutable, one list of lots.

It imports nothing of `core`, so it cannot share a slip with it. Every number of a rule is an argument; every rule is
worked out the long way: dates day by day, rounding in decimals, points one by one, shares by search.
"""

from tests.core.naive.member import Naive, World
from tests.core.naive.rules import (
    Campaign,
    Caps,
    Channel,
    Dates,
    Rate,
    Refused,
    Reward,
    Rules,
    Tier,
    Worth,
)

__all__ = [
    "Campaign", "Caps", "Channel", "Dates", "Naive", "Rate", "Refused", "Reward", "Rules", "Tier", "World", "Worth",
]  # fmt: skip
