"""Gets what the peers are made of: Node.js and npm, where missing Debian's as root, and the locked npm packages.

Run as a module (`python -m tests.peers.install`) it is part of set-up, and does nothing while the lock stays as it is.
A machine where they cannot be had fails here in one line; no test is skipped for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
STAMP = MODULES / ".locked"
OLDEST_NODE = 20
ADVICE = f"the tests' peers need Node.js {OLDEST_NODE} or newer, and npm: `apt-get install nodejs npm` as root"


@cache
def node() -> str:
    """The path of a Node.js whose packages are there. Raises `RuntimeError` that says what to do."""
    found = _runtime()
    if found is None:
        raise RuntimeError(ADVICE)
    if not _fresh():
        raise RuntimeError("the tests' peers are not installed: `python -m tests.peers.install`")
    return found


def _runtime() -> str | None:
    """The path of a Node.js that is new enough and has its npm."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    major = version.removeprefix("v").partition(".")[0]
    return found if major.isdecimal() and int(major) >= OLDEST_NODE else None


def _lock() -> str:
    return hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()


def _fresh() -> bool:
    return STAMP.exists() and STAMP.read_text() == _lock()


def _get_node() -> None:
    """Try Debian's, quietly; whether it worked is seen by looking again."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "nodejs", "npm"]):
            subprocess.run(["apt-get", *command], env=environment, capture_output=True, check=False)


def _get_packages() -> None:
    """npm's clean install of exactly the lock; no package's own script runs. Raises `RuntimeError` with npm's word."""
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        first = next(iter(done.stderr.splitlines()), "no reason given")
        raise RuntimeError(f"the tests' peers cannot be installed, npm says: {first}")
    STAMP.write_text(_lock())


def main() -> int:
    try:
        if _runtime() is None:
            print("getting Node.js for the tests' peers ...", flush=True)
            _get_node()
        if _runtime() is None:
            raise RuntimeError(ADVICE)
        if not _fresh():
            _get_packages()
        print(f"tests' peers: {node()}")
    except RuntimeError as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
