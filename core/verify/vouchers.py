"""Vouchers, claims and prizes: what each cost and may do is its programme's, and what became of it is counted from the
versions that used it.

The row of a voucher may be updated; the versions that issue, use and cancel it may not, nor may a purchase's version.
Which vouchers a purchase took stands in the purchase's row alone, whose money its version vouches for.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from core.snapshot import Change, Purchase
from core.verify.book import Book
from core.verify.ledger import Ledger
from core.verify.rows import VoucherRow
from core.verify.rules import Reward
from core.verify.seen import Seen


class Vouchers:
    def __init__(self, book: Book, ledger: Ledger) -> None:
        self._book, self._ledger = book, ledger
        self._rows = {voucher.no: voucher for voucher in book.rows.vouchers}
        self._used: dict[int, int] = {}
        """Of each voucher that was issued."""
        self._by_hand: Counter[int] = Counter()
        """Of those, the uses that paid no basket."""
        self._void: set[int] = set()
        self._tickets: set[tuple[str, int]] = set()
        """(draw, number) that the member has and won nothing with."""

    def take(self, change: Change, record: Purchase | None, *, paid_out: bool) -> None:
        """Follow a version. `record`: the purchase it made or took back; `paid_out`: it brought back the last of its
        money."""
        match change.kind:
            case "claim":
                self._claim(change)
            case "grant":
                self._grant(change)
            case "use":
                self._use(change, change.voucher)
            case "unuse":
                self._unuse(change)
            case "cancel":
                self._cancel(change)
            case "purchase" if record is not None:
                self._pay(change, record)
            case "return" if record is not None and paid_out:
                for no, _ in record.vouchers:
                    self._used[no] = self._used.get(no, 0) - 1

    def join(self, other: Vouchers, seen: Seen) -> None:
        """A merged member's: each has a row with the one that lives on, which says the same."""
        book = self._book
        for no, used in other._used.items():
            mine, its = self._rows.get(seen.no(no)), other._rows.get(no)
            self._used[seen.no(no)], self._by_hand[seen.no(no)] = used, other._by_hand[no]
            if mine is None or its is None:
                continue
            takings = book.stored_takings("voucher", f"voucher {mine.no}", mine.takings)
            came = seen.takings(its.currency, other._book.stored_takings("voucher", f"voucher {no}", its.takings))
            book.same("voucher", f"voucher {mine.no}: takings", takings, came)
            expected = its._replace(
                no=mine.no, takings=mine.takings, used=mine.used, by_hand=mine.by_hand, void=mine.void
            )
            book.same("voucher", f"voucher {mine.no}: what came of voucher {no}", mine, expected)
        self._void |= {seen.no(no) for no in other._void}
        self._tickets |= other._tickets

    def close(self) -> None:
        """Each row against what became of it."""
        book = self._book
        for no in sorted(self._used.keys() - self._rows.keys()):
            book.say("voucher", f"the voucher of version {no} has no row")
        for no, row in self._rows.items():
            if no not in self._used:
                book.say("voucher", f"voucher {no} was issued by no version")
                continue
            book.same("voucher", f"voucher {no}: how often it was used", row.used, self._used[no])
            book.same("voucher", f"voucher {no}: how often by hand", row.by_hand, self._by_hand[no])
            book.same("voucher", f"voucher {no}: whether it was taken back", row.void, no in self._void)
        codes = [row.code for row in self._rows.values()]
        for code in sorted({code for code in codes if codes.count(code) > 1}):
            book.say("voucher", f"two vouchers have the code {code}")

    # Issued

    def _claim(self, change: Change) -> None:
        book, version = self._book, change.version
        cost = book.moved(version, "redeemed", "redeem")
        book.same("change", f"version {version}: base", change.base, cost)
        reward = self._reward(change)
        if reward is None:
            return
        said = (change.currency, change.base)
        book.same("change", f"version {version}: the price of its reward", said, (reward.currency, reward.points))
        is_one = {"voucher": change.voucher, "draw": change.ticket, "charity": version}.get(reward.kind, 0)
        if not is_one or bool(change.voucher) != (reward.kind == "voucher"):
            book.say("voucher", f"version {version} claims a reward of kind {reward.kind}, and not as one does")
        if change.ticket:
            self._tickets.add((reward.id, change.ticket))
        if change.voucher:
            self._issued(change, reward, points=reward.points, stocked=reward.stock is not None)

    def _grant(self, change: Change) -> None:
        """By hand, or as a prize, which takes nothing of the stock."""
        if change.ticket:
            if (change.reason, change.ticket) not in self._tickets:
                detail = (
                    f"version {change.version} is a prize for ticket {change.ticket}, which won before or is another's"
                )
                self._book.say("draw", detail)
            self._tickets.discard((change.reason, change.ticket))
        if not change.voucher and change.ticket:
            return
        reward = self._reward(change)
        if reward is not None:
            self._issued(change, reward, points=0, stocked=reward.stock is not None and not change.ticket)

    def _reward(self, change: Change) -> Reward | None:
        reward = self._book.rules(change).reward.get(change.reward)
        if reward is None:
            detail = f"version {change.version} is for {change.reward!r}, which its programme has not"
            self._book.say("voucher", detail)
        return reward

    def _issued(self, change: Change, reward: Reward, *, points: int, stocked: bool) -> None:
        book, no, row = self._book, change.version, self._rows.get(change.version)
        self._used[no] = 0
        book.same("voucher", f"version {no}: its voucher", change.voucher, no)
        until = book.rules(change).ends(change.recorded_at, reward.valid_days)
        book.same("voucher", f"version {no}: until when its voucher is good", change.until, until)
        if row is None:
            return
        for what, stored, journal in (
            ("code", row.code, change.code),
            ("reward", row.reward, change.reward),
            ("when it was issued", row.issued_at, change.recorded_at),
            ("until when it is good", row.expires_at, until),
            ("uses", row.uses, reward.uses),
            ("price", (row.points, row.currency), (points, reward.currency)),
            ("whether it took of the stock", row.stocked, stocked),
            ("whether it was granted", row.granted, change.kind != "claim"),
        ):
            book.same("voucher", f"voucher {no}: {what}", stored, journal)
        takings = book.stored_takings("voucher", f"voucher {no}", row.takings)
        book.same("voucher", f"voucher {no}: takings", takings, book.takings(no, "redeem"))

    # Used

    def _use(self, change: Change, no: int) -> None:
        row = self._known(change, no)
        if row is None:
            return
        self._used[no] += 1
        if change.kind == "use":
            self._by_hand[no] += 1
        gone = row.expires_at is not None and change.recorded_at >= row.expires_at
        if self._used[no] > row.uses or no in self._void or gone:
            self._book.say("voucher", f"voucher {no} was used by version {change.version}, when it was good no more")

    def _unuse(self, change: Change) -> None:
        no = change.voucher
        if self._known(change, no) is None:
            return
        self._used[no] -= 1
        self._by_hand[no] -= 1
        if self._by_hand[no] < 0 or no in self._void:
            self._book.say("voucher", f"version {change.version} takes back a use of voucher {no} that was none")

    def _pay(self, change: Change, record: Purchase) -> None:
        """Each takes off what it is worth, as long as there is something left."""
        left, rewards = change.amount, self._book.rules(change).reward
        for no, off in record.vouchers:
            self._use(change, no)
            row = self._rows.get(no)
            reward = rewards.get(row.reward) if row else None
            worth = min(left, reward.value if reward else 0)
            self._book.same("voucher", f"purchase {change.version}: what voucher {no} took off", off, worth)
            left -= off

    def _cancel(self, change: Change) -> None:
        """For the very points it cost, to the lots they came from."""
        book, no, version = self._book, change.voucher, change.version
        if self._known(change, no) is None:
            return
        if self._used[no] or no in self._void:
            book.say("voucher", f"version {version} takes back voucher {no}, which was used or taken back before")
        self._void.add(no)
        cost, back = book.moved(no, "redeemed", "redeem"), -book.moved(version, "redeemed", "refund")
        book.same("voucher", f"voucher {no}: the points given back for it", (back, change.base), (cost, cost))
        for entry, postings in book.of(version, "refund"):
            book.same("voucher", f"entry {version}/{entry.no}: whose points", entry.reverses, no)
            if not self._ledger.fits(postings, dict(book.takings(no, "redeem"))):
                book.say("voucher", f"voucher {no}: its points went to other lots than they came from")

    def _known(self, change: Change, no: int) -> VoucherRow | None:
        """The row of a voucher issued before; without one there is nothing to follow."""
        if no not in self._used:
            kind: Literal["purchase", "voucher"] = "purchase" if change.kind == "purchase" else "voucher"
            self._book.say(kind, f"version {change.version} is about voucher {no}, which was not issued")
            return None
        issued = self._book.changes.get(no)
        if change.kind != "purchase" and issued is not None:
            self._book.same("voucher", f"version {change.version}: its reward", change.reward, issued.reward)
        return self._rows.get(no)
