"""Apple passes of a house's members, asked for as a device would, and everything that such a request could write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import httpx

from core.database import connected
from tests.bff.house import House, Shopper, bearer

KIND = "pass.dev.chorus.loyalty"
DEVICE = "d" * 32
PUSH = json.dumps({"pushToken": "ab" * 32})


@dataclass(frozen=True)
class Card:
    """A member's pass, as a device knows it."""

    serial: str
    token: str
    modified: str

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"ApplePass {self.token}"}

    def registration(self, device: str = DEVICE, kind: str = KIND) -> str:
        return f"/apple/v1/devices/{device}/registrations/{kind}/{self.serial}"

    @property
    def path(self) -> str:
        return f"/apple/v1/passes/{KIND}/{self.serial}"


async def card(house: House, who: Shopper | None = None) -> Card:
    who = who or await house.enrol()
    answer = await house.http.get("/app/v1/passes/apple", headers=bearer(house.token("app", who.member)))
    with ZipFile(BytesIO(answer.content)) as archive:
        content = json.loads(archive.read("pass.json"))
    return Card(content["serialNumber"], content["authenticationToken"], answer.headers["last-modified"])


async def register(house: House, one: Card, device: str = DEVICE, push: str = "ab" * 32) -> httpx.Response:
    return await house.http.post(
        one.registration(device), content=json.dumps({"pushToken": push}), headers=one.authorization
    )


async def tables(house: House) -> dict[str, Any]:
    """Everything that such a request could write."""
    names = ("wallet_pass", "wallet_tag", "pass_device", "pass_log", "delivery", "member_device")
    async with connected(house.services.database) as connection:
        return {name: await connection.fetch(f"SELECT * FROM {name}") for name in names}


async def count(house: House, condition: str, *values: object) -> int:
    async with connected(house.services.database) as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {condition}", *values))
