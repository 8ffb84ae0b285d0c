"""The shapes of the views: the contract with every front end (`docs/live-protocol.md`, OpenAPI).

`SCHEMA` goes into every ETag: raise it when a shape or its meaning changes. Texts are final, in the view's locale;
numbers beside them are for animation and for programs. Instants are RFC 3339 UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from surfaces.parts import (
    Activity,
    Balance,
    Celebration,
    Coming,
    Currency,
    Expiring,
    Finish,
    Held,
    Keep,
    Lapsing,
    Member,
    Place,
    Qr,
    Reason,
    Reward,
    RewardState,
    Tier,
    View,
    Voucher,
)

__all__ = [
    "LOCALES",
    "SCHEMA",
    "SURFACES",
    "Activity",
    "AppView",
    "Arithmetic",
    "Balance",
    "Cause",
    "Celebration",
    "Coming",
    "Currency",
    "Expiring",
    "Finish",
    "Held",
    "Keep",
    "KioskMember",
    "KioskView",
    "Lapsing",
    "Locale",
    "Member",
    "PassField",
    "Payment",
    "Place",
    "PosView",
    "Qr",
    "Reason",
    "ReceiptLine",
    "ReceiptView",
    "Reward",
    "RewardState",
    "Surface",
    "Tier",
    "View",
    "Voucher",
    "VoucherBrief",
    "WalletView",
    "WebView",
]

SCHEMA = 2

Surface = Literal["app", "web", "kiosk", "receipt", "wallet", "pos"]
SURFACES: tuple[Surface, ...] = ("app", "web", "kiosk", "receipt", "wallet", "pos")

Locale = Literal["en", "zh-Hans", "zh-Hant"]
LOCALES: tuple[Locale, ...] = ("en", "zh-Hans", "zh-Hant")


class AppView(View, frozen=True, kw_only=True):
    """`hint` says what to do first to a member who has never had points; else it is empty."""

    brand: str
    member: Member
    hint: str
    celebration: Celebration | None
    balance: Balance
    currencies: tuple[Currency, ...]
    tier: Tier
    warning: Lapsing | None
    pending: tuple[Coming, ...]
    expiry_schedule: tuple[Expiring, ...]
    rewards: tuple[Reward, ...]
    vouchers: tuple[Voucher, ...]
    holds: tuple[Held, ...]
    activity: tuple[Activity, ...]


class WebView(AppView, frozen=True, kw_only=True):
    website: str


class VoucherBrief(View, frozen=True, kw_only=True):
    """A voucher as a shared screen has it: without its code, which is all that it takes to use it."""

    id: str
    name: str
    stub: str
    note: str


class KioskMember(View, frozen=True, kw_only=True):
    """What fits a screen that does not scroll: rewards that may be had come before the nearest others."""

    greeting: str
    """Masked: a shared screen never shows a whole name or identifier."""
    code_masked: str
    celebration: Celebration | None
    balance: Balance
    currencies: tuple[Currency, ...]
    tier: Tier
    warning: Lapsing | None
    rewards: tuple[Reward, ...]
    vouchers: tuple[VoucherBrief, ...]
    vouchers_text: str
    """`2 vouchers, the next until 12 Mar 2027`; empty for none."""
    holds: tuple[Held, ...]


class KioskView(View, frozen=True, kw_only=True):
    brand: str
    store: str
    session: int
    """Grows with every bind and unbind of this device; a client takes a higher one whatever its stamp."""
    member: KioskMember | None
    clears_at: datetime | None
    clears_seconds: int
    """How long a session lasts without a touch; `clears_at` is when this one ends."""


class ReceiptLine(View, frozen=True, kw_only=True):
    name: str
    quantity: int
    text: str
    """The line in words, quantity included: `3 CDs`, `Latte × 3`."""
    amount_text: str


class Arithmetic(View, frozen=True, kw_only=True):
    label: str
    points_text: str


class Payment(View, frozen=True, kw_only=True):
    """`500 points`, `−US$5.00`."""

    label: str
    amount_text: str


class ReceiptView(View, frozen=True, kw_only=True):
    """All but `balance` is fixed as printed. `balance` is live, and None once the link's live time is over."""

    brand: str
    number: str
    """The till's own id; `number_text` has it in words: `Receipt 0412`."""
    number_text: str
    place: str
    when: str
    lines: tuple[ReceiptLine, ...]
    total_text: str
    paid: tuple[Payment, ...]
    """Points and vouchers that paid for part of it, then the money that was left to pay; empty where money paid all."""
    earned: int
    earned_text: str
    arithmetic: tuple[Arithmetic, ...]
    pending_note: str
    """From when the points are good; empty where they are at once."""
    balance_after: int
    balance_after_text: str
    balance: Balance | None
    returned_note: str
    """Says so when something of it was returned since; else empty."""
    link: str


class PassField(View, frozen=True, kw_only=True):
    key: str
    label: str
    value: str
    change_message: str = ""


class WalletView(View, frozen=True, kw_only=True):
    """The fields of the wallet pass; the signed pass is built from exactly these."""

    brand: str
    serial: str
    tier_key: str
    finish: Finish
    description: str
    background: str
    foreground: str
    label: str
    header: tuple[PassField, ...]
    primary: tuple[PassField, ...]
    secondary: tuple[PassField, ...]
    auxiliary: tuple[PassField, ...]
    back: tuple[PassField, ...]
    barcode: str
    barcode_text: str
    balance: Balance
    tier: Tier


class PosView(View, frozen=True, kw_only=True):
    """What the till shows of a member: staff see a short name and a masked code. A hold that is kept for collection says
    in which store (`Held.store`)."""

    brand: str
    member: str
    """The member's id, for the till's next request."""
    name: str
    code_masked: str
    celebration: Celebration | None
    balance: Balance
    currencies: tuple[Currency, ...]
    tier: Tier
    warning: Lapsing | None
    rewards: tuple[Reward, ...]
    vouchers: tuple[Voucher, ...]
    holds: tuple[Held, ...]


class Cause(View, frozen=True, kw_only=True):
    """What changed since the client's version, for a toast or an animation."""

    kind: str
    points: int
    points_text: str
    gain: bool
    version: int
    where: str
    text: str
    """`445 points added. Balance 12,925 points.`: for a toast and for `role=status`."""
    what: str
    """`Sale at Harbour Street, till 2: 3 CDs, US$35.60`; empty, as `where` is, on a surface a stranger may see."""
    when: str
