"""A second set of books, kept from what members were told and from nothing else.

Each version says what it was for; a purse adds that up by rules of its own: all a member has in a currency (spendable,
pending and on hold together) grows by what was awarded and shrinks by what was spent, taken back or lapsed, and what was
merely moved between the three changes nothing. What a version says of its balances must then be so. What one member
leaves with is what another takes in.
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
        self.left: dict[tuple[int, str], Purse] = {}
        """What members that were merged had, until another has it."""
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
        for moved in (points, *change.others, *self._silent(change)):
            if change.kind == "merged":
                self._leave(change, moved)
            else:
                self._fold(change, moved)
        self._stand(change)

    def _silent(self, change: Change) -> list[Moved]:
        """Currencies that a merge moves and says nothing of, because all there is of them is on hold."""
        if change.kind not in ("merge", "merged"):
            return []
        of = change.member if change.kind == "merged" else change.merged
        theirs = {currency for member, currency in [*self.purses, *self.left] if member == of}
        mine = {currency: self.purses[(change.member, currency)] for currency in theirs}
        said = {POINTS, *(one.currency for one in change.others)}
        return [Moved(one, 0, purse.available, purse.pending) for one, purse in mine.items() if one not in said]

    def _leave(self, change: Change, moved: Moved) -> None:
        purse, key = self.purses[(change.member, moved.currency)], (change.member, moved.currency)
        self.expired[moved.currency] += moved.expired
        left = self.left[key] = Purse()
        left.held = purse.held - moved.released
        left.available = purse.worth - moved.expired - left.held
        assert (moved.available, moved.pending) == (0, 0), f"something stayed: {change}"
        self.purses[key] = Purse()

    def _fold(self, change: Change, moved: Moved) -> None:
        purse, what = self.purses[(change.member, moved.currency)], f"{moved.currency} of {change}"
        before, was = purse.worth, purse.available
        by_command = moved.points - moved.released - moved.vested + moved.expired
        came = self.left.pop((change.merged, moved.currency), Purse()) if change.kind == "merge" else Purse()
        purse.available += moved.points
        purse.pending = moved.pending
        purse.held += _held(change, moved.currency, by_command) - moved.released + came.held
        self.expired[moved.currency] += moved.expired
        assert purse.available == moved.available, f"the balance does not follow from the one before: {what}"
        assert purse.held >= 0, f"more left a hold than was on it: {what}"
        if purse.available < min(was, 0):
            assert change.kind == "return" or came.available < 0, f"below zero, and no return: {what}"
            assert change.kind == "merge" or moved.currency != POINTS or "debt" in change.flags, (
                f"a debt that is not told: {what}"
            )
            self.owing.add((change.member, moved.currency))
        gained = came.worth if change.kind == "merge" else _gained(change, moved.currency, by_command)
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
