"""The programme document: what a retailer's owner writes, as strict structs.

One document is one revision. It is read from TOML, checked whole by `validation.parse`, stored as JSON with its
`schema`, and never edited in place: publishing makes the next revision. Every journal entry records the revision that
decided it. Fractions ("0.8", "10") are decimal strings in the document so that nothing passes through a float. What a
purchase earns is in `earn`, what points buy in `spend`; the rest, and the whole, is here.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from core.money import MINOR_DIGITS
from core.points import POINTS
from core.programme.earn import Campaign, Earn, Rates
from core.programme.spend import MemberPrice, Reward, Worth
from core.programme.strict import Strict as _Strict
from core.programme.strict import Text, fraction

__all__ = ["SCHEMA", "SCHEMAS", "Programme", "Published", "Reward", "Text", "text_in"]

SCHEMA = 2
SCHEMAS = (1, 2)
"""What this build reads. Schema 1 had one rate, one currency and rewards held at the till; it means the same in 2."""


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


class Expiry(_Strict, frozen=True, kw_only=True):
    """When points stop being good, in the programme's zone.

    `rolling`: through the same day `months` later. `fixed`: through the first `on` (month and day) that is at least
    `months` away. `activity`: all of them, through the same day `months` after the member last earned or spent.
    """

    mode: Literal["rolling", "fixed", "activity"] = "rolling"
    months: int
    """0: they never expire."""
    on: str = "12-31"
    """For `fixed`; `02-29` is the last day of February."""
    grace_days: int = 30
    """A reinstated lot whose date has passed is good for so many days more."""
    warn_days: int = 90
    """Surfaces warn so many days ahead, with what could be bought,"""
    again_days: int = 14
    """and more urgently so many days ahead."""


class Currency(_Strict, frozen=True, kw_only=True):
    """One more currency beside the points: earned on the same purchases at its own rate, with its own dates. Tiers
    never stand on it."""

    code: str
    one: Text
    other: Text
    points_per_unit: str = "0"
    """Per whole unit of money, times the channel's coefficient; campaigns may give more of it."""
    expiry: Expiry


class Qualification(_Strict, frozen=True, kw_only=True):
    """What a tier stands on and for how long."""

    measure: Literal["points", "spend", "visits"] = "points"
    """Points that qualify; money that earned (minor units); purchases of at least `min_visit`. It cannot be changed once
    members have some."""
    months: Literal[1, 2, 3, 4, 6, 12] = 12
    starts: int = 1
    """The month a period of the year starts in."""
    landing: Literal["drop", "one"] = "drop"
    """A period that does not keep the tier: `drop` to what it did reach, or `one` tier down a period at most."""
    notice_days: int = 60
    """Surfaces say so many days ahead that a tier is going to be lost, and what would keep it."""
    min_visit: int = 1
    """Minor units of money below which a purchase is no visit."""


class Returns(_Strict, frozen=True, kw_only=True):
    negative: Literal["debt", "floor"] = "debt"
    """When returned points were spent already: `debt` takes the balance below zero, the next points repay it; `floor`
    takes only what is there and lets the rest go."""


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
    lifetime: int = 0
    """Held for ever by whoever has qualified so much in all periods together; 0: not to be had so."""
    benefits: tuple[Text, ...] = ()
    """In words, as surfaces list them."""
    card: Card | None = None
    """Without it, the colours follow the tier's rank: petrol, silver, gold."""

    @cached_property
    def bonus(self) -> Fraction:
        return fraction(self.earn_bonus)


class Store(_Strict, frozen=True, kw_only=True):
    id: str
    name: Text
    collects: bool = True
    """Whether what was redeemed elsewhere can be collected there."""


class Product(_Strict, frozen=True, kw_only=True):
    """Wording for a sku that tills send; the till's own name is used for any other."""

    sku: str
    one: Text
    other: Text


class Segment(_Strict, frozen=True, kw_only=True):
    """A group of members that campaigns may name. Who is in it is told by the retailer's own systems."""

    id: str
    name: Text


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
    currencies: tuple[Currency, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    qualification: Qualification = Qualification()
    returns: Returns = Returns()
    worth: Worth | None = None
    """What points are worth as part payment; without it they pay for no part of a basket."""
    rewards: tuple[Reward, ...] = ()
    member_prices: tuple[MemberPrice, ...] = ()
    segments: tuple[Segment, ...] = ()
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
    def rates(self) -> Rates:
        return Rates(self.earn, {one.code: one.points_per_unit for one in self.currencies}, MINOR_DIGITS[self.money])

    @cached_property
    def thresholds(self) -> tuple[int, ...]:
        """Of the tiers, rising."""
        return tuple(tier.threshold for tier in self.tiers)

    @cached_property
    def lifetimes(self) -> tuple[tuple[int, int], ...]:
        """(lifetime, rank) of the tiers that can be had for good."""
        return tuple((tier.lifetime, rank) for rank, tier in enumerate(self.tiers) if tier.lifetime)

    @cached_property
    def currency_codes(self) -> tuple[str, ...]:
        """The points first."""
        return (POINTS, *(one.code for one in self.currencies))

    @cached_property
    def expiries(self) -> dict[str, Expiry]:
        """By currency."""
        return {POINTS: self.expiry, **{one.code: one.expiry for one in self.currencies}}

    def expiry_in(self, currency: str) -> Expiry:
        """A currency that the programme no longer has keeps the points' rule."""
        return self.expiries.get(currency, self.expiry)

    @cached_property
    def campaigns_by_id(self) -> dict[str, Campaign]:
        return {campaign.id: campaign for campaign in self.campaigns}

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
