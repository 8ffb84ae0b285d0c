"""The pair of servers a command needs: found, or started here, watched, and stopped in order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from core.embedded.child import READY_SECONDS, Child
from core.embedded.errors import FolderInUse, ServersError
from core.embedded.nats import Nats
from core.embedded.postgres import Postgres
from core.embedded.runtime import Endpoints, FolderLock, announce, find_running, withdraw
from core.settings import Settings

# A server that dies again and again is started ever more slowly; one that ran this long is taken as well
# again.
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 30.0
_WELL_AGAIN = 60.0
_LOG_CHECK_SECONDS = 5.0
_POLL_SECONDS = 0.05

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watch:
    """What `poll` remembers of one server. Instants are of the monotonic clock."""

    child: Child
    up: bool = False
    since: float = 0.0  # spawned, or up again
    failures: int = 0
    due: float | None = None  # when to start it again


class Embedded:
    """Whichever of the two servers the settings do not name, owned by this process.

    Not for several threads. `start` and `poll` belong in the main thread: the kernel's promise to stop the
    servers when we are killed is tied to the thread that started them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = FolderLock(settings.data_dir)
        self._postgres = None if settings.database_url else Postgres(settings.data_dir)
        self._nats = None if settings.nats_url else Nats(settings.data_dir)
        self._watches = [_Watch(child) for child in (self._postgres, self._nats) if child is not None]
        self._next_log_check = 0.0

    @property
    def healthy(self) -> bool:
        """Whether every server of ours was up when last looked at; true where all are the operator's."""
        return all(watch.up for watch in self._watches)

    @property
    def pids(self) -> dict[str, int]:
        """Pid of each server we run, by its label."""
        return {watch.child.label: watch.child.pid for watch in self._watches}

    def lock(self) -> None:
        """Take the data folder, if any server will be ours. Raises `FolderInUse`, naming the holder's pid."""
        if self._watches:
            self._lock.acquire()

    def start(self) -> Endpoints:
        """Start what is missing and wait until it answers (up to 120 s each: PostgreSQL may have to recover).

        Raises `ServersError`, having stopped whatever it had started.
        """
        self.lock()
        try:
            if self._watches:
                withdraw(self._settings.data_dir)
            for watch in self._watches:
                watch.child.spawn(may_move=True)
            for watch in self._watches:
                watch.child.wait_ready(may_move=True)
                watch.up, watch.since = True, time.monotonic()
            self._announce()
        except BaseException:
            self.stop()
            raise
        return self.endpoints()

    def endpoints(self) -> Endpoints:
        """Where the servers are; the same for the life of this object, whatever dies and comes back."""
        settings = self._settings
        database_url, owner_url = settings.database_url, settings.owner_url
        if self._postgres is not None:
            database_url, owner_url = self._postgres.urls()
        nats_url, nats_token = settings.nats_url, settings.nats_token
        if self._nats is not None:
            nats_url, nats_token = self._nats.url(), self._nats.token
        assert database_url is not None
        assert nats_url is not None
        return Endpoints(database_url, owner_url or database_url, nats_url, nats_token)

    def poll(self) -> None:
        """Notice a dead server and start it again, on the same port, with growing delays; call a few times
        a second.

        Never waits for a server to become ready, and never raises on its account: what fails is logged and
        tried again.
        """
        now = time.monotonic()
        for watch in self._watches:
            self._look(watch, now)
        if self._postgres is not None and now >= self._next_log_check:
            self._next_log_check = now + _LOG_CHECK_SECONDS
            with contextlib.suppress(OSError):
                self._postgres.bound_log()

    def stop(self) -> None:
        """Stop NATS, then PostgreSQL (clean, then ever less so: a minute at worst), and let go of the folder.

        Never raises; a second call does nothing.
        """
        for watch in reversed(self._watches):
            watch.up = False
            if not watch.child.stop():
                _log.error("embedded.would_not_stop", server=watch.child.label, pid=watch.child.pid)
        if self._lock.held:
            with contextlib.suppress(OSError):
                withdraw(self._settings.data_dir)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _look(self, watch: _Watch, now: float) -> None:
        child = watch.child
        if child.running:
            if watch.up:
                if now - watch.since > _WELL_AGAIN:
                    watch.failures = 0
            elif child.answers():
                watch.up, watch.since = True, now
                _log.info("embedded.server_is_back", server=child.label, pid=child.pid, port=child.port)
                with contextlib.suppress(OSError):
                    self._announce()
            elif now - watch.since > READY_SECONDS:
                _log.error("embedded.server_not_ready", server=child.label, pid=child.pid, log=str(child.log_path))
                child.stop()
        elif watch.due is None:
            watch.up, watch.failures = False, watch.failures + 1
            delay = min(_FIRST_DELAY * 4.0 ** (watch.failures - 1), _LONGEST_DELAY)
            watch.due = now + delay
            _log.warning("embedded.server_died", server=child.label, pid=child.pid, again_in_seconds=delay)
        elif now >= watch.due:
            watch.due, watch.since = None, now
            try:
                # Not to another port: the workers know this one.
                child.spawn(may_move=False)
            except (ServersError, OSError) as error:
                _log.error("embedded.server_not_started", server=child.label, error=str(error))

    def _announce(self) -> None:
        if self._watches:
            pids = self.pids
            announce(self._settings.data_dir, self.endpoints(), pids.get("PostgreSQL", 0), pids.get("NATS", 0))


@contextlib.contextmanager
def servers(settings: Settings) -> Iterator[Endpoints]:
    """The servers for a short command: those already running, else started here and stopped at the end.

    Where another command is just starting them, waits for it; where it stops instead, takes over. Raises
    `ServersError`.
    """
    deadline = time.monotonic() + READY_SECONDS
    embedded = Embedded(settings)
    while True:
        try:
            embedded.lock()
            break
        except FolderInUse:
            running = find_running(settings.data_dir)
            if running is not None:
                yield _own_first(settings, running)
                return
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
    with embedded:
        yield embedded.start()


def _own_first(settings: Settings, running: Endpoints) -> Endpoints:
    """`running`, except for a server that these settings name themselves."""
    return Endpoints(
        settings.database_url or running.database_url,
        settings.owner_url or running.owner_url,
        settings.nats_url or running.nats_url,
        settings.nats_token if settings.nats_url else running.nats_token,
    )
