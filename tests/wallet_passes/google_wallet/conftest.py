"""A whole Chorus with a Google Wallet beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bff.demo.wallets.google import GoogleWallet
from bff.demo.wallets.rig import Rig
from core.embedded import Endpoints
from core.providers import Providers
from push.relay import open_stream
from tests.bff.cards import count
from tests.bff.house import House, Shopper, opened, until, until_async
from tests.conftest import SettableClock, copy_of
from tests.push.streams import Stream
from tests.wallet_passes.google_wallet.shop import called_back, save, updates


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with TemporaryDirectory(prefix="chorus-google-") as folder, Rig(Path(folder)) as rig:
        yield rig


@pytest.fixture
def google(rig: Rig) -> GoogleWallet:
    rig.google.trouble.clear()
    return rig.google


@pytest.fixture(scope="module")
async def house(endpoints: Endpoints, template: str, rig: Rig) -> AsyncIterator[House]:
    providers = Providers.from_env(rig.settings() | {"CHORUS_GOOGLE_WALLET_PER_SECOND": "1000"})
    roles = frozenset({"serve", "work"})
    async with (
        copy_of(endpoints, template) as database,
        opened(database, endpoints, SettableClock(), roles=roles, providers=providers) as house,
    ):
        yield house


@pytest.fixture
async def saver(house: House, google: GoogleWallet) -> Shopper:
    """A member who has saved the pass, and of whom nothing more is on its way: no update takes another's trouble."""
    who = await house.enrol()
    await house.buy(who, total=10_000)
    await save(house, who)
    assert await called_back(house, google, who, "save") == 200
    await until(lambda: len(updates(google, who)) >= 2, "the save is followed by an update")
    stream = Stream(await open_stream(house.services.bus))

    async def quiet() -> bool:
        if await count(house, "outbox") or await stream.left():
            return False
        waiting = "delivery WHERE channel = 'googlepass' AND state = 'pending' AND target = $1"
        return await count(house, waiting, who.member) == 0

    await until_async(quiet, "nothing is on its way")
    return who
