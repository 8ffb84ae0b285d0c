"""The CDNOW log as purchases of a record shop, ending today.

The log has dates, numbers of CDs and dollars; nothing else is invented but what a till must say: an hour within opening
time, and a store and till, each derived from the line number so that every run says the same. A purchase is keyed by its
line number, because 223 lines repeat a customer and day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import msgspec

OPENS, CLOSES = 10, 20
"""Hours of the shop."""
COUNTERS = tuple((store, till) for store in ("harbour-street", "pier-road") for till in ("1", "2"))


class Row(msgspec.Struct, frozen=True):
    line: int
    customer: str
    day: date
    quantity: int
    cents: int


class Sale(msgspec.Struct, frozen=True):
    """One purchase to ring up. `day` counts from the log's first day."""

    key: str
    card: str
    day: int
    occurred_at: datetime
    store: str
    till: str
    quantity: int
    cents: int

    def body(self) -> dict[str, object]:
        """The till's request."""
        return {
            "id": self.key,
            "member": {"kind": "card", "value": self.card},
            "occurred_at": self.occurred_at.isoformat().replace("+00:00", "Z"),
            "channel": "store",
            "currency": "USD",
            "total": self.cents,
            "lines": [{"sku": "CD", "quantity": self.quantity, "amount": self.cents, "name": "Compact disc"}],
        }


def rows() -> list[Row]:
    """The log as it is, in its own order."""
    text = (files("bff.demo") / "cdnow.txt").read_text(encoding="ascii")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return [
        Row(i, customer, datetime.strptime(day, "%Y%m%d").date(), int(quantity), int(cents))  # noqa: DTZ007
        for i, (customer, day, quantity, cents) in enumerate(lines, start=1)
    ]


def card_of(customer: str) -> str:
    """The till card of a customer of the log."""
    return f"CD{customer}"


def sales(zone: ZoneInfo, now: datetime) -> list[Sale]:
    """The log as sales in order of time, its last day being today in `zone`; none is after `now`."""
    log = rows()
    first, last = min(row.day for row in log), max(row.day for row in log)
    shift = now.astimezone(zone).date() - last
    found = []
    for row in log:
        store, till = COUNTERS[row.line % len(COUNTERS)]
        seconds = row.line * 7919 % ((CLOSES - OPENS) * 3600)
        local = datetime.combine(row.day + shift, time(OPENS), zone) + timedelta(seconds=seconds)
        found.append(
            Sale(
                key=f"cdnow-{row.line:05d}",
                card=card_of(row.customer),
                day=(row.day - first).days,
                occurred_at=min(local.astimezone(UTC), now.replace(microsecond=0)),
                store=store,
                till=till,
                quantity=row.quantity,
                cents=row.cents,
            )
        )
    return sorted(found, key=lambda sale: (sale.day, sale.occurred_at, sale.key))
