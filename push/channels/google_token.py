"""An access token of a Google service account: fetched by one caller at a time, kept until shortly before its end.

google-auth signs and reads in a thread; its request is made on the event loop, where it can be given up: a thread that
waits for a server that drips would keep all who want the token, and the end of the process, waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import httpx
from google.auth import exceptions, transport
from google.oauth2 import service_account

from core.clock import Clock
from core.settings import OperatorError

RENEW_BEFORE = timedelta(minutes=5)
SECONDS = 10.0
"""How long the token's server may be silent, and half of how long it may take in all."""
_LATER = (408, 429, 500, 502, 503, 504)


class NoToken(Exception):
    """Google gave none; `again` says whether that may change by itself."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class GoogleToken:
    """`variable` names the setting of the file, for the operator."""

    def __init__(self, path: str, variable: str, scope: str, clock: Clock, *, seconds: float = SECONDS) -> None:
        try:
            made = service_account.Credentials.from_service_account_file(path, scopes=[scope])  # type: ignore[no-untyped-call]
        except (ValueError, OSError) as error:
            raise OperatorError(f"{variable}: {Path(path)} is no service account's key file ({error})") from None
        self._credentials: Any = made
        self._clock, self._seconds = clock, seconds
        self._fetching: asyncio.Task[None] | None = None

    @property
    def project(self) -> str:
        return str(self._credentials.project_id or "")

    @property
    def email(self) -> str:
        return str(self._credentials.service_account_email)

    def sign(self, message: bytes) -> bytes:
        """The account's own RSA signature, for a link that only it can make."""
        return bytes(self._credentials.signer.sign(message))

    async def __call__(self) -> str:
        """Raises `NoToken`."""
        if not self._good():
            if self._fetching is None or self._fetching.done():
                request = _Request(asyncio.get_running_loop(), self._seconds)
                self._fetching = asyncio.create_task(asyncio.to_thread(self._fetch, request))
            await asyncio.shield(self._fetching)
        return str(self._credentials.token)

    def refused(self) -> None:
        """The token was not taken: fetch another at the next call."""
        self._credentials.token = None

    def _good(self) -> bool:
        credentials = self._credentials
        if not credentials.token or credentials.expiry is None:
            return False
        return bool(self._clock() < credentials.expiry.replace(tzinfo=UTC) - RENEW_BEFORE)

    def _fetch(self, request: _Request) -> None:
        try:
            self._credentials.refresh(request)
        except exceptions.GoogleAuthError as error:
            raise NoToken(str(error.args[0] if error.args else error), again=bool(error.retryable)) from None
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            # The library reads the answer as if nobody but Google could have given it.
            raise NoToken(f"an answer that cannot be read ({type(error).__name__})", again=True) from None


class _Response(transport.Response):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.content


class _Request(transport.Request):
    """google-auth's transport, on the HTTP client that everything else here uses. It fails at once where the library
    would wait and ask again: whoever wants the token has a better pause."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop, self._seconds = loop, seconds

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> transport.Response:
        # Made here, not on the loop: it reads all authorities.
        client = httpx.AsyncClient(timeout=self._seconds)
        asked = self._asked(client, method, url, content=body, headers=dict(headers or {}))
        try:
            response = asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        except Exception as error:  # concurrent.futures' CancelledError is one: the process ends
            raise _later(f"{type(error).__name__}: {error}") from error
        if response.status_code in _LATER:
            raise _later(f"the token's server answered {response.status_code}")
        return _Response(response)

    async def _asked(self, client: httpx.AsyncClient, method: str, url: str, **sent: Any) -> httpx.Response:
        async with asyncio.timeout(2 * self._seconds), client:
            return await client.request(method, url, **sent)


def _later(reason: str) -> exceptions.TransportError:
    return exceptions.TransportError(reason, retryable=True)  # type: ignore[no-untyped-call]
