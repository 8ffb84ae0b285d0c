"""The one clock.

Everything that needs the time is handed a `Clock`, so that a test, a replay or a simulation owns it. Instants are
aware UTC datetimes, everywhere; a date that a member reads is made in the programme's zone at the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, UTC, microseconds."""
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """`2026-11-22T08:00:00.123456Z`: UTC, always with a zone, fraction left out when it is zero."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
