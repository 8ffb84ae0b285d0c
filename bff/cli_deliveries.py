"""`chorus deliveries` and `chorus passes`: what was sent, what was not and why, and what phones complain of."""

from __future__ import annotations

from typing import Any

import click
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.cli_database import with_database
from core.clock import rfc3339, system_clock
from core.database import connected, transaction
from core.delivery import store
from core.delivery.store import DEAD_LETTERS, Row, State
from core.errors import InvalidInput
from wallet_passes.apple import store as passes_store

STATES: tuple[State, ...] = ("pending", "delivered", "collapsed", "dead", *DEAD_LETTERS)


@click.group()
def deliveries() -> None:
    """What is sent to phones, browsers, wallets and mailboxes. Dead letters are those that were refused (rejected), given
    up (failed), or may have been sent (unknown)."""


@deliveries.command(name="list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Dead letters, where none is given.")
@click.option("--member", type=int, help="Of one member, by its id.")
@click.option("--channel", help="Of one channel, such as apns or applepass.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def list_command(states: tuple[State, ...], member: int | None, channel: str | None, limit: int, as_json: bool) -> None:
    """Deliveries, newest first, each with its attempts and its last reason."""

    async def run(database: AsyncEngine) -> list[Row]:
        async with connected(database) as connection:
            return await store.listed(
                connection, states=states or DEAD_LETTERS, member=member, channel=channel, limit=limit
            )

    found = with_database(run)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    for one in found:
        what = f"{one.kind} of member {one.member}, version {one.version}, to {one.channel} {one.target}"
        print(f"{one.id}\t{one.state}\t{rfc3339(one.updated_at)}\t{what}\tattempts {one.attempts}\t{one.reason}")


@deliveries.command(name="count")
@click.option("--json", "as_json", is_flag=True)
def count_command(as_json: bool) -> None:
    """How many, by channel and state."""

    async def run(database: AsyncEngine) -> dict[tuple[str, str], int]:
        async with connected(database) as connection:
            return await store.counts(connection)

    found = sorted(with_database(run).items())
    if as_json:
        rows: list[dict[str, Any]] = [{"channel": c, "state": state, "count": n} for (c, state), n in found]
        print(msgspec.json.encode(rows).decode())
        return
    for (channel, state), n in found:
        print(f"{channel}\t{state}\t{n}")


@deliveries.command(name="replay")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "every", is_flag=True, help="All dead letters.")
def replay_command(ids: tuple[int, ...], every: bool) -> None:
    """Send dead letters again, from a first attempt. One that is `unknown` may have arrived: it would come twice."""
    if bool(ids) == every:
        raise InvalidInput("name the deliveries to send again, or give --all: chorus deliveries list")

    async def run(database: AsyncEngine) -> int:
        async with transaction(database) as connection:
            return await store.replay(connection, None if every else ids, system_clock())

    print(f"{with_database(run)} will be sent again")


@click.group()
def passes() -> None:
    """Wallet passes."""


@passes.command(name="logs")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
def logs_command(limit: int) -> None:
    """What phones complained of, newest first."""

    async def run(database: AsyncEngine) -> list[Any]:
        async with connected(database) as connection:
            return await passes_store.logs(connection, limit)

    for at, message in with_database(run):
        print(f"{rfc3339(at)}\t{message}")
