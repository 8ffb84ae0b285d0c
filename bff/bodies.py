"""The bodies of requests and answers: strict, so that a misspelt field is an error and not a silent default."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from core.points import POINTS
from core.programme.earn import ActionKind


class _Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    pass


class IdentifierBody(_Body, frozen=True):
    kind: Literal["code", "email", "phone", "card"]
    value: str


class LineBody(_Body, frozen=True):
    """`amount`: minor units for the whole line."""

    sku: str
    quantity: int
    amount: int
    name: str = ""
    category: str = ""


class PurchaseBody(_Body, frozen=True):
    """`id` is the till's own, and the idempotency key: sending it again is safe."""

    id: str
    member: IdentifierBody
    occurred_at: datetime
    channel: str
    currency: str
    total: int
    lines: list[LineBody]
    points: int = 0
    """Points of the member that pay for part of it,"""
    hold: str = ""
    """or the hold of points that does."""
    vouchers: list[str] = []
    """Codes of the member's own."""


class QuoteBody(_Body, frozen=True):
    """A basket that is not paid yet. `occurred_at` is now; `member` is for the till, and empty for a visitor."""

    channel: str
    currency: str
    total: int
    lines: list[LineBody]
    member: IdentifierBody | None = None
    points: int = 0
    vouchers: list[str] = []


class ActionBody(_Body, frozen=True):
    """`subject`: what was reviewed or shared, or where one checked in."""

    kind: ActionKind
    subject: str = ""
    occurred_at: datetime | None = None


class ClaimBody(_Body, frozen=True):
    reward: str


class PointsHoldBody(_Body, frozen=True):
    points: int


class CaptureBody(_Body, frozen=True):
    """`paid`: the money taken for a reward of points and money, in minor units."""

    paid: int = 0


class ReasonBody(_Body, frozen=True):
    reason: str


class GrantBody(_Body, frozen=True):
    reward: str
    reason: str


class TraitsBody(_Body, frozen=True):
    """What is left out stays as it is. `birthday` is a month and a day, "02-29"."""

    segments: list[str] | None = None
    birthday: str | None = None


class ReinstateBody(_Body, frozen=True):
    points: int
    reason: str
    currency: str = POINTS


class ExtendBody(_Body, frozen=True):
    """Points whose last good day lies from `first_day` to `last_day`, both within, are good through `until`."""

    first_day: date
    last_day: date
    until: date
    reason: str
    currency: str = POINTS


class ReturnLineBody(_Body, frozen=True):
    sku: str
    quantity: int
    amount: int


class ReturnBody(_Body, frozen=True):
    """No `lines`: the whole of what is left. `reason`: as staff gave it."""

    id: str
    lines: list[ReturnLineBody] | None = None
    reason: str = ""


class EnrolBody(_Body, frozen=True):
    id: str
    identifiers: list[IdentifierBody] = []
    locale: Literal["en", "zh-Hans", "zh-Hant"] = "en"
    display_name: str = ""
    birthday: str = ""


class LinkBody(_Body, frozen=True):
    identifier: IdentifierBody


class HoldBody(_Body, frozen=True):
    """`store`: where it is to be collected, for a reward that may be."""

    reward: str
    store: str = ""


class VoidBody(_Body, frozen=True):
    reason: str = ""


class AdjustBody(_Body, frozen=True):
    """`points` may be negative; `reason` is required and kept."""

    points: int
    reason: str
    currency: str = POINTS


class BindBody(_Body, frozen=True):
    code: str


class Stamped(msgspec.Struct, kw_only=True):
    """What every body that shows a balance carries, compared in this order."""

    epoch: int
    version: int
    programme: int
    valid_from: datetime


class TierAnswer(msgspec.Struct):
    key: str
    name: str
    qualifying: int
    to_next: int | None
    next_name: str | None


class ReceiptLink(msgspec.Struct):
    url: str


class AwardAnswer(msgspec.Struct):
    """Why points were given, each reason once. `id` is of the rule, tier, campaign or action; empty for the base rate."""

    rule: str
    id: str
    points: int
    currency: str


class QuotedAward(AwardAnswer):
    text: str
    """The same in words."""


class PurchaseAnswer(Stamped, kw_only=True):
    """`pending`: of what was earned, what becomes good later. `due`: minor units of money that points and vouchers did
    not pay."""

    purchase_id: str
    earned: int
    pending: int
    awards: list[AwardAnswer]
    due: int
    balance: int
    tier: TierAnswer
    receipt: ReceiptLink
    flags: list[str]


class ReturnAnswer(Stamped, kw_only=True):
    purchase_id: str
    taken_back: int
    points_given_back: int
    """Points that had paid for what was returned."""
    refund: int
    """Minor units of money to hand out: what was returned less what points and vouchers had paid of it."""
    balance: int
    tier: TierAnswer
    flags: list[str]


class EnrolAnswer(Stamped, kw_only=True):
    member: str
    code: str
    balance: int
    tier: TierAnswer


class LinkAnswer(msgspec.Struct, kw_only=True):
    """`version` is the member's at which it was answered; `linked` False when it was this member's already."""

    member: str
    linked: bool
    epoch: int
    version: int


class HoldAnswer(Stamped, kw_only=True):
    hold_id: str
    reward: str
    points: int
    balance: int


class AdjustAnswer(Stamped, kw_only=True):
    points: int
    balance: int


class ActionAnswer(Stamped, kw_only=True):
    earned: int
    balance: int


class VoucherAnswer(Stamped, kw_only=True):
    """`state`: `good`, `used`, `void` (taken back) or `expired`. `value`: minor units that it takes off."""

    voucher: str
    code: str
    reward: str
    name: str
    state: str
    uses_left: int
    value: int
    expires_at: datetime | None
    balance: int


class ClaimAnswer(Stamped, kw_only=True):
    """`code` for a voucher, `ticket` for a draw."""

    reward: str
    voucher: str
    code: str
    ticket: int
    points: int
    balance: int


class TraitsAnswer(msgspec.Struct, kw_only=True):
    """`version` is the member's at which it was answered; `changed` False when all was so already."""

    changed: bool
    epoch: int
    version: int


class TierName(msgspec.Struct):
    key: str
    name: str


class QuotedVoucher(msgspec.Struct):
    code: str
    name: str
    amount: int
    amount_text: str


class QuotedReward(msgspec.Struct):
    id: str
    name: str
    points: int


class QuotedPrice(msgspec.Struct):
    """The member's price of one piece of a line."""

    line: int
    amount: int
    amount_text: str


class QuoteAnswer(Stamped, kw_only=True):
    """What a purchase of this basket would do now. A visitor's has version 0."""

    earned: int
    earned_text: str
    pending: bool
    vests_at: datetime | None
    awards: list[AwardAnswer]
    due: int
    due_text: str
    balance_after: int
    tier: TierName
    reaches: TierName | None
    to_next: int | None
    to_next_after: int | None
    to_next_text: str
    most_points: int
    most_amount: int
    most_text: str
    vouchers: list[QuotedVoucher]
    rewards: list[QuotedReward]
    member_prices: list[QuotedPrice]


class DrawAnswer(msgspec.Struct, kw_only=True):
    """`commitment` is the SHA-256 of the seed; the seed itself and the winning tickets are there once it is concluded."""

    id: str
    commitment: str
    committed_at: datetime
    tickets: int
    seed: str
    concluded_at: datetime | None
    won: list[int]


class DrawTicket(msgspec.Struct):
    no: int
    entropy: str


class DrawTickets(msgspec.Struct):
    items: list[DrawTicket]
    next: int | None
    """Give it as `?after=` for the next page."""


class ShownView(Stamped, kw_only=True):
    """A surface's view with its stamp; the same view travels in live `state` frames."""

    valid_until: datetime | None
    as_of: datetime
    view: Any


class KioskSessionAnswer(msgspec.Struct):
    session: int
    bound: bool
    clears_at: datetime | None


class ActivityPage(msgspec.Struct):
    items: list[Any]
    next: str | None
    """Opaque; give it as `?cursor=` for the next page."""
