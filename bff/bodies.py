"""The bodies of requests and answers: strict, so that a misspelt field is an error and not a silent default."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec


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


class ReturnLineBody(_Body, frozen=True):
    sku: str
    quantity: int
    amount: int


class ReturnBody(_Body, frozen=True):
    """No `lines`: the whole of what is left."""

    id: str
    lines: list[ReturnLineBody] | None = None


class EnrolBody(_Body, frozen=True):
    id: str
    identifiers: list[IdentifierBody] = []
    locale: Literal["en", "zh-Hans", "zh-Hant"] = "en"
    display_name: str = ""


class LinkBody(_Body, frozen=True):
    identifier: IdentifierBody


class HoldBody(_Body, frozen=True):
    reward: str


class VoidBody(_Body, frozen=True):
    reason: str = ""


class AdjustBody(_Body, frozen=True):
    """`points` may be negative; `reason` is required and kept."""

    points: int
    reason: str


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


class PurchaseAnswer(Stamped, kw_only=True):
    purchase_id: str
    earned: int
    pending: int
    balance: int
    tier: TierAnswer
    receipt: ReceiptLink
    flags: list[str]


class ReturnAnswer(Stamped, kw_only=True):
    purchase_id: str
    taken_back: int
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
