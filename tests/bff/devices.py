"""A member's devices, as the member's app or page registers, lists and revokes them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import httpx

from tests.bff.house import House, Shopper, bearer

numbers = itertools.count(1)
"""No two tests get the same one, in whichever module."""


def hexes() -> str:
    """A device token nobody had before."""
    return f"abcdef{next(numbers):058x}"


class Hand:
    """What a member's app or page sends."""

    def __init__(self, house: House, who: Shopper, surface: str = "app") -> None:
        self.house, self.who, self.surface = house, who, surface
        self.path = f"/{surface}/v1/devices"
        self.headers = bearer(house.token(surface, who.member))

    async def post(self, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        right = {"channel": "apns", "app": "com.example.chorus", "token": hexes()}
        sent = {name: value for name, value in {**right, **body}.items() if value is not ...}
        return await self.house.http.post(self.path, json=sent, headers={**self.headers, **(headers or {})})

    async def register(self, **body: Any) -> dict[str, Any]:
        answer = await self.post(**body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def listed(self) -> list[dict[str, Any]]:
        answer = await self.house.http.get(self.path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def revoke(self, id: object) -> httpx.Response:
        return await self.house.http.delete(f"{self.path}/{id}", headers=self.headers)
