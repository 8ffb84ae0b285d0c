"""What members used of what is limited: each one's own counts, and what all of them together used of the shared ones.

A use counts by the limits of the revision it was decided by. A day's count of one's own may have been dropped once its
day is past the replay window; a count of something else may not. The release before counted no rewards: those had by a
revision that it could read may stand in the count or not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta

import msgspec

from core.holdings import Progress
from core.snapshot import Change
from core.verify.book import Book
from core.verify.rules import Limits, Rules
from core.verify.seen import Seen

_PROGRESS = msgspec.json.Decoder(Progress)


class Uses:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._mine: dict[str, int] = defaultdict(int)
        self._unsure: dict[str, int] = defaultdict(int)
        """Of those, what may not have been counted."""
        self.shared: Counter[str] = Counter()
        """By the key of a tally."""
        self.tickets: Counter[str] = Counter()
        """By draw."""
        self._first = self._first_of_this_release = 0
        self._oldest = date.min
        """Days before may have been dropped."""

    def take(self, change: Change) -> None:
        rules = self._book.rules(change)
        for entry, _ in self._book.of(change.version, "time_out"):
            held = self._book.changes.get(entry.reverses)
            if held is not None:
                self._had(held.reward, -1, rules)
        match change.kind:
            case "purchase":
                self._first = self._first or change.version
                if change.period:
                    self._first_of_this_release = self._first_of_this_release or change.version
                # What a campaign gave may be several awards, for lines of several rates: it is one use.
                for id in {award.id for award in change.awards if award.rule == "campaign"}:
                    campaign = rules.campaign.get(id)
                    if campaign is not None:
                        self._used(f"campaign/{id}", campaign.limits, change, rules)
            case "action":
                for award in change.awards:
                    action = rules.earn.actions.get(award.id)
                    if action is not None:
                        self._used(f"action/{award.id}", action.limits, change, rules)
            case "hold" | "claim" if change.reward:
                self._had(change.reward, 1, rules)
                if change.ticket:
                    self._ticket(change, rules)
            case "void":
                self._had(change.reward, -1, rules)
            case "cancel" if (issued := self._book.changes.get(change.voucher)) and issued.kind == "claim":
                # What is granted is never counted, so giving it back makes no room for another.
                self._had(change.reward, -1, rules)

    def join(self, other: Uses, seen: Seen) -> None:
        """A merged member's own counts. What it used of shared ones is reckoned with itself."""
        for mine, its in ((self._mine, other._mine), (self._unsure, other._unsure)):
            for key, count in its.items():
                mine[key] += count
        self._first = self._first or seen.no(other._first)
        self._first_of_this_release = self._first_of_this_release or seen.no(other._first_of_this_release)
        self._oldest = max(self._oldest, other._oldest)

    def close(self) -> None:
        """The row against the journal; and what the member has of each reward's stock."""
        book = self._book
        for hold in book.rows.holds:
            if hold.stocked and hold.state in ("open", "captured"):
                self.shared[f"reward/{hold.reward}"] += 1
        # A merged member's vouchers are with the one that lives on, and its rows are as they were.
        for voucher in book.rows.vouchers if book.rows.merged_into is None else ():
            if voucher.stocked and not voucher.void:
                self.shared[f"reward/{voucher.reward}"] += 1
        try:
            progress = _PROGRESS.decode(book.rows.progress[0].record) if book.rows.progress else Progress()
        except msgspec.DecodeError as error:
            book.say("progress", f"progress cannot be read: {error}")
            return
        for key in sorted(self._mine.keys() | progress.counters.keys()):
            stored, used = progress.counters.get(key, 0), self._mine.get(key, 0)
            dropped = stored < used and self._may_be_dropped(key)
            if abs(stored - used) > self._unsure.get(key, 0) and not dropped:
                book.say("progress", f"{key} was counted {stored} times, the journal makes it {used}")
        # The release before did not write down who had bought; this one looks it up until it has something to write.
        bought_before = self._first != self._first_of_this_release
        first = progress.first_purchase
        if first not in (self._first, self._first_of_this_release) and (book.rows.progress or not bought_before):
            book.same("progress", "the first purchase", first, self._first_of_this_release)

    def _used(self, key: str, limits: Limits, change: Change, rules: Rules) -> None:
        of_day = f"{key}/{rules.day(change.occurred_at).isoformat()}"
        if limits.per_member is not None:
            self._mine[key] += 1
        if limits.per_member_day is not None:
            self._mine[of_day] += 1
        if limits.in_all is not None:
            self.shared[key] += 1
        if limits.per_day is not None:
            self.shared[of_day] += 1
        oldest = rules.day(change.recorded_at) - timedelta(days=rules.limits.replay_window_days)
        self._oldest = max(self._oldest, oldest)

    def _had(self, reward: str, by: int, rules: Rules) -> None:
        key = f"reward/{reward}"
        self._mine[key] = max(0, self._mine[key] + by)
        self._unsure[key] += rules.schema == 1

    def _ticket(self, change: Change, rules: Rules) -> None:
        self.tickets[change.reward] += 1
        self.shared[f"draw/{change.reward}"] += 1
        reward = rules.reward.get(change.reward)
        if reward is not None and reward.stock is not None:
            self.shared[f"reward/{change.reward}"] += 1

    def _may_be_dropped(self, key: str) -> bool:
        """Ids have no slash: a key with two ends in a day."""
        return key.count("/") == 2 and key.rpartition("/")[2] < self._oldest.isoformat()
