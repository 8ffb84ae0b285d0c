"""Gets KDE's reader of passes where Debian offers it: its library as root, and a small program around it, built once.

Run as a module (`python -m tests.peers.kde.install`) it is part of set-up, and does nothing once the program is built.
Where it cannot be had, that is said in one line, and the one test that asks for it is skipped with that reason: no other
system has this library in its packages.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "reader.cpp"
BUILD = FOLDER / "build"
PROGRAM = BUILD / "reader"
STAMP = BUILD / "source"
ABSENT = BUILD / "absent"
"""Why it is not here; with the mark of `STAMP` before it where asking again would be of no use."""

PACKAGE = "libkpimpkpass-dev"
HEADERS = Path("/usr/include/KPim")


class Absent(Exception):
    """It is not here; the text is the reason. `final`: nothing would be found by asking again."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def reader() -> Path:
    """The program. Raises `Absent`."""
    if _fresh(STAMP):
        return PROGRAM
    raise Absent(ABSENT.read_text().partition("\n")[2] if ABSENT.exists() else "`python -m tests.peers.kde.install`")


def _mark() -> str:
    return hashlib.sha256(SOURCE.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def _fresh(stamp: Path) -> bool:
    return stamp.exists() and stamp.read_text().partition("\n")[0] == _mark()


def _get() -> None:
    """Install what is missing. Raises `Absent`."""
    missing = [*([] if HEADERS.is_dir() else [PACKAGE]), *([] if shutil.which("g++") else ["g++"])]
    if not missing:
        return
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")):
        raise Absent(f"as root on Debian, `apt-get install {' '.join(missing)}` would get it")
    if not _offered():
        _apt("update", "-qq")
    if not _offered():
        raise Absent(f"this system offers no {PACKAGE}", final=True)
    print("getting KDE's reader of passes ...", flush=True)
    if problem := _apt("install", "-y", "-qq", "--no-install-recommends", *missing):
        raise Absent(f"apt-get says: {problem}")


def _offered() -> bool:
    return bool(subprocess.run(["apt-cache", "show", PACKAGE], capture_output=True, check=False).stdout)


def _apt(*arguments: str) -> str:
    """Its first complaint; empty when it worked."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
    return next(iter(done.stderr.splitlines()), "no reason given") if done.returncode else ""


def _build() -> None:
    """Raises `Absent` with the compiler's first complaint."""
    multiarch = _said("g++", "-print-multiarch")
    qt = Path("/usr/include") / multiarch / "qt5"
    folders = [HEADERS, HEADERS / "KPkPass", qt, qt / "QtCore", qt / "QtGui"]
    draft = BUILD / f"reader.{os.getpid()}"
    command = ["g++", "-std=c++17", "-O1", "-fPIC", *(part for one in folders for part in ("-isystem", str(one)))]
    command += [str(SOURCE), "-o", str(draft), "-lKPimPkPass", "-lQt5Gui", "-lQt5Core"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise Absent(f"it cannot be built: {errors[0] if errors else 'no reason given'}")
    draft.rename(PROGRAM)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> int:
    BUILD.mkdir(exist_ok=True)
    try:
        if not _fresh(STAMP) and not _fresh(ABSENT):
            _get()
            _build()
            STAMP.write_text(_mark())
            ABSENT.unlink(missing_ok=True)
        print(f"KDE's reader of passes: {reader()}")
    except Absent as reason:
        if not _fresh(ABSENT):
            ABSENT.write_text(f"{_mark() if reason.final else ''}\n{reason}")
        print(f"KDE's reader of passes is not here, its test is skipped: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
