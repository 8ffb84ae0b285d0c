"""Who holds the data folder, and where its servers are: the lock and the runtime file.

The lock is the kernel's (`flock`), taken before either server is touched, and gone with the process however
that ends; the pid written in it is only for the message. The runtime file says where the running servers
are. It is believed only while the very process that wrote it lives, told by pid *and* instant of creation,
so one left behind by a killed parent misleads nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil

from core.embedded.errors import FolderInUse, ServersError
from core.files import write_private
from core.processes import is_process
from core.settings import make_data_dir

_LOCK = "lock"
_RUNTIME = "runtime.json"


class Endpoints(msgspec.Struct, frozen=True):
    """Where the two servers are. Database URLs are in SQLAlchemy's form, the application's role and the
    owner's.
    """

    database_url: str
    owner_url: str
    nats_url: str
    nats_token: str | None

    @property
    def app_role(self) -> str | None:
        """The application's role where it is another than the owner, to be granted its rights; else None."""
        app, owner = urlsplit(self.database_url).username, urlsplit(self.owner_url).username
        return app if app != owner else None

    def __repr__(self) -> str:
        return f"Endpoints({urlsplit(self.database_url).hostname}, {urlsplit(self.nats_url).hostname})"


class _Runtime(msgspec.Struct, frozen=True):
    holder_pid: int
    holder_created: float
    postgres_pid: int
    nats_pid: int
    endpoints: Endpoints


class FolderLock:
    """At most one holder of a data folder on this machine; released by `release` or by the end of the
    process.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock at once, or raise `FolderInUse`. Taking it again is nothing."""
        if self.held:
            return
        path = self._data_dir / _LOCK
        try:
            make_data_dir(self._data_dir)
            # Python's descriptors are not inherited: a server that outlives us must not hold our lock.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ServersError(
                f"cannot use the data folder {self._data_dir} ({error.strerror}): set CHORUS_DATA_DIR to"
                " one this user may write"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise FolderInUse(
                f"the data folder {self._data_dir} is in use by process {holder}: stop that one first, or set"
                " CHORUS_DATA_DIR to another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def announce(data_dir: Path, endpoints: Endpoints, postgres_pid: int, nats_pid: int) -> None:
    """Tell other commands where the servers are; only the holder of the lock does."""
    created = psutil.Process().create_time()
    runtime = _Runtime(os.getpid(), created, postgres_pid, nats_pid, endpoints)
    write_private(data_dir / _RUNTIME, msgspec.json.encode(runtime).decode())


def withdraw(data_dir: Path) -> None:
    (data_dir / _RUNTIME).unlink(missing_ok=True)


def find_running(data_dir: Path) -> Endpoints | None:
    """The servers of `data_dir` that another command runs, or None. Raises `ServersError` if they may not
    be used.
    """
    try:
        runtime = msgspec.json.decode((data_dir / _RUNTIME).read_bytes(), type=_Runtime)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise ServersError(
            f"the servers of {data_dir} belong to another user: run this command as the user who runs `chorus serve`"
        ) from None
    except msgspec.MsgspecError:
        return None  # of another version of Chorus
    with contextlib.suppress(psutil.Error):
        if is_process(runtime.holder_pid, runtime.holder_created):
            return runtime.endpoints
    return None
