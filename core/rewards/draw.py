"""A lucky draw that anyone can check.

Before the first ticket the shop commits to a seed by showing its hash. Each ticket has a number and brings entropy of
its own. Once the draw has closed, the winners follow from the seed and the entropy of all tickets, and the seed is shown:

    digest  = SHA-256(entropy of ticket 1 || entropy of ticket 2 || ...)
    value_i = HMAC-SHA-256(seed, digest || i as 8 bytes big-endian), as an integer      i = 0, 1, 2, ...

The i-th prize goes to ticket (value_i mod k) of the k tickets that have not won, in the order of their numbers. The shop
could not choose the seed afterwards, as its hash was out, and no member knows the seed when it enters. What this does
not prove: that the shop, which knows the seed, did not put in the last ticket itself; the list of tickets is for that.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

ENTROPY_BYTES = 16
SEED_BYTES = 32


def commitment(seed: bytes) -> str:
    """What is shown from the first day."""
    return hashlib.sha256(seed).hexdigest()


def entropy_of(key: str) -> bytes:
    """What a member's device brings: from the idempotency key, which it chose."""
    return hashlib.sha256(key.encode()).digest()[:ENTROPY_BYTES]


def winners(seed: bytes, tickets: Sequence[bytes], prizes: int) -> tuple[int, ...]:
    """Ticket numbers from 1, the first prize's first; `tickets` is the entropy of each in order. Fewer tickets than
    prizes: each wins once."""
    digest = hashlib.sha256(b"".join(tickets)).digest()
    left = list(range(1, len(tickets) + 1))
    won = []
    for i in range(min(prizes, len(left))):
        value = int.from_bytes(hmac.digest(seed, digest + i.to_bytes(8), "sha256"))
        won.append(left.pop(value % len(left)))
    return tuple(won)
