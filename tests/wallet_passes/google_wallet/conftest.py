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
from tests.bff.house import House, Shopper, opened, until
from tests.conftest import SettableClock, copy_of
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
    """A member who has saved the pass."""
    who = await house.enrol()
    await house.buy(who, total=10_000)
    await save(house, who)
    assert await called_back(house, google, who, "save") == 200
    await until(lambda: len(updates(google, who)) >= 2, "the save is followed by an update")
    return who
