"""A second set of books, kept from what members were told and from nothing else.

Each version says what it was for; a purse adds that up by rules of its own: all a member has in a currency (spendable,
pending and on hold together) grows by what was awarded and shrinks by what was spent, taken back or lapsed, and what was
merely moved between the three changes nothing. What a version says of its balances must then be so.
"""

from __future__ import annotations

from collections import defaultdict

from core.points import POINTS
from core.snapshot import Change, Moved


class Purse:
    """What a member has in one currency."""

    def __init__(self) -> None:
        self.available = self.pending = self.held = 0

    @property
    def worth(self) -> int:
        return self.available + self.pending + self.held


class Books:
    """Of all members; `read` every version once, a member's in their order."""

    def __init__(self) -> None:
        self.purses: dict[tuple[int, str], Purse] = defaultdict(Purse)
        self.versions: dict[int, int] = defaultdict(int)
        self.tiers: dict[int, str] = {}
        self.owing: set[tuple[int, str]] = set()
        """Whom a return ever left below zero, and in which currency."""
        self.expired: dict[str, int] = defaultdict(int)
        self.kinds: dict[str, int] = defaultdict(int)
        self.rises = self.falls = 0
        self._ranks = {"paper": 0, "cloth": 1, "leather": 2}

    def read(self, change: Change) -> None:
        assert change.version == self.versions[change.member] + 1, f"a version of {change.member} was skipped"
        self.versions[change.member] = change.version
        self.kinds[change.kind] += 1
        points = Moved(
            POINTS, change.points, change.available, change.pending, change.expired, change.released, change.vested
        )
        for moved in (points, *change.others):
            self._fold(change, moved)
        self._stand(change)

    def _fold(self, change: Change, moved: Moved) -> None:
        purse, what = self.purses[(change.member, moved.currency)], f"{moved.currency} of {change}"
        before, was = purse.worth, purse.available
        by_command = moved.points - moved.released - moved.vested + moved.expired
        purse.available += moved.points
        purse.pending = moved.pending
        purse.held += _held(change, moved.currency, by_command) - moved.released
        self.expired[moved.currency] += moved.expired
        assert purse.available == moved.available, f"the balance does not follow from the one before: {what}"
        assert purse.held >= 0, f"more left a hold than was on it: {what}"
        if purse.available < min(was, 0):
            assert change.kind == "return", f"below zero, and no return: {what}"
            assert moved.currency != POINTS or "debt" in change.flags, f"a debt that is not told: {what}"
            self.owing.add((change.member, moved.currency))
        gained = _gained(change, moved.currency, by_command)
        if gained is not None:
            assert purse.worth - before == gained - moved.expired, f"what it says it was for is not what moved: {what}"
        else:
            assert purse.worth - before <= -moved.expired, f"a return gave more than it took: {what}"

    def _stand(self, change: Change) -> None:
        now, before = self._ranks[change.tier], self._ranks[self.tiers.get(change.member, "paper")]
        self.rises += now > before
        self.falls += now < before
        self.tiers[change.member] = change.tier


def _held(change: Change, currency: str, by_command: int) -> int:
    """What the command itself set aside."""
    if change.currency != currency:
        return 0
    match change.kind:
        case "hold" | "void":
            return -by_command
        case "capture":
            return -change.base
        case "purchase" if change.hold:
            return -change.paid_points
        case _:
            return 0


def _gained(change: Change, currency: str, by_command: int) -> int | None:
    """What the command itself gave or took in all; None where it does not say (what a return took of another currency
    than the points)."""
    awarded = sum(award.points for award in change.awards if award.currency == currency)
    match change.kind:
        case "purchase":
            return awarded - (change.paid_points if currency == POINTS else 0)
        case "return":
            return change.base + change.paid_points if currency == POINTS else None
        case "claim" | "capture" if change.currency == currency:
            return -change.base
        case "cancel" if change.currency == currency:
            return change.base
        case "adjust" | "reinstate" if change.currency == currency:
            return by_command
        case _:
            return awarded
