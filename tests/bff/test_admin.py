"""The owner's API: who may, what a draft would do, and that a request publishes once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.clock import rfc3339
from core.embedded import Endpoints
from core.programme import window
from core.programme.validation import default_document
from tests.bff.house import House, bearer, fresh, opened, until
from tests.bff.problems import must_be_problem
from tests.core.programmes import document
from tests.databases import execute

PATH = "/admin/v1/programme"
HARBOUR = default_document()
FRIEND = HARBOUR.replace("Listener", "Friend")


async def ask(
    house: House, what: str, body: Any, key: str = "", scopes: tuple[str, ...] = ("programme",)
) -> httpx.Response:
    headers = {**house.owner(*scopes), **({"Idempotency-Key": key} if key else {})}
    return await house.http.post(f"{PATH}/{what}", json=body, headers=headers)


async def publish(house: House, source: str, **body: Any) -> int:
    answer = await ask(house, "publish", {"source": source, **body}, fresh("key"))
    assert answer.status_code == 201, answer.text
    return int(answer.json()["revision"])


async def overview(house: House, **query: Any) -> Any:
    answer = await house.http.get(PATH, params=query, headers=house.owner())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def revisions(house: House) -> int:
    return int((await overview(house))["history"][0]["revision"])


# -- reading ----------------------------------------------------------------------------------------------------------


async def test_what_is_in_force_what_is_to_come_and_what_was(own_house: House) -> None:
    start, day = own_house.clock(), timedelta(days=1)
    await publish(own_house, FRIEND)
    await publish(own_house, HARBOUR, at=rfc3339(start + 9 * day))
    await publish(own_house, FRIEND, at=rfc3339(start + 5 * day))
    await publish(own_house, HARBOUR, at=rfc3339(start + 7 * day))
    shown = await overview(own_house)
    assert shown["in_force"] == {
        "revision": 2,
        "state": "in_force",
        "in_force": rfc3339(start),
        "until": rfc3339(start + 5 * day),
        "published_at": rfc3339(start),
        "published_by": "admin:ada",
    }
    assert [(one["revision"], one["until"]) for one in shown["scheduled"]] == [(4, rfc3339(start + 7 * day)), (5, None)]
    assert [(one["revision"], one["state"]) for one in shown["history"]] == [
        (5, "scheduled"),
        (4, "scheduled"),
        (3, "withdrawn"),
        (2, "in_force"),
        (1, "past"),
    ]
    own_house.clock.now = start + 6 * day
    assert (await overview(own_house))["in_force"]["revision"] == 4


async def test_the_history_is_paged_and_pages_stand_still(own_house: House) -> None:
    for _ in range(4):
        await publish(own_house, HARBOUR)
    first = await overview(own_house, limit=2)
    await publish(own_house, HARBOUR)
    second = await overview(own_house, limit=2, cursor=first["next"])
    third = await overview(own_house, limit=2, cursor=second["next"])
    pages = [[one["revision"] for one in page["history"]] for page in (first, second, third)]
    assert (pages, third["next"]) == ([[5, 4], [3, 2], [1]], None)


async def test_a_revision_as_it_was_published(own_house: House) -> None:
    source = "# ours, 海港\n" + FRIEND
    number = await publish(own_house, source)
    answer = await own_house.http.get(f"{PATH}/revisions/{number}", headers=own_house.owner())
    assert (answer.json()["source"], answer.json()["state"]) == (source, "in_force")
    for wrong in ("3", "0", "99999999999"):
        unknown = await own_house.http.get(f"{PATH}/revisions/{wrong}", headers=own_house.owner())
        must_be_problem(unknown, 404, "unknown_revision")


# -- trying -----------------------------------------------------------------------------------------------------------

CHECKED: list[tuple[str, str, list[str]]] = [
    ("the sample", HARBOUR, []),
    ("not TOML", "a loyalty programme", [""]),
    ("two faults", HARBOUR.replace('"Asia/Hong_Kong"', '"Moon"').replace("10_000", "0"), ["/tiers/1/threshold", "/zone"]),
    ("a misspelt key", document().replace("points_per_unit", "points_prr_unit"), ["/earn"]),
    ("brackets", "a = " + "[" * 100_000, [""]),
    ("nothing", "", [""]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "pointers"), [row[1:] for row in CHECKED], ids=[row[0] for row in CHECKED])
async def test_a_check_points_into_the_document(house: House, source: str, pointers: list[str]) -> None:
    """A valid and an invalid one are both answers; to publish the invalid one is refused with the same pointers."""
    answer = await ask(house, "check", {"source": source}, scopes=())
    assert answer.status_code == 200
    found = answer.json()
    assert (found["valid"], sorted({error["pointer"] for error in found["errors"]})) == (not pointers, pointers)
    if pointers:
        refused = must_be_problem(
            await ask(house, "publish", {"source": source}, fresh("key")), 422, "programme_invalid"
        )
        assert sorted({error["pointer"] for error in refused["errors"]}) == pointers
        must_be_problem(await ask(house, "simulate", {"source": source}), 422, "programme_invalid")
        must_be_problem(await ask(house, "diff", {"source": source}), 422, "programme_invalid")


async def test_a_diff_is_against_what_is_in_force_or_any_other(own_house: House) -> None:
    await publish(own_house, FRIEND)
    renamed = {"kind": "changed", "pointer": "/tiers/listener/name/en", "before": "Friend", "after": "Listener"}
    for body, expected in (
        ({"source": FRIEND}, (2, [])),
        ({"source": HARBOUR}, (2, [renamed])),
        ({"revision": 1}, (2, [renamed])),
        ({"revision": 1, "against": 1}, (1, [])),
        ({"source": "#\n" + HARBOUR, "against": 1}, (1, [])),
    ):
        answer = await ask(own_house, "diff", body, scopes=())
        assert (answer.json()["against"], answer.json()["differences"]) == expected, body
    for wrong in ({"revision": 3}, {"revision": 1, "against": 0}, {"revision": -(10**30)}):
        must_be_problem(await ask(own_house, "diff", wrong), 404, "unknown_revision")


async def test_a_simulation_streams_its_progress_and_ends_with_its_report(
    own_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "AT_ONCE", 1)
    for _ in range(3):
        await own_house.buy(await own_house.enrol(), 1_000)
    doubled = HARBOUR.replace('points_per_unit = "10"', 'points_per_unit = "20"')
    before = await own_house.ledger()
    body, headers = {"source": doubled, "days": 1}, own_house.owner()
    async with own_house.http.stream("POST", f"{PATH}/simulate", json=body, headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        lines = [json.loads(line) async for line in answer.aiter_lines()]
    assert [(line["type"], line.get("done")) for line in lines] == [
        ("progress", 1),
        ("progress", 2),
        ("progress", 3),
        ("report", None),
    ]
    report = lines[-1]
    assert (report["before"]["points"], report["after"]["points"], report["money"]) == (300, 600, "USD")
    assert report["touched"] == report["purchases"] == 3
    assert await own_house.ledger() == before
    assert await revisions(own_house) == 1


async def test_what_could_not_be_published_is_not_simulated(own_house: House) -> None:
    """Before the first member anything may follow; then, what publishing refuses is refused here, in the same words."""
    euros = HARBOUR.replace('money = "USD"', 'money = "EUR"')
    answer = await ask(own_house, "simulate", {"source": euros})
    assert json.loads(answer.text.splitlines()[-1])["type"] == "report"
    await own_house.enrol()
    refused = must_be_problem(await ask(own_house, "simulate", {"source": euros}), 422, "programme_invalid")
    told = must_be_problem(await ask(own_house, "publish", {"source": euros}, fresh("key")), 422, "programme_invalid")
    assert refused["errors"] == told["errors"]
    assert [error["pointer"] for error in refused["errors"]] == ["/money"]


async def test_a_simulation_that_breaks_says_so_in_its_last_line(own_house: House) -> None:
    """A record that nobody can read, found on the way; the next simulation runs."""
    who = await own_house.enrol()
    await own_house.buy(who, 1_000)
    await execute(own_house.database.owner_url, "UPDATE purchase SET record = record - 'total'")
    answer = await ask(own_house, "simulate", {"source": HARBOUR})
    last = json.loads(answer.text.splitlines()[-1])
    assert (answer.status_code, last["type"]) == (200, "error")
    assert (last["problem"]["code"], last["problem"]["status"]) == ("internal", 500)
    assert last["problem"]["request_id"] == answer.headers["x-request-id"]
    await execute(own_house.database.owner_url, "DELETE FROM purchase")
    assert json.loads((await ask(own_house, "simulate", {"source": HARBOUR})).text.splitlines()[-1])["type"] == "report"


async def test_who_goes_away_in_the_middle_holds_up_nobody(own_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "AT_ONCE", 1)
    for _ in range(30):
        await own_house.enrol()
    body, headers = {"source": HARBOUR}, own_house.owner()
    async with own_house.http.stream("POST", f"{PATH}/simulate", json=body, headers=headers) as answer:
        await anext(answer.aiter_lines())
    await until(lambda: not own_house.services.simulating.locked(), "the simulation ends with its client")
    answers = await asyncio.gather(*(ask(own_house, "simulate", body) for _ in range(3)))
    assert [json.loads(one.text.splitlines()[-1])["type"] for one in answers] == ["report"] * 3


# -- publishing -------------------------------------------------------------------------------------------------------


async def test_publishing_is_seen_here_at_once_and_by_the_other_processes(
    own_house: House, endpoints: Endpoints
) -> None:
    who = await own_house.enrol()
    async with opened(own_house.database, endpoints, own_house.clock) as other:
        await publish(own_house, FRIEND)
        assert own_house.services.book.current.revision == 2
        me = await own_house.http.get("/app/v1/me", headers=bearer(own_house.token("app", who.member)))
        assert (me.json()["programme"], me.json()["view"]["tier"]["name"]) == (2, "Friend")
        await until(lambda: other.services.book.current.revision == 2, "the other has heard of it")


async def test_a_scheduled_revision_is_shown_from_its_instant_on(own_house: House) -> None:
    who, then = await own_house.enrol(), own_house.clock() + timedelta(days=3)
    await publish(own_house, FRIEND, at="2026-03-17T17:26:53+08:00")
    reading = bearer(own_house.token("app", who.member))
    me = (await own_house.http.get("/app/v1/me", headers=reading)).json()
    assert (me["programme"], me["view"]["tier"]["name"], me["valid_until"]) == (1, "Listener", rfc3339(then))
    own_house.clock.now = then
    me = (await own_house.http.get("/app/v1/me", headers=reading)).json()
    assert (me["programme"], me["view"]["tier"]["name"]) == (2, "Friend")


async def test_the_same_key_publishes_once(own_house: House) -> None:
    key, body = fresh("key"), {"source": FRIEND}
    first = await ask(own_house, "publish", body, key)
    again = await ask(own_house, "publish", body, key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotency-hit"] == "true"
    assert first.json() == again.json()
    assert first.json() == {"revision": 2, "in_force": rfc3339(own_house.clock()), "published_by": "admin:ada"}
    must_be_problem(await ask(own_house, "publish", {"source": HARBOUR}, key), 409, "idempotency_conflict")
    bob = {**own_house.owner("programme", name="bob"), "Idempotency-Key": key}
    another = await own_house.http.post(f"{PATH}/publish", json=body, headers=bob)
    assert (another.status_code, another.json()["published_by"]) == (201, "admin:bob")
    back = await ask(own_house, "rollback", {"revision": 1}, key)
    assert (back.status_code, back.json()["revision"]) == (201, 4)
    assert await revisions(own_house) == 4


async def test_one_key_sent_at_once_by_many_publishes_once(own_house: House) -> None:
    key = fresh("key")
    answers = await asyncio.gather(*(ask(own_house, "publish", {"source": FRIEND}, key) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert {answer.json()["revision"] for answer in answers} == {2}
    assert await revisions(own_house) == 2


async def test_a_key_that_was_refused_is_free_again(own_house: House) -> None:
    key = fresh("key")
    must_be_problem(await ask(own_house, "publish", {"source": ""}, key), 422, "programme_invalid")
    assert (await ask(own_house, "publish", {"source": FRIEND}, key)).status_code == 201


async def test_twenty_at_once_make_numbers_without_a_gap(own_house: House) -> None:
    answers = await asyncio.gather(*(ask(own_house, "publish", {"source": FRIEND}, fresh("key")) for _ in range(20)))
    made = [answer.json()["revision"] for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer.status_code != 201:
            must_be_problem(answer, 409, "raced")
    assert sorted(made) == list(range(2, 2 + len(made)))
    assert made
    assert await revisions(own_house) == 1 + len(made)
    assert own_house.services.book.current.revision == 1 + len(made)


async def test_rolling_back_publishes_the_very_document_anew(own_house: House) -> None:
    await publish(own_house, FRIEND)
    then = own_house.clock() + timedelta(days=1)
    answer = await ask(own_house, "rollback", {"revision": 1, "at": rfc3339(then)}, fresh("key"))
    assert (answer.status_code, answer.json()["in_force"]) == (201, rfc3339(then))
    again = (await own_house.http.get(f"{PATH}/revisions/3", headers=own_house.owner())).json()
    assert (again["source"], again["state"]) == (HARBOUR, "scheduled")
    must_be_problem(await ask(own_house, "rollback", {"revision": 9}, fresh("key")), 404, "unknown_revision")


@pytest.mark.parametrize("what", ["publish", "rollback"])
async def test_publishing_needs_the_scope_and_a_key(house: House, what: str) -> None:
    body = {"source": HARBOUR} if what == "publish" else {"revision": 1}
    for scopes in ((), ("adjust",), ("backdate",)):
        must_be_problem(await ask(house, what, body, fresh("key"), scopes), 403, "scope_missing")
    must_be_problem(await ask(house, what, body), 422, "key_required")
    for key in ("x" * 201, "a\tb"):
        must_be_problem(await ask(house, what, body, key), 422, "invalid_input")
    assert await revisions(house) == 1


SOURCE = {"source": HARBOUR}
GARBAGE: list[tuple[str, Any, str]] = [
    ("check", {}, "/source"),
    ("check", {"source": 1}, "/source"),
    ("check", {"source": None}, "/source"),
    ("check", {"source": "", "file": ""}, "/file"),
    ("diff", {}, "/source"),
    ("diff", {"source": "", "revision": 1}, "/source"),
    ("diff", {"revision": "1"}, "/revision"),
    ("diff", {"revision": 1.0}, "/revision"),
    ("diff", {"revision": True}, "/revision"),
    ("simulate", {"days": 30}, "/source"),
    ("simulate", {**SOURCE, "days": 0}, "/days"),
    ("simulate", {**SOURCE, "days": -1}, "/days"),
    ("simulate", {**SOURCE, "days": 367}, "/days"),
    ("simulate", {**SOURCE, "days": 10**30}, "/days"),
    ("simulate", {**SOURCE, "days": "30"}, "/days"),
    ("publish", {**SOURCE, "at": "tomorrow"}, "/at"),
    ("publish", {**SOURCE, "at": 1}, "/at"),
    ("publish", {**SOURCE, "at": "2026-12-01T00:00:00"}, "/at"),
    ("publish", {**SOURCE, "at": "2026-03-14T09:26:52Z"}, "/at"),
    ("publish", {**SOURCE, "at": "1970-01-01T00:00:00Z"}, "/at"),
    ("publish", {**SOURCE, "at": "0001-01-01T00:00:00+23:59"}, "/at"),
    ("publish", {**SOURCE, "at": "9999-12-31T23:59:59-23:59"}, "/at"),
    ("publish", {**SOURCE, "force": True}, "/force"),
    ("rollback", {"revision": 1, "at": "2026-12-01T00:00:00"}, "/at"),
    ("rollback", {}, "/revision"),
    ("rollback", {"revision": None}, "/revision"),
]


@pytest.mark.parametrize(("what", "body", "pointer"), GARBAGE)
async def test_garbage_is_named_by_its_field(house: House, what: str, body: Any, pointer: str) -> None:
    before = await revisions(house)
    refused = must_be_problem(await ask(house, what, body, fresh("key")), 422, "invalid_input")
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert await revisions(house) == before


RAW: list[tuple[bytes, str, int, str]] = [
    (b"", "application/json", 422, "invalid_input"),
    (b"{", "application/json", 400, "malformed_json"),
    (b"[]", "application/json", 422, "invalid_input"),
    (b"null", "application/json", 422, "invalid_input"),
    (b'{"source":"\xff"}', "application/json", 400, "malformed_json"),
    (b'{"source":"\\ud800"}', "application/json", 400, "malformed_json"),
    (b"[" * 100_000, "application/json", 422, "invalid_input"),
    (HARBOUR.encode(), "application/toml", 415, "not_json"),
    (b'{"source":"' + b"x" * 300_000 + b'"}', "application/json", 413, "too_large"),
]


@pytest.mark.parametrize(("body", "media_type", "status", "code"), RAW)
@pytest.mark.parametrize("what", ["check", "publish"])
async def test_what_is_no_request_at_all(
    house: House, what: str, body: bytes, media_type: str, status: int, code: str
) -> None:
    headers = {**house.owner("programme"), "Idempotency-Key": fresh("key"), "Content-Type": media_type}
    answer = await house.http.post(f"{PATH}/{what}", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    must_be_problem(answer, status, code)


@pytest.mark.parametrize("cursor", ["x", "MA==", "LTE=", "MjE0NzQ4MzY0OA==", "é", "%00"])
async def test_a_cursor_that_is_none(house: House, cursor: str) -> None:
    answer = await house.http.get(PATH, params={"cursor": cursor}, headers=house.owner())
    assert must_be_problem(answer, 422, "invalid_input")["errors"][0]["pointer"] == "/cursor"


@pytest.mark.parametrize("revision", ["x", "-1", "1.0", "١"])
async def test_a_revision_that_is_none(house: House, revision: str) -> None:
    answer = await house.http.get(f"{PATH}/revisions/{revision}", headers=house.owner())
    assert must_be_problem(answer, 422, "invalid_input")["errors"][0]["pointer"] == "/revision"


async def test_text_that_no_database_holds_is_refused(house: House) -> None:
    source = document().replace('en = "Plain"', 'en = "Pl\\u0000ain"')
    must_be_problem(await ask(house, "publish", {"source": source}, fresh("key")), 422, "programme_invalid")
