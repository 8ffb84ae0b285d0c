"""Two serving processes' worth of Chorus on one database and one bus, as one and as two."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.embedded import Endpoints
from tests.bff.house import House, opened
from tests.conftest import SettableClock, copy_of
from tests.databases import Database

WITHOUT_REPAIR = frozenset[str]()
"""No role: HTTP and sockets, but neither the repair lane nor its tick. What is shown then came by the direct lane or the
bus, and nothing else can have healed it."""


@pytest.fixture(scope="module")
async def shared(endpoints: Endpoints, template: str) -> AsyncIterator[Database]:
    async with copy_of(endpoints, template) as database:
        yield database


@pytest.fixture(scope="module")
def time() -> SettableClock:
    """Shared by both processes; only ever moved forward."""
    return SettableClock()


@pytest.fixture(scope="module")
async def first(endpoints: Endpoints, shared: Database, time: SettableClock) -> AsyncIterator[House]:
    async with opened(shared, endpoints, time, roles=WITHOUT_REPAIR) as house:
        yield house


@pytest.fixture(scope="module")
async def second(endpoints: Endpoints, shared: Database, time: SettableClock, first: House) -> AsyncIterator[House]:
    async with opened(shared, endpoints, time, roles=WITHOUT_REPAIR, public_url=first.url) as house:
        yield house
