"""Short messages by one HTTP gateway, whose request an operator writes as a template.

A gateway may have sent what it answers 500 to, and nothing hides a second message. No status of HTTP says that a number
is no more, so none is ever forgotten.
"""

from __future__ import annotations

import re
from urllib.parse import quote_plus

import httpx
import msgspec

from core.clock import Clock
from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, Unknown
from core.member_devices import DeviceChannel
from push.channels.contract import Message
from push.channels.http import AS_IT_IS, CREDENTIALS_PAUSE, SECONDS, answered, patience, told, wish

MAX_TEXT = 300
"""Two parts of a Latin message, and some more of a Chinese one."""
_OPERATORS = (401, 403, 410)
"""About our key, or about the gateway's address, which is gone once its API is retired: somebody may mend either."""
_PLACE = re.compile(r"\{(to|text|id)\}")


class Sms:
    """`template` has `{to}`, `{text}` and perhaps `{id}`: JSON where it begins with a brace, else a form."""

    name: DeviceChannel = "sms"
    hides_repeats = False
    at_once = 8

    def __init__(self, url: str, template: str, header: str, clock: Clock, *, seconds: float = SECONDS) -> None:
        self._url, self._template, self._clock, self._seconds = url, template, clock, seconds
        self._json = template.lstrip().startswith("{")
        name, _, value = header.partition(":")
        self._headers = {name.strip(): value.strip()} if name else {}
        self._client = httpx.AsyncClient(headers=AS_IT_IS, timeout=patience(seconds))

    async def send(self, message: Message) -> Outcome:
        kind = "application/json" if self._json else "application/x-www-form-urlencoded"
        headers = {**self._headers, "content-type": kind, "idempotency-key": str(message.reference)}
        request = self._client.post(self._url, content=self._content(message), headers=headers)
        response = await answered(request, self._seconds)
        return self._outcome(response) if isinstance(response, httpx.Response) else response

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        said = told(response)
        if 200 <= status < 300:
            return Delivered(said)
        if status in _OPERATORS:
            return Retry(said, CREDENTIALS_PAUSE)
        if status in (429, 503):
            return Retry(said, wish(response, self._clock()))
        return Unknown(said) if status >= 500 else Rejected(said)

    def _content(self, message: Message) -> bytes:
        text = " ".join(f"{message.title} {message.body}".split())[:MAX_TEXT]
        values = {"to": message.device.token, "text": text, "id": str(message.reference)}
        # In one pass, so that a text with braces of its own is not filled in again.
        return _PLACE.sub(lambda place: self._escaped(values[place[1]]), self._template).encode()

    def _escaped(self, value: str) -> str:
        return msgspec.json.encode(value).decode()[1:-1] if self._json else quote_plus(value)

    async def close(self) -> None:
        await self._client.aclose()
