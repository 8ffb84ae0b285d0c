"""Points on hold: each was opened by its version as its reward and the clock say, and ended once, in the way its row
says. A hold for a basket is ended by the purchase that it paid for."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from core.points import POINTS
from core.snapshot import Change
from core.verify.book import Book
from core.verify.ledger import Ledger
from core.verify.rows import EntryRow, HoldRow

_ENDS = {"captured": "capture", "voided": "void", "timed_out": "time_out"}


class Holds:
    def __init__(self, book: Book, ledger: Ledger) -> None:
        self._book, self._ledger = book, ledger

    def take(self, change: Change) -> None:
        """Points of holds that this version gave back went where they had come from."""
        for entry, postings in self._book.of(change.version, "void", "time_out"):
            left = dict(self._book.takings(entry.reverses, "hold"))
            if not self._ledger.fits(postings, left):
                self._book.say("hold", f"hold {entry.reverses}: its points went to other lots than they came from")

    def close(self) -> None:
        """Each row against the journal."""
        book = self._book
        rows = {hold.no for hold in book.rows.holds}
        ends: dict[int, list[EntryRow]] = defaultdict(list)
        for entry in book.rows.entries:
            if entry.kind == "hold" and entry.version not in rows:
                book.say("hold", f"the hold of version {entry.version} has no row")
            elif entry.kind in _ENDS.values():
                ends[entry.reverses].append(entry)
        for no in sorted(ends.keys() - rows):
            book.say("hold", f"version {ends[no][0].version} ends hold {no}, which has no row")
        for hold in book.rows.holds:
            self._opened(hold)
            self._ended(hold, ends.get(hold.no, []))

    def _opened(self, hold: HoldRow) -> None:
        book, what = self._book, f"hold {hold.no}"
        held = book.moved(hold.no, "held", "hold", currency=hold.currency)
        book.same("hold", f"{what}: points", hold.points, held)
        takings = book.stored_takings("hold", what, hold.takings)
        book.same("hold", f"{what}: takings", takings, book.takings(hold.no, "hold"))
        change = book.changes.get(hold.no)
        if change is None:
            return
        rules = book.rules(change)
        reward = rules.reward.get(hold.reward)
        price = (reward.currency, reward.points) if reward else (POINTS, held)
        stocked = reward is not None and reward.stock is not None
        said = (change.hold, change.reward, change.currency, change.recorded_at)
        book.same("hold", f"{what}: its version", (hold.no, hold.reward, hold.currency, hold.opened_at), said)
        book.same("hold", f"{what}: currency and price", (hold.currency, hold.points), price)
        book.same("hold", f"{what}: whether it took of the stock", hold.stocked, stocked)
        book.same("hold", f"{what}: the money to be paid", hold.money, reward.money if reward else 0)
        if hold.reward and reward is None:
            book.say("hold", f"{what} is for {hold.reward!r}, which its programme has not")
        until = change.recorded_at + timedelta(minutes=rules.limits.hold_minutes)
        if hold.store:
            collected = reward.collect_days if reward else 0
            until = rules.ends(change.recorded_at, collected)
            if not collected or hold.store not in rules.store_ids:
                book.say("hold", f"{what} is kept at {hold.store!r}, where it cannot be collected")
        book.same("hold", f"{what}: until when", hold.expires_at, until)

    def _ended(self, hold: HoldRow, ends: list[EntryRow]) -> None:
        book, what = self._book, f"hold {hold.no}"
        if len(ends) > 1:
            book.say("hold", f"{what} ends {len(ends)} times")
            return
        stored = _ENDS.get(hold.state, hold.state), hold.resolved
        left = ("open", None) if book.rows.merged_into is None else ("merged", book.rows.version)
        book.same("hold", f"{what}: its end", stored, (ends[0].kind, ends[0].version) if ends else left)
        if not ends or hold.state == "merged":
            return
        end, kind = ends[0], ends[0].kind
        postings = book.postings.get((end.version, end.no), [])
        back = -sum(posting.amount for posting in postings if posting.account == "held")
        book.same("hold", f"{what}: what its end released", back, hold.points)
        self._in_time(hold, end)
        change = book.changes.get(end.version)
        if change is None or kind == "time_out":
            return
        by = "purchase" if kind == "capture" and not hold.reward else kind
        said = (change.kind, change.hold, change.reward, change.currency)
        currency = POINTS if by == "purchase" else hold.currency
        book.same("hold", f"{what}: the version that ends it", said, (by, hold.no, hold.reward, currency))
        if change.kind == "capture":
            book.same("change", f"version {end.version}: base", change.base, back)
            book.same("change", f"version {end.version}: the money paid", change.amount, hold.money)

    def _in_time(self, hold: HoldRow, end: EntryRow) -> None:
        """Time runs out at an instant; whatever else ends a hold comes before it."""
        last: datetime = hold.expires_at
        late = end.recorded_at >= last if end.kind != "time_out" else end.occurred_at != last or end.recorded_at < last
        if late:
            detail = f"hold {hold.no}, good until {last}, ends by {end.kind} at {end.occurred_at}"
            self._book.say("hold", detail)
