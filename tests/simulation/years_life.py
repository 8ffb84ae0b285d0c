"""What a member does on a day: commands drawn by chance, from what it was told so far."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from core.adjustments.decide import AdjustPoints, ExtendPoints, ReinstatePoints
from core.earning.actions import RecordAction
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.engine.commands import Command
from core.members.decide import LinkIdentifier, SetTraits
from core.members.identifiers import Identifier
from core.rewards.decide import CaptureHold, HoldPoints, HoldReward, VoidHold
from core.rewards.vouchers import CancelVoucher, ClaimReward, GrantVoucher, UnuseVoucher, UseVoucher
from core.snapshot import Change, Line
from tests.simulation.years_programme import (
    CATALOGUE,
    CHANNELS,
    CLAIMED,
    COLLECTED,
    DRAW,
    HELD,
    SEGMENTS,
    STORES,
)

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Wish(NamedTuple):
    """A command and what is said beside it."""

    command: Command
    occurred_at: datetime | None = None
    place: str = ""
    staff: bool = False


class Voucher(NamedTuple):
    code: str
    reward: str
    until: datetime | None


def _there(life: Life, no: int) -> int:
    """A number of one member's as whoever takes it in names it."""
    return no if no >= 2**20 else life.member * 2**20 + no


class Life:
    """One member. What is drawn may be refused: a till does not know everything either."""

    def __init__(self, member: int, rng: Random) -> None:
        self.member = member
        self._rng = rng
        self.points = 0
        self.purchases: dict[int, tuple[Line, ...]] = {}
        self.holds: dict[int, str] = {}
        self.vouchers: dict[int, Voucher] = {}
        self._used: list[str] = []
        self._linked = 0
        self._draws: list[tuple[int, Callable[[datetime], Wish]]] = [
            (46, self._buy), (11, self._return), (9, self._act), (6, self._hold), (4, self._hold_points),
            (7, self._claim), (1, self._grant), (6, self._use), (2, self._unuse), (2, self._cancel), (4, self._adjust),
            (2, self._reinstate), (2, self._extend), (1, self._link), (3, self._traits),
        ]  # fmt: skip

    def takes(self, other: Life) -> None:
        """The other turned out to be this one: what it knew of is this one's from now on, by the numbers it has here."""
        self.purchases |= {_there(other, no): lines for no, lines in other.purchases.items()}
        self.holds |= {_there(other, no): reward for no, reward in other.holds.items()}
        self.vouchers |= {_there(other, no): one for no, one in other.vouchers.items()}
        self._used += other._used

    def wish(self, now: datetime) -> Wish:
        self.vouchers = {
            no: one for no, one in self.vouchers.items() if one.until and one.until > now - timedelta(days=9)
        }
        [draw] = self._rng.choices([draw for _, draw in self._draws], [weight for weight, _ in self._draws])
        return draw(now)

    def resolve(self, now: datetime) -> Wish | None:
        """What becomes of a hold minutes later: spent, given back, or left to run out."""
        if not self.holds:
            return None
        no, reward = self.holds.popitem()
        chance = self._rng.random()
        if chance < 0.25:
            return None
        if chance < 0.45:
            return Wish(VoidHold(no, "changed my mind"))
        return Wish(CaptureHold(no, HELD[reward])) if reward else self._buy(now, hold=no)

    def told(self, wish: Wish, change: Change) -> None:
        """What an answer adds to what the member knows."""
        self.points = change.available
        match wish.command:
            case RecordPurchase():
                self.purchases[change.version] = wish.command.lines
                self._forget(wish.command.vouchers)
            case HoldReward() | HoldPoints():
                self.holds[change.hold] = change.reward
            case ClaimReward() | GrantVoucher() if change.code:
                self.vouchers[change.voucher] = Voucher(change.code, change.reward, change.until)
            case CancelVoucher():
                self.vouchers.pop(wish.command.voucher, None)
            case UseVoucher():
                self._used.append(wish.command.code)
            case UnuseVoucher():
                self._used.remove(wish.command.code)
            case _:
                pass

    def _forget(self, codes: tuple[str, ...]) -> None:
        self.vouchers = {no: one for no, one in self.vouchers.items() if one.code not in codes}

    # What may be wished

    def _buy(self, now: datetime, hold: int = 0) -> Wish:
        rng = self._rng
        lines = tuple(self._line() for _ in range(rng.choices([1, 2, 3, 5], [5, 4, 2, 1])[0]))
        total, chance = sum(line.amount for line in lines), rng.random()
        late, staff = timedelta(0), False
        if chance < 0.10:
            late = timedelta(days=rng.uniform(0, 29))
        elif chance < 0.13:
            late, staff = timedelta(days=rng.uniform(30, 260)), True
        points, vouchers = 0, ()
        if not hold and self.points > 0 and rng.random() < 0.3:
            points = min(self.points, int(total * rng.choice([0.1, 0.4, 0.41])))
        if money_off := [one for one in self.vouchers.values() if one.reward == "five-off"]:
            vouchers = (rng.choice(money_off).code,) if rng.random() < 0.5 else ()
        occurred_at = now - late
        channel = rng.choices(CHANNELS, [6, 2, 2])[0]
        command = RecordPurchase(
            f"slip-{rng.randrange(10**9)}", occurred_at, channel, "USD", total, lines, points, hold, vouchers
        )
        return Wish(command, occurred_at, rng.choice(STORES) if channel == "store" else "", staff)

    def _line(self) -> Line:
        sku, category, price = self._rng.choice(CATALOGUE)
        pieces = self._rng.choices([1, 2, 4], [8, 3, 1])[0]
        return Line(sku, pieces, pieces * price - self._rng.choice([0, 0, 0, 1, 99]), category=category)

    def _return(self, now: datetime) -> Wish:
        if not self.purchases:
            return self._buy(now)
        rng = self._rng
        version = rng.choice(list(self.purchases))
        if rng.random() < 0.4:
            return Wish(ReturnPurchase(version))
        line = rng.choice(self.purchases[version])
        pieces = rng.randint(1, line.quantity)
        part = ReturnLine(line.sku, pieces, line.amount * pieces // line.quantity)
        return Wish(ReturnPurchase(version, (part,)))

    def _act(self, now: datetime) -> Wish:
        kind = self._rng.choice(["check_in", "review", "share"])
        occurred_at = now - timedelta(days=self._rng.choice([0, 0, 0, self._rng.uniform(0, 20)]))
        return Wish(RecordAction(kind, occurred_at, self._rng.choice(STORES)), occurred_at)  # type: ignore[arg-type]

    def _hold(self, now: datetime) -> Wish:
        reward = self._rng.choice(list(HELD))
        return Wish(HoldReward(reward, self._rng.choice(STORES) if reward in COLLECTED else ""))

    def _hold_points(self, now: datetime) -> Wish:
        return Wish(HoldPoints(max(5, min(self.points, 200))))

    def _claim(self, now: datetime) -> Wish:
        reward = self._rng.choice([*CLAIMED, DRAW])
        return Wish(ClaimReward(reward, self._code(), self._rng.randbytes(16)))

    def _grant(self, now: datetime) -> Wish:
        return Wish(GrantVoucher(self._rng.choice(["five-off", "coffee"]), self._code(), "sorry"))

    def _use(self, now: datetime) -> Wish:
        code = self._some_code()
        return Wish(UseVoucher(code)) if code else self._claim(now)

    def _unuse(self, now: datetime) -> Wish:
        if not self._used:
            return self._use(now)
        return Wish(UnuseVoucher(self._rng.choice(self._used), "the till's mistake"))

    def _cancel(self, now: datetime) -> Wish:
        if not self.vouchers:
            return self._claim(now)
        return Wish(CancelVoucher(self._rng.choice(list(self.vouchers))))

    def _adjust(self, now: datetime) -> Wish:
        points = self._rng.choice([-30, -1, 5, 40, 200])
        return Wish(AdjustPoints(points, "by hand", self._rng.choice(["points", "points", "stars"])))

    def _reinstate(self, now: datetime) -> Wish:
        return Wish(
            ReinstatePoints(self._rng.choice([1, 10, 60]), "a complaint", self._rng.choice(["points", "stars"]))
        )

    def _extend(self, now: datetime) -> Wish:
        until = now + timedelta(days=self._rng.randint(20, 200))
        return Wish(ExtendPoints(now, now + timedelta(days=150), until, "a storm"))

    def _link(self, now: datetime) -> Wish:
        self._linked += 1
        return Wish(LinkIdentifier(Identifier("card", f"Y{self.member}N{self._linked}")))

    def _traits(self, now: datetime) -> Wish:
        segments = tuple(one for one in SEGMENTS if self._rng.random() < 0.4)
        birthday = self._rng.choice(["02-29", "12-31", "01-01", f"{now:%m-%d}"])
        return Wish(SetTraits(segments, self._rng.choice([None, birthday])))

    def _some_code(self) -> str:
        return self._rng.choice(list(self.vouchers.values())).code if self.vouchers else ""

    def _code(self) -> str:
        return "".join(self._rng.choices(LETTERS, k=12))
