"""What an operator and a load balancer ask: alive, ready and why not, the numbers, and the document of the API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest

from core.clock import rfc3339
from core.embedded import Endpoints
from core.programme.validation import default_document
from push.session import Close, Refused
from tests.bff.house import House, bearer, fresh, opened, receipt_token
from tests.bff.test_bad_input import must_be_problem
from tests.conftest import SettableClock
from tests.databases import Database, execute


async def test_a_process_is_alive_and_ready(house: House) -> None:
    assert (await house.http.get("/health/live")).json() == {"live": True}
    ready = await house.http.get("/health/ready")
    assert ready.status_code == 200
    body = ready.json()
    assert body["ready"] is True
    assert {name: body[name]["ok"] for name in ("database", "nats", "schema")} == {
        "database": True,
        "nats": True,
        "schema": True,
    }


async def test_readiness_says_what_is_missing(endpoints: Endpoints, database: Database, clock: SettableClock) -> None:
    """Alive all the while; not ready without its bus, with an older schema, while stopping; refusing new work then."""
    async with opened(database, endpoints, clock) as house:
        who = await house.enrol()

        async def missing() -> set[str]:
            answer = await house.http.get("/health/ready")
            body = answer.json()
            assert answer.status_code == (200 if body["ready"] else 503)
            return {name for name in ("database", "nats", "schema") if not body[name]["ok"]}

        assert await missing() == set()
        await execute(database.owner_url, "UPDATE alembic_version SET version_num = '0000_before_all'")
        # A revision this build does not know is a later one's: it stays in service.
        assert await missing() == set()
        await execute(database.owner_url, "DELETE FROM alembic_version")
        assert await missing() == {"schema"}
        await house.services.bus.client.close()
        assert await missing() == {"schema", "nats"}
        house.services.draining = True
        house.services.hub.close(Refused(Close.DRAINING, "stopping", error="draining", wait=4))
        body = house.purchase_body(who)
        refused = await house.http.post("/pos/v1/purchases", json=body, headers=house.till)
        must_be_problem(refused, 503, "draining")
        assert refused.headers["retry-after"] == "1"
        reading = await house.http.get("/app/v1/me", headers=bearer(house.token("app", who.member)))
        must_be_problem(reading, 503, "draining")
        assert (await house.http.get("/health/live")).status_code == 200


async def test_metrics_count_what_was_done(house: House) -> None:
    def values(text: str) -> dict[str, float]:
        rows = re.findall(r"^(\w+(?:\{[^}]*\})?) ([0-9.e+-]+|NaN)$", text, re.M)
        return {name: float(value) for name, value in rows}

    before = values((await house.http.get("/metrics")).text)
    await house.buy(await house.enrol())
    answer = await house.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    after = values(answer.text)
    for name in ("chorus_commit_seconds_count", "chorus_commit_batch_versions_count"):
        assert after[name] - before.get(name, 0) == 2
    route = 'chorus_http_seconds_count{route="/pos/v1/purchases",status="201"}'
    assert after[route] - before.get(route, 0) == 1
    assert "chorus_bus_up" in after


async def test_a_route_label_never_has_what_a_client_typed(house: House) -> None:
    """A label for each path somebody tries would fill the memory."""
    await house.http.get("/made-up/" + fresh("path"))
    await house.http.get("/pos/v1/purchases/p1-1/" + fresh("path"))
    routes = set(re.findall(r'chorus_http_seconds_count\{route="([^"]+)"', (await house.http.get("/metrics")).text))
    assert "other" in routes
    assert not any("path-" in route for route in routes)


@pytest.fixture(scope="module")
async def document(house: House) -> Any:
    answer = await house.http.get("/openapi/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(document: Any, node: Any) -> Any:
    """`node` with its reference followed."""
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


ROUTES = {
    "POST /pos/v1/purchases",
    "POST /pos/v1/purchases/{purchase_id}/returns",
    "GET /pos/v1/members",
    "POST /pos/v1/members",
    "POST /pos/v1/members/{member}/identifiers",
    "POST /pos/v1/members/{member}/holds",
    "POST /pos/v1/members/{member}/holds/{hold}/capture",
    "POST /pos/v1/members/{member}/holds/{hold}/void",
    "POST /pos/v1/members/{member}/basket-holds",
    "POST /pos/v1/members/{member}/actions",
    "POST /pos/v1/quotes",
    "GET /pos/v1/vouchers/{code}",
    "POST /pos/v1/vouchers/{code}/use",
    "POST /pos/v1/vouchers/{code}/unuse",
    "POST /kiosk/v1/quotes",
    "POST /kiosk/v1/claims",
    "POST /web/v1/vouchers/{code}/use",
    "GET /web/v1/draws/{draw}",
    "GET /web/v1/draws/{draw}/tickets",
    *(f"POST /staff/v1/members/{{member}}/{what}"
      for what in ("adjustments", "reinstatements", "extensions", "vouchers", "traits", "merge")),
    "GET /admin/v1/programme",
    "GET /admin/v1/programme/revisions/{revision}",
    *(f"POST /admin/v1/programme/{what}" for what in ("check", "diff", "simulate", "publish", "rollback")),
    *(f"{method} /{surface}/v1/{path}" for surface in ("app", "web") for method, path in (
        ("GET", "me"), ("GET", "activity"), ("POST", "holds"), ("POST", "holds/{hold}/void"), ("POST", "devices"),
        ("POST", "quotes"), ("POST", "claims"), ("POST", "actions"), ("POST", "vouchers/{voucher}/cancel"),
        ("GET", "devices"), ("DELETE", "devices/{id}"), ("GET", "passes/apple"), ("GET", "passes/google"))),
    "GET /wallet/v1/me",
    "GET /kiosk/v1/me",
    "POST /kiosk/v1/session",
    "DELETE /kiosk/v1/session",
    "POST /kiosk/v1/session/touch",
    "POST /kiosk/v1/holds",
    "POST /kiosk/v1/holds/{hold}/void",
    "GET /r/{token}",
    "GET /r/{token}/receipt.png",
    "GET /r/{token}/receipt.json",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}  # fmt: skip


async def test_the_document_has_every_route_with_its_refusals_and_examples(document: Any) -> None:
    assert {f"{method} {path}" for method, path, _ in operations(document)} == ROUTES
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        given = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert given == set(re.findall(r"\{(\w+)\}", path)), where
        if path.startswith(("/health", "/metrics")):
            continue
        assert {"401", "403", "413", "422", "503"} <= operation["responses"].keys() or path.startswith("/r/"), where
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                _must_have_examples(document, where, status, response)
        if method == "POST" and not path.endswith(("/touch", "/use")):
            assert "application/json" in operation["requestBody"]["content"], where


def _must_have_examples(document: Any, where: str, status: str, response: Any) -> None:
    """Each code that the description names has its example, as problem+json."""
    assert list(response["content"]) == ["application/problem+json"], (where, status)
    content = response["content"]["application/problem+json"]
    problem = resolved(document, content["schema"])
    examples = [example["value"] for example in content["examples"].values()]
    assert [example["code"] for example in examples] == response["description"].split(", "), (where, status)
    for example in examples:
        assert set(problem["required"]) <= example.keys() <= problem["properties"].keys(), (where, example)
        assert example["status"] == int(status)


async def test_every_reference_of_the_document_leads_somewhere(document: Any) -> None:
    references = set(re.findall(rb'"\$ref":"([^"]+)"', msgspec.json.encode(document)))
    assert references
    for reference in references:
        assert resolved(document, {"$ref": reference.decode()})


async def test_examples_and_real_answers_fit_their_schemas(house: House, document: Any) -> None:
    """Every request example of the document is of its schema, and so is what the server really says."""
    for method, path, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content["schema"].get("examples", []):
                value = example.get("value", example) if isinstance(example, dict) else example
                assert _misfits(document, content["schema"], value) == [], f"{method} {path}"
    who = await house.enrol()
    sold = await house.buy(who)
    app = bearer(house.token("app", who.member))
    kiosk = bearer(await house.kiosk(who))
    till, body = house.till, house.purchase_body(who)
    answers = [
        ("post", "/pos/v1/purchases", await house.http.post("/pos/v1/purchases", json=body, headers=till)),
        ("post", "/pos/v1/members", await house.http.post("/pos/v1/members", json={"id": fresh("E")}, headers=till)),
        ("get", "/app/v1/me", await house.http.get("/app/v1/me", headers=app)),
        ("get", "/app/v1/activity", await house.http.get("/app/v1/activity", headers=app)),
        ("get", "/kiosk/v1/me", await house.http.get("/kiosk/v1/me", headers=kiosk)),
        ("post", "/kiosk/v1/session/touch", await house.http.post("/kiosk/v1/session/touch", headers=kiosk)),
        ("get", "/r/{token}/receipt.json", await house.http.get(f"/r/{receipt_token(sold)}/receipt.json")),
        ("get", "/health/ready", await house.http.get("/health/ready")),
        ("post", "/pos/v1/purchases", await house.http.post("/pos/v1/purchases", json={}, headers=till)),
        ("get", "/admin/v1/programme", await house.http.get("/admin/v1/programme", headers=house.owner())),
        ("post", "/admin/v1/programme/diff", await house.http.post(
            "/admin/v1/programme/diff", json={"source": default_document().replace("10_000", "9_000")},
            headers=house.owner())),
    ]  # fmt: skip
    for method, path, answer in answers:
        response = document["paths"][path][method]["responses"][str(answer.status_code)]
        schema = response["content"][answer.headers["content-type"]]["schema"]
        assert _misfits(document, schema, answer.json()) == [], f"{method} {path}: {answer.text}"


def _misfits(document: Any, schema: Any, value: Any, at: str = "") -> list[str]:
    """Where `value` is not of `schema`: the part of JSON Schema that our document uses."""
    schema = resolved(document, schema)
    for either in ("oneOf", "anyOf"):
        if either in schema:
            tried = [_misfits(document, one, value, at) for one in schema[either]]
            return [] if [] in tried else [f"{at}: fits none of {len(tried)}"]
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
        "number": (int, float),
    }  # fmt: skip
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, kinds[kind]) and (kind == "boolean" or value is not True) for kind in named):
            return [f"{at}: {value!r} is no {named}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if schema.get("format") == "date-time" and value is not None:
        datetime.fromisoformat(value)
    wrong: list[str] = []
    if isinstance(value, dict) and "properties" in schema:
        wrong += [f"{at}/{name}: missing" for name in schema.get("required", []) if name not in value]
        wrong += [f"{at}/{name}: unknown" for name in value if name not in schema["properties"]]
        for name, property_ in schema["properties"].items():
            if name in value:
                wrong += _misfits(document, property_, value[name], f"{at}/{name}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            wrong += _misfits(document, schema["items"], item, f"{at}/{i}")
    return wrong


async def test_a_crowd_is_answered_within_reason(house: House) -> None:
    """A hundred tills at once on one process: each is answered, and each purchase is there once."""
    who = await house.enrol()
    bodies = [house.purchase_body(who, total=100) for _ in range(100)]
    async with httpx.AsyncClient(base_url=house.url, limits=httpx.Limits(max_connections=100), timeout=30) as client:
        answers = await asyncio.gather(
            *(client.post("/pos/v1/purchases", json=body, headers=house.till) for body in bodies)
        )
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 102))
    assert max(answer.json()["balance"] for answer in answers) == 1_000
    assert rfc3339(house.clock()) == answers[0].json()["valid_from"]
