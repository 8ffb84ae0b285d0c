"""One process of each peer for these tests; each test has it as new."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.peers.apns import FakeApns
from tests.peers.http import FakeHttp
from tests.peers.smtp import MailServer
from tests.peers.webpush import PushService


@pytest.fixture(scope="package")
async def one_apns() -> AsyncIterator[FakeApns]:
    async with FakeApns() as apns:
        yield apns


@pytest.fixture
async def apns(one_apns: FakeApns) -> FakeApns:
    await one_apns.reset()
    return one_apns


@pytest.fixture(scope="package")
async def one_http() -> AsyncIterator[FakeHttp]:
    async with FakeHttp() as http:
        yield http


@pytest.fixture
async def http(one_http: FakeHttp) -> FakeHttp:
    await one_http.reset()
    return one_http


@pytest.fixture(scope="package")
async def one_push_service() -> AsyncIterator[PushService]:
    async with PushService() as service:
        yield service


@pytest.fixture
async def push_service(one_push_service: PushService) -> PushService:
    await one_push_service.reset()
    return one_push_service


@pytest.fixture(scope="package")
async def one_mail_server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def mail_server(one_mail_server: MailServer) -> MailServer:
    await one_mail_server.reset()
    return one_mail_server
