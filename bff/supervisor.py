"""`chorus serve`: the parent process. It owns the servers and the listening socket, and keeps the workers alive.

The parent takes the data folder, binds the port, starts PostgreSQL and NATS, migrates once, and only then listens
and starts the workers, which share its one socket. It serves nothing itself, so nothing a request does can take it
down. Whatever ends it, nothing is left behind: workers and servers end with it even at a `kill -9`.

The contract with a worker (`python -m bff.worker`) is its environment: the settings as `Settings.from_env` reads
them, without the owner's URL, and the variables named here. Secrets travel in the environment, never on a command
line, which everybody on the machine can read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType

import structlog
from prometheus_client.multiprocess import mark_process_dead

from core.database import migrate as migrate_database
from core.embedded import Embedded, Endpoints
from core.settings import OperatorError, Settings

LISTEN_FD = "CHORUS_LISTEN_FD"  # the listening socket, shared by all workers; only with the role "serve"
READY_FD = "CHORUS_READY_FD"  # a pipe: the worker writes b"1" when it serves, and closes it
PARENT_PID = "CHORUS_PARENT_PID"  # for `core.processes.die_with_parent`, which a worker calls first
WORKER_NUMBER = "CHORUS_WORKER_NUMBER"  # 1, 2, ...: the same for the one that takes a dead one's place
ROLES = "CHORUS_ROLES"  # comma-separated: "serve", "work" or both

KNOWN_ROLES = ("serve", "work")
WORKER_COMMAND = (sys.executable, "-m", "bff.worker")

# Longer than a worker drains its lanes and closes its sockets, shorter than the patience of most process managers.
STOP_SECONDS = 25.0
# A second Ctrl-C hastens the end. Wrappers pass on the first one a moment later: that one does not count.
_SAME_REQUEST_SECONDS = 1.0
# So many starts that never became ready, within so many seconds, will not be cured by another one.
MAX_FAILED_STARTS, FAILED_STARTS_SECONDS = 5, 30.0
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0
_WELL_AGAIN = 30.0
_POLL_SECONDS = 0.25
_BACKLOG = 2048  # connections of a reconnect storm wait here rather than being refused

Migrate = Callable[[str, str | None], None]

_log = structlog.get_logger(__name__)


class _Stop(SystemExit):
    """A signal asked us to stop before we were up. A SystemExit, since that also leaves a running event loop."""


class _Requests:
    """What the signals asked for so far. Until we are up the first one raises `_Stop` wherever we are."""

    def __init__(self) -> None:
        self.may_raise = True
        self.hasten = False
        self._first: float | None = None

    @property
    def stop(self) -> bool:
        return self._first is not None

    def receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            if self.may_raise:
                raise _Stop(0)
        elif now - self._first > _SAME_REQUEST_SECONDS:
            self.hasten = True

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Receive the signals that ask for an end; one that our starter ignores (nohup) stays ignored."""
        former = {}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = signal.signal(number, self.receive)
        try:
            yield
        finally:
            for number, old in former.items():
                signal.signal(number, old)


def run(
    settings: Settings,
    workers: int,
    roles: str = "serve,work",
    ready: Callable[[str], None] | None = None,
    *,
    worker_command: Sequence[str] = WORKER_COMMAND,
    migrate: Migrate = migrate_database,
) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; then stop everything in order and return 0. Main thread only.

    `ready` is called once with the public URL (with the real port, if the settings say 0) when every worker serves.
    Raises `OperatorError` with one line for the operator, after everything was stopped, when the folder or the port
    is taken, a server does not start, or a worker cannot be started.
    """
    chosen = [role.strip() for role in roles.split(",")]
    if unknown := [role for role in chosen if role not in KNOWN_ROLES]:
        raise OperatorError(f"there is no role {unknown[0]!r}: choose from {', '.join(KNOWN_ROLES)}")
    embedded = Embedded(settings)
    requests = _Requests()
    with contextlib.ExitStack() as stack:
        stack.enter_context(requests.handled())  # to the very end: a second Ctrl-C must not interrupt the stopping
        stack.callback(embedded.stop)
        try:
            embedded.lock()
            listener = stack.enter_context(bind(settings.host, settings.port)) if "serve" in chosen else None
            endpoints = embedded.start()
            _migrate(migrate, endpoints)
            requests.may_raise = False
        except _Stop:
            return 0
        if listener is not None:
            _listen(listener, settings)
            settings = settings.at_port(listener.getsockname()[1])
        environment = worker_environment(os.environ, settings, endpoints, ",".join(chosen))
        slots = [_Slot(number, tuple(worker_command), environment, listener) for number in range(1, workers + 1)]
        _Supervisor(embedded, slots, listener, requests, settings.public_url, ready).serve()
    return 0


def worker_environment(
    environ: Mapping[str, str], settings: Settings, endpoints: Endpoints, roles: str
) -> dict[str, str]:
    """What every worker gets: our own environment, the settings made definite, and no URL of the owner.

    A worker needs no right to change tables, so it cannot lose it to whoever breaks into one.
    """
    definite = replace(
        settings,
        database_url=endpoints.database_url,
        owner_url=None,
        nats_url=endpoints.nats_url,
        nats_token=endpoints.nats_token,
    )
    own = {name: value for name, value in environ.items() if name not in ("CHORUS_OWNER_URL", "CHORUS_NATS_TOKEN")}
    return {**own, **definite.to_env(), PARENT_PID: str(os.getpid()), ROLES: roles}


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port` (0: any free one) but not listening yet. Raises `OperatorError`.

    Bound before the servers start, so that a taken port is told at once; not listening before the workers are
    there, so that nobody is kept waiting by a socket that nobody accepts from.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OperatorError(
            f"{host!r} is no address of this machine ({error.strerror}): set CHORUS_HOST to one"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _port_error(host, port, error) from None
    return listener


def _listen(listener: socket.socket, settings: Settings) -> None:
    try:
        listener.listen(_BACKLOG)
    except OSError as error:  # another bound the port as we did, and was quicker to listen
        raise _port_error(settings.host, settings.port, error) from None


def _port_error(host: str, port: int, error: OSError) -> OperatorError:
    if error.errno == errno.EADDRINUSE:
        return OperatorError(f"port {port} on {host} is in use: stop what listens there, or set CHORUS_PORT to another")
    if error.errno == errno.EACCES:
        return OperatorError(f"this user may not listen on port {port}: set CHORUS_PORT to one from 1024 on")
    return OperatorError(f"cannot listen on {host}, port {port} ({error.strerror}): set CHORUS_HOST and CHORUS_PORT")


def _migrate(migrate: Migrate, endpoints: Endpoints) -> None:
    try:
        migrate(endpoints.owner_url, endpoints.app_role)
    except OSError as error:
        raise OperatorError(
            f"the database cannot be reached ({error}): check that it runs and that CHORUS_DATABASE_URL is right"
        ) from error


@dataclass(slots=True)
class _Slot:
    """The place of one worker, and whoever fills it now. Instants are of the monotonic clock."""

    number: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    listener: socket.socket | None
    process: subprocess.Popen[bytes] | None = None
    pipe: int | None = None  # our end of the ready pipe, while it is open
    ready: bool = False
    started: float = 0.0
    failures: int = 0
    failed_starts: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_FAILED_STARTS))
    due: float | None = 0.0  # when to start the next one; None while one runs

    def spawn(self, now: float) -> None:
        self.pipe, theirs = os.pipe()
        contract = {READY_FD: str(theirs), WORKER_NUMBER: str(self.number)}
        inherited = [theirs]
        if self.listener is not None:
            contract[LISTEN_FD] = str(self.listener.fileno())
            inherited.append(self.listener.fileno())
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                self.command,
                env={**self.environment, **contract},
                stdin=subprocess.DEVNULL,
                pass_fds=inherited,
                # Ctrl-C in the terminal reaches the parent alone, which tells the workers.
                start_new_session=True,
            )
        except OSError as error:
            self.close_pipe()
            raise OperatorError(f"cannot start a worker ({error}): check that {self.command[0]} can be run") from None
        finally:
            os.close(theirs)
        self.started, self.ready, self.due = now, False, None

    def read_pipe(self) -> None:
        """Take what the worker wrote; an end without a byte is a worker that is about to die, or will be silent."""
        assert self.pipe is not None
        if os.read(self.pipe, 16):
            self.ready = True
            _log.info("supervisor.worker_ready", worker=self.number, pid=self.process.pid if self.process else 0)
        self.close_pipe()

    def close_pipe(self) -> None:
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)  # which does nothing once the process has been waited for

    def buried(self, now: float) -> None:
        """Note the death of this worker, and when the next one is due. Raises `OperatorError` if none will do."""
        assert self.process is not None
        self.close_pipe()
        if now - self.started > _WELL_AGAIN:
            self.failures = 0
        self.failures += 1
        delay = min(_FIRST_DELAY * 2.0 ** (self.failures - 1), _LONGEST_DELAY)
        self.due = now + delay
        code = self.process.returncode
        if metrics := self.environment.get("PROMETHEUS_MULTIPROC_DIR"):
            mark_process_dead(self.process.pid, metrics)  # type: ignore[no-untyped-call]
        _log.warning(
            "supervisor.worker_died",
            worker=self.number,
            pid=self.process.pid,
            code=code,
            was_ready=self.ready,
            again_in_seconds=delay,
        )
        if self.ready:
            return
        self.failed_starts.append(now)
        if len(self.failed_starts) == MAX_FAILED_STARTS and now - self.failed_starts[0] <= FAILED_STARTS_SECONDS:
            raise OperatorError(
                f"worker {self.number} could not start {MAX_FAILED_STARTS} times within"
                f" {FAILED_STARTS_SECONDS:.0f} seconds (last exit code {code}): read its messages above"
            )


class _Supervisor:
    """The loop over workers and servers, from the first start to the last stop."""

    def __init__(
        self,
        embedded: Embedded,
        slots: list[_Slot],
        listener: socket.socket | None,
        requests: _Requests,
        url: str,
        ready: Callable[[str], None] | None,
    ) -> None:
        self._embedded = embedded
        self._slots = slots
        self._listener = listener
        self._url = url
        self._ready = ready
        self._requests = requests
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def serve(self) -> None:
        """Run until a signal asks for the end, or `OperatorError`; no worker is left on return."""
        # A death of a child wakes the loop as a request to stop does: through the pipe Python's own handler writes to.
        former_child = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        former_wake = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            while not self._requests.stop:
                self._embedded.poll()
                now = time.monotonic()
                for slot in self._slots:
                    self._look(slot, now)
                self._wait()
        finally:
            self._stop_workers()
            signal.set_wakeup_fd(former_wake)
            signal.signal(signal.SIGCHLD, former_child)
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _look(self, slot: _Slot, now: float) -> None:
        if slot.running:
            return
        if slot.due is None:
            slot.buried(now)
        # Without its servers a worker could only fail to start, and be counted out for it.
        elif now >= slot.due and self._embedded.healthy:
            slot.spawn(now)

    def _wait(self) -> None:
        """Sleep until a signal, a worker's word or the next look."""
        pipes = {slot.pipe: slot for slot in self._slots if slot.pipe is not None}
        readable, _, _ = select.select([self._wake_read, *pipes], [], [], _POLL_SECONDS)
        for descriptor in readable:
            if descriptor in pipes:
                pipes[descriptor].read_pipe()
            else:
                os.read(self._wake_read, 4096)
        if self._ready is not None and all(slot.ready for slot in self._slots):
            tell, self._ready = self._ready, None
            tell(self._url)

    def _stop_workers(self) -> None:
        # With ours closed, the port refuses as soon as the workers have closed theirs.
        if self._listener is not None:
            self._listener.close()
        living = [slot for slot in self._slots if slot.running]
        for slot in living:
            slot.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while living := [slot for slot in living if slot.running]:
            if self._requests.hasten or time.monotonic() >= deadline:
                _log.warning("supervisor.killing_workers", workers=[slot.number for slot in living])
                for slot in living:
                    slot.signal(signal.SIGKILL)
                for slot in living:
                    if slot.process is not None:
                        slot.process.wait()
                break
            select.select([self._wake_read], [], [], 0.05)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        for slot in self._slots:
            slot.close_pipe()
