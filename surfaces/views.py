"""The shapes of the views: the contract with every front end (`docs/live-protocol.md`, OpenAPI).

`SCHEMA` goes into every ETag: raise it when a shape or its meaning changes. Texts are final, in the view's locale;
numbers beside them are for animation and for programs. Instants are RFC 3339 UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

SCHEMA = 1

Surface = Literal["app", "web", "kiosk", "receipt", "wallet", "pos"]
SURFACES: tuple[Surface, ...] = ("app", "web", "kiosk", "receipt", "wallet", "pos")

Locale = Literal["en", "zh-Hans", "zh-Hant"]
LOCALES: tuple[Locale, ...] = ("en", "zh-Hans", "zh-Hant")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every view."""


class Balance(View, frozen=True, kw_only=True):
    """`points` may be negative (a return after the points were spent)."""

    points: int
    held: int
    unit: str
    """The unit word for this number: "points", "point", 點, 分."""
    text: str
    """`12,925 points`."""


Finish = Literal["petrol", "silver", "gold"]


class Tier(View, frozen=True, kw_only=True):
    key: str
    name: str
    qualifying: int
    """Qualifying points of the current period."""
    qualifying_text: str
    period: str
    """The period in words: "2026"."""
    next_name: str | None
    next_threshold: int | None
    to_next: int | None
    distance: str
    """The distance in words: "11,404 to Gold Disc"; at the top, "Highest tier"."""
    label: str
    """A full sentence for assistive technology."""
    progress: float
    """0-100: qualifying points against the last threshold of the ladder's next step."""
    notch: float | None
    """Where the current tier's threshold lies on the same 0-100 scale; None at the first tier."""
    notch_text: str
    goal_text: str
    kept_text: str
    """Until when the tier is sure, whatever is bought: "Kept until 31 Dec 2027"; empty at the first tier."""
    finish: Finish
    """The look of its record and pass, by its rank on the ladder, so that any programme's tiers have one."""


class Expiring(View, frozen=True, kw_only=True):
    points: int
    at: datetime
    """The exclusive instant."""
    text: str
    """`445 points until 12 Dec 2027` with the last good day."""


class Reward(View, frozen=True, kw_only=True):
    id: str
    name: str
    stub: str
    points: int
    points_text: str
    terms: str
    affordable: bool
    missing: int
    note: str
    """`2,500 points` or `15,000 points, 2,075 to go`."""
    action_label: str
    """The button's name for assistive technology: `Use 2,500 points for US$5 off any order`."""


class Held(View, frozen=True, kw_only=True):
    id: str
    reward: str
    name: str
    stub: str
    points: int
    until: datetime
    note: str
    """`Show this at the till until 14:45`."""
    cancel_label: str


class Activity(View, frozen=True, kw_only=True):
    """One row. A version that also let points lapse or come back has a row for each, with an id of its own."""

    id: str
    version: int
    kind: str
    title: str
    when: str
    at: datetime
    points: int
    points_text: str
    """Signed, with U+2212 minus; empty where no points moved."""
    gain: bool
    """Points earned or given: what the faces draw in orange. Points that merely came back are not."""


class Member(View, frozen=True, kw_only=True):
    name: str
    code: str
    code_text: str
    """Grouped for reading: `0714 3298 1174`."""


class AppView(View, frozen=True, kw_only=True):
    """`hint` says what to do first to a member who has never had points; else it is empty."""

    brand: str
    member: Member
    hint: str
    balance: Balance
    tier: Tier
    expiring: Expiring | None
    rewards: tuple[Reward, ...]
    holds: tuple[Held, ...]
    activity: tuple[Activity, ...]


class WebView(View, frozen=True, kw_only=True):
    """`hint` as in `AppView`."""

    brand: str
    website: str
    member: Member
    hint: str
    balance: Balance
    tier: Tier
    expiry_schedule: tuple[Expiring, ...]
    rewards: tuple[Reward, ...]
    holds: tuple[Held, ...]
    activity: tuple[Activity, ...]


class KioskMember(View, frozen=True, kw_only=True):
    greeting: str
    """Masked: a shared screen never shows a whole name or identifier."""
    code_masked: str
    balance: Balance
    tier: Tier
    rewards: tuple[Reward, ...]
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
    earned: int
    earned_text: str
    arithmetic: tuple[Arithmetic, ...]
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
    """What the till shows of a member: staff see a short name and a masked code."""

    brand: str
    member: str
    """The member's id, for the till's next request."""
    name: str
    code_masked: str
    balance: Balance
    tier: Tier
    rewards: tuple[Reward, ...]
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
