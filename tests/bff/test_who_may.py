"""A token opens what it was made for and nothing else: another surface, another member, another day, another key."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest

from bff.auth import SESSION_COOKIE, Principal, Tokens
from core import devices
from tests.bff.house import House, Shopper, bearer, fresh, receipt_token, until_async
from tests.bff.test_bad_input import must_be_problem
from tests.conftest import SettableClock

ROUTES = [
    ("app", "GET", "/app/v1/me"),
    ("app", "GET", "/app/v1/activity"),
    ("app", "POST", "/app/v1/holds"),
    ("web", "GET", "/web/v1/me"),
    ("wallet", "GET", "/wallet/v1/me"),
    ("kiosk", "GET", "/kiosk/v1/me"),
    ("kiosk", "POST", "/kiosk/v1/session"),
    ("pos", "GET", "/pos/v1/members?kind=card&value=NOBODY"),
    ("pos", "POST", "/pos/v1/purchases/p1-1/returns"),
    ("staff", "POST", "/staff/v1/members/1/adjustments"),
    ("staff", "POST", "/staff/v1/members/1/merge"),
    ("admin", "GET", "/admin/v1/programme"),
    ("admin", "GET", "/admin/v1/programme/revisions/1"),
    ("admin", "POST", "/admin/v1/programme/check"),
    ("admin", "POST", "/admin/v1/programme/diff"),
    ("admin", "POST", "/admin/v1/programme/simulate"),
    ("admin", "POST", "/admin/v1/programme/publish"),
    ("admin", "POST", "/admin/v1/programme/rollback"),
]
BODIES: dict[str, Any] = {
    "/app/v1/holds": {"reward": "off5"},
    "/kiosk/v1/session": {"code": "071432981175"},
    "/pos/v1/purchases/p1-1/returns": {"id": "R"},
    "/staff/v1/members/1/adjustments": {"points": 1, "reason": "x"},
    "/staff/v1/members/1/merge": {"other": "2", "reason": "x"},
    "/admin/v1/programme/check": {"source": "x"},
    "/admin/v1/programme/diff": {"revision": 1},
    "/admin/v1/programme/simulate": {"source": "x"},
    "/admin/v1/programme/publish": {"source": "x"},
    "/admin/v1/programme/rollback": {"revision": 1},
}


def forged(house: House, surface: str, **changes: Any) -> str:
    """A token like ours, signed by somebody else, or with other claims."""
    claims = {
        "iss": "chorus",
        "aud": surface,
        "exp": int((house.clock() + timedelta(days=1)).timestamp()),
        "who": {"surface": surface, "member": 1000},
    }
    secret = changes.pop("secret", "s" * 32)
    return jwt.encode({**claims, **changes}, secret, algorithm=changes.pop("algorithm", "HS256"))


@pytest.mark.parametrize(("surface", "method", "path"), ROUTES)
async def test_a_route_opens_to_no_other_token(house: House, surface: str, method: str, path: str) -> None:
    """None, garbage, another secret's, an expired one, one of every other surface, and an unsigned one."""

    async def ask(given: Mapping[str, str | bytes]) -> Any:
        headers: Any = {**given, "Idempotency-Key": fresh("key")}
        return await house.http.request(method, path, json=BODIES.get(path), headers=headers)

    before = await house.ledger()
    refused = await ask({})
    must_be_problem(refused, 401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    unsigned = jwt.encode({"aud": surface}, None, algorithm="none")
    long_ago = Tokens("s" * 32, SettableClock(house.clock() - timedelta(days=2)))
    expired = long_ago.issue(Principal(surface, member=1000), timedelta(days=2))
    for wrong, code in (
        ("x", "unauthenticated"),
        (unsigned, "unauthenticated"),
        (forged(house, surface, secret="t" * 32), "unauthenticated"),
        (forged(house, surface, iss="other"), "unauthenticated"),
        (forged(house, surface, who={"surface": surface, "member": "1000"}), "unauthenticated"),
        (forged(house, surface, exp="never"), "unauthenticated"),
        (expired, "token_expired"),
    ):
        must_be_problem(await ask(bearer(wrong)), 401, code)
    for header in ("Basic YTpi", "Bearer", b"Bearer \xe9\xff"):
        must_be_problem(await ask({"Authorization": header}), 401, "unauthenticated")
    for other in {"app", "web", "wallet", "kiosk", "pos", "staff", "admin"} - {surface}:
        must_be_problem(await ask(bearer(house.token(other, 1000, device="d"))), 403, "wrong_surface")
    disguised = forged(house, surface, who={"surface": "wallet" if surface != "wallet" else "app", "member": 1000})
    must_be_problem(await ask(bearer(disguised)), 403, "wrong_surface")
    assert await house.ledger() == before


async def test_a_member_cannot_reach_another(house: House) -> None:
    """There is no way to name one: the member is the token's; a hold of another's is simply not open."""
    ada, bob = await house.enrol("Ada"), await house.enrol("Bob")
    await house.adjust(ada, 3_000)
    held = await house.hold(ada)
    bobs = bearer(house.token("app", bob.member))
    me = await house.http.get("/app/v1/me", params={"member": ada.member, "code": ada.code}, headers=bobs)
    assert me.json()["view"]["member"]["code"] == bob.code
    stolen = await house.http.post(
        f"/app/v1/holds/{held['hold_id']}/void", headers={**bobs, "Idempotency-Key": fresh("key")}
    )
    must_be_problem(stolen, 409, "hold_not_open")
    must_be_problem(
        await house.http.get("/app/v1/me", headers=bearer(house.token("app", 999_999))), 404, "unknown_member"
    )


async def test_points_by_hand_need_the_scope(house: House) -> None:
    who = await house.enrol()
    headers = {**bearer(house.token("staff", device="desk-1", scopes=("backdate",))), "Idempotency-Key": fresh("key")}
    path = f"/staff/v1/members/{who.member}/adjustments"
    refused = await house.http.post(path, json={"points": 1, "reason": "x"}, headers=headers)
    must_be_problem(refused, 403, "scope_missing")


async def test_a_revoked_device_is_out_within_a_turn_of_the_repair_lane(house: House) -> None:
    token = bearer(await house.kiosk())
    assert (await house.http.get("/kiosk/v1/me", headers=token)).status_code == 200
    device = f"{fresh('kiosk').rpartition('-')[0]}-{int(fresh('x').rpartition('-')[2]) - 2}"
    await devices.revoke(house.services.database, device, house.clock())

    async def out() -> bool:
        return (await house.http.get("/kiosk/v1/me", headers=token)).status_code == 403

    await until_async(out, "the revoked device is refused")
    must_be_problem(await house.http.get("/kiosk/v1/me", headers=token), 403, "device_revoked")


@pytest.fixture(scope="module")
async def receipt(house: House) -> str:
    return receipt_token(await house.buy(await house.enrol()))


def _tampered(token: str) -> list[str]:
    raw = bytearray(base64.urlsafe_b64decode(token))
    flipped = []
    for place in range(len(raw)):
        copy = bytearray(raw)
        copy[place] ^= 1
        flipped.append(base64.urlsafe_b64encode(copy).decode())
    return [*flipped, token[:-4], token + "AAAA", token.lower(), "A" * 28, "é" * 28, "x", "%00"]


async def test_a_receipts_link_opens_only_itself(house: House, receipt: str) -> None:
    """Any one byte of it changed, cut, lengthened or guessed: 404, for page, picture and JSON alike."""
    assert (await house.http.get(f"/r/{receipt}")).status_code == 200
    for wrong in _tampered(receipt):
        must_be_problem(await house.http.get(f"/r/{wrong}/receipt.json"), 404, "unknown_receipt")
    for ending in ("", "/receipt.png"):
        must_be_problem(await house.http.get(f"/r/{_tampered(receipt)[0]}{ending}"), 404, "unknown_receipt")
    ours = house.services.tokens.receipt_token(1000, 999_999)
    must_be_problem(await house.http.get(f"/r/{ours}/receipt.json"), 404, "unknown_receipt")


async def signed_in(house: House, who: Shopper) -> dict[str, str]:
    """The cookie that the card page's link leaves."""
    answer = await house.http.get("/card", params={"token": house.token("web", who.member)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/card")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    house.http.cookies.clear()
    return {"Cookie": cookie.partition(";")[0]}


async def test_the_web_signs_in_by_a_cookie_and_writes_only_from_our_pages(house: House) -> None:
    """Reading works with the cookie alone; a change needs our Origin too; another surface's token signs nobody in."""
    who = await house.enrol()
    await house.adjust(who, 9_000)
    cookie = await signed_in(house, who)
    page = await house.http.get("/card", headers=cookie)
    assert (page.status_code, who.code in page.text.replace(" ", "")) == (200, True)
    assert (await house.http.get("/web/v1/me", headers=cookie)).json()["view"]["balance"]["points"] == 9_000
    for origin, status in ((None, 403), ("https://evil.example", 403), ("null", 403), (house.url, 201)):
        headers = {**cookie, "Idempotency-Key": fresh("key"), **({"Origin": origin} if origin else {})}
        answer = await house.http.post("/web/v1/holds", json={"reward": "off5"}, headers=headers)
        assert answer.status_code == status, (origin, answer.text)
    assert (await house.http.get("/app/v1/me", headers=cookie)).status_code == 401
    wrong = await house.http.get("/card", params={"token": house.token("app", who.member)})
    assert wrong.status_code in (401, 403)
    assert "set-cookie" not in wrong.headers
    forged_cookie = {"Cookie": f"{SESSION_COOKIE}=x"}
    assert (await house.http.get("/card", headers=forged_cookie)).status_code == 401
    assert (await house.http.get("/card")).status_code == 401
