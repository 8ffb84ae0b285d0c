"""The tills of the demo's shop: clients of the real HTTP API, with a till's patience.

A till repeats a purchase under the same key until it is told an answer; that is all a till has to do for no point to be
lost or doubled, whatever is restarted meanwhile.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from bff.auth import Principal, Tokens
from bff.demo.log import COUNTERS, Sale

PATIENCE_SECONDS = 60.0
LIFETIME = timedelta(days=7)


class Tills:
    """Use as an async context manager."""

    def __init__(self, url: str, tokens: Tokens, *, connections: int = 32) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(base_url=url, limits=limits, timeout=httpx.Timeout(30, pool=None))
        self._tokens = {
            (store, till): tokens.issue(
                Principal("pos", device=f"till-{store}-{till}", store=store, till=till, scopes=("backdate",)),
                LIFETIME,
            )
            for store, till in COUNTERS
        }

    async def __aenter__(self) -> Tills:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ring(self, sale: Sale) -> dict[str, Any]:
        """Ring a sale up; returns the till's answer. Raises `TillError`."""
        return await self._post("/pos/v1/purchases", sale.body(), (sale.store, sale.till))

    async def enrol(self, card: str, name: str) -> dict[str, Any]:
        body = {
            "id": f"enrol-{card}",
            "identifiers": [{"kind": "card", "value": card}],
            "locale": "en",
            "display_name": name,
        }
        return await self._post("/pos/v1/members", body, COUNTERS[0])

    async def _post(self, path: str, body: dict[str, Any], counter: tuple[str, str]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._tokens[counter]}"}
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        pause = 0.1
        while True:
            try:
                answer = await self._client.post(path, json=body, headers=headers)
                if answer.status_code in (200, 201):
                    found: dict[str, Any] = answer.json()
                    return found
                told = answer.text
                if answer.status_code < 500:
                    raise TillError(f"{path} answered {answer.status_code}: {told}")
            except httpx.TransportError as error:
                told = str(error) or type(error).__name__
            if asyncio.get_running_loop().time() > deadline:
                raise TillError(f"{path} did not answer for {PATIENCE_SECONDS:.0f} s: {told}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)


class TillError(Exception):
    """The shop cannot sell; the text says why in one line."""
