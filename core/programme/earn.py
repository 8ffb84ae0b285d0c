"""What earns: the base rate and its channels, rules for products and categories, actions, campaigns.

Dates are days of the programme's zone, both ends within. Hours are wall-clock times there, half-open: on the day the
clocks go back an hour that comes twice counts twice, and one that is skipped does not come.
"""

from __future__ import annotations

import math
from datetime import date, time
from fractions import Fraction
from functools import cached_property
from typing import Literal

from core.points import POINTS
from core.programme.rounding import Rounding
from core.programme.strict import Strict, Text, fraction

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ActionKind = Literal["check_in", "review", "share"]


class Channel(Strict, frozen=True, kw_only=True):
    coefficient: str = "1"
    vest_days: int = 0
    """Points of this channel are pending for so many whole days, its return window; 0: good at once."""


class Rule(Strict, frozen=True, kw_only=True):
    """A rate of its own for a product or a category; a product's goes before its category's. "0" earns nothing."""

    id: str
    name: Text
    sku: str = ""
    category: str = ""
    """One of the two."""
    points_per_unit: str


class UseLimits(Strict, frozen=True, kw_only=True):
    """How often something may be given. A day is the programme's, of when it occurred. None: no limit."""

    per_member: int | None = None
    per_member_day: int | None = None
    per_day: int | None = None
    """By all members together, a day."""
    in_all: int | None = None

    @property
    def shared(self) -> bool:
        """Whether members use up one another's."""
        return self.per_day is not None or self.in_all is not None


class Action(Strict, frozen=True, kw_only=True):
    """Fixed points for what is no purchase. They do not qualify."""

    points: int
    limits: UseLimits = UseLimits()


class Earn(Strict, frozen=True, kw_only=True):
    """Base earn: `points_per_unit` points for one whole unit of money (a dollar, not a cent)."""

    points_per_unit: str
    rounding: Rounding = "down"
    channels: dict[str, Channel]
    rules: tuple[Rule, ...] = ()
    actions: dict[ActionKind, Action] = {}
    stacking: Literal["add", "best"] = "add"
    """Several campaigns on one purchase: each gives its own, or only the one that gives most. A campaign `alone` is given
    only when it gives more than all others together, and then it alone."""
    on_points_part: bool = False
    """Whether the part of a basket that was paid with points and vouchers earns too."""

    @property
    def rate(self) -> Fraction:
        return fraction(self.points_per_unit)


class Hours(Strict, frozen=True, kw_only=True):
    start: time
    end: time
    """Exclusive; 00:00 is the end of the day."""


class Campaign(Strict, frozen=True, dict=True, kw_only=True):
    """More points on a purchase while all conditions hold; an empty condition holds for everybody.

    `multiplier` gives its excess over 1 of what the lines in question earn as base ("2" doubles them); `bonus` gives
    fixed points once a purchase. Just one of the two is set.
    """

    id: str
    name: Text
    multiplier: str = ""
    bonus: int = 0
    currency: str = POINTS
    first_day: date | None = None
    last_day: date | None = None
    weekdays: tuple[Weekday, ...] = ()
    hours: tuple[Hours, ...] = ()
    stores: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    """With `categories` or `skus`, the lines of any of them count; the others are as if they were not there."""
    first_purchase: bool = False
    birthday: Literal["", "day", "week", "month"] = ""
    """Around the member's own: that day; it and three days on either side; its month. One born on 29 February has it on
    the 28th where there is none."""
    min_spend: int = 0
    """Minor units of money that the lines in question must come to."""
    qualifies: bool = False
    """Whether its points count for a tier."""
    alone: bool = False
    limits: UseLimits = UseLimits()

    @cached_property
    def personal(self) -> bool:
        """Whether it asks for more of the member than a tier."""
        return bool(self.segments or self.first_purchase or self.birthday)

    @cached_property
    def limited(self) -> bool:
        return self.limits != UseLimits()

    @cached_property
    def excess(self) -> Fraction:
        """What a multiplier gives for each point of base; 0 for a bonus."""
        return Fraction(self.multiplier) - 1 if self.multiplier else Fraction(0)


class Rates:
    """Points for one minor unit of money, worked out once: by currency and channel, and for points by line. Deciders take
    them as whole numbers over one `denominator`; checks as fractions."""

    def __init__(self, earn: Earn, others: dict[str, str], digits: int) -> None:
        self.coefficients = {name: fraction(one.coefficient) for name, one in earn.channels.items()}
        rates = {POINTS: earn.rate} | {code: fraction(rate) for code, rate in others.items()}
        rates |= {f"/{rule.id}": fraction(rule.points_per_unit) for rule in earn.rules}
        self._exact: dict[tuple[str, str], Fraction] = {
            (name, channel): rate * coefficient / 10**digits
            for channel, coefficient in self.coefficients.items()
            for name, rate in rates.items()
        }
        self.denominator = math.lcm(*(rate.denominator for rate in self._exact.values()))
        self._whole = {key: int(rate * self.denominator) for key, rate in self._exact.items()}
        self._by_sku = {rule.sku: rule.id for rule in earn.rules if rule.sku}
        self._by_category = {rule.category: rule.id for rule in earn.rules if rule.category}
        self.ruled = bool(earn.rules)

    def rule_of(self, sku: str, category: str) -> str:
        """The rule for a line, "" being the base rule."""
        return self._by_sku.get(sku) or self._by_category.get(category) or ""

    def whole_base(self, currency: str, channel: str) -> int:
        """By the base rule, times `denominator`."""
        return self._whole[(currency, channel)]

    def whole_by_rule(self, rule: str, channel: str) -> int:
        """In points, times `denominator`."""
        return self._whole[(f"/{rule}" if rule else POINTS, channel)]

    def base(self, currency: str, channel: str) -> Fraction:
        """By the base rule."""
        return self._exact[(currency, channel)]

    def of_line(self, sku: str, category: str, channel: str) -> tuple[str, Fraction]:
        """The rule for a line, and its rate in points."""
        rule = self.rule_of(sku, category)
        return rule, self._exact[(f"/{rule}" if rule else POINTS, channel)]
