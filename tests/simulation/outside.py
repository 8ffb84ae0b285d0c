"""What a running shop tells the outside, and how it is judged: passes in phones and at Google, and short messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import timedelta

import httpx

from bff.auth import Tokens
from bff.demo.log import COUNTERS
from bff.demo.wallets.rig import Rig
from bff.demo.wallets.watch import WatchedPasses
from core import read
from core.clock import system_clock
from core.database import connected
from tests.bff.house import bearer, until_async
from tests.peers.http import FakeHttp
from tests.simulation.plant import Plant

LONGEST_SECONDS = 60.0
"""A lease of who was killed, and the longest pause of what was refused meanwhile."""


class Outside:
    def __init__(self, plant: Plant, client: httpx.AsyncClient, rig: Rig, gateway: FakeHttp) -> None:
        self._plant, self._client, self._gateway = plant, client, gateway
        self._passes = WatchedPasses(rig, client, Tokens(plant.settings.secret, system_clock), timedelta(hours=1))
        self._with_passes: list[int] = []
        self._with_messages: list[int] = []

    async def give_pass(self, member: int) -> None:
        """In a phone, and at Google."""
        await self._passes.open(member)
        self._with_passes.append(member)

    async def enrol_with_messages(self, card: str, number: str) -> int:
        """A member who is told by short message."""
        (store, till), *_ = COUNTERS
        identifiers = [{"kind": "card", "value": card}, {"kind": "phone", "value": number}]
        pos = bearer(self._plant.token("pos", device=f"till-{store}-{till}", store=store, till=till))
        body = {"id": f"enrol-{card}", "identifiers": identifiers, "locale": "en", "display_name": ""}
        answer = await self._client.post("/pos/v1/members", json=body, headers=pos)
        member = int(answer.raise_for_status().json()["member"])
        device = {"channel": "sms", "app": "shop", "token": number}
        app = bearer(self._plant.token("app", member))
        (await self._client.post("/app/v1/devices", json=device, headers=app)).raise_for_status()
        self._with_messages.append(member)
        return member

    async def passes_are_true(self) -> None:
        """Every pass comes to show the truth, and nothing that was due for one is left over."""
        async with self._plant.database() as pool:
            truth = await read.snapshots(pool, self._with_passes)

            async def over() -> bool:
                return not any(self._passes.wrong(truth).values()) and not await self._left(("applepass", "googlepass"))

            await until_async(over, "every pass shows the truth", LONGEST_SECONDS)

    async def messages_went_once(self, purchases: int) -> None:
        """One for each of so many purchases: delivered, or put aside because nobody can know; none was sent twice."""

        async def told() -> list[tuple[object, ...]]:
            return await self._fetch("SELECT reference::text, state FROM delivery WHERE channel = 'sms'")

        async def over() -> bool:
            # A fact that a killed worker had in hand comes again only after a while.
            return len(await told()) >= purchases and not await self._left(("sms",))

        await until_async(over, "every message is planned, and has its end", LONGEST_SECONDS)
        rows = await told()
        sent = Counter(request.headers["idempotency-key"] for request in await self._gateway.requests("sms"))
        assert len(rows) == purchases
        assert {state for _, state in rows} <= {"delivered", "unknown"}
        assert max(sent.values()) == 1
        delivered = {reference for reference, state in rows if state == "delivered"}
        assert delivered <= set(sent) <= {reference for reference, _ in rows}

    async def _left(self, channels: Collection[str]) -> bool:
        rows = await self._fetch(
            "SELECT FROM delivery WHERE channel = ANY(CAST($1 AS text[])) AND state = 'pending' LIMIT 1", list(channels)
        )
        return bool(rows)

    async def _fetch(self, query: str, *values: object) -> list[tuple[object, ...]]:
        async with self._plant.database() as pool, connected(pool) as connection:
            return [tuple(row) for row in await connection.fetch(query, *values)]
