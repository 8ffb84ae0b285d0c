"""Purchases, what pays for them, what they earn; returns; actions."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from tests.core.naive.base import Base, Purchase, Said
from tests.core.naive.dates import period_of
from tests.core.naive.earning import Award, Basket, Line, Shopper, awards_of, earning_of, share
from tests.core.naive.purse import Lot, Part
from tests.core.naive.rules import Refused

_EARLY = timedelta(minutes=5)


class Buying(Base):
    def buy(
        self,
        now: datetime,
        occurred: datetime,
        lines: list[Line],
        channel: str,
        *,
        store: str = "",
        points: int = 0,
        hold: int = 0,
        vouchers: tuple[str, ...] = (),
        staff: bool = False,
    ) -> Said:
        rules = self.rules
        if points < 0 or len(set(vouchers)) < len(vouchers):
            raise Refused("invalid_input")
        self._check_time(now, occurred, staff)
        self.begin(now)
        total = sum(line.money for line in lines)
        used, left = self._use_vouchers(now, vouchers, total)
        paid, paid_amount = self._pay(points, hold, total, left)
        away = 0 if rules.on_points_part else paid_amount + sum(off for _, off in used)
        basket = Basket(lines, earning_of(lines, away), channel, store, occurred)
        shopper = Shopper(self.stands(now).tier, self.segments, self.birthday, self.bought, self.campaign_room)
        awards, campaigns = awards_of(rules, basket, shopper)
        for campaign in campaigns:
            self.count(now, f"campaign/{campaign.id}", self.day(occurred), campaign.caps)
        self._credit(now, basket, awards)
        measured = self._measure(awards, basket, total)
        period = period_of(self.day(occurred), rules.starts, rules.months)
        self.figures[period] = self.figures.get(period, 0) + measured
        self.bought = True
        if paid:
            self.active("points", min(occurred, now))
        self._late(now)
        bought = Purchase(
            lines, total, period, awards, measured, [(line.pieces, line.money) for line in lines], paid, len(paid),
            paid_amount, used, [0 for _ in awards],
        )  # fmt: skip
        self.purchases[self.following] = bought
        base = sum(a.points for a in awards if a.rule in ("base", "rule") and a.currency == "points")
        return self.end(
            now,
            awards,
            base=base,
            bonus=sum(a.points for a in awards if a.rule == "tier"),
            amount=total,
            paid_points=len(paid),
            paid_amount=paid_amount + sum(off for _, off in used),
            qualified=measured,
            hold=hold,
        )

    def give_back(self, now: datetime, purchase: int, parts: list[tuple[int, int, int]] | None) -> Said:
        """Return (line, pieces, money) of a purchase; None: whatever is left of it."""
        bought = self.purchases[purchase]
        left = self._left_after(bought, parts)
        self.begin(now)
        kept = sum(money for _, money in bought.left)
        bought.left, all_back = left, not any(pieces or money for pieces, money in left)
        back = bought.total - sum(money for _, money in left)
        vouchers_back = back == bought.total and kept > 0 if bought.total else all_back
        owed = {currency: purse.debt for currency, purse in self.purses.items()}
        given = self._pay_back(now, bought, back, all_back)
        taken = self._call_back(purchase, bought)
        less = self._unmeasured(bought, back, all_back) - bought.measured_back
        bought.measured_back += less
        self.figures[bought.period] -= less
        if vouchers_back:
            for no, _ in bought.vouchers:
                self.vouchers[no].used = max(0, self.vouchers[no].used - 1)
        away = bought.paid_amount + sum(off for _, off in bought.vouchers)
        amount_back = away if all_back else share(away, bought.total, back) if bought.total else 0
        amount, bought.amount_back = amount_back - bought.amount_back, amount_back
        deeper = any(purse.debt > owed.get(currency, 0) for currency, purse in self.purses.items())
        flags = ("debt",) if deeper else ()
        return self.end(
            now, base=-taken, paid_points=given, paid_amount=amount, qualified=-less, purchase=purchase, flags=flags
        )

    def act(self, now: datetime, occurred: datetime, kind: str, *, staff: bool = False) -> Said:
        if kind not in self.rules.actions:
            raise Refused("invalid_input")
        self._check_time(now, occurred, staff)
        self.begin(now)
        points, caps = self.rules.actions[kind]
        if not self.room(f"action/{kind}", self.day(occurred), caps):
            raise Refused("action_limit")
        self.purse("points").give(points, self.good_until(occurred, "points"), made=self.following)
        self.count(now, f"action/{kind}", self.day(occurred), caps)
        self.active("points", min(occurred, now))
        self._late(now)
        return self.end(now, [Award("action", kind, points)])

    def _check_time(self, now: datetime, occurred: datetime, staff: bool) -> None:
        if occurred > now + _EARLY:
            raise Refused("invalid_input")
        if occurred < now - timedelta(days=self.rules.replay_days) and not staff:
            raise Refused("invalid_input")

    def _use_vouchers(self, now: datetime, codes: tuple[str, ...], total: int) -> tuple[list[tuple[int, int]], int]:
        used, left = [], total
        for code in codes:
            no = self.voucher_by_code(code)
            voucher = self.vouchers[no]
            if voucher.void or voucher.used >= voucher.uses or voucher.until <= now:
                raise Refused("voucher_not_good")
            value = self.rules.reward(voucher.reward).value
            if value and not left:
                raise Refused("voucher_not_good")
            off = min(left, value)
            voucher.used += 1
            left -= off
            used.append((no, off))
        return used, left

    def voucher_by_code(self, code: str) -> int:
        for no, voucher in self.vouchers.items():
            if voucher.code == code:
                return no
        raise Refused("unknown_voucher")

    def _pay(self, points: int, hold: int, total: int, left: int) -> tuple[list[Lot], int]:
        """The lot of each point that pays, and the money they pay."""
        if hold:
            if hold not in self.holds or self.holds[hold].reward:
                raise Refused("hold_not_open")
            if points:
                raise Refused("invalid_input")
            amount = self.amount_of(self.holds[hold].points)
            self._check_cap(amount, total, left)
            return self.holds.pop(hold).taken, amount
        if not points:
            return [], 0
        amount = self.amount_of(points)
        self._check_cap(amount, total, left)
        self.need(points, "points")
        return self.purse("points").take(points), amount

    def amount_of(self, points: int) -> int:
        worth = self.rules.worth
        if worth is None:
            raise Refused("points_pay_nothing")
        if points * worth.amount % worth.points:
            raise Refused("invalid_input")
        return points * worth.amount // worth.points

    def _check_cap(self, amount: int, total: int, left: int) -> None:
        assert self.rules.worth is not None
        most = int((Decimal(self.rules.worth.cap) * total).quantize(Decimal(1), rounding=ROUND_FLOOR))
        if amount > most or amount > left:
            raise Refused("points_above_cap")

    def _credit(self, now: datetime, basket: Basket, awards: list[Award]) -> None:
        vest_days = self.rules.channels[basket.channel].vest_days
        vests = self.days_later(basket.occurred, vest_days) if vest_days else now
        for currency in self.rules.currencies:
            points = sum(award.points for award in awards if award.currency == currency)
            if not points:
                continue
            until = self.good_until(basket.occurred, currency)
            if vests > now:
                self.purse(currency).waiting.append(Part(self.following, vests, until, points))
            else:
                self.purse(currency).give(points, until, self.following, self.following)
            self.active(currency, min(basket.occurred, now))

    def _measure(self, awards: list[Award], basket: Basket, total: int) -> int:
        if self.rules.measure == "points":
            return sum(award.points for award in awards if award.qualifies)
        return sum(basket.earning) if self.rules.measure == "spend" else 1 if total >= self.rules.min_visit else 0

    def _late(self, now: datetime) -> None:
        """Points of this version that are past their date on arrival."""
        for purse in self.purses.values():
            for lot in purse.lots:
                end = purse.end_of(lot)
                if lot.made == self.following and lot.left and end is not None and end <= now:
                    purse.expire(lot)

    def _left_after(self, bought: Purchase, parts: list[tuple[int, int, int]] | None) -> list[tuple[int, int]]:
        left = list(bought.left)
        if parts is None:
            left = [(0, 0) for _ in left]
        for line, pieces, money in parts or ():
            if pieces > left[line][0] or money > left[line][1]:
                raise Refused("return_exceeds_purchase")
            left[line] = (left[line][0] - pieces, left[line][1] - money)
        if left == bought.left:
            raise Refused("already_returned")
        return left

    def _pay_back(self, now: datetime, bought: Purchase, back: int, all_back: bool) -> int:
        """The points that paid: by the share of the money, the last ones first."""
        upto = bought.paid_points if all_back else share(bought.paid_points, bought.total, back) if bought.total else 0
        points = upto - bought.paid_back
        bought.paid_back = upto
        if points:
            self.purse("points").put_back(bought.paid[-points:], now, self.grace(now, "points"))
            del bought.paid[-points:]
        return points

    def _call_back(self, version: int, bought: Purchase) -> int:
        """What was earned on what is back: pending points first, then the purchase's own, then any. Returns the points
        taken."""
        due = dict.fromkeys(self.rules.currencies, 0)
        for i, award in enumerate(bought.awards):
            lost = award.points - self._kept(award, bought)
            due[award.currency] += lost - bought.lost[i]
            bought.lost[i] = lost
        for currency, points in due.items():
            purse, waited = self.purse(currency), 0
            for part in purse.waiting:
                if part.bought == version:
                    waited = min(part.left, points)
                    part.left -= waited
            rest = points - waited
            if self.rules.negative == "floor":
                rest = min(rest, max(0, purse.balance()))
            purse.take(rest, version)
            due[currency] = waited + rest
        return due["points"]

    def _kept(self, award: Award, bought: Purchase) -> int:
        chosen = award.lines or tuple(range(len(bought.lines)))
        left = [bought.left[i] for i in chosen]
        if all(one == (0, 0) for one in left):
            return 0
        total = sum(bought.lines[i].money for i in chosen)
        return share(award.points, total, sum(money for _, money in left)) if total else award.points

    def _unmeasured(self, bought: Purchase, back: int, all_back: bool) -> int:
        match self.rules.measure:
            case "points":
                return sum(a.points - self._kept(a, bought) for a in bought.awards if a.qualifies)
            case "spend" if not all_back:
                return (
                    bought.measured - share(bought.measured, bought.total, bought.total - back) if bought.total else 0
                )
        return bought.measured if all_back else 0
