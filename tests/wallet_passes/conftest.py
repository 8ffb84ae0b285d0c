"""What the tests of passes share: one development chain, a factory that signs with it, a whole Chorus with an APNs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.embedded import Endpoints
from core.providers import Providers
from tests.peers.apns import FakeApns
from tests.wallet_passes.stage import KIND, Stage, on_stage
from wallet_passes.apple.certificates import Signer, load_signer
from wallet_passes.apple.factory import PassFactory

SERVICE = "https://wallet.example.com/apple"


@pytest.fixture(scope="session")
def chain_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a development chain, good at the machine's time: OpenSSL knows no other."""
    folder = tmp_path_factory.mktemp("chain")
    load_signer(Providers(), folder, datetime.now(UTC))
    return folder


@pytest.fixture(scope="session")
def root(chain_dir: Path) -> Path:
    return chain_dir / "apple-development" / "root.pem"


@pytest.fixture(scope="session")
def signer(chain_dir: Path) -> Signer:
    return load_signer(Providers(), chain_dir, datetime.now(UTC))


@pytest.fixture
def factory(signer: Signer) -> PassFactory:
    return PassFactory(signer, SERVICE)


@pytest.fixture(scope="package")
async def apns() -> AsyncIterator[FakeApns]:
    async with FakeApns([KIND]) as apns:
        yield apns


@pytest.fixture(scope="module")
async def stage(endpoints: Endpoints, template: str, apns: FakeApns) -> AsyncIterator[Stage]:
    """Shared by a module's tests, each with members and phones of its own."""
    async with on_stage(endpoints, template, apns) as stage:
        yield stage
