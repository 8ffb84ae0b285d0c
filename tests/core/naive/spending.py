"""Holds, rewards had at once, vouchers."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.core.naive.base import Said, Voucher
from tests.core.naive.buying import Buying
from tests.core.naive.dates import instant_of
from tests.core.naive.purse import Hold, Lot
from tests.core.naive.rules import Refused, Reward

MAX_HOLDS = 20


class Spending(Buying):
    def hold(self, now: datetime, reward: str, store: str = "") -> Said:
        wanted = self.rules.reward(reward)
        if wanted.kind not in ("goods", "experience"):
            raise Refused("not_held")
        if store and not wanted.collect_days:
            raise Refused("not_collected")
        if store and store not in self.rules.stores:
            raise Refused("invalid_input")
        self.begin(now)
        self._check_offer(now, wanted)
        stocked = self._have(wanted)
        ends = self.days_later(now, wanted.collect_days) if store else now + self._minutes()
        return self._hold(now, wanted.currency, reward, wanted.points, ends, stocked)

    def hold_points(self, now: datetime, points: int) -> Said:
        if points <= 0:
            raise Refused("invalid_input")
        self.amount_of(points)
        self.begin(now)
        self.need(points, "points")
        return self._hold(now, "points", "", points, now + self._minutes(), False)

    def capture(self, now: datetime, no: int, paid: int = 0) -> Said:
        self.begin(now)
        hold = self._open(no)
        if paid != (self.rules.reward(hold.reward).money if hold.reward else 0):
            raise Refused("money_due")
        if not hold.reward:
            raise Refused("hold_not_open")
        del self.holds[no]
        self.active(hold.currency, now)
        return self.end(now, base=hold.points, amount=paid, hold=no, reward=hold.reward, currency=hold.currency)

    def void(self, now: datetime, no: int) -> Said:
        self.begin(now)
        hold = self._open(no)
        del self.holds[no]
        self.release(hold, now)
        return self.end(now, hold=no, reward=hold.reward, currency=hold.currency)

    def claim(self, now: datetime, reward: str, code: str) -> Said:
        wanted = self.rules.reward(reward)
        if wanted.kind in ("goods", "experience"):
            raise Refused("not_claimed")
        self.begin(now)
        self._check_offer(now, wanted)
        stocked = self._have(wanted)
        taken = self.purse(wanted.currency).take(wanted.points)
        if wanted.points:
            self.active(wanted.currency, now)
        facts: dict[str, object] = {"reward": reward, "base": wanted.points, "currency": wanted.currency}
        if wanted.kind == "voucher":
            until = self._issue(now, code, wanted, wanted.points, taken, stocked, counted=True)
            facts |= {"voucher": self.following, "code": code, "until": until}
        if wanted.kind == "draw":
            self.world.tickets[reward] = self.world.tickets.get(reward, 0) + 1
            facts["ticket"] = self.world.tickets[reward]
        return self.end(now, **facts)

    def grant(self, now: datetime, reward: str, code: str) -> Said:
        wanted = self.rules.reward(reward)
        if wanted.kind != "voucher":
            raise Refused("invalid_input")
        self.begin(now)
        if wanted.stock is not None and self.world.stock.get(reward, 0) >= wanted.stock:
            raise Refused("sold_out")
        stocked = self._take_piece(wanted)
        until = self._issue(now, code, wanted, 0, [], stocked, counted=False)
        return self.end(now, reward=reward, voucher=self.following, code=code, until=until)

    def use(self, now: datetime, code: str) -> Said:
        self.begin(now)
        no = self.voucher_by_code(code)
        voucher = self.vouchers[no]
        if voucher.void or voucher.used >= voucher.uses or voucher.until <= now:
            raise Refused("voucher_not_good")
        voucher.used += 1
        voucher.over_the_counter += 1
        return self.end(now, voucher=no, reward=voucher.reward)

    def unuse(self, now: datetime, code: str) -> Said:
        self.begin(now)
        no = self.voucher_by_code(code)
        voucher = self.vouchers[no]
        if not voucher.over_the_counter or voucher.void:
            raise Refused("voucher_not_used")
        voucher.used -= 1
        voucher.over_the_counter -= 1
        return self.end(now, voucher=no, reward=voucher.reward)

    def cancel(self, now: datetime, no: int) -> Said:
        self.begin(now)
        if no not in self.vouchers:
            raise Refused("unknown_voucher")
        voucher = self.vouchers[no]
        if voucher.used or voucher.void or voucher.until <= now:
            raise Refused("voucher_not_good")
        voucher.void = True
        self.purse(voucher.currency).put_back(voucher.taken, now, self.grace(now, voucher.currency))
        if voucher.counted:
            self.not_had(voucher.reward, voucher.stocked)
        elif voucher.stocked:
            self.world.stock[voucher.reward] -= 1
        return self.end(now, voucher=no, reward=voucher.reward, base=voucher.cost, currency=voucher.currency)

    def _minutes(self) -> timedelta:
        return timedelta(minutes=self.rules.hold_minutes)

    def _check_offer(self, now: datetime, wanted: Reward) -> None:
        if wanted.opens and now < instant_of(wanted.opens, self.rules.zone):
            raise Refused("reward_not_open")
        if wanted.closes and now >= instant_of(wanted.closes, self.rules.zone):
            raise Refused("reward_closed")
        if wanted.tiers and self.stands(now).tier not in wanted.tiers:
            raise Refused("tier_too_low")
        if wanted.per_member is not None and self.had.count(wanted.id) >= wanted.per_member:
            raise Refused("reward_limit")
        if wanted.stock is not None and self.world.stock.get(wanted.id, 0) >= wanted.stock:
            raise Refused("sold_out")
        self.need(wanted.points, wanted.currency)

    def _have(self, wanted: Reward) -> bool:
        self.had.append(wanted.id)
        return self._take_piece(wanted)

    def _take_piece(self, wanted: Reward) -> bool:
        if wanted.stock is None:
            return False
        self.world.stock[wanted.id] = self.world.stock.get(wanted.id, 0) + 1
        return True

    def _hold(self, now: datetime, currency: str, reward: str, points: int, ends: datetime, stocked: bool) -> Said:
        if len(self.holds) >= MAX_HOLDS:
            raise Refused("too_many_holds")
        taken = self.purse(currency).take(points)
        self.holds[self.following] = Hold(currency, reward, points, ends, taken, stocked)
        return self.end(now, hold=self.following, reward=reward, currency=currency)

    def _open(self, no: int) -> Hold:
        if no not in self.holds:
            raise Refused("hold_not_open")
        return self.holds[no]

    def _issue(
        self, now: datetime, code: str, wanted: Reward, cost: int, taken: list[Lot], stocked: bool, *, counted: bool
    ) -> datetime:
        until = self.days_later(now, wanted.valid_days)
        self.vouchers[self.following] = Voucher(
            code, wanted.id, until, wanted.uses, cost, wanted.currency, taken, stocked, counted
        )
        return until
