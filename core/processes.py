"""Processes: dying with the parent, and finding and ending those another run left behind.

A process is only ever ended after it was looked at: a pid read from a file may belong to anybody by now.
psutil remembers when a process was created, so a pid that is given anew between the look and the signal is
not hit.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

import psutil

_PR_SET_PDEATHSIG = 1
# Loaded at import: between fork and exec a child must not run the dynamic loader.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_POLL_SECONDS = 0.01


def die_with_parent(expected_parent_pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `number` to this process when its parent dies; call it first thing in a child.

    A supervisor that was killed otherwise leaves its workers on the port. If the parent is gone already,
    this process ends here: the kernel's promise covers only a death that comes after the call. On other
    systems than Linux only that check is made. The kernel means the *thread* that forked, so a parent forks
    from its main thread.
    """
    if _LIBC is not None and _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != expected_parent_pid:
        os._exit(1)


def find(name: str, belongs: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Live processes called `name` for which `belongs` holds; one we may not look into does not belong."""
    found = []
    for process in psutil.process_iter():
        # One that ends while it is looked at is gone as well.
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == name and not _gone(process) and belongs(process):
                found.append(process)
    return found


def end(processes: Sequence[psutil.Process], steps: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each step's signal to those still there and wait up to its seconds; True when all are gone.

    Never raises: one that may not be signalled simply remains.
    """
    remaining = list(processes)
    for number, seconds in steps:
        for process in remaining:
            with contextlib.suppress(psutil.Error, OSError):
                process.send_signal(number)
        deadline = time.monotonic() + seconds
        while remaining := [process for process in remaining if not _gone(process)]:
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
        else:
            return True
    return not remaining


def is_process(pid: int, created: float) -> bool:
    """Whether the process `pid` that was created at `created` (Unix seconds) is alive, and not another by
    that pid.
    """
    try:
        process = psutil.Process(pid)
        # The kernel counts from boot; the instant of boot moves a little when the clock is set.
        return abs(process.create_time() - created) < 2.0 and not _gone(process)
    except psutil.Error:
        return False


def _gone(process: psutil.Process) -> bool:
    """A zombie counts as gone: in a container whose first process reaps nobody it stays for ever.

    Unless it still has threads: the first one of a dying process can be a zombie a moment before the others end.
    """
    try:
        if not process.is_running():
            return True
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
