"""What all HTTP providers have in common: how a request can fail, what an answer says, and how long it asks to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from core.delivery.outcome import Retry, Unknown
from push.channels.contract import CREDENTIALS_PAUSE_SECONDS

SECONDS = 10.0
"""How long a provider may be silent."""
NO_ANSWER = "no answer in time"
CREDENTIALS_PAUSE = timedelta(seconds=CREDENTIALS_PAUSE_SECONDS)
AS_IT_IS = {"accept-encoding": "identity"}
"""Of every request: an answer is read whole, so none is asked for that grows as it is unpacked."""

# The request did not leave: no connection was made, or none was free, or its address is none.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_AGES = 10**8
"""Seconds; whoever asks for more means "much later"."""


def patience(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=5, pool=5)


async def answered(request: Awaitable[httpx.Response], seconds: float) -> httpx.Response | Retry | Unknown:
    """The response, or why there is none. It takes no more than twice `seconds` in all: httpx counts from one sign of
    life of a connection to the next, and on one that others share, or that drips, a request could wait for ever."""
    try:
        async with asyncio.timeout(2 * seconds):
            return await request
    except _NOT_SENT as error:
        return Retry(_named(error))
    except (httpx.TimeoutException, TimeoutError) as error:
        return Unknown(f"{NO_ANSWER} ({type(error).__name__})")
    except Exception as error:
        # Not httpx's own alone: where a server closes while we write, anyio's come through (ClosedResourceError,
        # EndOfStream ...). Whatever it is, it may have come after the request was taken.
        return Unknown(_named(error))


def unanswered(outcome: object) -> bool:
    """Whether the connection broke under a request; one that was silent is not worth asking again at once."""
    return isinstance(outcome, Unknown) and not outcome.reason.startswith(NO_ANSWER)


def json_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty for a body that is empty, or anything else."""
    try:
        body = msgspec.json.decode(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def told(response: httpx.Response) -> str:
    """Status and the beginning of the body, whatever that is and claims to be."""
    return f"{response.status_code} {response.content[:200].decode(errors='replace')}".strip()


def wish(response: httpx.Response, now: datetime) -> timedelta | None:
    """The provider's `Retry-After`, in seconds or as a date; None where it has none, or none that can be read."""
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return timedelta(seconds=int(given) if len(given) < len(str(_AGES)) else _AGES)
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta())


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
