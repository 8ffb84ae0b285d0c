"""One server as our child process: started, waited for, watched, stopped.

Both servers run in a session of their own, so that a Ctrl-C in the terminal reaches only the parent, which
stops things in order. They ask the kernel for a clean shutdown when the parent is killed: a `kill -9` of
the parent loses nothing that was committed and leaves nothing running. That promise hangs on the forking
*thread*, so it is only asked for from the main one; and where it fails (another thread, another system) the
next start finds the orphan by its folder and ends it before it starts its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import IO, ClassVar

from core.embedded.account import Account
from core.embedded.errors import ServersError
from core.embedded.ports import choose_port, is_free, kept_port
from core.processes import die_with_parent

# Recovery after a crash replays at most a few GB of log; slow disks need most of this.
READY_SECONDS = 120.0
# The port can be taken between the look and the server's own bind; each attempt chooses anew.
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.01
_LOG_TAIL_BYTES = 16_384


class Child(ABC):
    """A server that keeps its things in `folder`; `port` is known from the first `spawn` on."""

    label: ClassVar[str]
    variable: ClassVar[str]  # set by an operator who runs this server himself
    death_signal: ClassVar[signal.Signals]  # asks the server to shut down cleanly and soon
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_path = folder.with_name(f"{folder.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._log_start = 0

    @abstractmethod
    def prepare(self) -> None:
        """End what an earlier run left of this folder, and make the folder ready. Raises `ServersError`."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line for `self.port`; no secret is on it, for everybody can read it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether our process, and no other, accepts connections by now."""

    @abstractmethod
    def account(self) -> Account | None:
        """Whom to run it as; None for ourselves. Asked after `prepare`."""

    def spawn(self, *, may_move: bool) -> None:
        """Start the process without waiting for it; `may_move` allows another port if the kept one is
        taken.
        """
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self.prepare()
        port_file = self.folder.with_name(f"{self.folder.name}.port")
        kept = None if may_move else kept_port(port_file)
        self.port = kept if kept is not None else choose_port(port_file)
        account = self.account()
        asks_kernel = threading.current_thread() is threading.main_thread()
        parent = os.getpid()

        def before_exec() -> None:
            # After the change of account, which would clear it.
            die_with_parent(parent, self.death_signal)

        with self.open_log() as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=server_environment(os.environ),
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=before_exec if asks_kernel else None,
            )

    def wait_ready(self, *, may_move: bool) -> None:
        """Wait until the spawned server answers, up to `READY_SECONDS`. Raises `ServersError`."""
        deadline = time.monotonic() + READY_SECONDS
        for attempt in range(_PORT_ATTEMPTS):
            if attempt:
                self.spawn(may_move=may_move)
            while self.running:
                if self.answers():
                    return
                if time.monotonic() >= deadline:
                    raise ServersError(
                        f"{self.label} did not become ready within {READY_SECONDS:.0f} seconds: read {self.log_path}"
                    )
                time.sleep(_POLL_SECONDS)
            if is_free(self.port):
                break
        raise ServersError(f"{self.label} did not start{self.why()}: read {self.log_path}, or set {self.variable}")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The pid of the process last spawned; 0 before the first."""
        return self.process.pid if self.process else 0

    def open_log(self) -> IO[bytes]:
        """The log, to be appended to; nobody else's to read, whatever the umask."""
        return os.fdopen(os.open(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")

    def stop(self) -> bool:
        """End the process, at first kindly; True when it is gone. Never raises."""
        if self.process is None:
            return True
        for number, seconds in self.stop_steps:
            try:
                self.process.send_signal(number)
                self.process.wait(seconds)
            except (subprocess.TimeoutExpired, OSError):
                continue
            return True
        return False

    def why(self) -> str:
        """The last grave line of the log since the last `spawn`, as `" (...)"`, or nothing."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        for mark in ("FATAL:", "[FTL]", "nats-server:", "postgres:"):
            for line in reversed(lines):
                if mark in line:
                    return f" ({line.partition(mark)[2].strip()})"
        return ""


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the servers get of our environment: no secret of ours, and no PG* variable that would steer
    them.
    """
    kept = {name: environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
