"""Each other request, wrong in each of its fields: refused in the same words, and nothing is written."""

from __future__ import annotations

import json

import pytest

from tests.bff.house import House, Shopper, bearer, fresh
from tests.bff.problems import must_be_problem

NUL = "a\0b"

# method, path ("{m}" is the member), body, who, status, code, pointer ("" where no field is named)
OTHERS: list[tuple[str, str, object, str, int, str, str | None]] = [
    ("POST", "/pos/v1/members", {"id": "e", "locale": "fr"}, "pos", 422, "invalid_input", "/locale"),
    ("POST", "/pos/v1/members", {"id": "e", "display_name": NUL}, "pos", 422, "invalid_input", "/display_name"),
    ("POST", "/pos/v1/members", {"id": "e", "display_name": "x" * 201}, "pos", 422, "invalid_input", "/display_name"),
    (
        "POST",
        "/pos/v1/members",
        {"id": "e", "identifiers": [{"kind": "email", "value": "a\0@b.cd"}]},
        "pos",
        422,
        "invalid_input",
        "/identifiers/0/value",
    ),
    (
        "POST",
        "/pos/v1/members",
        {"id": "e", "identifiers": [{"kind": "code", "value": "071432981175"}]},
        "pos",
        422,
        "invalid_input",
        "/identifiers",
    ),
    (
        "POST",
        "/pos/v1/members",
        {"id": "e", "identifiers": [{"kind": "card", "value": "NINE1"}, {"kind": "card", "value": "nine 1"}]},
        "pos",
        422,
        "invalid_input",
        "/identifiers/1",
    ),
    (
        "POST",
        "/pos/v1/members",
        {"id": "e", "identifiers": [{"kind": "card", "value": f"CARD{i}"} for i in range(9)]},
        "pos",
        422,
        "invalid_input",
        "/identifiers",
    ),
    (
        "POST",
        "/pos/v1/members/{m}/identifiers",
        {"identifier": {"kind": "phone", "value": "12"}},
        "pos",
        422,
        "invalid_input",
        "/identifier/value",
    ),
    (
        "POST",
        "/pos/v1/members/999999999/identifiers",
        {"identifier": {"kind": "card", "value": "FREE1"}},
        "pos",
        404,
        "unknown_member",
        None,
    ),
    ("POST", "/pos/v1/members/{m}/holds", {"reward": "moon"}, "pos", 404, "unknown_reward", "/reward"),
    ("POST", "/pos/v1/members/{m}/holds", {"reward": "box"}, "pos", 409, "insufficient_points", None),
    ("POST", "/pos/v1/members/{m}/holds", {}, "pos", 422, "invalid_input", "/reward"),
    ("POST", "/pos/v1/members/x/holds", {"reward": "off5"}, "pos", 422, "invalid_input", "/member"),
    ("POST", "/pos/v1/members/1/holds", {"reward": "off5"}, "pos", 404, "unknown_member", None),
    ("POST", "/pos/v1/members/{m}/holds/99/capture", None, "pos", 409, "hold_not_open", None),
    ("POST", "/pos/v1/members/{m}/holds/-1/capture", None, "pos", 422, "invalid_input", "/hold"),
    ("POST", "/pos/v1/members/{m}/holds/{h}/void", {"reason": NUL}, "pos", 422, "invalid_input", "/reason"),
    ("POST", "/pos/v1/members/{m}/holds/{h}/void", {"reason": "x" * 501}, "pos", 422, "invalid_input", "/reason"),
    ("GET", "/pos/v1/members?kind=name&value=1", None, "pos", 422, "invalid_input", "/kind"),
    ("GET", "/pos/v1/members?kind=email&value=a%00@b.cd", None, "pos", 422, "invalid_input", "/value"),
    ("GET", "/pos/v1/members?kind=card&value=NOBODY", None, "pos", 404, "unknown_member", None),
    ("GET", "/pos/v1/members?kind=card", None, "pos", 422, "invalid_input", "/value"),
    (
        "POST",
        "/staff/v1/members/{m}/adjustments",
        {"points": 0, "reason": "x"},
        "staff",
        422,
        "invalid_input",
        "/points",
    ),
    (
        "POST",
        "/staff/v1/members/{m}/adjustments",
        {"points": 10**30, "reason": "x"},
        "staff",
        422,
        "invalid_input",
        "/points",
    ),
    (
        "POST",
        "/staff/v1/members/{m}/adjustments",
        {"points": 1, "reason": " "},
        "staff",
        422,
        "invalid_input",
        "/reason",
    ),
    (
        "POST",
        "/staff/v1/members/{m}/adjustments",
        {"points": 1, "reason": NUL},
        "staff",
        422,
        "invalid_input",
        "/reason",
    ),
    (
        "POST",
        "/staff/v1/members/{m}/adjustments",
        {"points": -99_999, "reason": "x"},
        "staff",
        409,
        "insufficient_points",
        None,
    ),
    ("GET", "/app/v1/activity?limit=0", None, "app", 422, "invalid_input", "/limit"),
    ("GET", "/app/v1/activity?limit=101", None, "app", 422, "invalid_input", "/limit"),
    ("GET", "/app/v1/activity?limit=ten", None, "app", 422, "invalid_input", "/limit"),
    ("GET", "/app/v1/activity?cursor=!", None, "app", 422, "invalid_input", "/cursor"),
    (
        "GET",
        "/app/v1/activity?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        None,
        "app",
        422,
        "invalid_input",
        "/cursor",
    ),
    ("GET", "/app/v1/activity?cursor=%C3%A9", None, "app", 422, "invalid_input", "/cursor"),
    ("POST", "/app/v1/holds", {"reward": NUL}, "app", 404, "unknown_reward", "/reward"),
    ("POST", "/kiosk/v1/session", {"code": "1234"}, "kiosk", 422, "invalid_input", "/code"),
    ("POST", "/kiosk/v1/session", {"code": "000000000000"}, "kiosk", 404, "unknown_member", None),
    ("POST", "/kiosk/v1/session/touch", None, "kiosk", 409, "no_session", None),
    ("POST", "/kiosk/v1/holds", {"reward": "off5"}, "kiosk", 409, "no_session", None),
    ("GET", "/nothing", None, "pos", 404, "not_found", None),
    ("GET", "/pos/v1/purchases", None, "pos", 405, "method_not_allowed", None),
    ("GET", "/static/../pyproject.toml", None, "pos", 404, "not_found", None),
    ("GET", "/static/..%2f..%2fpyproject.toml", None, "pos", 404, "not_found", None),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "who", "status", "code", "pointer"),
    OTHERS,
    ids=[f"{i}-{row[0]}-{row[1]}-{row[5]}" for i, row in enumerate(OTHERS)],
)
async def test_every_other_request_refuses_alike(
    house: House,
    shopper: Shopper,
    method: str,
    path: str,
    body: object,
    who: str,
    status: int,
    code: str,
    pointer: str | None,
) -> None:
    held = await house.hold(shopper) if "{h}" in path else {"hold_id": "0"}
    tokens = {
        "pos": house.till,
        "staff": house.staff(),
        "app": bearer(house.token("app", shopper.member)),
        "kiosk": bearer(await house.kiosk()),
    }
    before = await house.ledger()
    answer = await house.http.request(
        method,
        path.format(m=shopper.member, h=held["hold_id"]),
        content=None if body is None else json.dumps(body),
        headers={**tokens[who], "Idempotency-Key": fresh("key"), "Content-Type": "application/json"},
    )
    problem = must_be_problem(answer, status, code)
    assert [error["pointer"] for error in problem.get("errors", [])] == ([] if pointer is None else [pointer])
    assert await house.ledger() == before
    if "{h}" in path:
        await house.post(f"/pos/v1/members/{shopper.member}/holds/{held['hold_id']}/void", {}, house.till)


@pytest.mark.parametrize("key", [b"", b"k" * 201, b"k\xa0k"], ids=["none", "long", "unprintable"])
async def test_a_change_without_a_usable_key_is_refused(house: House, shopper: Shopper, key: bytes) -> None:
    before = await house.ledger()
    path = f"/pos/v1/members/{shopper.member}/holds"
    headers: dict[bytes, bytes] = {name.encode(): value.encode() for name, value in house.till.items()}
    headers |= {b"Idempotency-Key": key} if key else {}
    answer = await house.http.post(path, json={"reward": "off5"}, headers=headers)
    must_be_problem(answer, 422, "key_required" if not key else "invalid_input")
    assert await house.ledger() == before
