"""How a command reaches the database: the running one, else one started for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connect
from core.embedded import Endpoints, servers
from core.settings import Settings

T = TypeVar("T")

CONNECTIONS = 3


def with_database(
    do: Callable[[AsyncEngine], Coroutine[Any, Any, T]],
    after: Callable[[Endpoints], Coroutine[Any, Any, None]] | None = None,
    *,
    whole_tables: bool = True,
) -> T:
    """Run something against the database: the running one, else one started for it. Not `whole_tables`: planned as the
    door's statements are."""
    settings = Settings.from_env(os.environ)

    async def run(endpoints: Endpoints) -> T:
        database = connect(endpoints.database_url, pool_size=CONNECTIONS, whole_tables=whole_tables)
        try:
            result = await do(database)
        finally:
            await database.dispose()
        if after is not None:
            await after(endpoints)
        return result

    with servers(settings) as endpoints:
        return asyncio.run(run(endpoints))
