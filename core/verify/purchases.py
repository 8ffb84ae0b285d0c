"""Purchases and their returns: what each earned, what paid for it, and what returns took and gave back of it.

A return is reckoned by what is lost of each award once so much of its lines is back, rounded up; the deciders reckon by
what is kept, rounded down. A purchase and a return of the release before (which have no period) earned in base and
bonus only, and are reckoned by the money returned.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from core.points import POINTS
from core.snapshot import Award, Change, Purchase
from core.verify.book import Book
from core.verify.bought import Bought, Payment, rounded_up
from core.verify.ledger import Before, Ledger
from core.verify.rules import Rules
from core.verify.seen import Seen, is_own
from core.verify.standing import Standing

_PURCHASE = msgspec.json.Decoder(Purchase)


class Purchases:
    def __init__(self, book: Book, ledger: Ledger, standing: Standing) -> None:
        self._book, self._ledger, self._standing = book, ledger, standing
        self._bought: dict[int, Bought] = {}
        self.records: dict[int, Purchase] = {}
        """Rows that can be read, by version."""
        for row in book.rows.purchases:
            try:
                self.records[row.version] = _PURCHASE.decode(row.record)
            except msgspec.DecodeError as error:
                book.say("purchase", f"purchase {row.version} cannot be read: {error}")

    def take(self, change: Change) -> bool:
        """Follow a version. Returns whether it brought back the last of a purchase's money, with which its vouchers
        come back."""
        if change.kind == "purchase":
            self._buy(change)
        elif change.kind == "return":
            bought = self._bought.get(change.purchase)
            if bought is not None:
                return self._return(bought, change)
            self._book.say("purchase", f"version {change.version} returns {change.purchase}, which is no purchase")
        return False

    def join(self, other: Purchases, seen: Seen) -> None:
        """A merged member's, which may be returned from now on as one's own."""
        for no, bought in other._bought.items():
            self._bought[seen.no(no)] = bought.seen(seen)
        for no, record in other.records.items():
            self.records[seen.no(no)] = seen.purchase(record)

    def close(self) -> None:
        """Each row against what the journal made of it: what returns made of a merged member's is reckoned with the one
        that lives on."""
        there = {row.version for row in self._book.rows.purchases}
        for version in sorted(filter(is_own, self._bought.keys() - there)):
            self._book.say("purchase", f"the purchase of version {version} has no row")
        for version in sorted(there - self._bought.keys()):
            self._book.say("purchase", f"purchase {version} is no purchase's version")
        for version, bought in self._bought.items():
            record = self.records.get(version)
            if record is not None and is_own(version):
                self._printed(bought, record)
            if record is not None and self._book.rows.merged_into is None:
                self._since(bought, record)

    def _row(
        self, version: int, fields: tuple[str, ...], stored: tuple[object, ...], journal: tuple[object, ...]
    ) -> None:
        if stored != journal:
            for field, said, made in zip(fields, stored, journal, strict=True):
                self._book.same("purchase", f"purchase {version}: {field}", said, made)

    # A purchase

    def _buy(self, change: Change) -> None:
        book, rules, no = self._book, self._book.rules(change), change.version
        period = rules.period(change.occurred_at)
        measured = _measured(change, rules) if change.period else change.base
        bought = Bought(change, self._sound(change), period, measured, self._payment(change))
        self._bought[no] = bought
        self._standing.add(period, measured)
        if change.purchase != no:
            book.same("change", f"version {no}: its purchase", change.purchase, no)
        if change.paid_points != bought.payment.points:
            book.same("purchase", f"purchase {no}: points that paid", change.paid_points, bought.payment.points)
        if change.period:
            self._says(change, period, measured)

    def _says(self, change: Change, period: int, measured: int) -> None:
        book, no = self._book, change.version
        mine = [award for award in change.awards if award.currency == POINTS]
        base = sum(award.points for award in mine if award.rule in ("base", "rule"))
        bonus = sum(award.points for award in mine if award.rule == "tier")
        tier = next((award.id for award in mine if award.rule == "tier"), "")
        said = (change.base, change.bonus, change.bonus_tier)
        if (*said, change.period, change.qualified) != (base, bonus, tier, period, measured):
            book.same("award", f"version {no}: base, bonus and its tier", said, (base, bonus, tier))
            book.same("qualifying", f"version {no}: the period it qualifies in", change.period, period)
            book.same("qualifying", f"version {no}: what qualifies", change.qualified, measured)
        if change.vests_at is not None:
            vests_at = next((p.vests_at for p in book.rows.pending if (p.currency, p.no) == (POINTS, no)), None)
            book.same("pending", f"version {no}: when its points vest", change.vests_at, vests_at)

    def _sound(self, change: Change) -> Purchase | None:
        """The row, if its lines are those of the version and of its awards."""
        record = self.records.get(change.version)
        if record is None:
            return None
        lines, no = record.lines, change.version
        said = sum([line.quantity for line in lines]), sum([line.amount for line in lines])
        if said != (change.quantity, change.amount):
            self._book.same("purchase", f"purchase {no}: its lines", said, (change.quantity, change.amount))
        if any(not 0 <= i < len(lines) for award in change.awards for i in award.lines):
            self._book.say("award", f"version {no} has an award for a line that its purchase has not")
            return None
        return record

    def _payment(self, change: Change) -> Payment:
        """What a redeem entry took, or the hold that a capture entry ends had taken."""
        book, no = self._book, change.version
        if all(entry.kind not in ("redeem", "capture") for entry in book.entries.get(no, ())):
            return Payment(0, [])
        takings = book.takings(no, "redeem")
        for entry, _ in book.of(no, "capture"):
            takings += book.takings(entry.reverses, "hold")
        return Payment(book.moved(no, "redeemed", "redeem", "capture", currency=POINTS), takings)

    # A return

    def _return(self, bought: Bought, change: Change) -> bool:
        book, no, was_paid_out = self._book, bought.version, bought.paid_out
        bought.pieces += change.quantity
        bought.money += change.amount
        if bought.money > bought.change.amount or bought.pieces > bought.change.quantity:
            book.say("purchase", f"purchase {no}: more was returned than bought")
        if change.period:
            self._by_line(bought, change)
        else:
            bought.by_line = False
        self._refund(bought, change)
        self._take(bought, change)
        unqualified = self._unqualified(bought)
        less, bought.unqualified = unqualified - bought.unqualified, unqualified
        self._standing.add(bought.period, -less)
        if change.period:
            said = (change.period, change.qualified)
            book.same("qualifying", f"version {change.version}: what no longer qualifies", said, (bought.period, -less))
        return bought.paid_out and not was_paid_out

    def _by_line(self, bought: Bought, change: Change) -> None:
        book, no = self._book, bought.version
        said = sum(part[1] for part in change.parts), sum(part[2] for part in change.parts)
        book.same("purchase", f"version {change.version}: pieces and money", (change.quantity, change.amount), said)
        if bought.record is None:
            return
        for i, pieces, money in change.parts:
            if not 0 <= i < len(bought.returned):
                book.say("purchase", f"version {change.version} returns line {i}, which purchase {no} has not")
                continue
            line, (pieces_before, money_before) = bought.record.lines[i], bought.returned[i]
            after = (pieces_before + pieces, money_before + money)
            bought.returned[i] = after
            if not (0 <= pieces_before <= after[0] <= line.quantity and money_before <= after[1] <= line.amount):
                book.say(
                    "purchase", f"purchase {no}: of line {i} {after} was returned, of {line.quantity} {line.amount}"
                )

    def _refund(self, bought: Bought, change: Change) -> None:
        """Points that paid for it, to the lots they came from."""
        book, no = self._book, bought.version
        upto, given = bought.part(bought.payment.points), -book.moved(change.version, "redeemed", "refund")
        away = bought.part(bought.change.paid_amount)
        points, money = upto - bought.paid_back, away - bought.unpaid_back
        bought.paid_back, bought.unpaid_back = upto, away
        book.same("purchase", f"purchase {no}: points given back at {change.version}", given, points)
        if change.period:
            said = (change.paid_points, change.paid_amount)
            book.same("purchase", f"version {change.version}: points and money given back", said, (points, money))
        for entry, postings in book.of(change.version, "refund"):
            book.same("purchase", f"entry {entry.version}/{entry.no}: whose points", entry.reverses, no)
            if not self._ledger.fits(postings, bought.left):
                book.say("purchase", f"purchase {no}: points were given back to other lots than they came from")

    def _take(self, bought: Bought, change: Change) -> None:
        """What it had earned: pending points first, then its own lots, then any; with a floor, what is there."""
        book, no, version = self._book, bought.version, change.version
        due = self._due(bought, change)
        floor = change.period and book.rules(change).returns.negative == "floor"
        posted = {posting.currency for _, postings in book.of(version, "return") for posting in postings}
        for currency in sorted({POINTS, *due, *posted}):
            taken = book.moved(version, "issued", "return", currency=currency)
            waiting = -book.moved(version, "pending", "return", currency=currency)
            points = due.get(currency, 0) - bought.due.get(currency, 0)
            before = self._ledger.found.get(currency) or self._now(currency, no)
            first = min(points, before.waiting)
            there = min(points - first, max(0, before.available)) if floor else points - first
            name = "what returns took" if currency == POINTS else f"{currency} that returns took"
            if currency == POINTS:
                bought.taken += taken
                book.same("purchase", f"purchase {no}: {name}", bought.taken, bought.taken - taken + first + there)
                book.same("change", f"version {version}: base", change.base, -taken)
            else:
                book.same("purchase", f"purchase {no}: {name}", taken, first + there)
            book.same("pending", f"purchase {no}: pending points taken at {version}", waiting, first)
            self._own_first(bought, change, currency)
        bought.due = due
        for entry, _ in book.of(version, "return"):
            book.same("purchase", f"entry {version}/{entry.no}: whose points", entry.reverses, no)

    def _due(self, bought: Bought, change: Change) -> dict[str, int]:
        """By currency, what is lost of all it had earned; by the release before, of base and bonus together."""
        if not change.period:
            bought.due_back, earned = (), bought.change.base + bought.change.bonus
            return {POINTS: bought.lost(Award("base", "", earned))}
        bought.due_back = tuple(bought.lost(award) for award in bought.awards)
        due: dict[str, int] = {}
        for award, points in zip(bought.awards, bought.due_back, strict=True):
            due[award.currency] = due.get(award.currency, 0) + points
        return due

    def _now(self, currency: str, no: int) -> Before:
        """Where no return entry moved anything, what it found is what there is."""
        part = self._ledger.parts.get((currency, no))
        return Before(part.remaining if part else 0, self._ledger.sums[(currency, "available")])

    def _own_first(self, bought: Bought, change: Change, currency: str) -> None:
        lots, no = self._ledger.lots, bought.version
        own = bought.record.lot if bought.record and not bought.change.period else 0
        others = [
            lot
            for lot, _ in self._takings(change.version, currency)
            if lot is None or (lots[(currency, lot)].source != no and lot != own)
        ]
        if not others:
            return
        left = sum(
            lot.remaining
            for (of, number), lot in lots.items()
            if of == currency and (lot.source == no or number == own)
        )
        if left:
            detail = f"purchase {no}: a return took points of others while {left} of its own were there"
            self._book.say("purchase", detail)

    def _takings(self, version: int, currency: str) -> Iterator[tuple[int | None, int]]:
        for _, postings in self._book.of(version, "return"):
            for posting in postings:
                if posting.account == "available" and posting.currency == currency:
                    yield posting.lot, -posting.amount

    def _unqualified(self, bought: Bought) -> int:
        rules = self._book.rules(bought.change)
        match rules.qualification.measure if bought.change.period else "points":
            case "spend":
                return (
                    bought.measured if bought.whole else rounded_up(bought.measured, bought.money, bought.change.amount)
                )
            case "visits":
                return bought.measured if bought.whole else 0
            case _:
                return sum(bought.lost(award) for award in bought.awards if award.qualifies)

    # Its row

    def _printed(self, bought: Bought, record: Purchase) -> None:
        """What was so from the start."""
        change, rules, no = bought.change, self._book.rules(bought.change), bought.version
        taken_off = sum([amount for _, amount in record.vouchers])
        self._row(
            no,
            ("member", "version", "programme", "recorded_at", "occurred_at", "place", "till", "total", "period", "lot")
            + ("base and bonus", "the bonus's tier", "balance after it")
            + ("points that paid", "the lots that paid", "money that was not paid"),
            (record.member, record.version, record.programme, record.recorded_at, record.occurred_at, record.place)
            + (record.till, record.total, record.period, record.lot)
            + ((record.base, record.bonus), record.bonus_tier, record.available)
            + (record.paid_points, [*record.paid_from], record.paid_amount + taken_off),
            (change.member, no, change.programme, change.recorded_at, change.occurred_at, change.place)
            + (change.till, change.amount, bought.period, self._ledger.made.get(no, 0))
            + ((change.base, change.bonus), change.bonus_tier, change.available)
            + (bought.payment.points, bought.payment.takings, change.paid_amount),
        )
        if change.period and (bought.by_line or record.awards):
            said = record.awards, record.measure, record.measured
            journal = change.awards, rules.qualification.measure, bought.measured
            self._row(no, ("awards", "measure", "measured"), said, journal)
        if rules.worth is not None and record.paid_points:
            paid, worth = record.paid_amount * rules.worth.points, record.paid_points * rules.worth.amount
            self._book.same("purchase", f"purchase {no}: money that points paid", paid, worth)

    def _since(self, bought: Bought, record: Purchase) -> None:
        """What returns made of it."""
        said, journal = record.returned, tuple(bought.returned)
        if not bought.by_line:
            # Of a return by money alone no version says which lines it was of.
            journal = said
        elif not bought.pieces:
            journal = ()
        self._row(
            bought.version,
            ("what was returned by line", "money returned", "pieces returned", "taken back", "qualifying taken back")
            + ("points given back", "what was due of each award"),
            (said, sum([money for _, money in said]), sum([pieces for pieces, _ in said]), record.taken_back)
            + (record.qualifying_taken_back, record.paid_back, record.due_back),
            (journal, bought.money, bought.pieces, bought.taken)
            + (bought.unqualified, bought.paid_back, bought.due_back),
        )


def _measured(change: Change, rules: Rules) -> int:
    """What a purchase adds to the qualifying figure."""
    match rules.qualification.measure:
        case "points":
            return sum(award.points for award in change.awards if award.qualifies)
        case "spend":
            return change.amount if rules.earn.on_points_part else change.amount - change.paid_amount
        case "visits":
            return int(change.amount >= rules.qualification.min_visit)
