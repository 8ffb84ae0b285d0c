"""Finds Chromium for the tests, or gets one: Playwright's own, one on the PATH, else Debian's package as root.

Run as a module (`python -m tests.browser.chromium`) it is part of set-up. A machine where none can be had fails here and
says what to do; no test is skipped for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = "the browser tests need Chromium: `playwright install chromium`, or `apt-get install chromium` as root"


@cache
def executable() -> str:
    """The path of a Chromium that is there. Raises `RuntimeError` that says how to get one."""
    if found := _installed():
        return found
    raise RuntimeError(ADVICE)


def _installed() -> str | None:
    return os.environ.get("CHORUS_CHROMIUM") or _playwrights() or next(filter(None, map(shutil.which, NAMES)), None)


def _playwrights() -> str | None:
    """Playwright's own, by where it puts it: asking its driver would start one more process for a path."""
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = sorted(folder.glob("chromium-*/chrome-*/chrome"))
    return str(found[-1]) if found else None


def _get() -> None:
    """Try the two ways of getting one, quietly; whether it worked is seen by looking again."""
    _run([sys.executable, "-m", "playwright", "install", "chromium"])
    if _installed() is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def main() -> int:
    if _installed() is None:
        print("getting Chromium for the browser tests ...", flush=True)
        _get()
    try:
        print(f"browser tests: {executable()}")
    except RuntimeError as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
