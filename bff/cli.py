"""The `chorus` command.

Every command ends with a clear line and a non-zero exit when it fails; with `--json` it prints one object for a program.
Progress is a bar on a terminal and plain lines elsewhere, on standard error, so standard output stays the answer.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bff import supervisor
from bff.auth import DEVICE_SURFACES, MEMBER_SURFACES, PERSON_SURFACES, SCOPES, Principal, Tokens
from bff.cli_database import with_database
from bff.cli_deliveries import deliveries, passes
from bff.cli_points import points
from bff.cli_programme import programme
from bff.console import Progress, in_words, say
from core import devices, logs, read
from core.clock import system_clock
from core.database import migrate
from core.devices import Device, DeviceKind
from core.embedded import Endpoints, find_running, servers
from core.errors import ChorusError, InvalidInput, NotFound
from core.members.identifiers import Identifier, normalise
from core.settings import OperatorError, Settings
from core.verify import verify as verify_ledger

T = TypeVar("T")
MAX_NAME = 100


def main() -> None:
    """The entry point: every foreseen failure is one line on standard error and exit status 1."""
    logs.configure()
    try:
        cli.main(standalone_mode=False, prog_name="chorus")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        advice = f" ({context.command_path} --help)" if context else ""
        say(f"chorus: {error.format_message()}{advice}")
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except ChorusError as error:
        for field in error.errors:
            say(f"chorus: {field.pointer or '/'}: {field.detail}")
        sys.exit(1 if error.errors else f"chorus: {error.detail}")
    except OperatorError as error:
        sys.exit(f"chorus: {error}")
    except DBAPIError as error:
        sys.exit(f"chorus: the database refused: {str(error.orig).splitlines()[0]} (chorus migrate?)")
    except OSError as error:
        sys.exit(f"chorus: {error}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chorus")
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder (CHORUS_DATA_DIR).")
def cli(data_dir: Path | None) -> None:
    """One loyalty ledger; every touchpoint of a shop shows the same balance."""
    if data_dir is not None:
        os.environ["CHORUS_DATA_DIR"] = str(data_dir)


@cli.command()
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that serve (CHORUS_WORKERS).")
@click.option("--host", help="Address to listen on (CHORUS_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 is any free one (CHORUS_PORT).")
@click.option("--only-serve", is_flag=True, help="Leave relay and timers to `chorus work`.")
def serve(workers: int | None, host: str | None, port: int | None, only_serve: bool) -> None:
    """Serve HTTP and live sockets, and start PostgreSQL and NATS where none are given."""
    if host is not None:
        os.environ["CHORUS_HOST"] = host
    if port is not None:
        os.environ["CHORUS_PORT"] = str(port)
    settings = Settings.from_env(os.environ)
    roles = "serve" if only_serve else "serve,work"
    _collect_metrics(settings)
    sys.exit(supervisor.run(settings, workers or settings.workers, roles, ready=_announce))


@cli.command()
def work() -> None:
    """Relay, timers: what `serve --only-serve` leaves out. Joins the servers that run already."""
    settings = Settings.from_env(os.environ)
    if (running := find_running(settings.data_dir)) is not None:
        settings = _joined(settings, running)
    sys.exit(supervisor.run(settings, 1, "work", ready=lambda _: print("chorus works", flush=True)))


def _announce(url: str) -> None:
    print(f"chorus is ready at {url}", flush=True)


def _joined(settings: Settings, running: Endpoints) -> Settings:
    """The same settings with the running servers' addresses; its own data folder, so that no lock is shared."""
    environ = settings.to_env() | {
        "CHORUS_DATABASE_URL": running.database_url,
        "CHORUS_OWNER_URL": running.owner_url,
        "CHORUS_NATS_URL": running.nats_url,
    }
    if running.nats_token:
        environ["CHORUS_NATS_TOKEN"] = running.nats_token
    return Settings.from_env(environ)


def _collect_metrics(settings: Settings) -> None:
    """A fresh folder where the workers leave their metrics, to be added up by whichever is asked."""
    folder = settings.data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


@cli.command(name="migrate")
def migrate_command() -> None:
    """Bring the schema to this build's revision."""
    settings = Settings.from_env(os.environ)
    with servers(settings) as endpoints:
        migrate(endpoints.owner_url, endpoints.app_role)
    print("the schema is up to date")


@cli.command()
@click.option("--json", "as_json", is_flag=True)
def verify(as_json: bool) -> None:
    """Replay the journal and prove every member's balance; exit 1 with the findings if one does not hold."""

    async def run(database: AsyncEngine) -> Any:
        with Progress("verify") as progress:
            return await verify_ledger(database, progress.to)

    report = with_database(run)
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        print(in_words(report))
    if not report.clean:
        sys.exit(1)


@cli.command()
@click.argument("surface", type=click.Choice([*MEMBER_SURFACES, *DEVICE_SURFACES, *PERSON_SURFACES]))
@click.option("--member", help="A member's code, for app, web and wallet.")
@click.option("--device", help="A registered device's id, for kiosk, pos and staff.")
@click.option("--name", help="Whose token it is, for admin: stands in the record of what is published.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES))
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def token(
    surface: str,
    member: str | None,
    device: str | None,
    name: str | None,
    scopes: tuple[str, ...],
    days: int,
    as_json: bool,
) -> None:
    """Make a token for one surface of one member, of one device, or of one person."""
    of_member = surface in MEMBER_SURFACES
    if of_member and member is None:
        raise InvalidInput(f"--member CODE is needed for {surface}")
    if surface in PERSON_SURFACES and not (name and name.isprintable() and len(name) <= MAX_NAME):
        raise InvalidInput(f"--name NAME is needed for {surface}, of at most {MAX_NAME} characters")
    settings = Settings.from_env(os.environ)

    async def run(database: AsyncEngine) -> Principal:
        if of_member and member is not None:
            found = await read.member_of(database, normalise(Identifier("code", member), "/member"))
            if found is None:
                raise NotFound("no member has this code", code="unknown_member")
            return Principal(surface, member=found)
        if name and surface in PERSON_SURFACES:
            return Principal(surface, name=name, scopes=scopes)
        known = {one.id: one for one in await devices.all_devices(database)}
        if device not in known:
            raise NotFound(f"--device ID of a registered device is needed for {surface}: chorus device list")
        one = known[device]
        wanted = "kiosk" if surface == "kiosk" else "till"
        if one.kind != wanted:
            raise InvalidInput(f"{device} is a {one.kind}; {surface} needs a {wanted}")
        return Principal(surface, device=one.id, store=one.store, till=one.name, scopes=scopes)

    principal = with_database(run)
    made = Tokens(settings.secret, system_clock).issue(principal, timedelta(days=days))
    print(msgspec.json.encode({"token": made, "surface": surface, "days": days}).decode() if as_json else made)


@cli.group()
def device() -> None:
    """Tills and kiosks."""


@device.command(name="add")
@click.argument("id")
@click.option("--kind", type=click.Choice(["kiosk", "till"]), required=True)
@click.option("--store", required=True, help="The store's id in the programme.")
@click.option("--name", default="", help="What staff call it: for a till its number.")
def device_add(id: str, kind: DeviceKind, store: str, name: str) -> None:
    """Register a device, or take a revoked one back."""
    with_database(lambda database: devices.add(database, Device(id, kind, store, name or id), system_clock()))
    print(f"{kind} {id} is registered in {store}; make its token: chorus token {_surface(kind)} --device {id}")


@device.command(name="list")
@click.option("--json", "as_json", is_flag=True)
def device_list(as_json: bool) -> None:
    """All devices."""
    found = with_database(devices.all_devices)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    for one in found:
        print(f"{one.id}\t{one.kind}\t{one.store}\t{one.name}{'	revoked' if one.revoked else ''}")


@device.command(name="revoke")
@click.argument("id")
def device_revoke(id: str) -> None:
    """Send a device away: its tokens open nothing from the next second on."""
    with_database(lambda database: devices.revoke(database, id, system_clock()))
    print(f"{id} is revoked")


def _surface(kind: str) -> str:
    return "kiosk" if kind == "kiosk" else "pos"


cli.add_command(deliveries)
cli.add_command(passes)
cli.add_command(points)
cli.add_command(programme)


@cli.command()
@click.option("--once", is_flag=True, help="Replay the whole log at full speed, check every screen, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --once: one JSON object on standard output.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--members", type=click.IntRange(1, 2357), default=200, show_default=True, help="Members watched.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on (8000; with --once any free one).")
@click.option("--keep", is_flag=True, help="Go on with the folder of the last demo instead of a fresh one.")
def demo(once: bool, as_json: bool, workers: int, members: int, port: int | None, keep: bool) -> None:
    """A record shop's real purchases, rung up at its tills while the wall shows one member's screens."""
    from bff.demo.run import demonstrate, demonstrate_once

    if once:
        sys.exit(demonstrate_once(workers=workers, watched=members, port=port or 0, as_json=as_json))
    sys.exit(demonstrate(workers=workers, port=8000 if port is None else port, keep=keep))


if __name__ == "__main__":
    main()
