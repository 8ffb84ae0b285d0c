"""What all HTTP providers have in common: how a request can fail, and how long one is asked to wait."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from core.delivery.outcome import Retry, Unknown
from push.channels.contract import CREDENTIALS_PAUSE_SECONDS

TIMEOUT = httpx.Timeout(10, connect=5, pool=5)
CREDENTIALS_PAUSE = timedelta(seconds=CREDENTIALS_PAUSE_SECONDS)

# The request did not leave: no connection was made, or none was free.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


async def answered(request: Awaitable[httpx.Response]) -> httpx.Response | Retry | Unknown:
    """The response, or why there is none."""
    try:
        return await request
    except _NOT_SENT as error:
        return Retry(_named(error))
    except httpx.HTTPError as error:
        return Unknown(_named(error))


def wish(response: httpx.Response, now: datetime) -> timedelta | None:
    """The provider's `Retry-After`, in seconds or as a date; None where it has none, or none that can be read."""
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit() and len(given) < 9:
        return timedelta(seconds=int(given))
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta())


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
