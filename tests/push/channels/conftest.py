"""The providers' simulators, one process each for the session; each test has those it uses as new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest

from tests.conftest import SettableClock
from tests.peers.apns import FakeApns
from tests.peers.http import FakeHttp
from tests.peers.smtp import MailServer
from tests.peers.webpush import PushService
from tests.push.channels.rigs import (
    LOGIN,
    RIGS,
    ApnsRig,
    EmailRig,
    FcmRig,
    LiveActivityRig,
    Peers,
    Rig,
    SmsRig,
    WebPushRig,
)

_Rig = TypeVar("_Rig", bound=Rig)


@pytest.fixture(scope="session")
async def peers() -> AsyncIterator[Peers]:
    async with AsyncExitStack() as stack:
        apns = await stack.enter_async_context(FakeApns())
        http = await stack.enter_async_context(FakeHttp())
        push = await stack.enter_async_context(PushService())
        mail = await stack.enter_async_context(MailServer("starttls", login=LOGIN))
        folder = stack.enter_context(TemporaryDirectory(prefix="chorus-keys-"))
        yield Peers(apns, http, push, mail, Path(folder))


@pytest.fixture(autouse=True)
def few_authorities(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all that the world trusts takes longer than a test, and nothing here trusts any of it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(peers.push.ca_file))


@asynccontextmanager
async def mounted(
    make: Callable[[Peers, SettableClock], _Rig], peers: Peers, clock: SettableClock
) -> AsyncIterator[_Rig]:
    rig = make(peers, clock)
    await rig.new()
    try:
        yield rig
    finally:
        await rig.close()


@pytest.fixture(params=list(RIGS))
async def rig(request: pytest.FixtureRequest, peers: Peers, clock: SettableClock) -> AsyncIterator[Rig]:
    """Each channel in turn."""
    async with mounted(RIGS[request.param], peers, clock) as rig:
        yield rig


@pytest.fixture
async def rigs(peers: Peers, clock: SettableClock) -> AsyncIterator[list[Rig]]:
    """All channels at once."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(mounted(make, peers, clock)) for make in RIGS.values()]


@pytest.fixture
async def apns(peers: Peers, clock: SettableClock) -> AsyncIterator[ApnsRig]:
    async with mounted(ApnsRig, peers, clock) as rig:
        yield rig


@pytest.fixture
async def activity(peers: Peers, clock: SettableClock) -> AsyncIterator[LiveActivityRig]:
    async with mounted(LiveActivityRig, peers, clock) as rig:
        yield rig


@pytest.fixture
async def fcm(peers: Peers, clock: SettableClock) -> AsyncIterator[FcmRig]:
    async with mounted(FcmRig, peers, clock) as rig:
        yield rig


@pytest.fixture
async def sms(peers: Peers, clock: SettableClock) -> AsyncIterator[SmsRig]:
    async with mounted(SmsRig, peers, clock) as rig:
        yield rig


@pytest.fixture
async def webpush(peers: Peers, clock: SettableClock) -> AsyncIterator[WebPushRig]:
    async with mounted(WebPushRig, peers, clock) as rig:
        yield rig


@pytest.fixture
async def email(peers: Peers, clock: SettableClock) -> AsyncIterator[EmailRig]:
    async with mounted(EmailRig, peers, clock) as rig:
        yield rig
