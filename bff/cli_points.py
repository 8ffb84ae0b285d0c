"""`chorus points`: what is about to lapse, and giving it longer to everybody at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.cli_database import with_database
from bff.console import Progress
from bff.extending import end_of, extension
from core import ending
from core.adjustments.decide import ExtendPoints
from core.clock import system_clock
from core.database import connected
from core.ending import Ending, Size
from core.engine.engine import Engine
from core.errors import InvalidInput
from core.extend_all import Extended, extend_all, span_of
from core.points import POINTS
from core.programme.book import ProgrammeBook
from core.programme.document import Programme

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def points() -> None:
    """What members' points are going to do, for all members at once."""


@points.command(name="due")
@click.option("--until", type=_DAY, required=True, help="A day: what is good now and no longer after it.")
@click.option("--json", "as_json", is_flag=True)
def due_command(until: datetime, as_json: bool) -> None:
    """How many points of how many members stop being good by a day, by month of their last good day.

    What was spent or given longer by then is not foreseen, nor are points on hold.
    """

    async def run(database: AsyncEngine) -> list[Ending]:
        programme = await _programme(database)
        return await ending.ending(database, system_clock(), end_of(until.date(), programme.tzinfo), programme.zone)

    found = with_database(run)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    for one in found:
        print(f"{one.currency}\t{one.month or 'together'}\t{one.points:,} of {_members(one.members)}")
    if not found:
        print(f"nothing stops being good by {until.date()}")


@points.command(name="extend")
@click.option("--from", "first", type=_DAY, required=True, help="The first last good day of the points meant.")
@click.option("--to", "last", type=_DAY, required=True, help="The last one, within.")
@click.option("--until", type=_DAY, required=True, help="The day through which they are good instead.")
@click.option("--reason", required=True, help="For the record; members are shown it.")
@click.option("--currency", default=POINTS, show_default=True)
@click.option("--dry-run", is_flag=True, help="Only say whom it would reach.")
@click.option("--json", "as_json", is_flag=True)
def extend_command(
    first: datetime, last: datetime, until: datetime, reason: str, currency: str, dry_run: bool, as_json: bool
) -> None:
    """Give all members' points longer whose last good day lies in a span.

    It may be interrupted and run again; the same campaign (days, currency and reason) reaches a member once.
    """

    async def run(database: AsyncEngine) -> dict[str, Any]:
        programme = await _programme(database)
        command = extension(
            first.date(), last.date(), until.date(), reason=reason, zone=programme.tzinfo, currency=currency
        )
        _check(command, programme)
        if dry_run:
            return _would(await ending.size(database, span_of(command, system_clock)))
        return msgspec.to_builtins(await _extended(database, command))  # type: ignore[no-any-return]

    found = with_database(run, whole_tables=False)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    verb = "would be" if dry_run else "are now"
    print(f"{found['points']:,} {currency} of {_members(found['members'])} {verb} good through {until.date()}")
    if found.get("again"):
        print(
            f"{_members(found['again'])} had been reached before and had points in this span again, which stay as they "
            "are: another --reason is another campaign"
        )


async def _extended(database: AsyncEngine, command: ExtendPoints) -> Extended:
    engine = Engine(database, ProgrammeBook(), lambda committed, seconds: None, lanes=1)
    await engine.open()
    try:
        with Progress("extend") as progress:
            return await extend_all(database, engine, system_clock, command, progress.to)
    finally:
        await engine.close()


async def _programme(database: AsyncEngine) -> Programme:
    book = ProgrammeBook()
    async with connected(database) as connection:
        await book.load(connection)
    return book.current.programme


def _check(command: ExtendPoints, programme: Programme) -> None:
    """What each member would refuse, said once, and what would reach nobody."""
    if command.currency not in programme.currency_codes:
        raise InvalidInput.at("/currency", f"must be one of {', '.join(programme.currency_codes)}")
    if command.ending_before <= command.ending_from:
        raise InvalidInput.at("/to", "must not be before --from")
    if command.until <= command.ending_from or command.until <= system_clock():
        raise InvalidInput.at("/until", "must be later than the days it replaces, and to come")
    if not command.reason.strip():
        raise InvalidInput.at("/reason", "must say why")


def _would(size: Size) -> dict[str, Any]:
    return {"members": size.members, "points": size.points, "dry_run": True}


def _members(count: int) -> str:
    return f"{count:,} member" if count == 1 else f"{count:,} members"
