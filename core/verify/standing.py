"""What qualifies by period, added up from each version, and the tier it makes at that version."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from core.snapshot import Change
from core.verify.book import Book

_QUALIFYING = msgspec.json.Decoder(dict[int, int])


class Standing:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._qualifying: dict[int, int] = defaultdict(int)

    def add(self, period: int, points: int) -> None:
        self._qualifying[period] += points

    def join(self, other: Standing) -> None:
        for period, points in other._qualifying.items():
            self._qualifying[period] += points

    def compare(self, change: Change) -> None:
        rules = self._book.rules(change)
        period = rules.period(change.recorded_at)
        this, tier = self._qualifying.get(period, 0), rules.tier(self._qualifying, period)
        if (change.qualifying, change.tier) != (this, tier):
            at = f"at version {change.version}"
            self._book.same("qualifying", f"qualifying points {at}", change.qualifying, this)
            self._book.same("tier", f"the tier {at}", change.tier, tier)

    def account(self, encoded: str) -> None:
        """Against what the account says."""
        try:
            stored = {period: points for period, points in _QUALIFYING.decode(encoded).items() if points}
        except msgspec.DecodeError as error:
            self._book.say("qualifying", f"qualifying points cannot be read: {error}")
            return
        journal = {period: points for period, points in self._qualifying.items() if points}
        self._book.same("qualifying", "qualifying points", stored, journal)
