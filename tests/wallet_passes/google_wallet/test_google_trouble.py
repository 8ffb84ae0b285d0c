"""Passes at Google in trouble: a newer state overtakes, Google is away, a class is gone, members and strangers storm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bff.demo.wallets.google import ISSUER, Answer, GoogleWallet
from core.allowance import Allowance
from core.database import connected
from core.delivery.outcome import Retry, Unknown
from core.programme.validation import default_document
from push.bus import tell_programme
from tests.bff.house import House, Shopper, bearer, until, until_async
from tests.core.door import publish_programme
from tests.wallet_passes.google_wallet.shop import adjust, called_back, error, name, save, updated
from wallet_passes.google import store
from wallet_passes.google.service import GoogleService
from wallet_passes.google.updates import GoogleRefresher

CLASS = f"{ISSUER}.chorus-loyalty"
AWAY = Answer(503, b"")


@pytest.fixture
def service(house: House) -> GoogleService:
    found = house.services.outside.google
    assert found is not None
    return found


async def query(house: House, statement: str, *values: object) -> list[Any]:
    async with connected(house.services.database) as connection:
        return await connection.fetch(statement, *values)


async def deliveries(house: House, who: Shopper) -> list[str]:
    """The states of what was planned for the member's pass."""
    rows = await query(
        house, "SELECT state FROM delivery WHERE channel = 'googlepass' AND target = $1 ORDER BY id", who.member
    )
    return [state for (state,) in rows]


async def settled(house: House, who: Shopper, done: Callable[[], bool]) -> None:
    """Until it is `done`, and nothing waits."""

    async def there() -> bool:
        house.clock.forward(seconds=0.5)  # time passes: what failed is due again
        return done() and "pending" not in await deliveries(house, who)

    await until_async(there, "it is done, and nothing waits")


def shows(google: GoogleWallet, who: Shopper, points: int) -> Callable[[], bool]:
    return lambda: google.kept["loyaltyObject"][name(who)]["loyaltyPoints"]["balance"]["int"] == points


# -- a save link's own update -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "its answer lost"])
async def test_a_newer_state_that_overtakes_a_save_link_is_the_one_that_stays(
    house: House,
    google: GoogleWallet,
    saver: Shopper,
    service: GoogleService,
    monkeypatch: pytest.MonkeyPatch,
    lost: bool,
) -> None:
    """The link's PATCH lands last, with the older state; where its answer is lost, after the link was refused."""
    upsert, sales = service.client.upsert, []

    async def late(kind: Any, body: dict[str, Any]) -> Any:
        if kind == "loyaltyObject" and body["id"] == name(saver) and not sales:
            sales.append(await house.buy(saver))
            await settled(house, saver, shows(google, saver, sales[0]["balance"]))
            found = await upsert(kind, body)
            return Unknown("no answer") if lost else found
        return await upsert(kind, body)

    monkeypatch.setattr(service.client, "upsert", late)
    answer = await house.http.get("/web/v1/passes/google", headers=bearer(house.token("web", saver.member)))
    assert answer.status_code == (503 if lost else 200)
    await settled(house, saver, shows(google, saver, sales[0]["balance"]))


# -- notifications ------------------------------------------------------------------------------------------------


async def test_a_notification_that_was_not_given_is_not_spent(
    house: House, google: GoogleWallet, saver: Shopper
) -> None:
    google.trouble += [(name(saver), AWAY) for _ in range(4)]
    balance = await adjust(house, saver, 100)
    await settled(house, saver, shows(google, saver, balance))
    assert (await updated(google, saver, balance)).notified
    told = [(await updated(google, saver, await adjust(house, saver, 100))).notified for _ in range(3)]
    assert told == [True, True, False]


async def spent(house: House, who: Shopper) -> int:
    return int(
        (await query(house, "SELECT cardinality(notified) FROM google_pass WHERE member_id = $1", who.member))[0][0]
    )


async def test_of_notifications_spent_at_one_moment_each_is_taken_back_once(house: House, saver: Shopper) -> None:
    """Two workers, and Google's own word between them."""
    now, member = house.clock(), saver.member
    async with connected(house.services.database) as one, connected(house.services.database) as two:
        assert await store.spend(one, member, now)
        assert await store.spend(two, member, now)
        assert await store.spend(two, member, now + timedelta(seconds=1))
        assert not await store.spend(one, member, now)
        await asyncio.gather(store.take_back(one, member, now), store.take_back(two, member, now))
        assert await spent(house, saver) == 1
        await store.take_back(one, member, now)
        assert await spent(house, saver) == 1
        await store.all_spent(two, member, now + timedelta(seconds=2))
        await store.take_back(one, member, now + timedelta(seconds=1))
        assert not await store.spend(one, member, now + timedelta(seconds=3))


async def test_nobody_knows_whether_a_lost_answer_was_told(
    house: House, google: GoogleWallet, saver: Shopper, service: GoogleService, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert, lost = service.client.upsert, []

    async def losing(kind: Any, body: dict[str, Any]) -> Any:
        found = await upsert(kind, body)
        if body["id"] == name(saver) and len(lost) < 3:
            lost.append(found)
            return Unknown("no answer")
        return found

    monkeypatch.setattr(service.client, "upsert", losing)
    await adjust(house, saver, 100)
    await settled(house, saver, lambda: len(lost) == 3)
    assert await spent(house, saver) == 3


# -- storms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/web/v1/passes/google", "/app/v1/passes/google"])
async def test_a_member_cannot_ask_for_links_without_end(house: House, google: GoogleWallet, path: str) -> None:
    who, other = await house.enrol(), await house.enrol()
    headers = bearer(house.token(path[1:4], who.member))
    answers = await asyncio.gather(*(house.http.get(path, headers=headers) for _ in range(30)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 12
    assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {"too_many"}
    assert await save(house, other), "another member's is given"


async def test_the_button_of_the_page_has_the_same_bound(house: House, google: GoogleWallet) -> None:
    who = await house.enrol()
    headers = {"cookie": f"chorus_web={house.token('web', who.member)}", "accept": "text/html"}
    pages = [await house.http.get("/card/google", headers=headers) for _ in range(20)]
    assert {page.status_code for page in pages} == {303, 429}
    assert "text/html" in pages[-1].headers["content-type"]


async def test_forged_callbacks_are_soon_not_even_read(
    house: House, google: GoogleWallet, service: GoogleService, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = [1_000_000.0]
    monkeypatch.setattr(service, "_monotonic", lambda: time[0])
    monkeypatch.setattr(service, "_deaf_until", 0.0)
    monkeypatch.setattr(service, "_forged", Allowance(1, 60, lambda: time[0]))
    opened, tried = service._verifier.open, []

    async def counted(body: bytes) -> Any:
        tried.append(body)
        return await opened(body)

    monkeypatch.setattr(service._verifier, "open", counted)
    who = await house.enrol()
    forged = GoogleWallet().callback(name(who), "save", nonce="x")
    answers = [await house.http.post("/google/v1/callbacks", content=forged) for _ in range(100)]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert answers[-1].json()["code"] == "too_many"
    assert len(tried) < 70
    time[0] += 2
    assert await called_back(house, google, who, "save") == 200, "Google's own are heard again"


async def test_a_callback_that_is_far_too_long_is_not_read(house: House) -> None:
    answer = await house.http.post("/google/v1/callbacks", content=b'{"signature": "' + b"A" * 40_000 + b'"}')
    assert answer.status_code == 413


# -- catching up --------------------------------------------------------------------------------------------------


async def test_what_is_planned_already_is_not_planned_at_every_look(
    house: House, google: GoogleWallet, saver: Shopper
) -> None:
    google.trouble += [(name(saver), error(403, "PERMISSION_DENIED")) for _ in range(30)]
    services = house.services
    refresher = GoogleRefresher(services.database, services.book, lambda: services.engine.epoch, house.clock)
    sale = await house.buy(saver)
    await until_async(lambda: _tried(house, saver, sale["version"]), "it was tried")
    before = await deliveries(house, saver)
    for _ in range(5):
        await refresher.catch_up()
    assert await deliveries(house, saver) == before
    google.trouble.clear()
    house.clock.forward(hours=2)
    await settled(house, saver, shows(google, saver, sale["balance"]))

    await query(house, "UPDATE google_pass SET version = version - 1 WHERE member_id = $1", saver.member)
    await refresher.catch_up()
    assert len(await deliveries(house, saver)) == len(before) + 1, "what nobody planned is planned"


async def _tried(house: House, who: Shopper, version: int) -> bool:
    rows = await query(
        house,
        """SELECT attempts FROM delivery WHERE channel = 'googlepass' AND target = $1 AND state = 'pending'
              AND leased_until IS NULL AND attempts > 0 AND version = $2""",
        who.member,
        version,
    )
    return bool(rows)


# -- the class ----------------------------------------------------------------------------------------------------


async def publish(house: House, source: str) -> None:
    revision, settings = house.services.book.revision, house.services.settings
    await publish_programme(house.database.owner_url, source, house.clock())
    await tell_programme(settings.nats_url or "", settings.nats_token)
    await until(lambda: house.services.book.revision > revision, "the programme is read")


async def test_many_first_sends_at_once_make_the_class_once(house: House, google: GoogleWallet) -> None:
    members = [await house.enrol() for _ in range(8)]
    await publish(house, default_document())
    before = len(google.requests)
    await asyncio.gather(*(save(house, who) for who in members))
    about_class = [path for _, path in google.requests[before:] if "loyaltyClass" in path]
    assert len(about_class) == 1


@pytest.mark.parametrize("how", ["the object is new", "the object is there"])
async def test_a_class_that_was_deleted_is_made_again(
    house: House, google: GoogleWallet, saver: Shopper, how: str
) -> None:
    gone = error(404, "NOT_FOUND", f"Wallet Object Class {CLASS} not found.")
    del google.kept["loyaltyClass"][CLASS]
    if how == "the object is new":
        who = await house.enrol()
        answer = await house.http.get("/web/v1/passes/google", headers=bearer(house.token("web", who.member)))
        assert (answer.status_code, answer.json()["code"]) == (503, "google_away")
        assert await save(house, who)
    else:
        google.trouble.append((name(saver), gone))
        sale = await house.buy(saver)
        await settled(house, saver, shows(google, saver, sale["balance"]))
    assert CLASS in google.kept["loyaltyClass"]


async def test_an_answer_about_the_class_is_tried_again(
    house: House, google: GoogleWallet, saver: Shopper, service: GoogleService
) -> None:
    google.trouble.append((name(saver), error(400, "INVALID_ARGUMENT", f"Invalid class: {CLASS}")))
    snapshot = await service._snapshot(saver.member)
    assert isinstance(await service.send(snapshot.member, snapshot, house.services.book.current, notify=False), Retry)


# -- a programme without a website --------------------------------------------------------------------------------


async def test_a_website_that_is_no_more_leaves_the_pass(house: House, google: GoogleWallet, saver: Shopper) -> None:
    kept = google.kept["loyaltyObject"][name(saver)]
    assert kept["linksModuleData"]["uris"]
    source = default_document()
    await publish(house, source.replace("harbour.example/card", ""))
    await until(lambda: not google.kept["loyaltyObject"][name(saver)].get("linksModuleData"), "the link is gone")
    await publish(house, source)
    await until(lambda: bool(google.kept["loyaltyObject"][name(saver)].get("linksModuleData")), "the link is back")
