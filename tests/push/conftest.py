"""A hub on a real database, with the changes of real commits in the test's hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import OpenEngine, SettableClock
from tests.databases import Database
from tests.push.stage import Stage, on_stage


@pytest.fixture
async def stage(database: Database, clock: SettableClock, open_engine: OpenEngine) -> AsyncIterator[Stage]:
    async with on_stage(database, clock, open_engine) as stage:
        yield stage
