"""A shared house for what changes nothing of its surroundings, and one of its own for what moves clock or programme."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.embedded import Endpoints
from tests.bff.house import House, Shopper, opened
from tests.conftest import SettableClock, copy_of
from tests.databases import Database


@pytest.fixture(scope="session")
async def house(endpoints: Endpoints, template: str) -> AsyncIterator[House]:
    """Shared by all tests that make their own members and leave the clock alone."""
    async with copy_of(endpoints, template) as database, opened(database, endpoints, SettableClock()) as house:
        yield house


@pytest.fixture
async def own_house(endpoints: Endpoints, database: Database, clock: SettableClock) -> AsyncIterator[House]:
    async with opened(database, endpoints, clock) as house:
        yield house


@pytest.fixture(scope="module")
async def shopper(house: House) -> Shopper:
    """A member with 3,000 points."""
    who = await house.enrol()
    await house.adjust(who, 3_000)
    return who
