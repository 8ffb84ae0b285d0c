"""Devices of a member that was merged into another: they went along, and the old name means that one's from then on."""

from __future__ import annotations

import asyncio

import pytest

from core.database import connected
from core.members.merge import MergeMembers
from tests.bff.devices import Hand, hexes
from tests.bff.house import House, Shopper, fresh, until_async
from tests.bff.problems import must_be_problem
from tests.core.door import send


@pytest.fixture
async def gone(house: House) -> Hand:
    address = f"{fresh('ada')}@example.com"
    return Hand(house, await house.enrol("Ada L.", identifiers=[{"kind": "email", "value": address}]))


@pytest.fixture
async def into(house: House) -> Hand:
    who = await house.enrol("Ada Lovelace")
    await house.buy(who)
    return Hand(house, who)


async def merge(house: House, gone: Shopper, into: Shopper) -> None:
    answer = await send(house.services.engine, MergeMembers(gone.member, "the same person"), into.member)
    assert answer.member == into.member


async def test_either_token_sees_registers_and_revokes_the_devices_of_both(
    house: House, gone: Hand, into: Hand
) -> None:
    token = hexes()
    first, second = await gone.register(token=token), await into.register()
    await merge(house, gone.who, into.who)
    assert {device["id"] for device in await into.listed()} == {first["id"], second["id"]}
    assert await gone.listed() == await into.listed()

    again = await gone.post(token=token)
    assert (again.status_code, again.json()["id"]) == (200, first["id"]), "it is known, though its app has the old name"
    third = await gone.post()
    assert third.status_code == 201
    assert third.json()["id"] in {device["id"] for device in await into.listed()}
    async with connected(house.services.database) as connection:
        rows = await connection.fetch("SELECT id FROM member_device WHERE member_id = $1", gone.who.member)
    assert rows == []

    assert (await gone.revoke(second["id"])).status_code == 204
    assert (await into.revoke(third.json()["id"])).status_code == 204
    assert [device["id"] for device in await gone.listed()] == [first["id"]]
    stranger = Hand(house, await house.enrol())
    must_be_problem(await stranger.revoke(first["id"]), 404, "unknown_device")


async def test_letters_to_an_address_that_went_along_are_begun_and_ended_as_ever(house: House, into: Hand) -> None:
    addresses = [f"{fresh('ada')}@example.com" for _ in range(2)]
    gone = Hand(house, await house.enrol(identifiers=[{"kind": "email", "value": one} for one in addresses]))
    before = await gone.register(channel="email", token=addresses[0])
    await merge(house, gone.who, into.who)
    after = await gone.register(channel="email", token=addresses[1])
    assert await into.register(channel="email", token=addresses[0]) == before
    for device in (before, after):
        link = f"/u/{house.services.tokens.device_token(int(device['id']))}"
        assert (await house.http.post(link, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    assert await into.listed() == []


async def test_a_registration_at_the_very_moment_of_the_merge_is_not_left_behind(
    house: House, gone: Hand, into: Hand
) -> None:
    """The merge has looked which devices there are, and has not committed yet."""
    async with connected(house.services.database) as merging:
        change = merging.transaction()
        await change.start()
        await merging.execute("SELECT FROM member WHERE id = $1 FOR NO KEY UPDATE", gone.who.member)
        await merging.execute("UPDATE member SET merged_into = $2 WHERE id = $1", gone.who.member, into.who.member)
        registering = asyncio.create_task(gone.register())

        async def there() -> bool:
            async with connected(house.services.database) as connection:
                waiting = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return registering.done() or waiting > 0

        await until_async(there, "the registration waits, or is done")
        await change.commit()
    device = await registering
    assert [one["id"] for one in await into.listed()] == [device["id"]]
    async with connected(house.services.database) as connection:
        rows = await connection.fetch("SELECT id FROM member_device WHERE member_id = $1", gone.who.member)
    assert rows == []
