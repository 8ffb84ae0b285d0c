"""What became of one send, and when the next attempt is due.

Every provider's answers are told in these five words, so that one loop can treat all providers alike. A provider's wish
to wait is honoured, within a bound; without one the pause doubles, with jitter, so that many deliveries that failed
together do not come back together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

MAX_ATTEMPTS = 12
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=15)
LONGEST_WISH = timedelta(hours=1)
"""A provider that asks for more is asked again after this: an answer that says "in a year" must not silence a member."""


class Delivered(msgspec.Struct, frozen=True):
    """The provider has it. `reference` is the provider's own name for it."""

    reference: str = ""


class TokenDead(msgspec.Struct, frozen=True):
    """The address is no longer good and is forgotten; with `since`, only if it was not registered again after it."""

    reason: str
    since: datetime | None = None


class Retry(msgspec.Struct, frozen=True):
    """It surely was not taken, and may be later. `after` is the provider's wish."""

    reason: str
    after: timedelta | None = None


class Unknown(msgspec.Struct, frozen=True):
    """Nobody can say whether it was taken: the answer was lost. Sent again only where a repeat is hidden."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """It will never be taken as it is."""

    reason: str


Outcome = Delivered | TokenDead | Retry | Unknown | Rejected


def pause(attempt: int, wish: timedelta | None, random: Callable[[], float]) -> timedelta:
    """How long to wait after `attempt` (from 1) failed; `random` gives [0, 1).

    Between half and the whole of the doubling pause, and never shorter than the provider's wish (bounded by
    `LONGEST_WISH`): one that says "in a second" through a long outage must not use up all attempts in some seconds.
    """
    doubled = min(FIRST_PAUSE * (1 << min(attempt - 1, 20)), LONGEST_PAUSE)
    own = doubled * (0.5 + random() / 2)
    if wish is None or wish <= timedelta():
        return own
    return max(own, min(wish, LONGEST_WISH) * (1 + random() / 10))
