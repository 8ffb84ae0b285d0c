"""What a programme of the naive ledger says, in plain words and numbers. Fractions are decimal strings, days and hours
text, as an owner writes them; every one of them is an argument of some rule."""

from __future__ import annotations

from dataclasses import dataclass, field


class Refused(Exception):
    """The ledger's answer is no; the argument is the refusal's code."""


@dataclass
class Dates:
    mode: str = "rolling"
    months: int = 24
    on: str = "12-31"
    grace_days: int = 30


@dataclass
class Channel:
    coefficient: str = "1"
    vest_days: int = 0


@dataclass
class Caps:
    """How often something may be given; None is no limit."""

    per_member: int | None = None
    per_member_day: int | None = None
    per_day: int | None = None
    in_all: int | None = None


@dataclass
class Rate:
    """A rate for one sku or one category."""

    id: str
    rate: str
    sku: str = ""
    category: str = ""


@dataclass
class Campaign:
    id: str
    multiplier: str = ""
    bonus: int = 0
    currency: str = "points"
    first_day: str = ""
    last_day: str = ""
    weekdays: tuple[str, ...] = ()
    hours: tuple[tuple[str, str], ...] = ()
    """(from, until before) as "HH:MM:SS"; "00:00:00" as an end is the end of the day."""
    stores: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    first_purchase: bool = False
    birthday: str = ""
    min_spend: int = 0
    qualifies: bool = False
    alone: bool = False
    caps: Caps = field(default_factory=Caps)


@dataclass
class Reward:
    id: str
    points: int
    kind: str = "goods"
    currency: str = "points"
    value: int = 0
    money: int = 0
    stock: int | None = None
    per_member: int | None = None
    opens: str = ""
    closes: str = ""
    """Local date-times of the programme's zone."""
    tiers: tuple[str, ...] = ()
    uses: int = 1
    valid_days: int = 90
    collect_days: int = 0


@dataclass
class Tier:
    key: str
    threshold: int
    bonus: str = "0"
    lifetime: int = 0


@dataclass
class Worth:
    points: int
    amount: int
    cap: str


@dataclass
class Rules:
    zone: str = "UTC"
    rate: str = "1"
    rounding: str = "down"
    dates: Dates = field(default_factory=Dates)
    channels: dict[str, Channel] = field(default_factory=lambda: {"store": Channel(), "market": Channel("0.8")})
    rates: list[Rate] = field(default_factory=list)
    others: dict[str, tuple[str, Dates]] = field(default_factory=dict)
    """Other currencies: points for a unit of money, and their dates."""
    actions: dict[str, tuple[int, Caps]] = field(default_factory=dict)
    campaigns: list[Campaign] = field(default_factory=list)
    stacking: str = "add"
    on_points_part: bool = False
    measure: str = "points"
    months: int = 12
    starts: int = 1
    landing: str = "drop"
    min_visit: int = 1
    negative: str = "debt"
    worth: Worth | None = None
    tiers: list[Tier] = field(
        default_factory=lambda: [Tier("base", 0), Tier("silver", 100, "0.25"), Tier("gold", 300, "0.5")]
    )
    rewards: list[Reward] = field(default_factory=lambda: [Reward("small", 10), Reward("large", 100)])
    stores: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    hold_minutes: int = 15
    replay_days: int = 30
    minor_digits: int = 2

    @property
    def currencies(self) -> list[str]:
        return ["points", *self.others]

    def dates_of(self, currency: str) -> Dates:
        return self.dates if currency == "points" else self.others[currency][1]

    def reward(self, id: str) -> Reward:
        for reward in self.rewards:
            if reward.id == id:
                return reward
        raise Refused("unknown_reward")
