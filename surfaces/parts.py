"""What views are made of: the shapes that several surfaces share. Texts are final, in the view's locale; numbers beside
them are for animation and for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of every view. Views are made of texts, numbers and one another, never of what refers back to them, so the
    collector of cycles has nothing to find in the thousands of rows that are kept."""


class Balance(View, frozen=True, kw_only=True):
    """`points` may be negative (a return after the points were spent)."""

    points: int
    held: int
    pending: int
    """Earned and not good yet; not among `points`."""
    unit: str
    """The unit word for this number: "points", "point", 點, 分."""
    text: str
    """`12,925 points`."""
    pending_text: str
    """`445 points pending`; empty where there are none."""


class Currency(View, frozen=True, kw_only=True):
    """A balance in a currency beside the points."""

    id: str
    points: int
    text: str
    pending: int
    pending_text: str
    expiring: str
    """Its first date in words, with the points that lapse then unless those are all; empty where it has none."""
    warned: bool
    """Whether that date is near."""


Finish = Literal["petrol", "silver", "gold"]


class Keep(View, frozen=True, kw_only=True):
    """A tier that is not sure beyond `until`, the exclusive instant."""

    needed: int
    needed_text: str
    until: datetime
    falls_to: str
    text: str
    """What keeps it: `Earn 1,404 more points by 31 Dec 2026 to keep Silver Disc.`"""
    near: bool
    """Whether it is to be said aloud now,"""
    notice: str
    """and what: `Otherwise it becomes Listener.`; empty before."""


class Tier(View, frozen=True, kw_only=True):
    """Figures are in the programme's `measure`: points, minor units of money, or visits."""

    key: str
    name: str
    measure: Literal["points", "spend", "visits"]
    qualifying: int
    """What qualified in the current period."""
    qualifying_text: str
    period: str
    """The period in words: "2026", "Jan–Jun 2026"."""
    next_name: str | None
    next_threshold: int | None
    to_next: int | None
    to_next_text: str
    distance: str
    """The distance in words: "11,404 to Gold Disc"; at the top, "Highest tier"."""
    label: str
    """A full sentence for assistive technology."""
    progress: float
    """0-100: what qualified against the threshold of the ladder's next step."""
    notch: float | None
    """Where the current tier's threshold lies on the same 0-100 scale; None at the first tier."""
    notch_text: str
    goal_text: str
    kept_text: str
    """Until when the tier is sure, whatever is bought: "Kept until 31 Dec 2027", "Yours for good"; empty at the first
    tier."""
    keep: Keep | None
    """Set when it is not sure beyond the current period."""
    benefits: tuple[str, ...]
    finish: Finish
    """The look of its record and pass, by its rank on the ladder, so that any programme's tiers have one."""


class Celebration(View, frozen=True, kw_only=True):
    """For a day after a tier was reached."""

    tier: str
    title: str
    text: str
    finish: Finish


class Expiring(View, frozen=True, kw_only=True):
    points: int
    at: datetime | None
    """The exclusive instant; of a month's points the last of theirs. None: they never lapse."""
    renews: bool
    """Whether earning or spending before then makes them good for longer."""
    text: str
    """`445 points until 12 Dec 2027` with the last good day, `1,200 points during Jan 2028`."""


class Lapsing(View, frozen=True, kw_only=True):
    """Points that are about to lapse; `soon` presses more than `ahead`."""

    level: Literal["ahead", "soon"]
    points: int
    at: datetime
    title: str
    text: str
    reward: str
    """The dearest reward that the balance buys now; empty where it buys none."""
    offer: str


class Coming(View, frozen=True, kw_only=True):
    """Pending points and the instant they are good from (of a month's, the last)."""

    points: int
    at: datetime
    text: str


class Place(View, frozen=True, kw_only=True):
    """Where a reward may be collected; an empty id is the till one stands at."""

    id: str
    name: str


RewardState = Literal["open", "short", "soon", "tier", "had"]


class Reward(View, frozen=True, kw_only=True):
    id: str
    kind: Literal["goods", "experience", "voucher", "charity", "draw"]
    kind_text: str
    """Empty for goods, which most rewards are."""
    name: str
    stub: str
    points: int
    currency: str
    points_text: str
    price_text: str
    """All it costs: `1,000 points + US$5.00`."""
    terms: str
    affordable: bool
    """Whether the member may have it now, as far as a view can know (the last piece may go this moment)."""
    state: RewardState
    """Why not: too few points, not on offer yet, for another tier, had as often as one may."""
    missing: int
    note: str
    """`2,500 points` or `15,000 points, 2,075 to go`."""
    when_text: str
    """`Until 24 Dec 2026, 18:00`, `From 20 Dec 2026, 10:00`; empty where it is always on offer."""
    opens: datetime | None
    closes: datetime | None
    action: Literal["hold", "claim"]
    """How it is had: set aside for the till, or at once."""
    action_text: str
    """The button's word."""
    action_label: str
    """The button's name for assistive technology: `Use 2,500 points for US$5 off any order`."""
    places: tuple[Place, ...]
    """Where it may be collected; empty: at the till one stands at."""


class Held(View, frozen=True, kw_only=True):
    id: str
    reward: str
    """Empty for points that are held for a basket."""
    name: str
    stub: str
    points: int
    points_text: str
    store: str
    """Where it is kept; empty: for whichever till."""
    store_text: str
    until: datetime
    note: str
    """`Show this at the till until 14:45`, `Collect at Pier Road until 19 Dec 2026`."""
    due: int
    """Money still to pay, in minor units."""
    due_text: str
    """What money is still to pay; empty for none."""
    cancel_label: str


class Qr(View, frozen=True, kw_only=True):
    """A QR code with its quiet zone: an SVG `viewBox`, and lines one unit wide to be stroked dark on light."""

    box: str
    path: str


class Voucher(View, frozen=True, kw_only=True):
    """One that is good now."""

    id: str
    reward: str
    name: str
    stub: str
    terms: str
    code: str
    code_text: str
    """Grouped for reading: `7Q2M 0XK4 81TZ`."""
    qr: Qr
    uses_left: int
    uses_text: str
    """`3 uses left`; empty for a voucher of one use."""
    until: datetime | None
    """The exclusive instant."""
    until_text: str
    note: str
    """Uses and date together."""
    value: int
    """Minor units of money it takes off; 0 for a thing in words."""
    value_text: str
    cancellable: bool
    """Never used, and bought with points: it may be given back for them."""
    cancel_text: str
    show_label: str


class Reason(View, frozen=True, kw_only=True):
    """By which rule, and how much."""

    text: str
    points: int
    currency: str
    points_text: str
    """Signed; another currency's with its unit: `+356`, `+1 star`."""


class Activity(View, frozen=True, kw_only=True):
    """One row. A version that also paid with points, or let points lapse, vest or come back, has a row for each, with an
    id of its own."""

    id: str
    version: int
    kind: str
    title: str
    when: str
    at: datetime
    place: str
    """`Harbour Street, till 2`; empty where it happened nowhere."""
    points: int
    """Of the spendable balance: the rows of a list add up to it."""
    points_text: str
    """Signed, with U+2212 minus; empty where no points moved."""
    others_text: str
    """What other currencies moved by: `+1 star`."""
    gain: bool
    """Points earned or given: what the faces draw in orange. Points that merely came back are not."""
    reasons: tuple[Reason, ...]
    """Why points were earned, each rule once."""
    note: str
    """From or until when points are good, what they paid, what is pending."""


class Member(View, frozen=True, kw_only=True):
    name: str
    code: str
    code_text: str
    """Grouped for reading: `0714 3298 1174`."""
