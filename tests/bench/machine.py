"""What the figures belong to: the machine, and the version of everything that took part."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from core.embedded.nats import find_program
from core.embedded.postgres import find_programs

LIBRARIES = (
    "asyncpg", "httptools", "litestar", "msgspec", "nats-py", "psutil", "pyjwt", "sqlalchemy", "uvicorn", "uvloop",
    "websockets",
)  # fmt: skip


def machine(folder: Path) -> dict[str, object]:
    """The machine; `folder` is where the databases of this run lie."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.platform(),
        "filesystem": filesystem(folder),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "postgresql": _said(str(find_programs() / "postgres"), "--version"),
        "nats": _said(str(find_program()), "--version"),
        **{library: version(library) for library in LIBRARIES},
        "chorus": _said("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
    }


def filesystem(folder: Path) -> str:
    """The kind of file system `folder` lies on: on tmpfs an fsync costs nothing, and the figures mean less."""
    mounts = sorted(psutil.disk_partitions(all=True), key=lambda one: len(one.mountpoint), reverse=True)
    resolved = folder.resolve()
    return next((one.fstype for one in mounts if resolved.is_relative_to(one.mountpoint)), "unknown")


def allow_files(count: int) -> int:
    """Raise this process's limit of open files, and so that of its children; returns the new one.

    Raises `OSError` when the hard limit is below `count`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OSError(f"this user may open {hard} files, and {count} are needed: raise `ulimit -Hn`, or use --quick")
    wanted = max(soft, count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
