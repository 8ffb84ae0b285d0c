"""Where nobody can wake a phone, each push that was due ends as a dead letter that says what to set."""

from __future__ import annotations

from core.database import connected
from core.embedded import Endpoints
from tests.bff.cards import card, count, register
from tests.bff.house import opened, until_async
from tests.conftest import SettableClock
from tests.databases import Database


async def test_without_a_key_a_push_waits_for_nobody(
    endpoints: Endpoints, database: Database, clock: SettableClock
) -> None:
    async with opened(database, endpoints, clock, roles=frozenset({"serve", "work"})) as house:
        who = await house.enrol()
        mine = await card(house, who)
        assert (await register(house, mine)).status_code == 201
        await house.buy(who)

        async def over() -> bool:
            return await count(house, "delivery WHERE channel = 'applepass' AND state = 'rejected'") == 1

        await until_async(over, "the push has its end")
        async with connected(house.services.database) as connection:
            [(reason,)] = await connection.fetch("SELECT reason FROM delivery")
        assert "CHORUS_APNS_KEY" in reason
