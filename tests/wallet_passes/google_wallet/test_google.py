"""Passes at Google: the whole way over real sockets, against a wallet server that refuses what Google would refuse."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bff.demo.wallets.google import ISSUER, Answer, GoogleWallet
from core.allowance import Allowance
from core.database import connected
from core.delivery.outcome import Delivered, Rejected, Retry, Unknown
from tests.bff.house import House, Shopper, bearer, fresh, until, until_async
from tests.databases import execute
from tests.surfaces.samples import PUBLISHED, change, snapshot
from tests.wallet_passes.google_wallet.shop import adjust, called_back, error, name, save, updated, updates
from wallet_passes.google import store
from wallet_passes.google.client import GoogleClient, QuotaExceeded
from wallet_passes.google.updates import worth_telling

CLASS = f"{ISSUER}.chorus-loyalty"
ROOT = Path(__file__).resolve().parents[3]


# -- saving -------------------------------------------------------------------------------------------------------


async def test_a_save_link_names_an_object_that_is_there(house: House, google: GoogleWallet) -> None:
    who = await house.enrol()
    sale = await house.buy(who)
    link = await save(house, who)

    kept = google.kept["loyaltyObject"][name(who)]
    assert kept["loyaltyPoints"]["balance"] == {"int": sale["balance"]}
    assert kept["barcode"]["value"] == kept["accountId"] == who.code
    assert kept["heroImage"]["sourceUri"]["uri"].startswith(f"{house.url}/passes/listener/hero.png")
    languages = {one["language"] for one in kept["loyaltyPoints"]["localizedLabel"]["translatedValues"]}
    assert languages == {"zh-Hans", "zh-Hant"}
    assert google.kept["loyaltyClass"][CLASS]["callbackOptions"] == {"url": f"{house.url}/google/v1/callbacks"}
    assert len(link) < 1_800, "a longer link breaks in browsers"
    claims = json.loads(base64.urlsafe_b64decode(link.rpartition("/")[2].split(".")[1] + "=="))
    assert claims["payload"] == {"loyaltyObjects": [{"id": name(who), "classId": CLASS}]}
    assert (claims["aud"], claims["typ"], claims["origins"]) == ("google", "savetowallet", [house.url])
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(link)).status_code == 200, "Google takes the link's signature"
        for picture in (kept["heroImage"], google.kept["loyaltyClass"][CLASS]["programLogo"]):
            shown = await browser.get(picture["sourceUri"]["uri"])
            assert shown.headers["content-type"] == "image/png"


async def test_the_button_of_the_page_leads_to_google(house: House) -> None:
    who = await house.enrol()
    page = await house.http.get("/card/google", headers={"cookie": f"chorus_web={house.token('web', who.member)}"})
    assert page.status_code == 303
    assert "/save/" in page.headers["location"]
    refused = await house.http.get("/card/google", headers={"accept": "text/html"})
    assert refused.status_code == 401
    assert "text/html" in refused.headers["content-type"]


async def test_a_link_is_not_given_while_google_is_away(house: House, google: GoogleWallet) -> None:
    who = await house.enrol()
    google.trouble.append((name(who), Answer(503, b"")))
    answer = await house.http.get("/web/v1/passes/google", headers=bearer(house.token("web", who.member)))
    assert (answer.status_code, answer.json()["code"]) == (503, "google_away")
    assert await save(house, who)


# -- updates ------------------------------------------------------------------------------------------------------


async def test_a_purchase_changes_the_object_without_a_sound(
    house: House, google: GoogleWallet, saver: Shopper
) -> None:
    sale = await house.buy(saver)
    assert not (await updated(google, saver, sale["balance"])).notified


async def test_three_notifications_a_day_and_then_silence(house: House, google: GoogleWallet, saver: Shopper) -> None:
    told = [(await updated(google, saver, await adjust(house, saver, 100))).notified for _ in range(4)]
    assert told == [True, True, True, False]
    house.clock.forward(hours=24, seconds=1)
    google._notified.clear()
    assert (await updated(google, saver, await adjust(house, saver, 100))).notified


async def test_notifications_that_others_spent_are_counted_too(
    house: House, google: GoogleWallet, saver: Shopper
) -> None:
    """Google says there are none left: the change goes through in silence, and none is tried again that day."""
    google._notified[name(saver)] = 3
    assert not (await updated(google, saver, await adjust(house, saver, 50))).notified
    google._notified[name(saver)] = 0
    assert not (await updated(google, saver, await adjust(house, saver, 50))).notified


async def test_a_new_tier_is_told_and_changes_the_face(house: House, google: GoogleWallet, saver: Shopper) -> None:
    sale = await house.buy(saver, total=100_000)
    assert (await updated(google, saver, sale["balance"])).notified
    assert "/passes/silver/hero.png" in google.kept["loyaltyObject"][name(saver)]["heroImage"]["sourceUri"]["uri"]
    again = await house.buy(saver)
    assert not (await updated(google, saver, again["balance"])).notified


RISES = [
    ("a rise", [("listener", 7), ("silver", 7)], 1, True),
    ("across a publication", [("listener", 6), ("silver", 7)], 1, True),
    ("of all that it missed", [("listener", 7), ("silver", 7), ("silver", 7)], 1, True),
    ("told already", [("listener", 7), ("silver", 7), ("silver", 7)], 2, False),
    ("from a tier that is gone", [("diamond", 6), ("silver", 7)], 1, False),
    ("to a tier that is gone", [("listener", 6), ("diamond", 6)], 1, False),
    ("after a late slip that was sent", [("silver", 7), ("listener", 6), ("silver", 7)], 2, False),
    ("a late slip itself", [("listener", 7), ("silver", 6)], 1, False),
]


@pytest.mark.parametrize(("steps", "sent", "told"), [row[1:] for row in RISES], ids=[row[0] for row in RISES])
def test_a_rise_is_told_of_the_ladder_in_force(steps: list[tuple[str, int]], sent: int, told: bool) -> None:
    """Of (tier, revision), oldest first."""
    changes = [
        msgspec.structs.replace(change(version, "purchase", 1, 1, tier=tier), programme=revision)
        for version, (tier, revision) in enumerate(steps, start=1)
    ]
    assert worth_telling(snapshot(*changes[::-1]), sent, PUBLISHED.programme) == told


async def test_what_an_operator_does_after_a_restore_has_every_pass_sent_again(
    house: House, google: GoogleWallet, saver: Shopper
) -> None:
    """The very statements of docs/operate.md, but for the epoch, which a process reads at its start. Without a sound."""
    told = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    statements = re.findall(r"^ +(UPDATE (?:wallet|google)_pass [^;]+);", told, re.MULTILINE)
    assert len(statements) == 2
    apple = await house.http.get("/app/v1/passes/apple", headers=bearer(house.token("app", saver.member)))
    assert apple.status_code == 200
    await updated(google, saver, await adjust(house, saver, 100))
    before, tag = len(updates(google, saver)), await tag_of(house, saver)
    await execute(house.database.owner_url, *statements)

    async def again() -> bool:
        async with connected(house.services.database) as connection:
            left = await connection.fetchval(
                """SELECT (SELECT count(*) FROM google_pass WHERE programme = 0)
                        + (SELECT count(*) FROM delivery WHERE state = 'pending' AND channel = 'googlepass')"""
            )
        return left == 0 and len(updates(google, saver)) > before and await tag_of(house, saver) > tag

    await until_async(again, "all are sent, and the other marked")
    assert not updates(google, saver)[-1].notified


async def tag_of(house: House, who: Shopper) -> int:
    async with connected(house.services.database) as connection:
        return int(await connection.fetchval("SELECT tag FROM wallet_pass WHERE member_id = $1", who.member))


async def test_who_has_not_heard_of_a_programme_has_not_the_last_word(house: House, saver: Shopper) -> None:
    """Another worker has, and had the objects sent again; this one sends one by the programme it knows."""
    known, now = house.services.book.revision, house.clock()
    async with connected(house.services.database) as connection:
        assert saver.member in await store.outdated(connection, known + 1, now, 500)
        assert saver.member not in await store.outdated(connection, known + 1, now, 500)
        await store.sent(connection, saver.member, 9, known, None, now)
        assert saver.member in await store.outdated(connection, known + 1, now, 500)


async def test_an_object_that_is_removed_is_left_alone_until_it_is_saved_again(
    house: House, google: GoogleWallet, saver: Shopper
) -> None:
    assert await called_back(house, google, saver, "del") == 200
    before = len(updates(google, saver))
    sale = await house.buy(saver)
    other = await house.enrol()
    await save(house, other)
    after = await house.buy(other)
    await updated(google, other, after["balance"])  # what came later is through
    assert len(updates(google, saver)) == before
    assert await called_back(house, google, saver, "save") == 200
    await updated(google, saver, sale["balance"])


async def test_twenty_purchases_at_once_end_at_the_truth(house: House, google: GoogleWallet, saver: Shopper) -> None:
    troubles = [Answer(500, b""), Answer(429, b"{}", headers={"retry-after": "0"}), Answer(503, b"<html>")]
    google.trouble += [(name(saver), trouble) for trouble in troubles]
    before = len(updates(google, saver))
    sales = await asyncio.gather(*(house.buy(saver) for _ in range(20)))
    newest = max(sales, key=lambda sale: sale["version"])

    def there() -> bool:
        house.clock.forward(seconds=0.05)  # time passes: what failed is due again
        return updates(google, saver)[-1].points == newest["balance"]

    await until(there, "the newest of twenty is there")
    assert len(updates(google, saver)) - before <= 20
    points = [one.points for one in updates(google, saver)[before:]]
    assert points == sorted(points), "an older state was sent after a newer one"


# -- callbacks ----------------------------------------------------------------------------------------------------


def tampered(body: bytes, part: str) -> bytes:
    envelope = json.loads(body)
    match part:
        case "message":
            envelope["signedMessage"] = envelope["signedMessage"].replace('"save"', '"del"')
        case "key":
            envelope["intermediateSigningKey"]["signedKey"] = GoogleWallet().callback("x", "save", nonce="n").decode()
        case "protocol":
            envelope["protocolVersion"] = "ECv1"
        case "signature":
            envelope["signature"] = base64.b64encode(b"0" * 70).decode()
    return json.dumps(envelope).encode()


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda google, who: b"not json", id="not JSON"),
        pytest.param(lambda google, who: b"{}", id="empty"),
        pytest.param(lambda google, who: b"[" * 5000, id="deep"),
        pytest.param(lambda google, who: google.callback(name(who), "del", nonce="a", issuer="1"), id="for another"),
        pytest.param(
            lambda google, who: google.callback(name(who), "del", nonce="b", good_for=-40_000_000), id="expired"
        ),
        pytest.param(lambda google, who: GoogleWallet().callback(name(who), "del", nonce="c"), id="other root"),
        *(
            pytest.param(
                lambda google, who, part=part: tampered(google.callback(name(who), "save", nonce="d"), part), id=part
            )
            for part in ("message", "key", "protocol", "signature")
        ),
    ],
)
async def test_a_forged_callback_changes_nothing(
    house: House, google: GoogleWallet, saver: Shopper, forge: Any
) -> None:
    answer = await house.http.post("/google/v1/callbacks", content=forge(google, saver))
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_callback")
    sale = await house.buy(saver)
    await updated(google, saver, sale["balance"])


async def test_a_callback_told_twice_counts_once(house: House, google: GoogleWallet, saver: Shopper) -> None:
    """A late repeat of the save must not bring back what was removed after it."""
    nonce = fresh("nonce")
    body = google.callback(name(saver), "save", nonce=nonce)
    first = await house.http.post("/google/v1/callbacks", content=body)
    assert first.json() == {"new": True}
    await called_back(house, google, saver, "del")
    again = await house.http.post("/google/v1/callbacks", content=body)
    assert (again.status_code, again.json()) == (200, {"new": False})


# -- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "seconds"),
    [
        (error(400, "INVALID_ARGUMENT", "no such field"), Rejected, None),
        (error(401, "UNAUTHENTICATED"), Retry, None),
        (error(403, "PERMISSION_DENIED"), Retry, 300),
        (error(429, "RESOURCE_EXHAUSTED", **{"retry-after": "7"}), Retry, 7),
        (error(429, "RESOURCE_EXHAUSTED", "QuotaExceededException"), QuotaExceeded, None),
        (error(500, "INTERNAL"), Retry, None),
        (Answer(503, b""), Retry, None),
        (Answer(502, b"<html>"), Retry, None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else None,
)
async def test_every_answer_has_its_outcome(
    house: House, google: GoogleWallet, saver: Shopper, answer: Answer, outcome: type, seconds: int | None
) -> None:
    service = house.services.outside.google
    assert service is not None
    google.trouble.append((name(saver), answer))
    found = await service.client.upsert("loyaltyObject", {"id": name(saver), "accountName": "A"})
    assert isinstance(found, outcome)
    if isinstance(found, Retry):
        assert (found.after.total_seconds() if found.after else None) == seconds


async def test_a_refused_token_is_fetched_anew(house: House, google: GoogleWallet, saver: Shopper) -> None:
    service = house.services.outside.google
    assert service is not None
    issued = google.tokens_issued
    google._tokens.clear()
    body = {"id": name(saver), "accountName": "A"}
    found = [await service.client.upsert("loyaltyObject", body) for _ in range(2)]
    assert [type(one) for one in found] == [Retry, Delivered]
    assert google.tokens_issued == issued + 1


async def test_what_somebody_made_meanwhile_is_patched(house: House, google: GoogleWallet, saver: Shopper) -> None:
    """An object of nobody's, which no update of a member's touches."""
    service, own = house.services.outside.google, f"{ISSUER}.nobodys"
    assert service is not None
    body = {**google.kept["loyaltyObject"][name(saver)], "id": own}
    assert isinstance(await service.client.upsert("loyaltyObject", body), Delivered)
    google.trouble += [(own, error(404, "NOT_FOUND")), (own, error(409, "ALREADY_EXISTS"))]
    before = len(google.requests)
    assert isinstance(await service.client.upsert("loyaltyObject", body), Delivered)
    tried = [method for method, path in google.requests[before:] if path.endswith((own, "/loyaltyObject"))]
    assert tried == ["PATCH", "POST", "PATCH"]


async def test_nobody_there_is_no_error_of_ours() -> None:
    async def token() -> str:
        return "t"

    client = GoogleClient("http://127.0.0.1:9", token, lambda: None, Allowance(100, 10, lambda: 0.0))
    found = await client.upsert("loyaltyObject", {"id": "1.a"})
    await client.close()
    assert isinstance(found, Retry)
    assert not isinstance(found, Unknown)
