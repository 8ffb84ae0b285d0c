"""The object of a member that was merged into another: Google keeps it under its own name, and it shows the other."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bff.demo.wallets.google import GoogleWallet
from core.database import connected
from tests.bff.house import House, Shopper, until, until_async
from tests.databases import execute
from tests.wallet_passes.google_wallet.shop import adjust, called_back, name, save, updated, updates
from tests.wallet_passes.merging import merge
from wallet_passes.google import store
from wallet_passes.google.updates import GoogleRefresher


@pytest.fixture
async def into(house: House) -> Shopper:
    """Another member with a longer history: points given by hand, and a tier, both after the versions that the saver has
    seen of its own."""
    who = await house.enrol()
    for _ in range(4):
        await house.buy(who, total=1_000)
    await adjust(house, who, 100)
    await house.buy(who, total=100_000)
    return who


def shown(google: GoogleWallet, who: Shopper) -> dict[str, Any]:
    """All that Google was told of an object but its name."""
    kept = google.kept["loyaltyObject"][name(who)]
    return {key: value for key, value in kept.items() if key not in ("id", "notifyPreference")}


def named(link: str) -> str:
    """The object that a save link leads to."""
    claims = json.loads(base64.urlsafe_b64decode(link.rpartition("/")[2].split(".")[1] + "=="))
    found: str = claims["payload"]["loyaltyObjects"][0]["id"]
    return found


async def test_an_object_lives_on_and_shows_whom_its_member_was_merged_into(
    house: House, google: GoogleWallet, saver: Shopper, into: Shopper
) -> None:
    """In silence at first: what the other did before is no news. From then on each of the two has three notifications."""
    await save(house, into)
    both = (await merge(house, saver, into)).available
    assert not (await updated(google, saver, both)).notified
    await updated(google, into, both)
    assert shown(google, saver) == shown(google, into)
    assert shown(google, saver)["barcode"]["value"] == into.code

    sale = await house.buy(saver)  # by the code it had
    assert not (await updated(google, saver, sale["balance"])).notified
    await updated(google, into, sale["balance"])
    for told in (True, True, True, False):
        points = await adjust(house, into, 50)
        assert [(await updated(google, who, points)).notified for who in (saver, into)] == [told, told]


async def test_who_still_asks_in_the_old_name_saves_the_object_it_has_and_else_the_others(
    house: House, google: GoogleWallet, saver: Shopper, into: Shopper
) -> None:
    without = await house.enrol()
    await merge(house, saver, into)
    await merge(house, without, into)
    assert [named(await save(house, who)) for who in (saver, without)] == [name(saver), name(into)]
    assert shown(google, saver) == shown(google, into)
    assert name(without) not in google.kept["loyaltyObject"]
    assert await called_back(house, google, saver, "del") == 200
    assert named(await save(house, saver)) == name(into), "it was removed, and is made no more"


async def test_an_object_whose_facts_were_lost_is_caught_up_with_whom_it_shows(
    house: House, google: GoogleWallet, saver: Shopper, into: Shopper
) -> None:
    await merge(house, saver, into)
    sale = await house.buy(into)
    await updated(google, saver, sale["balance"])
    services = house.services
    refresher = GoogleRefresher(services.database, services.book, lambda: services.engine.epoch, house.clock)

    async def level() -> bool:
        async with connected(services.database) as connection:
            known = await store.members(connection, [saver.member])
        return known[saver.member] == sale["version"]

    await until_async(level, "what Google has is on record")
    assert await refresher.catch_up() == 0
    before = len(updates(google, saver))
    # The last version of its own member: as if nobody had heard what came after.
    await execute(
        house.database.owner_url,
        f"UPDATE google_pass g SET version = m.version FROM member m WHERE m.id = g.member_id AND m.id = {saver.member}",
    )
    assert await refresher.catch_up() == 1
    await until(lambda: len(updates(google, saver)) > before, "it is sent again")
    assert updates(google, saver)[-1].points == sale["balance"]
