"""Google Wallet's REST interface: classes and objects, made or changed, within the quota.

An upsert is a PATCH; what is not there (404) is made by POST, and what somebody made meanwhile (409) is patched again.
All requests share one allowance a second, which is the quota divided by the processes that send.
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
_TIMEOUT = httpx.Timeout(10, connect=5, pool=5)
_QUOTA = "QuotaExceededException"


class NotAuthorized(Exception):
    """There is no access token; `after` is how long to wait for one."""

    def __init__(self, reason: str, after: timedelta | None) -> None:
        super().__init__(reason)
        self.after = after


Token = Callable[[], Awaitable[str]]
"""An access token. Raises `NotAuthorized`."""


class QuotaExceeded(msgspec.Struct, frozen=True):
    """No more notifications of this pass today; the change itself was not made."""


class GoogleClient:
    def __init__(self, url: str, token: Token, refused: Callable[[], None], allowance: Allowance) -> None:
        self._token, self._refused, self._allowance = token, refused, allowance
        self._client = httpx.AsyncClient(base_url=f"{url}/walletobjects/v1/", http2=True, timeout=_TIMEOUT)

    async def upsert(self, kind: Kind, body: dict[str, Any]) -> Outcome | QuotaExceeded:
        """`body` has its id."""
        path = f"{kind}/{body['id']}"
        for method, where in (("PATCH", path), ("POST", kind), ("PATCH", path)):
            answer = await self._request(method, where, body)
            if not isinstance(answer, httpx.Response):
                return answer
            missing = method == "PATCH" and answer.status_code == 404
            taken = method == "POST" and answer.status_code == 409
            if not missing and not taken:
                return self._outcome(answer)
        return Retry("404 after it was there a moment ago")

    async def get(self, kind: Kind, id: str) -> dict[str, Any] | None:
        """What Google has; None where it has nothing or does not answer."""
        answer = await self._request("GET", f"{kind}/{id}", None)
        if not isinstance(answer, httpx.Response) or answer.status_code != 200:
            return None
        found: dict[str, Any] = answer.json()
        return found

    async def close(self) -> None:
        await self._client.aclose()

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | Retry | Unknown:
        try:
            headers = {"authorization": f"Bearer {await self._token()}"}
        except NotAuthorized as error:
            return Retry(f"no access token: {error}", error.after)
        await asyncio.sleep(self._allowance.wait())
        try:
            return await self._client.request(method, path, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Retry(f"{type(error).__name__}: {error}")
        except httpx.HTTPError as error:
            return Unknown(f"{type(error).__name__}: {error}")

    def _outcome(self, answer: httpx.Response) -> Outcome | QuotaExceeded:
        status = answer.status_code
        if status == 200:
            return Delivered()
        told = f"{status} {_reason(answer)}".strip()
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


def _wish(answer: httpx.Response) -> timedelta | None:
    given = answer.headers.get("retry-after", "")
    return timedelta(seconds=int(given)) if given.isascii() and given.isdigit() and len(given) < 9 else None


def _reason(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
        return f"{error.get('status', '')} {error.get('message', '')}".strip()[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:200]
