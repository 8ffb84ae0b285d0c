"""A member of the sample programme at one version, with every kind of change behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.holdings import Holdings
from core.ledger.account import Account, Hold, Lot
from core.programme.document import Published
from core.programme.validation import default_document, parse
from core.snapshot import Change, Kind, Line, Profile, Purchase, Snapshot

NOW = datetime(2026, 12, 12, 6, 32, 7, tzinfo=UTC)
"""14:32:07 in the programme's zone."""
PUBLISHED = Published(7, parse(default_document()))
CODE = "071432981174"
HOSTILE = '<script>alert(1)</script>"&\u202eevil'


def change(version: int, kind: Kind, points: int, available: int, **details: Any) -> Change:
    fields: dict[str, Any] = {"recorded_at": NOW, "occurred_at": NOW, **details}
    return Change(member=42, version=version, kind=kind, programme=7, points=points, available=available, **fields)


SALE = change(
    318, "purchase", 445, 12925, sku="CD", quantity=3, amount=3560, base=356, bonus=89,
    bonus_tier="silver", place="harbour-street", till="2",
)  # fmt: skip

PURCHASE = Purchase(
    member=42, version=318, external_id="0412", occurred_at=NOW, recorded_at=NOW, place="harbour-street",
    till="2", channel="store", currency="USD", total=3560, lines=(Line("CD", 3, 3560, "Compact disc"),),
    programme=7, base=356, bonus=89, bonus_tier="silver", period=2026, lot=2, available=12925,
)  # fmt: skip


def snapshot(
    *changes: Change,
    name: str = "",
    version: int = 318,
    points: int = 12925,
    qualifying: int = 18596,
    debt: int = 0,
    holds: tuple[Hold, ...] = (),
    expires_at: datetime | None = NOW + timedelta(days=400),
) -> Snapshot:
    lot = Lot(1, 3, NOW - timedelta(days=10), expires_at, points, points)
    account = Account(
        lots=(lot,) if points else (),
        holds=holds,
        debt=debt,
        lots_made=1 if points else 0,
        qualifying={2026: qualifying},
    )
    return Snapshot(42, version, NOW, Profile(CODE, name, "en"), Holdings(account), changes or (SALE,))
