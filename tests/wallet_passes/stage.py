"""A whole Chorus with an APNs beside it, and phones that hold its passes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from core.embedded import Endpoints
from core.providers import Providers
from tests.bff.house import House, Shopper, bearer, opened, until_async
from tests.conftest import SettableClock, copy_of
from tests.databases import plain
from tests.peers.apns import FakeApns, Push
from tests.wallet_passes.passkit_device import Held, PassKitDevice
from wallet_passes.apple.certificates import DEVELOPMENT_TYPE

ADDRESS = "https://wallet.example.com"
KIND = DEVELOPMENT_TYPE


class Stage:
    """`forward` moves the time of both Chorus and APNs."""

    def __init__(self, house: House, apns: FakeApns) -> None:
        self.house, self.apns, self.clock = house, apns, house.clock
        self.root: Path = house.services.settings.data_dir / "apple-development" / "root.pem"

    async def forward(self, **by: float) -> datetime:
        # APNs first: what Chorus does by the new time at once is not to come to one that lives in the past.
        await self.apns.set_now(self.clock() + timedelta(**by))
        return self.clock.forward(**by)

    def phone(self) -> PassKitDevice:
        return PassKitDevice(self.house.http, self.root, self.clock)

    async def download(self, who: Shopper) -> bytes:
        """The pass as a member's app hands it to the wallet."""
        headers = bearer(self.house.token("app", who.member))
        answer = await self.house.http.get("/app/v1/passes/apple", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    async def with_pass(self, *who: Shopper) -> PassKitDevice:
        """A phone that holds these members' passes, registered, and that has asked what changed once."""
        phone = self.phone()
        for one in who:
            await phone.register(phone.add(await self.download(one)))
        await phone.update(KIND)
        return phone

    # -- pushes -----------------------------------------------------------------------------------------------------

    async def pushes(self, token: str) -> list[Push]:
        """Those that came for a device's token by now."""
        return [push for push in await self.apns.pushes() if push.token == token]

    async def pushed(self, token: str, count: int = 1) -> Push:
        """The push number `count` to a token, as soon as it is there."""

        async def there() -> bool:
            return len(await self.pushes(token)) >= count

        await until_async(there, f"push {count} to {token[:8]}")
        return (await self.pushes(token))[count - 1]

    async def after(self, action: Callable[[], Any], phone: PassKitDevice) -> list[str]:
        """Do something, wait until the phone is pushed for it, and have it update; the serials that were replaced."""
        before = len(await self.pushes(phone.push_token))
        await action()
        push = await self.pushed(phone.push_token, before + 1)
        assert (push.status, push.topic, push.payload) == (200, KIND, {}), push
        return await phone.update(KIND)

    async def caught_up(self) -> None:
        """Until all facts are planned, and no push waits or is under way."""

        async def done() -> bool:
            rows = await self.query(
                """SELECT (SELECT count(*) FROM outbox)
                        + (SELECT count(*) FROM delivery WHERE state = 'pending' AND due_at <= $1)
                        + (SELECT count(*) FROM wallet_pass p JOIN member m ON m.id = p.member_id
                             JOIN member shown ON shown.id = coalesce(m.merged_into, m.id)
                            WHERE shown.version > p.version)""",
                self.clock(),
            )
            return int(rows[0][0]) == 0

        await until_async(done, "everything planned and pushed")

    # -- the database -----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """As the application itself."""
        connection = await asyncpg.connect(plain(self.house.database.url))
        try:
            yield connection
        finally:
            await connection.close()

    async def waiting(self) -> bool:
        """Whether anybody waits for a lock that another has."""
        return bool((await self.query("SELECT count(*) FROM pg_locks WHERE NOT granted"))[0][0])

    async def query(self, statement: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(plain(self.house.database.owner_url))
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def devices(self, who: Shopper) -> set[str]:
        """The push tokens that are registered for a member's pass."""
        rows = await self.query("SELECT token FROM pass_device WHERE member_id = $1", who.member)
        return {token for (token,) in rows}


def balance(held: Held) -> int:
    return int(held.shows("points").replace(",", "").replace("−", "-"))


@contextlib.asynccontextmanager
async def on_stage(
    endpoints: Endpoints, template: str, apns: FakeApns, *, roles: frozenset[str] = frozenset({"serve", "work"})
) -> AsyncIterator[Stage]:
    """On a database, a stream and a clock of its own."""
    clock = SettableClock()
    await apns.reset()
    await apns.set_now(clock())
    providers = Providers(
        apns_key=str(apns.key_file),
        apns_key_id=apns.key_id,
        apns_team_id=apns.team_id,
        apns_url=apns.url,
        apns_ca=str(apns.ca_file),
    )
    async with (
        copy_of(endpoints, template) as database,
        opened(database, endpoints, clock, roles=roles, public_url=ADDRESS, providers=providers) as house,
    ):
        yield Stage(house, apns)
