"""Google Wallet's REST interface: classes and objects, made or changed, within the quota.

An upsert is a PATCH; what is not there (404) is made by POST, and what somebody made meanwhile (409) is patched again.
All requests share one allowance a second, which is the quota divided by the processes that send, and wait in one line for
it. Who would wait for long is told to come back; who gives up has taken nobody's turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal

import httpx
import msgspec

from core.allowance import Allowance
from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, Unknown

Kind = Literal["loyaltyClass", "loyaltyObject"]
CREDENTIALS_PAUSE = timedelta(minutes=5)
SECONDS = 10.0
"""How long Google may be silent, and half of how long a request may take in all: httpx counts from one sign of life to
the next, and a server that drips would never be given up."""
LONGEST_WAIT = 10.0
"""Seconds in the line: a member waits for its link no longer, and updates that fail have pauses of their own."""
_QUOTA = "QuotaExceededException"

# The request did not leave: no connection was made, or none was free, or its address is none.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)


class NotAuthorized(Exception):
    """There is no access token; `after` is how long to wait for one."""

    def __init__(self, reason: str, after: timedelta | None) -> None:
        super().__init__(reason)
        self.after = after


Token = Callable[[], Awaitable[str]]
"""An access token. Raises `NotAuthorized`."""


class QuotaExceeded(msgspec.Struct, frozen=True):
    """No more notifications of this pass today; the change itself was not made."""


class ClassGone(msgspec.Struct, frozen=True):
    """An object was not taken because Google does not know its class."""

    reason: str


class GoogleClient:
    def __init__(
        self,
        url: str,
        token: Token,
        refused: Callable[[], None],
        allowance: Allowance,
        *,
        seconds: float = SECONDS,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        self._token, self._refused, self._allowance = token, refused, allowance
        self._seconds, self._longest_wait, self._line = seconds, longest_wait, asyncio.Lock()
        patience = httpx.Timeout(seconds, connect=5, pool=5)
        self._client = httpx.AsyncClient(base_url=f"{url}/walletobjects/v1/", http2=True, timeout=patience)

    async def upsert(self, kind: Kind, body: dict[str, Any]) -> Outcome | QuotaExceeded | ClassGone:
        """`body` has its id."""
        path = f"{kind}/{body['id']}"
        for method, where in (("PATCH", path), ("POST", kind), ("PATCH", path)):
            answer = await self._request(method, where, body)
            if not isinstance(answer, httpx.Response):
                return answer
            if _names_class(answer, body):
                return ClassGone(_told(answer))
            missing = method == "PATCH" and answer.status_code == 404
            taken = method == "POST" and answer.status_code == 409
            if not missing and not taken:
                return self._outcome(answer)
        return Retry("404 after it was there a moment ago")

    async def close(self) -> None:
        await self._client.aclose()

    async def _request(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response | Retry | Unknown:
        try:
            headers = {"authorization": f"Bearer {await self._token()}"}
        except NotAuthorized as error:
            return Retry(f"no access token: {error}", error.after)
        if not await self._turn():
            return Retry(f"no turn within {self._longest_wait:g} s")
        try:
            async with asyncio.timeout(2 * self._seconds):
                return await self._client.request(method, path, json=body, headers=headers)
        except _NOT_SENT as error:
            return Retry(f"{type(error).__name__}: {error}")
        except Exception as error:
            # Not httpx's own alone: where a server closes while we write, anyio's come through. Whatever it is, it may
            # have come after the request was taken.
            return Unknown(f"{type(error).__name__}: {error}")

    async def _turn(self) -> bool:
        """Whether the turn of the next in the line came in time."""
        try:
            async with asyncio.timeout(self._longest_wait), self._line:
                while seconds := self._allowance.wait(only_now=True):  # noqa: ASYNC110 - what comes is time
                    await asyncio.sleep(seconds)
        except TimeoutError:
            return False
        return True

    def _outcome(self, answer: httpx.Response) -> Outcome | QuotaExceeded:
        status = answer.status_code
        if status == 200:
            return Delivered()
        told = _told(answer)
        if _QUOTA in answer.text:
            return QuotaExceeded()
        if status == 401:
            self._refused()
            return Retry(told)
        if status == 403:
            return Retry(f"{told}: look at the service account's role in the wallet console", CREDENTIALS_PAUSE)
        if status == 429 or status >= 500:
            return Retry(told, _wish(answer))
        return Rejected(told)


def _names_class(answer: httpx.Response, body: dict[str, Any]) -> bool:
    """Whether an object is refused for its class: by the exception's name, or by the class's own."""
    if answer.status_code not in (400, 404) or "classId" not in body:
        return False
    return "classnotfound" in answer.text.lower() or body["classId"] in answer.text


def _wish(answer: httpx.Response) -> timedelta | None:
    given = answer.headers.get("retry-after", "")
    return timedelta(seconds=int(given)) if given.isascii() and given.isdigit() and len(given) < 9 else None


def _told(answer: httpx.Response) -> str:
    return f"{answer.status_code} {_reason(answer)}".strip()


def _reason(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
        return f"{error.get('status', '')} {error.get('message', '')}".strip()[:300]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return answer.text[:200]
