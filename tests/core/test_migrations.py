"""What a migration does to rows that are there."""

from __future__ import annotations

import runpy
from pathlib import Path

import asyncpg

from tests.databases import Database, plain

MIGRATIONS = Path(__file__).parents[2] / "alembic" / "versions"


async def test_an_address_that_several_apps_registered_is_kept_once(database: Database) -> None:
    """The last refreshed stays; devices of other channels are untouched. A second run changes nothing."""
    connection = await asyncpg.connect(plain(database.owner_url))
    rows = [
        ("email", "mail", "ada@example.com", "2026-03-01"),
        ("email", "shop", "ada@example.com", "2026-03-03"),
        ("email", "site", "ada@example.com", "2026-03-02"),
        ("sms", "shop", "+85251234567", "2026-03-01"),
        ("fcm", "shop", "x", "2026-03-01"),
        ("fcm", "site", "x", "2026-03-02"),
    ]
    for channel, app, token, day in rows:
        await connection.execute(
            f"""INSERT INTO member_device (channel, app, token, member_id, keys, locale, registered_at, refreshed_at)
                VALUES ($1, $2, $3, 1000, '{{}}', 'en', '{day}', '{day}')""",
            channel, app, token,
        )  # fmt: skip
    statements = runpy.run_path(str(MIGRATIONS / "0003_one_address.py"))["STATEMENTS"]
    for _ in range(2):
        for statement in statements:
            await connection.execute(statement)
        found = await connection.fetch("SELECT channel, app, refreshed_at::date::text FROM member_device ORDER BY 1, 2")
        assert [tuple(row) for row in found] == [
            ("email", "email", "2026-03-03"),
            ("fcm", "shop", "2026-03-01"),
            ("fcm", "site", "2026-03-02"),
            ("sms", "sms", "2026-03-01"),
        ]
    await connection.close()
