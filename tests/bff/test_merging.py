"""Two members that are one person: how staff say so, and what either's tokens, ids and vouchers open from then on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core.points import MAX_POINTS
from tests.bff.house import House, Shopper, bearer, fresh
from tests.bff.problems import must_be_problem
from tests.bff.test_till import STAMP

REASON = {"reason": "the same person"}
MERGED = frozenset({*STAMP, "changed", "member", "merged", "balance", "tier"})


async def member(house: House, points: int, versions: int = 2, **body: Any) -> Shopper:
    """One with so many points and versions."""
    who = await house.enrol(**body)
    await house.adjust(who, points - versions + 2)
    for _ in range(versions - 2):
        await house.adjust(who, 1)
    return who


async def merge(house: House, who: Shopper, other: object, key: str = "", **given: Any) -> Any:
    headers = {**house.staff(), "Idempotency-Key": key or fresh("key"), **given}
    path = f"/staff/v1/members/{who.member}/merge"
    return await house.http.post(path, json={"other": other, **REASON}, headers=headers)


def by_code(who: Shopper) -> dict[str, str]:
    return {"kind": "code", "value": who.code}


@pytest.mark.parametrize("longer", ["this", "the other"])
async def test_the_answer_says_which_id_lives_on_and_a_repeat_says_it_again(house: House, longer: str) -> None:
    who, other = await member(house, 10_000, 2 if longer == "the other" else 5), await member(house, 500, 3)
    lives_on, gone = (who, other) if longer == "this" else (other, who)
    key = fresh("key")
    first = await merge(house, who, str(other.member), key, **{"Accept-Language": "zh-Hant"})
    assert (first.status_code, first.json().keys()) == (201, MERGED)
    assert first.json()["tier"]["key"] == "listener"
    assert first.json()["tier"]["name"] == "聆聽會員"
    said = {name: first.json()[name] for name in ("changed", "member", "merged", "balance")}
    assert said == {"changed": True, "member": str(lives_on.member), "merged": str(gone.member), "balance": 10_500}
    await house.adjust(who, 7)
    again = await merge(house, who, str(other.member), key, **{"Accept-Language": "zh-Hant"})
    assert (again.status_code, again.headers["idempotency-hit"], again.content) == (200, "true", first.content)
    must_be_problem(await merge(house, who, by_code(other), key), 409, "idempotency_conflict")
    shown = (await house.http.get("/app/v1/me", headers=bearer(house.token("app", gone.member)))).json()
    assert (shown["version"], shown["view"]["balance"]["points"]) == (first.json()["version"] + 1, 10_507)
    assert shown["view"]["member"]["code"] == who.code


async def test_two_that_are_one_already_are_left_as_they_are(house: House) -> None:
    who, other = await member(house, 10), await member(house, 20, 3)
    done = (await merge(house, who, by_code(other))).json()
    before = (await house.ledger())[:2]
    for one, named in (
        (who, by_code(other)),
        (other, str(who.member)),
        (who, by_code(who)),
        (other, str(other.member)),
    ):
        key = fresh("key")
        answer = await merge(house, one, named, key)
        assert (answer.status_code, answer.json()) == (
            200,
            {"changed": False, "member": str(other.member), "epoch": done["epoch"], "version": done["version"]},
        )
        assert (await merge(house, one, named, key)).content == answer.content
    assert (await house.ledger())[:2] == before, "no version, no posting"


NOT_A_MEMBER = {"kind": "card", "value": "NOBODYS1"}


@pytest.mark.parametrize(
    ("body", "status", "code", "pointers"),
    [
        ({"other": "999999999", **REASON}, 404, "unknown_member", ["/other"]),
        ({"other": NOT_A_MEMBER, **REASON}, 404, "unknown_member", ["/other"]),
        ({"other": "a friend", **REASON}, 422, "invalid_input", ["/other"]),
        ({"other": "", **REASON}, 422, "invalid_input", ["/other"]),
        ({"other": 1042, **REASON}, 422, "invalid_input", ["/other"]),
        ({"other": {"kind": "voucher", "value": "7Q2M0XK481TZ"}, **REASON}, 422, "invalid_input", ["/other/kind"]),
        ({"other": {"kind": "code", "value": "1234"}, **REASON}, 422, "invalid_input", ["/other/value"]),
        ({"other": {"kind": "email", "value": "a\0@b.cd"}, **REASON}, 422, "invalid_input", ["/other/value"]),
        (REASON, 422, "invalid_input", ["/other"]),
        ({"other": "1"}, 422, "invalid_input", ["/reason"]),
        ({"other": "1", "reason": " "}, 422, "invalid_input", ["/reason"]),
        ({"other": "1", "reason": "x" * 501}, 422, "invalid_input", ["/reason"]),
        ({"other": "1", **REASON, "member": "2"}, 422, "invalid_input", ["/member"]),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named_and_nothing_is_merged(
    house: House, shopper: Shopper, body: dict[str, Any], status: int, code: str, pointers: list[str]
) -> None:
    before, path = await house.ledger(), f"/staff/v1/members/{shopper.member}/merge"
    headers = {**house.staff(), "Idempotency-Key": fresh("key")}
    answer = await house.http.post(path, json=body, headers=headers)
    assert [one["pointer"] for one in must_be_problem(answer, status, code)["errors"]] == pointers
    assert await house.ledger() == before


async def test_who_may_not_or_gives_no_key_or_names_nobody_merges_nothing(house: House, shopper: Shopper) -> None:
    other = await member(house, 1)
    before, path = await house.ledger(), f"/staff/v1/members/{shopper.member}/merge"
    body, key = {"other": str(other.member), **REASON}, {"Idempotency-Key": fresh("key")}
    for given, status, code in (
        (house.staff("programme"), 403, "scope_missing"),
        (house.till, 403, "wrong_surface"),
        ({}, 401, "unauthenticated"),
    ):
        must_be_problem(await house.http.post(path, json=body, headers={**given, **key}), status, code)
    must_be_problem(await house.http.post(path, json=body, headers=house.staff()), 422, "key_required")
    nobody = await house.http.post("/staff/v1/members/999999/merge", json=body, headers={**house.staff(), **key})
    must_be_problem(nobody, 404, "unknown_member")
    assert await house.ledger() == before


async def test_more_points_than_a_ledger_holds_are_not_joined(house: House) -> None:
    who, other = await member(house, MAX_POINTS), await member(house, MAX_POINTS)
    before = await house.ledger()
    must_be_problem(await merge(house, who, by_code(other)), 409, "points_out_of_range")
    assert await house.ledger() == before


async def test_every_token_of_the_one_that_is_no_more_reads_the_other(house: House) -> None:
    """Views with the other's stamp and tag, its activity page by page, quotes; its own receipt keeps its purchase."""
    email = f"{fresh('ada')}@example.com"
    gone = await house.enrol(identifiers=[{"kind": "email", "value": email}])
    sold = await house.buy(gone, total=5_000)
    lives_on = await member(house, 300, 4)
    kiosk = bearer(await house.kiosk(gone))
    await merge(house, lives_on, by_code(gone))
    headers = {surface: bearer(house.token(surface, gone.member)) for surface in ("app", "web", "wallet")}
    theirs = bearer(house.token("app", lives_on.member))
    truth = await house.http.get("/app/v1/me", headers=theirs)
    for surface, given in headers.items():
        shown = (await house.http.get(f"/{surface}/v1/me", headers=given)).json()
        assert (shown["version"], shown["view"]["balance"]["points"]) == (5, 800)
    same = await house.http.get("/app/v1/me", headers={**headers["app"], "If-None-Match": truth.headers["etag"]})
    assert same.status_code == 304
    first = (await house.http.get("/app/v1/activity", params={"limit": 2}, headers=headers["app"])).json()
    rest = (await house.http.get("/app/v1/activity", params={"cursor": first["next"]}, headers=headers["app"])).json()
    assert first["items"] + rest["items"] == truth.json()["view"]["activity"]
    assert [(row["kind"], row["points"]) for row in first["items"]] == [("merge", 500), ("adjust", 1)]
    assert (await house.http.get("/kiosk/v1/me", headers=kiosk)).json()["view"]["member"]["balance"]["points"] == 800
    basket = {"channel": "store", "currency": "USD", "total": 100}
    basket["lines"] = [{"sku": "CD", "quantity": 1, "amount": 100}]
    for path, given in (("/app/v1/quotes", headers["app"]), ("/kiosk/v1/quotes", kiosk)):
        quoted = (await house.http.post(path, json=basket, headers=given)).json()
        assert (quoted["version"], quoted["balance_after"]) == (5, 810)
    for kind, value in (("email", email), ("code", gone.code), ("code", lives_on.code)):
        found = await house.http.get("/pos/v1/members", params={"kind": kind, "value": value}, headers=house.till)
        assert found.json()["view"]["member"] == str(lives_on.member)
    receipt = (await house.http.get(f"{sold['receipt']['url']}/receipt.json")).json()
    assert (receipt["version"], receipt["view"]["earned"], receipt["view"]["balance"]["points"]) == (5, 500, 800)
    await house.post(f"/pos/v1/purchases/{sold['purchase_id']}/returns", {"id": fresh("R")}, house.till)
    receipt = (await house.http.get(f"{sold['receipt']['url']}/receipt.json")).json()
    assert ("500" in receipt["view"]["returned_note"], receipt["view"]["balance"]["points"]) == (True, 300)
    linked = await house.post(
        f"/pos/v1/members/{gone.member}/identifiers",
        {"identifier": {"kind": "card", "value": fresh("CARD").replace("-", "")}},
        house.till,
    )
    assert linked["member"] == str(lives_on.member)


async def test_a_list_is_read_to_its_end_though_its_member_is_merged_meanwhile(house: House) -> None:
    """And nobody reads on in another's."""
    gone, lives_on = await member(house, 5, 3), await member(house, 7, 5)
    app, theirs = bearer(house.token("app", gone.member)), bearer(house.token("app", lives_on.member))

    async def page(headers: dict[str, str], cursor: str | None = None) -> httpx.Response:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        return await house.http.get("/app/v1/activity", params=params, headers=headers)

    whole = (await house.http.get("/app/v1/activity", headers=app)).json()["items"]
    first = (await page(app)).json()
    await merge(house, lives_on, by_code(gone))
    rest = (await page(app, first["next"])).json()
    assert [*first["items"], *rest["items"]] == whole[:4]
    assert (await page(theirs, first["next"])).status_code == 422
    since = (await page(app)).json()
    assert since["items"] == (await page(theirs)).json()["items"]
    assert (await page(app, since["next"])).json() == (await page(theirs, since["next"])).json()


async def test_holds_and_vouchers_are_named_as_the_screen_shows_them(house: House) -> None:
    """Each member's third version is a hold and its fourth a voucher, so their numbers are the same. By the token of the
    one that is no more the other's are meant, as its screen shows them: what came with it has another number by then. Who
    taps twice ends nothing else."""
    gone, lives_on = await member(house, 20_000), await member(house, 20_000)
    held = {who.member: (await house.hold(who))["hold_id"] for who in (gone, lives_on)}
    bought = {}
    for who in (gone, lives_on):
        app = bearer(house.token("app", who.member))
        bought[who.member] = await house.post("/app/v1/claims", {"reward": "voucher10"}, app)
    await house.adjust(lives_on, 1)
    assert len(set(held.values())) == len({one["voucher"] for one in bought.values()}) == 1
    kiosk = bearer(await house.kiosk(gone))
    await merge(house, lives_on, str(gone.member))
    app, web = (bearer(house.token(surface, gone.member)) for surface in ("app", "web"))

    async def shown(what: str) -> list[str]:
        return [one["id"] for one in (await house.http.get("/app/v1/me", headers=app)).json()["view"][what]]

    own, foreign = held[lives_on.member], next(id for id in await shown("holds") if id != held[lives_on.member])
    done = [await house.post(f"/kiosk/v1/holds/{own}/void", None, kiosk)]
    assert await shown("holds") == [foreign]
    again = await house.http.post(f"/app/v1/holds/{own}/void", headers={**app, "Idempotency-Key": fresh("key")})
    must_be_problem(again, 409, "hold_not_open")
    done.append(await house.post(f"/app/v1/holds/{foreign}/void", None, app))
    assert [one["hold_id"] for one in done] == [own, foreign]
    for path in (f"/app/v1/holds/{own}/void", f"/app/v1/holds/{foreign}/void"):
        again = await house.http.post(path, headers={**app, "Idempotency-Key": fresh("key")})
        must_be_problem(again, 409, "hold_not_open")
    number = bought[lives_on.member]["voucher"]
    cancelled = [await house.post(f"/app/v1/vouchers/{number}/cancel", None, app, key="one") for _ in range(2)]
    assert cancelled[0] == cancelled[1]
    assert cancelled[0]["voucher"] == number
    twice = await house.http.post(f"/app/v1/vouchers/{number}/cancel", headers={**app, "Idempotency-Key": "two"})
    must_be_problem(twice, 409, "voucher_not_good")
    [left] = await shown("vouchers")
    assert (await house.post(f"/app/v1/vouchers/{left}/cancel", None, app))["voucher"] == left
    assert await shown("vouchers") == []
    mine = await house.post("/web/v1/claims", {"reward": "voucher10"}, web)
    assert (await house.post(f"/web/v1/vouchers/{mine['code']}/use", None, web))["state"] == "used"
    stranger = await house.enrol()
    theirs = bearer(house.token("web", stranger.member))
    stolen = await house.http.post(
        f"/web/v1/vouchers/{bought[gone.member]['code']}/use", headers={**theirs, "Idempotency-Key": fresh("key")}
    )
    must_be_problem(stolen, 404, "unknown_voucher")
