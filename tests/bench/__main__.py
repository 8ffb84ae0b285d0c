"""`python -m tests.bench`: run the rows that are due, print the table, keep the readings.

Exit status 1 when a floor is missed or anything that was checked is wrong; 2 when it could not be run.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from bff.console import say
from core.settings import OperatorError
from tests.bench.figures import Row
from tests.bench.ground import ROOT, Ground
from tests.bench.machine import allow_files, filesystem, machine, versions
from tests.bench.plan import QUICK, Plan
from tests.bench.row_crash import crash_rows
from tests.bench.row_engine import engine_rows
from tests.bench.row_http import http_rows
from tests.bench.row_passes import pass_rows
from tests.bench.row_screens import screen_rows
from tests.bench.row_sweep import sweep_rows
from tests.bench.table import keep, show

KNOWN = ("1", "1b", "2", "4", "5", "6", "7", "10", "10b", "11", "12", "13")
OTHER_FILES = 500


def main() -> int:
    given = _arguments()
    plan: Plan = QUICK if given.quick else Plan()
    wanted = [row.strip() for row in given.rows.split(",")]
    if unknown := [row for row in wanted if row not in KNOWN]:
        say(f"bench: there is no row {unknown[0]!r}: choose from {', '.join(KNOWN)}")
        return 2
    now = datetime.now(UTC)
    path = given.json or ROOT / "bench-results" / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    # As Ctrl-C: everything that was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        files = allow_files(max(plan.sockets, plan.hot_sockets) + OTHER_FILES)
        with tempfile.TemporaryDirectory(prefix="chorus-bench-", dir=given.folder) as folder:
            about = {"at": now, "machine": machine(Path(folder)), "versions": versions(), "plan": plan, "files": files}
            _warn(plan, Path(folder))
            with Ground(plan, Path(folder)) as ground:
                settings = ground.server_settings()
                rows = _run(ground, wanted)
    except (OperatorError, OSError, RuntimeError) as error:
        say(f"bench: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    keep(path, rows, {**msgspec.to_builtins(about), "postgresql_settings": settings})
    show(rows)
    say(f"every reading: {path}")
    for row in rows:
        for fault in row.faults:
            say(f"row {row.row}: {fault}")
    return 0 if all(row.good for row in rows) else 1


def _run(ground: Ground, wanted: list[str]) -> list[Row]:
    rows = engine_rows(ground, wanted)
    if "2" in wanted:
        rows += http_rows(ground)
    rows += screen_rows(ground, wanted)
    if "10" in wanted or "10b" in wanted:
        rows += pass_rows(ground.plan)
    if "11" in wanted:
        rows += crash_rows(ground)
    if "13" in wanted:
        rows += sweep_rows(ground)
    return sorted(rows, key=lambda row: KNOWN.index(row.row))


def _warn(plan: Plan, folder: Path) -> None:
    """What makes the figures mean less, said before they are taken."""
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"bench: the machine is not quiet (load {load:.1f}): the figures will be noise")
    if filesystem(folder) in ("tmpfs", "ramfs"):
        say(f"bench: {folder} lies in memory, where an fsync costs nothing: use --folder")
    if plan.quick:
        say("bench: a quick run shows that it works; its figures mean little")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Chorus against this machine.")
    parser.add_argument("--rows", default=",".join(KNOWN), help="some of the rows, with commas: 1,2")
    parser.add_argument("--quick", action="store_true", help="one short repeat of each, to see that it works")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to keep the readings")
    parser.add_argument("--folder", type=Path, help="where to put the databases (default: the temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
