"""The till's contract of docs/live-protocol.md, to the letter, and every other command's route, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from core.clock import rfc3339
from tests.bff.house import House, Shopper, bearer, fresh
from tests.bff.test_bad_input import must_be_problem

STAMP = ("epoch", "version", "programme", "valid_from")


async def test_a_purchase_is_answered_as_the_protocol_says(house: House) -> None:
    """201, exactly these fields, points of the sample programme by hand, and the stamp that the till's view has too."""
    who = await house.enrol()
    body = house.purchase_body(who, total=3560)
    answer = await house.http.post("/pos/v1/purchases", json=body, headers=house.till)
    assert answer.status_code == 201
    assert "idempotency-hit" not in answer.headers
    token = answer.json()["receipt"]["url"].rpartition("/")[2]
    assert answer.json() == {
        "purchase_id": f"p{who.member}-2",
        "earned": 350 + 6,
        "pending": 0,
        "awards": [{"rule": "base", "id": "", "points": 356, "currency": "points"}],
        "due": 3560,
        "balance": 356,
        "tier": {
            "key": "listener",
            "name": "Listener",
            "qualifying": 356,
            "to_next": 9_644,
            "next_name": "Silver Disc",
        },
        "epoch": 1,
        "version": 2,
        "programme": 1,
        "valid_from": rfc3339(house.clock()),
        "receipt": {"url": f"{house.url}/r/{token}"},
        "flags": [],
    }
    shown = await house.http.get("/pos/v1/members", params={"kind": "code", "value": who.code}, headers=house.till)
    assert {name: shown.json()[name] for name in STAMP} == {name: answer.json()[name] for name in STAMP}
    assert shown.json()["view"]["balance"]["points"] == 356


async def test_a_repeated_purchase_is_answered_again_byte_for_byte(house: House) -> None:
    """200 and `Idempotency-Hit: true`, whatever happened since; the order of the JSON's keys is not its content."""
    who = await house.enrol()
    body = house.purchase_body(who)
    first = await house.http.post("/pos/v1/purchases", json=body, headers=house.till)
    await house.buy(who)
    before = await house.ledger()
    again = await house.http.post("/pos/v1/purchases", json=dict(reversed(body.items())), headers=house.till)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotency-hit"] == "true"
    assert again.content == first.content
    assert await house.ledger() == before


async def test_twenty_copies_at_once_are_one_purchase(house: House) -> None:
    who = await house.enrol()
    body = house.purchase_body(who)
    answers = await asyncio.gather(
        *(house.http.post("/pos/v1/purchases", json=body, headers=house.till) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.content for answer in answers}) == 1


async def test_the_same_key_for_something_else_is_a_conflict(house: House) -> None:
    who = await house.enrol()
    body = house.purchase_body(who)
    await house.post("/pos/v1/purchases", body, house.till)
    before = await house.ledger()
    for changed in ({"total": 1, "lines": [{"sku": "CD", "quantity": 1, "amount": 1}]}, {"channel": "web"}):
        answer = await house.http.post("/pos/v1/purchases", json={**body, **changed}, headers=house.till)
        must_be_problem(answer, 409, "idempotency_conflict")
    assert await house.ledger() == before


async def test_a_key_is_the_tills_own(house: House) -> None:
    """Two tills may count their sales alike; and a purchase's number may be a return's too."""
    who = await house.enrol()
    body = house.purchase_body(who)
    other = bearer(house.token("pos", device="till-2"))
    first = await house.post("/pos/v1/purchases", body, house.till)
    second = await house.post("/pos/v1/purchases", body, other)
    assert (first["version"], second["version"]) == (2, 3)
    back = await house.post(f"/pos/v1/purchases/{first['purchase_id']}/returns", {"id": body["id"]}, house.till)
    assert back["taken_back"] == 356


async def test_a_refused_key_may_succeed_later(house: House) -> None:
    who = await house.enrol()
    path, headers = f"/pos/v1/members/{who.member}/holds", {**house.till, "Idempotency-Key": fresh("key")}
    refused = await house.http.post(path, json={"reward": "off5"}, headers=headers)
    must_be_problem(refused, 409, "insufficient_points")
    await house.adjust(who, 2_500)
    assert (await house.http.post(path, json={"reward": "off5"}, headers=headers)).status_code == 201


async def test_a_sale_in_the_members_language_and_from_another_day(house: House) -> None:
    who = await house.enrol()
    yesterday = rfc3339(house.clock() - timedelta(days=1))
    headers = {**house.till, "Accept-Language": "zh-TW,zh;q=0.9"}
    body = house.purchase_body(who, occurred_at=yesterday.replace("Z", "+00:00"))
    answer = await house.http.post("/pos/v1/purchases", json=body, headers=headers)
    assert answer.json()["tier"]["next_name"] == "銀唱片"
    assert answer.json()["valid_from"] == rfc3339(house.clock())


@dataclass
class Command:
    """A route: what has to be there before, the request, its first status, what its answer says."""

    name: str
    before: Callable[[House, Shopper], Coroutine[Any, Any, str]]
    """Returns what the path is completed with."""
    path: str
    body: Any
    status: int
    balance: int | None
    fields: frozenset[str]
    who: str = "pos"


async def nothing(house: House, who: Shopper) -> str:
    return ""


async def bought(house: House, who: Shopper) -> str:
    return str((await house.buy(who))["purchase_id"])


async def held(house: House, who: Shopper) -> str:
    return str((await house.hold(who))["hold_id"])


async def claimed(house: House, who: Shopper, field: str = "code") -> str:
    app = bearer(house.token("app", who.member))
    return str((await house.post("/app/v1/claims", {"reward": "voucher10"}, app))[field])


async def owned(house: House, who: Shopper) -> str:
    return await claimed(house, who, "voucher")


async def used(house: House, who: Shopper) -> str:
    code = await claimed(house, who)
    await house.post(f"/pos/v1/vouchers/{code}/use", None, house.till)
    return code


async def lost(house: House, who: Shopper) -> str:
    """Points past their date."""
    house.clock.now += timedelta(days=800)
    await house.adjust(who, 1)
    return ""


STAMPED = frozenset(STAMP)
HELD = STAMPED | {"hold_id", "reward", "points", "balance"}
RETURNED = STAMPED | {"purchase_id", "taken_back", "points_given_back", "refund", "balance", "tier", "flags"}
CLAIMED = STAMPED | {"reward", "voucher", "code", "ticket", "points", "balance"}
VOUCHER = STAMPED | {"voucher", "code", "reward", "name", "state", "uses_left", "value", "expires_at", "balance"}
EARNED = STAMPED | {"earned", "balance"}
TRAITS = frozenset({"changed", "epoch", "version"})
LINE = {"sku": "CD", "quantity": 1, "amount": 1_000}

COMMANDS = [
    Command("link", nothing, "/pos/v1/members/{m}/identifiers", {"identifier": {"kind": "card", "value": "*"}}, 201, None,
            frozenset({"member", "linked", "epoch", "version"})),
    Command("return", bought, "/pos/v1/purchases/{x}/returns", {"id": "*"}, 201, 5_000, RETURNED),
    Command("return a line", bought, "/pos/v1/purchases/{x}/returns", {"id": "*", "lines": [LINE]}, 201, 5_256, RETURNED),
    Command("hold", nothing, "/pos/v1/members/{m}/holds", {"reward": "off5"}, 201, 2_500, HELD),
    Command("capture", held, "/pos/v1/members/{m}/holds/{x}/capture", None, 200, 2_500, HELD),
    Command("void", held, "/pos/v1/members/{m}/holds/{x}/void", {"reason": "changed their mind"}, 200, 5_000, HELD),
    Command("void unsaid", held, "/pos/v1/members/{m}/holds/{x}/void", None, 200, 5_000, HELD),
    Command("hold by app", nothing, "/app/v1/holds", {"reward": "off5"}, 201, 2_500, HELD, "app"),
    Command("void by app", held, "/app/v1/holds/{x}/void", None, 200, 5_000, HELD, "app"),
    Command("hold by web", nothing, "/web/v1/holds", {"reward": "off5"}, 201, 2_500, HELD, "web"),
    Command("void by web", held, "/web/v1/holds/{x}/void", {}, 200, 5_000, HELD, "web"),
    Command("hold by kiosk", nothing, "/kiosk/v1/holds", {"reward": "off5"}, 201, 2_500, HELD, "kiosk"),
    Command("void by kiosk", held, "/kiosk/v1/holds/{x}/void", None, 200, 5_000, HELD, "kiosk"),
    Command("hold points", nothing, "/pos/v1/members/{m}/basket-holds", {"points": 500}, 201, 4_500, HELD),
    Command("claim by app", nothing, "/app/v1/claims", {"reward": "voucher10"}, 201, 0, CLAIMED, "app"),
    Command("claim by web", nothing, "/web/v1/claims", {"reward": "music-lessons"}, 201, 4_000, CLAIMED, "web"),
    Command("claim by kiosk", nothing, "/kiosk/v1/claims", {"reward": "voucher10"}, 201, 0, CLAIMED, "kiosk"),
    Command("cancel by app", owned, "/app/v1/vouchers/{x}/cancel", None, 200, 5_000, CLAIMED, "app"),
    Command("cancel by web", owned, "/web/v1/vouchers/{x}/cancel", {"reason": "a slip"}, 200, 5_000, CLAIMED, "web"),
    Command("use", claimed, "/pos/v1/vouchers/{x}/use", None, 200, 0, VOUCHER),
    Command("use by web", claimed, "/web/v1/vouchers/{x}/use", None, 200, 0, VOUCHER, "web"),
    Command("unuse", used, "/pos/v1/vouchers/{x}/unuse", {"reason": "the wrong basket"}, 200, 0, VOUCHER),
    Command("review", nothing, "/pos/v1/members/{m}/actions", {"kind": "review", "subject": "CD"}, 201, 5_050, EARNED),
    Command("check in by app", nothing, "/app/v1/actions", {"kind": "check_in"}, 201, 5_020, EARNED, "app"),
    Command("share by web", nothing, "/web/v1/actions", {"kind": "share"}, 201, 5_010, EARNED, "web"),
    Command("grant", nothing, "/staff/v1/members/{m}/vouchers", {"reward": "voucher10", "reason": "sorry"}, 201, 5_000,
            CLAIMED, "staff"),
    Command("reinstate", lost, "/staff/v1/members/{m}/reinstatements", {"points": 7, "reason": "she was ill"}, 201, 8,
            STAMPED | {"points", "balance"}, "staff"),
    Command("extend", nothing, "/staff/v1/members/{m}/extensions",
            {"first_day": "2028-01-01", "last_day": "2031-12-31", "until": "2032-12-31", "reason": "a gift"}, 201, None,
            TRAITS, "staff"),
    Command("traits", nothing, "/staff/v1/members/{m}/traits", {"segments": ["sleeping"], "birthday": "02-29"}, 201, None,
            TRAITS, "staff"),
    Command("give", nothing, "/staff/v1/members/{m}/adjustments", {"points": 7, "reason": "sorry"}, 201, 5_007,
            STAMPED | {"points", "balance"}, "staff"),
    Command("take", nothing, "/staff/v1/members/{m}/adjustments", {"points": -7, "reason": "an error"}, 201, 4_993,
            STAMPED | {"points", "balance"}, "staff"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
async def test_every_command_has_its_route(house: House, command: Command) -> None:
    """The first answer, its fields, its stamp being the member's now, the equal replay, and the conflict."""
    who = await house.enrol()
    await house.adjust(who, 5_000)
    path = command.path.format(m=who.member, x=await command.before(house, who))
    key = fresh("NUMBER")
    body = _filled(command.body, key)
    headers = {
        "pos": house.till,
        "staff": house.staff(),
        "app": bearer(house.token("app", who.member)),
        "web": bearer(house.token("web", who.member)),
    }
    own = bearer(await house.kiosk(who)) if command.who == "kiosk" else headers[command.who]
    first = await house.http.post(path, json=body, headers={**own, "Idempotency-Key": key})
    assert first.status_code == command.status, first.text
    assert first.json().keys() == command.fields
    assert first.json().get("balance") == command.balance
    view = (await house.http.get("/app/v1/me", headers=bearer(house.token("app", who.member)))).json()
    stamp = [name for name in STAMP if name in command.fields]
    assert [view[name] for name in stamp] == [first.json()[name] for name in stamp]
    assert command.balance in (None, view["view"]["balance"]["points"])
    before = await house.ledger()
    again = await house.http.post(path, json=body, headers={**own, "Idempotency-Key": key})
    assert (again.status_code, again.headers["idempotency-hit"], again.content) == (200, "true", first.content)
    other = _filled(command.body, key, reward="off10", points=8, quantity=2, card="OTHER", kind="share", segments=[])
    if other != body:
        conflict = await house.http.post(path, json=other, headers={**own, "Idempotency-Key": key})
        must_be_problem(conflict, 409, "idempotency_conflict")
    assert await house.ledger() == before


def _filled(body: Any, key: str, **changed: Any) -> Any:
    """The body with its `*` made this test's own, and with other values where it has such fields."""
    if not isinstance(body, dict):
        return body
    filled: dict[str, Any] = {name: key if value == "*" else value for name, value in body.items()}
    if "identifier" in filled:
        filled["identifier"] = {"kind": "card", "value": changed.get("card", key.replace("-", ""))}
    if "lines" in filled:
        filled["lines"] = [{**LINE, "quantity": changed.get("quantity", 1)}]
    return filled | {name: value for name, value in changed.items() if name in filled}


async def test_enrolment_gives_a_code_that_finds_the_member_and_takes_no_identifier_twice(house: House) -> None:
    email = f"{fresh('ada')}@Example.com"
    body = {"id": fresh("E"), "identifiers": [{"kind": "email", "value": email}], "display_name": "Ada Lovelace"}
    answer = await house.http.post("/pos/v1/members", json=body, headers=house.till)
    enrolled = answer.json()
    assert answer.status_code == 201
    assert enrolled.keys() == STAMPED | {"member", "code", "balance", "tier"}
    assert (enrolled["version"], enrolled["balance"]) == (1, 0)
    for kind, value in (("code", enrolled["code"]), ("email", email.upper())):
        found = await house.http.get("/pos/v1/members", params={"kind": kind, "value": value}, headers=house.till)
        assert found.json()["view"]["member"] == enrolled["member"]
        assert "Lovelace" not in found.text
    replay = await house.http.post("/pos/v1/members", json=body, headers=house.till)
    assert (replay.status_code, replay.content) == (200, answer.content)
    before = await house.ledger()
    taken = await house.http.post("/pos/v1/members", json={**body, "id": fresh("E")}, headers=house.till)
    problem = must_be_problem(taken, 409, "identifier_taken")
    assert problem["errors"][0]["pointer"] == "/identifiers/0"
    assert await house.ledger() == before


async def test_linking_what_is_linked_changes_nothing(house: House) -> None:
    who, other = await house.enrol(), await house.enrol()
    card = {"identifier": {"kind": "card", "value": fresh("TWICE").replace("-", "")}}
    path = f"/pos/v1/members/{who.member}/identifiers"
    first = await house.post(path, card, house.till)
    again = await house.http.post(path, json=card, headers={**house.till, "Idempotency-Key": fresh("key")})
    assert (first["linked"], first["version"]) == (True, 2)
    assert (again.status_code, again.json()["linked"], again.json()["version"]) == (200, False, 2)
    taken = await house.http.post(
        f"/pos/v1/members/{other.member}/identifiers",
        json=card,
        headers={**house.till, "Idempotency-Key": fresh("key")},
    )
    must_be_problem(taken, 409, "identifier_taken")


async def test_a_return_never_gives_back_twice(house: House) -> None:
    """Line by line to the end, then `already_returned`; the points taken back are exactly those that were earned."""
    who = await house.enrol()
    sold = await house.buy(who, total=1_005, quantity=3)
    path = f"/pos/v1/purchases/{sold['purchase_id']}/returns"
    taken = []
    for amount in (335, 335):
        line = {"sku": "CD", "quantity": 1, "amount": amount}
        taken.append((await house.post(path, {"id": fresh("R"), "lines": [line]}, house.till))["taken_back"])
    rest = await house.post(path, {"id": fresh("R")}, house.till)
    assert sum(taken) + rest["taken_back"] == sold["earned"] == 100
    assert rest["balance"] == 0
    before = await house.ledger()
    again = await house.http.post(path, json={"id": fresh("R")}, headers=house.till)
    must_be_problem(again, 409, "already_returned")
    assert await house.ledger() == before


async def test_returning_what_was_spent_makes_a_debt_and_says_so(house: House) -> None:
    who = await house.enrol()
    sold = await house.buy(who, total=25_000, quantity=1)
    held = await house.hold(who)
    await house.post(f"/pos/v1/members/{who.member}/holds/{held['hold_id']}/capture", None, house.till)
    back = await house.post(f"/pos/v1/purchases/{sold['purchase_id']}/returns", {"id": fresh("R")}, house.till)
    assert (back["flags"], back["balance"], back["taken_back"]) == (["debt"], -2_500, 2_500)
