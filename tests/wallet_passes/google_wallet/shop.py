"""What a test does to a member's pass at Google, and what it finds there."""

from __future__ import annotations

import json
from typing import Any

from bff.demo.wallets.google import ISSUER, Answer, GoogleWallet, Update
from tests.bff.house import House, Shopper, bearer, fresh, until


async def save(house: House, who: Shopper) -> str:
    answer = await house.http.get("/web/v1/passes/google", headers=bearer(house.token("web", who.member)))
    assert answer.status_code == 200, answer.text
    link: str = answer.json()["url"]
    return link


async def called_back(house: House, google: GoogleWallet, who: Shopper, event: str, **how: Any) -> int:
    body = google.callback(name(who), event, nonce=how.pop("nonce", fresh("nonce")), **how)
    return (await house.http.post("/google/v1/callbacks", content=body)).status_code


def name(who: Shopper) -> str:
    return f"{ISSUER}.member-{who.member}"


def updates(google: GoogleWallet, who: Shopper) -> list[Update]:
    return [one for one in google.updates if one.id == name(who)]


async def updated(google: GoogleWallet, who: Shopper, points: int) -> Update:
    """The update that brought the object to `points`."""
    await until(lambda: updates(google, who)[-1].points == points, f"Google has {points} points")
    return next(one for one in updates(google, who) if one.points == points)


async def adjust(house: House, who: Shopper, points: int) -> int:
    return int((await house.adjust(who, points))["balance"])


def error(status: int, name: str, message: str = "", **headers: str) -> Answer:
    body = {"error": {"code": status, "status": name, "message": message}}
    return Answer(status, json.dumps(body).encode(), headers=headers)
