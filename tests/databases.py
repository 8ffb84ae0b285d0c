"""Databases of a test's or a benchmark's own: their URLs, statements as their owner, and their end."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import asyncpg
from sqlalchemy.engine import make_url


class Database(NamedTuple):
    """URLs in SQLAlchemy's form, as `Endpoints` has them."""

    url: str
    """As the application's role, which may not touch the journal."""
    owner_url: str


async def drop(owner_url: str, name: str) -> None:
    """Drop a database. While the server itself vacuums in it the owner may not end that process, so it is asked again."""
    for _ in range(1_200):
        try:
            return await execute(owner_url, f"DROP DATABASE {name} WITH (FORCE)")
        except asyncpg.InsufficientPrivilegeError:
            await asyncio.sleep(0.05)
    raise TimeoutError(f"{name} is still being vacuumed after a minute")


def at_database(url: str, name: str) -> str:
    """`url` with another database."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one outside of any transaction."""
    connection = await asyncpg.connect(plain(url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def plain(url: str) -> str:
    """A SQLAlchemy URL as asyncpg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
