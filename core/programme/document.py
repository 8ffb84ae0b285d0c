"""The programme document: what a retailer's owner writes, as strict structs.

One document is one revision. It is read from TOML, checked whole by `validation.check`, stored as JSON with its
`schema`, and never edited in place: publishing makes the next revision. Every journal entry records the revision that
decided it. Fractions ("0.8", "10") are decimal strings in the document so that nothing passes through a float.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

from core.money import MINOR_DIGITS
from core.programme.rounding import Rounding

SCHEMA = 1

Text = dict[str, str]
"""Wording by locale: `en` always, `zh-Hans` and `zh-Hant` where given; see `text_in`."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A misspelt key is an error, not a setting that silently keeps its default."""


class Brand(_Strict, frozen=True, kw_only=True):
    name: Text
    website: str = ""
    terms: Text = {}
    """The terms of membership, as the back of a wallet pass has them."""


class Points(_Strict, frozen=True, kw_only=True):
    """The currency members earn. `one`/`other` are the English unit words; Chinese has one form."""

    currency: str
    one: Text
    other: Text


class Channel(_Strict, frozen=True, kw_only=True):
    coefficient: str = "1"


class Earn(_Strict, frozen=True, kw_only=True):
    """Base earn: `points_per_unit` points for one whole unit of money (a dollar, not a cent)."""

    points_per_unit: str
    rounding: Rounding = "down"
    channels: dict[str, Channel]

    @property
    def rate(self) -> Fraction:
        return Fraction(self.points_per_unit)


class Expiry(_Strict, frozen=True, kw_only=True):
    """Points are good through the same day `months` later, in the programme's zone; 0 means they never expire."""

    months: int
    grace_days: int = 30
    """A reinstated lot whose date has passed is good for so many days more."""


class Card(_Strict, frozen=True, kw_only=True):
    """A tier's own colours on the wallet pass, as `#rrggbb`. Both texts are readable on the background (4.5:1)."""

    background: str
    foreground: str
    label: str


class Tier(_Strict, frozen=True, dict=True, kw_only=True):
    """One half-open band: qualifying points from `threshold` up to, not including, the next tier's."""

    key: str
    name: Text
    threshold: int
    earn_bonus: str = "0"
    """Extra points as a fraction of the base; they do not qualify."""
    card: Card | None = None
    """Without it, the colours follow the tier's rank: petrol, silver, gold."""

    @cached_property
    def bonus(self) -> Fraction:
        return Fraction(self.earn_bonus)


class Reward(_Strict, frozen=True, kw_only=True):
    id: str
    name: Text
    points: int
    stub: Text
    """What the ticket's stub shows, at most four characters: "$5"."""
    terms: Text = {}
    value: int = 0
    """Worth in minor units of the programme's money currency; 0 where it has none."""


class Store(_Strict, frozen=True, kw_only=True):
    id: str
    name: Text


class Product(_Strict, frozen=True, kw_only=True):
    """Wording for a sku that tills send; the till's own name is used for any other."""

    sku: str
    one: Text
    other: Text


class Limits(_Strict, frozen=True, kw_only=True):
    hold_minutes: int = 15
    replay_window_days: int = 30
    """A till may send an older event only with a staff token (time-and-data: offline events)."""
    receipt_live_days: int = 30
    """How long a receipt's link shows the live balance; afterwards only what was printed."""
    clock_skew_seconds: int = 300
    """How far ahead of our clock a till's clock may be."""
    kiosk_clears_seconds: int = 45


class Programme(_Strict, frozen=True, dict=True, kw_only=True):
    """A whole programme. `validation.parse` is the only way in; a value that exists is valid."""

    schema: int
    name: str
    zone: str
    money: str
    """ISO 4217 code of the one currency purchases are priced in."""
    brand: Brand
    points: Points
    earn: Earn
    expiry: Expiry
    tiers: tuple[Tier, ...]
    rewards: tuple[Reward, ...] = ()
    stores: tuple[Store, ...] = ()
    products: tuple[Product, ...] = ()
    limits: Limits = Limits()

    @cached_property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @cached_property
    def key(self) -> ProgrammeKey:
        return ProgrammeKey(self)

    @cached_property
    def rates(self) -> dict[str, Fraction]:
        """Points for one minor unit of money, by channel."""
        per_unit = self.earn.rate / 10 ** MINOR_DIGITS[self.money]
        return {name: per_unit * Fraction(channel.coefficient) for name, channel in self.earn.channels.items()}

    @cached_property
    def rewards_by_id(self) -> dict[str, Reward]:
        return {reward.id: reward for reward in self.rewards}

    @cached_property
    def stores_by_id(self) -> dict[str, Store]:
        return {store.id: store for store in self.stores}

    @cached_property
    def products_by_sku(self) -> dict[str, Product]:
        return {product.sku: product for product in self.products}


class ProgrammeKey:
    """Stands for one programme in a cache: equal to itself alone, for a document has no hash."""

    __slots__ = ("programme",)

    def __init__(self, programme: Programme) -> None:
        self.programme = programme


class Published(msgspec.Struct, frozen=True):
    """A programme with its revision number, as deciders and views receive it."""

    revision: int
    programme: Programme


def text_in(text: Text, locale: str) -> str:
    """The wording for `locale`, else English."""
    return text.get(locale) or text["en"]
