"""A quote is what the purchase then does, on every surface, and changes nothing; garbage is named by its field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.programme.validation import default_document
from tests.bff.house import House, Shopper, bearer, fresh
from tests.bff.test_bad_input import must_be_problem

LINE = {"sku": "CD", "quantity": 2, "amount": 6_000, "name": "Compact disc"}
BASKET: dict[str, Any] = {"channel": "store", "currency": "USD", "total": 6_000, "lines": [LINE]}


async def _voucher(house: House, who: Shopper) -> str:
    app = bearer(house.token("app", who.member))
    return str((await house.post("/app/v1/claims", {"reward": "voucher10"}, app))["code"])


async def _quote(house: House, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    answer = await house.http.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_is_quoted_is_what_the_purchase_does(house: House) -> None:
    who = await house.enrol()
    await house.adjust(who, 8_000)
    code = await _voucher(house, who)
    member = {"kind": "code", "value": who.code}
    body = {**BASKET, "points": 500, "vouchers": [code]}
    before = await house.ledger()
    quoted = await _quote(house, "/pos/v1/quotes", {**body, "member": member}, house.till)
    assert await house.ledger() == before
    assert (quoted["earned"], quoted["due"], quoted["balance_after"]) == (490, 4_900, 3_000 - 500 + 490)
    assert [(one["rule"], one["points"]) for one in quoted["awards"]] == [("base", 490)]
    assert (quoted["most_points"], quoted["most_amount"]) == (3_000, 600)
    bought = await house.buy(who, total=6_000, quantity=2, points=500, vouchers=[code])
    assert (bought["earned"], bought["due"], bought["balance"]) == (490, 4_900, quoted["balance_after"])
    back = await house.post(f"/pos/v1/purchases/{bought['purchase_id']}/returns", {"id": fresh("R")}, house.till)
    assert (back["refund"], back["points_given_back"], back["balance"]) == (4_900, 500, 3_000)
    shown = await house.http.get(f"/pos/v1/vouchers/{code}", headers=house.till)
    assert (shown.json()["state"], shown.json()["uses_left"]) == ("good", 1)


async def test_a_used_voucher_is_refused_as_the_purchase_would(house: House) -> None:
    who = await house.enrol()
    await house.adjust(who, 8_000)
    body = {**BASKET, "vouchers": [await _voucher(house, who)], "member": {"kind": "code", "value": who.code}}
    await house.buy(who, total=6_000, quantity=2, vouchers=body["vouchers"])
    bought = {**house.purchase_body(who, total=6_000, quantity=2), "vouchers": body["vouchers"]}
    for path, sent in (("/pos/v1/quotes", body), ("/pos/v1/purchases", bought)):
        refused = await house.http.post(path, json=sent, headers=house.till)
        problem = must_be_problem(refused, 409, "voucher_not_good")
        assert [error["pointer"] for error in problem["errors"]] == ["/vouchers/0"], path


async def test_a_piece_that_just_came_back_is_on_offer(own_house: House) -> None:
    """The last one was on the member's own hold, whose time is over: the next command gives it back."""
    flash = '[[rewards]]\nid = "last"\nname = { en = "The last" }\nstub = { en = "1" }\npoints = 10\nstock = 1\n\n'
    source = default_document().replace("[[member_prices]]", flash + "[[member_prices]]", 1)
    await own_house.post("/admin/v1/programme/publish", {"source": source}, own_house.owner("programme"))
    who = await own_house.enrol()
    await own_house.adjust(who, 100)
    await own_house.hold(who, "last")
    body = {**BASKET, "member": {"kind": "code", "value": who.code}}
    offered = []
    for minutes in (0, 20):
        own_house.clock.forward(minutes=minutes)
        quoted = await _quote(own_house, "/pos/v1/quotes", body, own_house.till)
        offered.append("last" in [one["id"] for one in quoted["rewards"]])
    assert offered == [False, True]


async def test_every_surface_quotes_the_same(house: House) -> None:
    who = await house.enrol()
    await house.adjust(who, 2_000)
    member = {"kind": "code", "value": who.code}
    kiosk = bearer(await house.kiosk(who))
    answers = [
        await _quote(house, "/pos/v1/quotes", {**BASKET, "member": member}, house.till),
        await _quote(house, "/app/v1/quotes", BASKET, bearer(house.token("app", who.member))),
        await _quote(house, "/web/v1/quotes", BASKET, bearer(house.token("web", who.member))),
        await _quote(house, "/kiosk/v1/quotes", BASKET, kiosk),
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["version"] == 2


async def test_a_reason_is_one_row_whatever_the_rates_of_its_lines(own_house: House) -> None:
    vinyl = '[[earn.rules]]\nid = "vinyl"\nname = { en = "Vinyl" }\nsku = "LP"\npoints_per_unit = "20"\n\n'
    source = default_document().replace("[[earn.rules]]", vinyl + "[[earn.rules]]", 1)
    await own_house.post("/admin/v1/programme/publish", {"source": source}, own_house.owner("programme"))
    own_house.clock.now = datetime(2026, 3, 17, 4, tzinfo=UTC)  # a Tuesday, which counts double
    who = await own_house.enrol()
    lines = [{"sku": sku, "quantity": 1, "amount": 3_000, "name": sku} for sku in ("CD", "LP")]
    expected = [("base", "", 300), ("rule", "vinyl", 600), ("campaign", "tuesdays", 900)]
    member = {"kind": "code", "value": who.code}
    quoted = await _quote(own_house, "/pos/v1/quotes", {**BASKET, "lines": lines, "member": member}, own_house.till)
    bought = await own_house.buy(who, total=6_000, lines=lines)
    for answer in (quoted, bought):
        assert [(one["rule"], one["id"], one["points"]) for one in answer["awards"]] == expected


async def test_a_visitor_is_quoted_what_a_member_would_earn(house: House) -> None:
    quoted = await _quote(house, "/web/v1/quotes", BASKET, {})
    assert (quoted["earned"], quoted["version"], quoted["most_points"]) == (600, 0, 0)
    assert quoted["to_next_after"] == 9_400


async def test_a_channel_with_a_return_window_says_when_points_are_good(house: House) -> None:
    quoted = await _quote(house, "/web/v1/quotes", {**BASKET, "channel": "web"}, {})
    assert quoted["pending"] is True
    assert quoted["vests_at"] is not None


WRONG = [
    ({"channel": "fax"}, 422, "invalid_input", "/channel"),
    ({"total": 1}, 422, "invalid_input", "/total"),
    ({"points": -1}, 422, "invalid_input", "/points"),
    ({"points": 2**63}, 422, "invalid_input", "/points"),
    ({"points": 7}, 422, "invalid_input", "/points"),
    ({"points": 500_000}, 409, "points_above_cap", "/points"),
    ({"points": 5_000}, 409, "insufficient_points", "/points"),
    ({"vouchers": ["!!"]}, 422, "invalid_input", "/vouchers/0"),
    ({"vouchers": ["0123456789AB"]}, 404, "unknown_voucher", "/vouchers/0"),
    ({"member": {"kind": "code", "value": "1"}}, 422, "invalid_input", "/member/value"),
]


@pytest.mark.parametrize(("changed", "status", "code", "pointer"), WRONG)
async def test_what_is_wrong_is_named(
    house: House, changed: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    who = await house.enrol()
    body = {**BASKET, "member": {"kind": "code", "value": who.code}, **changed}
    answer = await house.http.post("/pos/v1/quotes", json=body, headers=house.till)
    problem = must_be_problem(answer, status, code)
    assert problem["errors"][0]["pointer"] == pointer


async def test_nobody_quotes_for_another(house: House) -> None:
    who = await house.enrol()
    body = {**BASKET, "member": {"kind": "code", "value": who.code}}
    for path, headers in (("/web/v1/quotes", {}), ("/app/v1/quotes", bearer(house.token("app", who.member)))):
        answer = await house.http.post(path, json=body, headers=headers)
        assert must_be_problem(answer, 422, "invalid_input")["errors"][0]["pointer"] == "/member"
    other = await house.enrol()
    code = await _voucher_of(house, other)
    mine = bearer(house.token("web", who.member))
    refused = await house.http.post(f"/web/v1/vouchers/{code}/use", headers={**mine, "Idempotency-Key": fresh("key")})
    must_be_problem(refused, 404, "unknown_voucher")


async def _voucher_of(house: House, who: Shopper) -> str:
    await house.adjust(who, 5_000)
    return await _voucher(house, who)
