"""Whatever is sent, a refusal says what is wrong in RFC 9457's words, and nothing is written: no version, no claim."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from core.clock import rfc3339
from core.earning.slip import MAX_LINES
from tests.bff.house import House, Shopper, bearer, fresh
from tests.bff.problems import Body, must_be_problem

Edit = Callable[[Body], object]


class Case(NamedTuple):
    name: str
    edit: Edit
    pointers: list[str]
    status: int = 422
    code: str = "invalid_input"


def line(body: Body) -> Body:
    found: Body = body["lines"][0]
    return found


def lines(count: int) -> list[Body]:
    return [{"sku": f"A{i}", "quantity": 1, "amount": 1} for i in range(count)]


PURCHASES = [
    Case("negative total", lambda b: b.update(total=-1), ["/total"]),
    Case("negative amount", lambda b: line(b).update(amount=-3560), ["/lines/0/amount"]),
    Case("no quantity", lambda b: line(b).update(quantity=0), ["/lines/0/quantity"]),
    Case("2^63", lambda b: (b.update(total=2**63), line(b).update(amount=2**63)), ["/total", "/lines/0/amount"]),
    Case("10^30", lambda b: (b.update(total=10**30), line(b).update(amount=10**30)), ["/total", "/lines/0/amount"]),
    Case("10^30 pieces", lambda b: line(b).update(quantity=10**30), ["/lines/0/quantity"]),
    Case("a float total", lambda b: b.update(total=35.6), ["/total"]),
    Case("a float amount", lambda b: line(b).update(amount=3560.0), ["/lines/0/amount"]),
    Case("a text amount", lambda b: line(b).update(amount="3560"), ["/lines/0/amount"]),
    Case("total is not the sum", lambda b: b.update(total=3561), ["/total"]),
    Case("another currency", lambda b: b.update(currency="EUR"), ["/currency"]),
    Case("unknown channel", lambda b: b.update(channel="moon"), ["/channel"]),
    Case("two faults at once", lambda b: b.update(channel="moon", total=-1), ["/channel", "/total"]),
    Case("no such code", lambda b: b["member"].update(value="0000 0000 0000"), ["/member"], 404, "unknown_member"),
    Case("a code that cannot be", lambda b: b["member"].update(value="1234"), ["/member/value"]),
    Case("an unknown kind", lambda b: b["member"].update(kind="name"), ["/member/kind"]),
    Case("an email with NUL", lambda b: b["member"].update(kind="email", value="a\0@b.cd"), ["/member/value"]),
    Case("naive instant", lambda b: b.update(occurred_at="2026-03-14T09:26:53"), ["/occurred_at"]),
    Case("not an instant", lambda b: b.update(occurred_at="yesterday"), ["/occurred_at"]),
    Case("month 13", lambda b: b.update(occurred_at="2026-13-01T00:00:00Z"), ["/occurred_at"]),
    Case("the first instant", lambda b: b.update(occurred_at="0001-01-01T00:00:00+23:59"), ["/occurred_at"]),
    Case("far future", lambda b: b.update(occurred_at="9999-12-31T23:59:59-23:59"), ["/occurred_at"]),
    Case("unknown field", lambda b: b.update(totl=1), ["/totl"]),
    Case("unknown field of a line", lambda b: line(b).update(price=1), ["/lines/0/price"]),
    Case("missing field", lambda b: b.pop("currency"), ["/currency"]),
    Case("missing field of a line", lambda b: line(b).pop("sku"), ["/lines/0/sku"]),
    Case("null", lambda b: b.update(lines=None), ["/lines"]),
    Case("no lines", lambda b: b.update(lines=[], total=0), ["/lines"]),
    Case("too many lines", lambda b: b.update(lines=lines(MAX_LINES + 1), total=MAX_LINES + 1), ["/lines"]),
    Case("blank sku", lambda b: line(b).update(sku=" "), ["/lines/0/sku"]),
    Case("NUL in a sku", lambda b: line(b).update(sku="a\0"), ["/lines/0/sku"]),
    Case("NUL in a name", lambda b: line(b).update(name="\0"), ["/lines/0/name"]),
    Case("long category", lambda b: line(b).update(category="x" * 201), ["/lines/0/category"]),
    Case("no key", lambda b: b.update(id=""), ["/id"]),
    Case("huge key", lambda b: b.update(id="k" * 201), ["/id"]),
    Case("NUL in the key", lambda b: b.update(id="k\0"), ["/id"]),
]


@pytest.mark.parametrize("case", PURCHASES, ids=lambda case: case.name)
async def test_a_purchase_with_wrong_fields_names_each_and_writes_nothing(
    house: House, shopper: Shopper, case: Case
) -> None:
    body = house.purchase_body(shopper)
    case.edit(body)
    before = await house.ledger()
    answer = await house.http.post("/pos/v1/purchases", json=body, headers=house.till)
    problem = must_be_problem(answer, case.status, case.code)
    assert [error["pointer"] for error in problem["errors"]] == case.pointers
    assert all(error["detail"] for error in problem["errors"])
    assert await house.ledger() == before


RAW: list[tuple[str, bytes, str, int, str]] = [
    ("not JSON", b"{", "application/json", 400, "malformed_json"),
    ("not UTF-8", b'{"id":"\xff"}', "application/json", 400, "malformed_json"),
    ("a lone surrogate", b'{"id":"\\ud800"}', "application/json", 400, "malformed_json"),
    ("empty", b"", "application/json", 422, "invalid_input"),
    ("null", b"null", "application/json", 422, "invalid_input"),
    ("a list", b"[]", "application/json", 422, "invalid_input"),
    ("deep", b"[" * 100_000, "application/json", 422, "invalid_input"),
    ("deep inside", b'{"lines":' + b"[" * 100_000, "application/json", 422, "invalid_input"),
    ("a form", b"id=1&total=2", "application/x-www-form-urlencoded", 415, "not_json"),
    ("text", b'{"id":"1"}', "text/plain", 415, "not_json"),
    ("no type", b'{"id":"1"}', "", 415, "not_json"),
    ("300 KB", b'{"id":"' + b"x" * 300_000 + b'"}', "application/json", 413, "too_large"),
]


@pytest.mark.parametrize(("name", "content", "kind", "status", "code"), RAW, ids=[row[0] for row in RAW])
async def test_a_body_that_cannot_be_read_is_refused_whole(
    house: House, name: str, content: bytes, kind: str, status: int, code: str
) -> None:
    before = await house.ledger()
    headers = {**house.till, **({"Content-Type": kind} if kind else {})}
    must_be_problem(await house.http.post("/pos/v1/purchases", content=content, headers=headers), status, code)
    assert await house.ledger() == before


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks of unknown length"])
async def test_ten_megabytes_are_not_read_to_the_end(house: House, declared: bool) -> None:
    """The refusal may come while we still send; a client that goes on writing into it sees a closed connection."""
    content = b"x" * 10_000_000

    async def chunks() -> Any:
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    headers = {**house.till, "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=house.url) as client:
        answer = await client.post("/pos/v1/purchases", content=content if declared else chunks(), headers=headers)
    must_be_problem(answer, 413, "too_large")


async def test_what_is_odd_but_right_is_taken(house: House, shopper: Shopper) -> None:
    """Zero dollars, two lines of one sku, the most lines, and a clock five minutes fast are a till's daily life."""
    free = await house.buy(shopper, total=0, quantity=1)
    assert free["earned"] == 0
    twice = [{"sku": "CD", "quantity": 1, "amount": 100}] * 2
    assert (await house.buy(shopper, total=200, lines=twice))["earned"] == 20
    assert (await house.buy(shopper, total=MAX_LINES, lines=lines(MAX_LINES)))["earned"] == 50
    assert (await house.buy(shopper, occurred_at=rfc3339(house.clock() + timedelta(minutes=5))))["earned"] == 356


async def test_more_than_thirty_days_ago_needs_the_scope(house: House, shopper: Shopper) -> None:
    body = house.purchase_body(shopper, occurred_at=rfc3339(house.clock() - timedelta(days=30, seconds=1)))
    before = await house.ledger()
    answer = await house.http.post("/pos/v1/purchases", json=body, headers=house.till)
    assert must_be_problem(answer, 422, "invalid_input")["errors"][0]["pointer"] == "/occurred_at"
    assert await house.ledger() == before
    backdating = bearer(house.token("pos", device="till-1", scopes=("backdate",)))
    assert (await house.http.post("/pos/v1/purchases", json=body, headers=backdating)).status_code == 201


RETURNS = [
    Case("more pieces than bought", lambda b: line(b).update(quantity=4), ["/lines/0/quantity"], 409)._replace(
        code="return_exceeds_purchase"
    ),
    Case("more money than paid", lambda b: line(b).update(amount=3561), ["/lines/0/amount"], 409)._replace(
        code="return_exceeds_purchase"
    ),
    Case("10^30 of money", lambda b: line(b).update(amount=10**30), ["/lines/0/amount"], 409)._replace(
        code="return_exceeds_purchase"
    ),
    Case("the same line twice over", lambda b: b.update(lines=[line(b)] * 2), ["/lines/1/quantity"], 409)._replace(
        code="return_exceeds_purchase"
    ),
    Case("not on it", lambda b: line(b).update(sku="LP"), ["/lines/0/sku"]),
    Case("negative", lambda b: line(b).update(amount=-1, quantity=-1), ["/lines/0/quantity", "/lines/0/amount"]),
    Case("no lines", lambda b: b.update(lines=[]), ["/lines"]),
    Case("unknown field", lambda b: line(b).update(name="x"), ["/lines/0/name"]),
]


@pytest.mark.parametrize("case", RETURNS, ids=lambda case: case.name)
async def test_a_return_with_wrong_fields_takes_nothing_back(house: House, shopper: Shopper, case: Case) -> None:
    sold = await house.buy(shopper)
    body = {"id": fresh("R"), "lines": [{"sku": "CD", "quantity": 3, "amount": 3560}]}
    case.edit(body)
    before = await house.ledger()
    answer = await house.http.post(f"/pos/v1/purchases/{sold['purchase_id']}/returns", json=body, headers=house.till)
    problem = must_be_problem(answer, case.status, case.code)
    assert [error["pointer"] for error in problem["errors"]] == case.pointers
    assert await house.ledger() == before


@pytest.mark.parametrize(
    "purchase", ["p1-1", "p999999999999-999999999", "1000-2", "p1000-2x", "p-1", "P1000-2", "p%00"]
)
async def test_an_unknown_purchase_is_not_found(house: House, purchase: str) -> None:
    before = await house.ledger()
    answer = await house.http.post(f"/pos/v1/purchases/{purchase}/returns", json={"id": fresh("R")}, headers=house.till)
    must_be_problem(answer, 404, "unknown_purchase")
    assert await house.ledger() == before
