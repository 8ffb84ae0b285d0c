"""What is printed and what is kept: the table, and the JSON with every single reading."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench.figures import Reading, Row, middle, spread

_COLUMNS = ("row", "measure", "peer", "peer's figure", "ours", "ratio", "floor", "goal", "verdict")


def show(rows: list[Row]) -> None:
    """The table on standard output: framed on a terminal, otherwise a line a row with tabs between."""
    lines = [_cells(row) for row in rows]
    if not sys.stdout.isatty():
        print("\t".join(_COLUMNS))
        for cells in lines:
            print("\t".join(cells))
        return
    table = Table(*_COLUMNS, title="Chorus against the limits of this machine")
    for row, cells in zip(rows, lines, strict=True):
        table.add_row(*cells, style=None if row.good else "bold red")
    Console().print(table)


def _cells(row: Row) -> list[str]:
    if not row.peer:
        limits = [f"{limit:g}" for limit in (row.floor, row.goal)]
        return [row.row, row.measure, "-", "-", _figure(row, row.ours), "-", *limits, row.verdict]
    sign = "" if row.better == "higher" else "<= "
    ratio, ratios = row.ratio, row.ratios
    told = "-" if ratio is None else f"{ratio:.2f}"
    if len(ratios) > 1:
        told += f" ({min(ratios):.2f} to {max(ratios):.2f})"
    limits = [f"{sign}{limit:g}" for limit in (row.floor, row.goal)]
    peer, ours = _figure(row, row.peer), _figure(row, row.ours)
    return [row.row, row.measure, row.peer_name, peer, ours, told, *limits, row.verdict]


def _figure(row: Row, readings: list[Reading]) -> str:
    value, wide = middle(readings), spread(readings)
    if value is None:
        return "-"
    told = f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:.3g}"
    unit = row.unit if row.unit.startswith("/") else f" {row.unit}" if row.unit else ""
    return told + unit + (f" ±{wide / 2:.0%}" if wide is not None else "")


def keep(path: Path, rows: list[Row], about: dict[str, Any]) -> None:
    """Write everything to `path`; its folder is made."""
    judged = [
        {
            **msgspec.to_builtins(row),
            "peer_median": middle(row.peer),
            "peer_spread": spread(row.peer),
            "ours_median": middle(row.ours),
            "ours_spread": spread(row.ours),
            "ratios": row.ratios,
            "ratio": row.ratio,
            "verdict": row.verdict,
            "good": row.good,
        }
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode({**about, "rows": judged}), indent=1) + b"\n")
