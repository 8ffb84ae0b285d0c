"""How often somebody may do something: so many at once, then so many a second, each by a name of its own.

It is kept in memory, a process for itself, for the latest names only. It guards against storms; it is no limit that a
rule of the programme could stand on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable


class Allowance:
    def __init__(self, per_second: float, at_once: int, monotonic: Callable[[], float], *, names: int = 10_000) -> None:
        self._rate, self._most, self._now, self._names = per_second, float(at_once), monotonic, names
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, name: Hashable = None) -> bool:
        """Whether it may now; counts if so."""
        return self.wait(name, only_now=True) == 0

    def wait(self, name: Hashable = None, *, only_now: bool = False) -> float:
        """Seconds until it may; its turn is counted, unless `only_now` and it has to wait."""
        now = self._now()
        left, at = self._left.pop(name, (self._most, now))
        left = min(self._most, left + (now - at) * self._rate)
        seconds = max(0.0, (1 - left) / self._rate)
        if seconds == 0 or not only_now:
            left -= 1
        self._left[name] = (left, now)
        if len(self._left) > self._names:
            self._left.popitem(last=False)
        return seconds
