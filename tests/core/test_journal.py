"""The database itself keeps the journal: nobody changes what was written, and no entry fails to sum to zero."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from core.database import at_least_head, connect, head, migrate, schema_revision
from tests.conftest import START, OpenEngine
from tests.core.door import bought, enrol, send
from tests.databases import Database, plain

JOURNAL = ("entry", "posting", "member_version", "programme_revision")
CHANGES = ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}")
COLUMN = {"programme_revision": "published_by", "entry": "place", "posting": "account", "member_version": "command"}


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize("change", CHANGES)
async def test_the_journal_is_append_only_for_everyone(
    database: Database, open_engine: OpenEngine, role: str, table: str, change: str
) -> None:
    """The application for want of the right; the owner, who has every right, by the trigger."""
    engine = await open_engine()
    await send(engine, bought(START, 1000), await enrol(engine))
    connection = await asyncpg.connect(plain(database.url if role == "app" else database.owner_url))
    column = COLUMN[table]
    words = "permission denied" if role == "app" else "is append-only"
    before = await connection.fetch(f"SELECT * FROM {table}")
    assert before
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=words):
        await connection.execute(change.format(table, column, column))
    assert await connection.fetch(f"SELECT * FROM {table}") == before
    await connection.close()


async def test_the_application_owns_nothing_and_cannot_lift_the_guard(database: Database) -> None:
    connection = await asyncpg.connect(plain(database.url))
    owned = await connection.fetchval("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
    assert owned == 0
    for attempt in (
        "ALTER TABLE posting DISABLE TRIGGER USER",
        "DROP TRIGGER append_only ON posting",
        "CREATE TABLE mine (id integer)",
        "SET session_replication_role = replica",
        "UPDATE lineage SET epoch = 9",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attempt)
    await connection.close()


@pytest.mark.parametrize(
    ("amounts", "currencies", "accepted"),
    [
        ([-5, 5], ["points", "points"], True),
        ([-5, 3, 2], ["points", "points", "points"], True),
        ([-5, 4], ["points", "points"], False),
        ([5], ["points"], False),
        ([-5, 5], ["points", "stars"], False),
        ([-5, 5, -1, 1], ["points", "points", "stars", "stars"], True),
    ],
)
async def test_an_entry_that_does_not_sum_to_zero_is_refused(
    database: Database, amounts: list[int], currencies: list[str], accepted: bool
) -> None:
    connection = await asyncpg.connect(plain(database.url))
    insert = """INSERT INTO posting SELECT 1000, 1, 0, n, 'available', currency, amount, NULL
                  FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS new (amount, currency, n)"""
    if accepted:
        await connection.execute(insert, amounts, currencies)
    else:
        with pytest.raises(asyncpg.CheckViolationError, match="entry 1000/1/0 does not sum to zero"):
            await connection.execute(insert, amounts, currencies)
    assert await connection.fetchval("SELECT count(*) FROM posting") == (len(amounts) if accepted else 0)
    await connection.close()


async def test_two_entries_do_not_balance_each_other(database: Database) -> None:
    connection = await asyncpg.connect(plain(database.url))
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            """INSERT INTO posting VALUES (1000, 1, 0, 0, 'available', 'points', 5, NULL),
                                          (1000, 1, 1, 0, 'available', 'points', -5, NULL)"""
        )
    await connection.close()


async def test_migrating_twice_at_once_and_again_changes_nothing(database: Database) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, database.owner_url, "chorus_app") for _ in range(3)))
    pool = connect(database.url, pool_size=1)
    assert await schema_revision(pool) == head()
    await pool.dispose()
    connection = await asyncpg.connect(plain(database.url))
    assert await connection.fetchval("SELECT count(*) FROM programme_revision") == 1
    await connection.close()


async def test_a_build_that_is_started_again_leaves_the_schema_of_a_later_one(database: Database) -> None:
    """As in a rolling deploy, when an instance of the release before dies after the migration."""
    connection = await asyncpg.connect(plain(database.owner_url))
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await asyncio.to_thread(migrate, database.owner_url, "chorus_app")
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "9999"
    await connection.close()


@pytest.mark.parametrize(
    ("revision", "serves"), [(None, False), (head(), True), ("of a later build", True)], ids=["none", "head", "later"]
)
def test_a_build_serves_a_database_at_least_as_new_as_itself(revision: str | None, serves: bool) -> None:
    assert at_least_head(revision) is serves
