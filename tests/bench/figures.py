"""Readings, and what they amount to: medians, spreads, ratios and a verdict in honest words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Literal

import msgspec

from bff.console import say


class Reading(msgspec.Struct):
    """One measurement. `faults` says in words what was not right; with any, the figure counts for nothing."""

    value: float
    details: dict[str, Any] = {}
    faults: list[str] = []
    load_average: float = 0.0
    """Of the machine's last minute, at the end of the reading."""


class Row(msgspec.Struct, kw_only=True):
    """One line of the table. Without a peer (`peer_name` empty) the reading itself is what is judged."""

    row: str
    measure: str
    unit: str
    peer_name: str
    peer: list[Reading]
    ours: list[Reading]
    floor: float
    goal: float
    better: Literal["higher", "lower"]

    @property
    def ratios(self) -> list[float]:
        """Ours to the peer's of the same repeat: a slow minute of the machine then weighs on both."""
        if not self.peer:
            return [reading.value for reading in self.ours]
        return [ours.value / peer.value for peer, ours in zip(self.peer, self.ours, strict=True) if peer.value]

    @property
    def ratio(self) -> float | None:
        ratios = self.ratios
        if not ratios:
            return None
        return median(ratios) if self.peer else max(ratios)

    @property
    def faults(self) -> list[str]:
        return [fault for reading in (*self.peer, *self.ours) for fault in reading.faults]

    def reaches(self, limit: float, ratio: float) -> bool:
        return ratio >= limit if self.better == "higher" else ratio <= limit

    @property
    def good(self) -> bool:
        """Whether the floor is reached and everything checked was right."""
        return not self.faults and self.ratio is not None and self.reaches(self.floor, self.ratio)

    @property
    def verdict(self) -> str:
        ratio = self.ratio
        if self.faults:
            return "WRONG: " + self.faults[0]
        if ratio is None:
            return "no figure"
        if not self.reaches(self.floor, ratio):
            return "FLOOR MISSED"
        if self.reaches(self.goal, ratio):
            return "goal reached" + ("" if self._all(self.goal) else ", not in every repeat")
        return "floor reached, goal not" + ("" if self._all(self.floor) else "; floor missed in a repeat")

    def _all(self, limit: float) -> bool:
        return all(self.reaches(limit, ratio) for ratio in self.ratios)


def middle(readings: Sequence[Reading]) -> float | None:
    return median(reading.value for reading in readings) if readings else None


def spread(readings: Sequence[Reading]) -> float | None:
    """(highest - lowest) / median; None for fewer than two readings."""
    values = [reading.value for reading in readings]
    if len(values) < 2 or not median(values):
        return None
    return (max(values) - min(values)) / median(values)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of `ordered` (ascending, not empty) do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]


Measure = Callable[[], Reading]


def interleave(name: str, repeats: int, peer: Measure | None, ours: Measure) -> tuple[list[Reading], list[Reading]]:
    """Readings taken in turn: peer, ours, peer, ours, ..."""
    found: tuple[list[Reading], list[Reading]] = ([], [])
    for repeat in range(1, repeats + 1):
        for side, measure, kept in (("peer", peer, found[0]), ("ours", ours, found[1])):
            if measure is not None:
                reading = taken(measure)
                kept.append(reading)
                told = f"row {name}, {repeat} of {repeats}, {side}: {reading.value:,.4g}"
                say("; ".join([told, *reading.faults[:3]]))
    return found


def taken(measure: Measure) -> Reading:
    reading = measure()
    reading.load_average = round(os.getloadavg()[0], 2)
    return reading
