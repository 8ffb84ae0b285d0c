"""`chorus programme`: look at a document, try it out, publish it now or at a time, and go back."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.cli_database import with_database
from bff.console import Progress
from core.clock import rfc3339, system_clock
from core.database import connected
from core.embedded import Endpoints
from core.errors import InvalidInput, NotFound
from core.programme import simulation
from core.programme.book import ProgrammeBook, publish, records, require_following, source_of
from core.programme.diff import Difference, between
from core.programme.document import Programme
from core.programme.simulation import MAX_DAYS, Figures, Report
from core.programme.timeline import Listed, listed
from core.programme.validation import parse
from push.bus import tell_programme

CURRENT = "current"

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_AT = click.option(
    "--at", help="When it comes into force: 2026-12-01T00:00, in the programme's zone; or with an offset."
)
_BY = click.option("--by", default="chorus programme", show_default=True, help="Who publishes, for the record.")
_JSON = click.option("--json", "as_json", is_flag=True)


@click.group()
def programme() -> None:
    """The programme document."""


@programme.command(name="check")
@click.argument("file", type=_FILE)
def check_command(file: Path) -> None:
    """Say what is wrong with a document, each thing by its place in it."""
    checked = parse(_text(file))
    print(f"{file}: a valid programme ({checked.name}, {len(checked.tiers)} tiers, {len(checked.rewards)} rewards)")


@programme.command(name="publish")
@click.argument("file", type=_FILE)
@_AT
@_BY
def publish_command(file: Path, at: str | None, by: str) -> None:
    """Make a document the programme in force, now or at a time, while everything runs. What was scheduled for later is
    withdrawn."""
    source = _text(file)
    instant = instant_of(at, parse(source)) if at is not None else None

    async def run(database: AsyncEngine) -> int:
        async with database.begin() as connection:
            return await publish(connection, source, by=by, now=system_clock(), at=instant)

    _say_published(with_database(run, after=_tell), instant)


@programme.command(name="rollback")
@click.argument("revision", type=int)
@_AT
@_BY
def rollback_command(revision: int, at: str | None, by: str) -> None:
    """Publish an earlier revision's document again, as a new revision."""

    async def run(database: AsyncEngine) -> tuple[int, datetime | None]:
        async with database.begin() as connection:
            source = await source_of(connection, revision)
            instant = instant_of(at, parse(source)) if at is not None else None
            return await publish(connection, source, by=by, now=system_clock(), at=instant), instant

    _say_published(*with_database(run, after=_tell))


@programme.command(name="list")
@_JSON
def list_command(as_json: bool) -> None:
    """All revisions, newest first: when each is in force, and who published it."""

    async def run(database: AsyncEngine) -> list[Listed]:
        async with database.connect() as connection:
            return listed(await records(connection), system_clock())[::-1]

    found = with_database(run)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    for one in found:
        until = f" until {rfc3339(one.until)}" if one.until else ""
        state = one.state.replace("_", " ")
        print(f"{one.revision}\t{state}\tfrom {rfc3339(one.in_force)}{until}\t{one.published_by}")


@programme.command(name="show")
@click.argument("revision", type=int, required=False)
def show_command(revision: int | None) -> None:
    """A revision's document as it was published; the one in force where none is named."""

    async def run(database: AsyncEngine) -> str:
        wanted = (await _book(database)).current.revision if revision is None else revision
        async with database.connect() as connection:
            return await source_of(connection, wanted)

    print(with_database(run), end="")


@programme.command(name="diff")
@click.argument("changed")
@click.argument("against", default=CURRENT)
@_JSON
def diff_command(changed: str, against: str, as_json: bool) -> None:
    """What CHANGED (a file or a revision) changes of AGAINST (a revision, or `current`, the one in force)."""

    async def run(database: AsyncEngine) -> list[Difference]:
        book = await _book(database)
        after = parse(_text(Path(changed))) if _is_file(changed) else _programme(book, changed)
        return between(_programme(book, against), after)

    found = with_database(run)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    for one in found:
        print(one)
    if not found:
        print("no difference")


@programme.command(name="simulate")
@click.argument("file", type=_FILE)
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=30, show_default=True)
@_JSON
def simulate_command(file: Path, days: int, as_json: bool) -> None:
    """What a document would have given on the last days' purchases, beside what the one in force would have."""
    draft = parse(_text(file))

    async def run(database: AsyncEngine) -> Report:
        book, now = await _book(database), system_clock()
        async with database.connect() as connection:
            await require_following(connection, draft, now, now)
        with Progress("members") as progress:
            async with aclosing(simulation.simulate(database, book.at(now), draft, days=days, now=now)) as items:
                async for item in items:
                    if isinstance(item, Report):
                        return item
                    progress.to(item.done, item.members)
        raise AssertionError("a simulation ends with its report")

    report = with_database(run)
    print(msgspec.json.encode(report).decode() if as_json else "\n".join(_in_words(report)))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput.at("", f"{file} is not UTF-8", "programme_invalid") from None


def _is_file(name: str) -> bool:
    return name != CURRENT and not name.isdecimal()


async def _book(database: AsyncEngine) -> ProgrammeBook:
    book = ProgrammeBook()
    async with connected(database) as connection:
        await book.load(connection)
    return book


def _programme(book: ProgrammeBook, name: str) -> Programme:
    """A revision's, or that of the one in force."""
    if name == CURRENT:
        return book.current.programme
    if not name.isdecimal():
        raise InvalidInput(f"{name!r} is no revision: a number, or {CURRENT}")
    if not 0 < int(name) <= book.revision:
        raise NotFound(f"there is no revision {name}", code="unknown_revision")
    return book.by_revision(int(name))


def instant_of(text: str, programme: Programme) -> datetime:
    """An instant as an owner writes it: without an offset it is local, and there just once. Raises `InvalidInput`."""
    zone: ZoneInfo = programme.tzinfo
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        first, second = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except ValueError:
        raise InvalidInput(f"--at {text}: write it as 2026-12-01T00:00") from None
    except OverflowError:
        raise InvalidInput(f"--at {text}: is in no calendar; write it as 2026-12-01T00:00") from None
    if first != second:
        raise InvalidInput(f"--at {text}: the clocks change in {programme.zone} then; write it with its offset")
    return first


async def _tell(endpoints: Endpoints) -> None:
    await tell_programme(endpoints.nats_url, endpoints.nats_token)


def _say_published(revision: int, instant: datetime | None) -> None:
    print(f"revision {revision} " + (f"comes into force at {rfc3339(instant)}" if instant else "is in force"))


def _in_words(report: Report) -> list[str]:
    """A line for each figure: by the programme in force, by the draft, and what is between them."""
    before, after = report.before, report.after
    rows = [
        ("points", before.points, after.points),
        *_rows("  ", before.by_reason, after.by_reason),
        *_rows("in ", before.others, after.others),
        ("taken back", before.taken_back, after.taken_back),
        *([] if before.worth is None and after.worth is None else [_worth(report)]),
        ("purchases taken", before.purchases, after.purchases),
        *_rows("  refused ", _refused(before), _refused(after)),
        *_rows("members ", before.tiers, after.tiers),
    ]
    told = [f"{name:<32}{old:>16,}{new:>16,}{new - old:>+16,}" for name, old, new in rows]
    head = (
        f"{report.purchases} purchases of {report.touched} members, {rfc3339(report.since)} to {rfc3339(report.until)}"
    )
    columns = f"{'':<32}{f'revision {report.revision}':>16}{'the draft':>16}{'difference':>16}"
    return [head, columns, *told]


def _rows(prefix: str, before: dict[str, int], after: dict[str, int]) -> list[tuple[str, int, int]]:
    return [(f"{prefix}{name}", before.get(name, 0), after.get(name, 0)) for name in {**before, **after}]


def _worth(report: Report) -> tuple[str, int, int]:
    return f"worth, minor units of {report.money}", report.before.worth or 0, report.after.worth or 0


def _refused(figures: Figures) -> dict[str, int]:
    return {f"{one.code} {one.pointer}".strip(): one.count for one in figures.refused}
