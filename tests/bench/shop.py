"""The shop of the benchmark: its members, its tills, and the one kind of purchase that everything is measured with."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec

from bff.auth import Principal, Tokens
from core.clock import rfc3339, system_clock

STORE = "harbour-street"
TILLS = 16
LIFETIME = timedelta(hours=12)

CATEGORIES = ("pop", "jazz", "classical", "stage", "vinyl")
CATALOGUE = tuple((f"{category}-{n}", category) for category in CATEGORIES for n in range(1, 5))
"""(sku, category) of what row 12 sells."""

_ENCODER = msgspec.json.Encoder()


def card(index: int) -> str:
    """The till card of member `index`."""
    return f"BENCH{index:07d}"


def kiosk(index: int) -> str:
    return f"bench-kiosk-{index}"


def amount() -> int:
    """Minor units of a purchase: one to six CDs; always worth a point, so that every purchase makes a lot."""
    return random.randrange(399, 7_000)


def purchase(key: str, index: int) -> dict[str, object]:
    """What a till sends: one line, now."""
    total = amount()
    return {
        "id": key,
        "member": {"kind": "card", "value": card(index)},
        "occurred_at": rfc3339(datetime.now(UTC)),
        "channel": "store",
        "currency": "USD",
        "total": total,
        "lines": [{"sku": "CD", "quantity": 1 + total // 1_200, "amount": total, "name": "Compact disc"}],
    }


def from_catalogue(key: str, index: int) -> dict[str, object]:
    """The same slip, of something from the catalogue."""
    sku, category = random.choice(CATALOGUE)
    body = purchase(key, index)
    return {**body, "lines": [{**line, "sku": sku, "category": category} for line in body["lines"]]}  # type: ignore[attr-defined]


class Requests:
    """Makes the bytes of purchase requests, each by the next of the tills and with a new key."""

    def __init__(self, host: str, secret: str) -> None:
        tokens = Tokens(secret, system_clock)
        self._heads = [
            (
                "POST /pos/v1/purchases HTTP/1.1\r\n"
                f"Host: {host}\r\n"
                f"Authorization: Bearer {tokens.issue(_till(number), LIFETIME)}\r\n"
                "Content-Type: application/json\r\n"
                "Content-Length: "
            ).encode()
            for number in range(TILLS)
        ]
        self.made = 0

    def next(self, index: int) -> bytes:
        """A purchase of member `index`."""
        self.made += 1
        body = _ENCODER.encode(purchase(f"http-{self.made}", index))
        return b"%b%d\r\n\r\n%b" % (self._heads[self.made % TILLS], len(body), body)


def _till(number: int) -> Principal:
    return Principal("pos", device=f"bench-till-{number}", store=STORE, till=str(number))
