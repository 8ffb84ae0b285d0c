"""A member whole, and the world its members share."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from datetime import date, datetime

from tests.core.naive.base import Said
from tests.core.naive.merging import Merging
from tests.core.naive.rules import Refused, Rules


class Naive(Merging):
    """One member. Every method is a command: it raises `Refused`, or makes a version and says so, or returns None when
    there was nothing to do. One that raised or returned None may have changed what it stood on: try it on a copy."""

    def adjust(self, now: datetime, points: int, currency: str = "points") -> Said:
        if not points or currency not in self.rules.currencies:
            raise Refused("invalid_input")
        self.begin(now)
        if points > 0:
            self.purse(currency).give(points, self.good_until(now, currency), made=self.following)
            self.active(currency, now)
        else:
            self.need(-points, currency)
            self.purse(currency).take(-points)
        return self.end(now, currency=currency)

    def reinstate(self, now: datetime, points: int, currency: str = "points") -> Said:
        if points <= 0 or currency not in self.rules.currencies:
            raise Refused("invalid_input")
        self.begin(now)
        purse, until = self.purse(currency), self.grace(now, currency)
        if points > purse.lost:
            raise Refused("nothing_expired")
        purse.lost -= points
        purse.give(points, until, made=self.following)
        return self.end(now, currency=currency, until=until)

    def extend(
        self, now: datetime, ending_from: datetime, ending_before: datetime, until: datetime, currency: str = "points"
    ) -> Said | None:
        if ending_before <= ending_from or until <= ending_from or until <= now:
            raise Refused("invalid_input")
        self.begin(now)
        moved = [
            lot
            for lot in self.purse(currency).lots
            if lot.left and lot.expires is not None and ending_from <= lot.expires < min(ending_before, until)
        ]
        points = sum(lot.left for lot in moved)
        for lot in moved:
            # A new lot: what a hold took from the old one goes back to the old date.
            fresh = self.purse(currency).give(lot.left, until, lot.bought, self.following)
            assert fresh is not None, "who has points owes none"
            lot.left = 0
        return self.end(now, base=points, until=until, currency=currency) if moved else None

    def set_traits(self, now: datetime, segments: tuple[str, ...] | None, birthday: str | None) -> Said | None:
        if any(segment not in self.rules.segments for segment in segments or ()):
            raise Refused("invalid_input")
        after = (
            self.segments if segments is None else tuple(sorted(set(segments))),
            self.birthday if birthday is None else birthday,
        )
        if after == (self.segments, self.birthday):
            return None
        self.begin(now)
        self.segments, self.birthday = after
        return self.end(now)

    def link(self, now: datetime) -> Said:
        self.begin(now)
        return self.end(now)

    def sweep(self, now: datetime) -> Said | None:
        due = self.next_due()
        if due is None or due > now:
            return None
        self.begin(now)
        return self.end(now)


@dataclass
class World:
    """What members use up together: stock, tickets, and everything that was given, each time with its day."""

    rules: Rules
    members: list[Naive] = field(default_factory=list)
    stock: dict[str, int] = field(default_factory=dict)
    tickets: dict[str, int] = field(default_factory=dict)
    given: list[tuple[str, date]] = field(default_factory=list)
    gone: dict[int, int] = field(default_factory=dict)
    """Who was merged into whom."""
    ended: dict[int, int] = field(default_factory=dict)
    """Their last versions."""

    @classmethod
    def of(cls, rules: Rules, ids: list[int]) -> World:
        world = cls(rules)
        world.members += [Naive(world, id) for id in ids]
        return world

    def whoever(self, id: int) -> Naive:
        """The member that has this id, or the one that it is part of by now."""
        while id in self.gone:
            id = self.gone[id]
        for member in self.members:
            if member.id == id:
                return member
        raise Refused("unknown_member")

    def copy(self) -> World:
        again: World = pickle.loads(pickle.dumps(self))
        return again
