"""One member's journal played again, with arithmetic of its own.

Nothing here calls what the deciders call: a slip in `core.ledger` or `core.tiers` would otherwise be made twice and
never seen. Whatever can be said from the immutable journal alone (versions, entries, postings) is said from it; the
rows that may be updated are then compared with what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from core.snapshot import Change
from core.verify import merges
from core.verify.accounts import accounts, lots, pending
from core.verify.awards import awards
from core.verify.book import Book
from core.verify.holds import Holds
from core.verify.ledger import Ledger
from core.verify.progress import Uses
from core.verify.purchases import Purchases
from core.verify.report import Finding
from core.verify.rows import MemberRows
from core.verify.rules import Rules
from core.verify.seen import Seen
from core.verify.standing import Standing
from core.verify.vouchers import Vouchers


class Audited(NamedTuple):
    """What does not hold of a member, and what it used of that which members share."""

    findings: list[Finding]
    shared: Counter[str]
    """By the key of a tally."""
    tickets: Counter[str]
    """By draw."""


class Played(NamedTuple):
    """A member's journal as far as it was played."""

    book: Book
    ledger: Ledger
    standing: Standing
    uses: Uses
    purchases: Purchases
    holds: Holds
    vouchers: Vouchers


def audit(rows: MemberRows, rules: Mapping[int, Rules], played: dict[int, Played]) -> Audited:
    """`played` keeps the journals of those that went into others, so that each is played once for all whom it came to."""
    if rows.version is None:
        return Audited([Finding(rows.id, "orphan", "has rows in the ledger but is not a member")], Counter(), Counter())
    book, ledger, standing, uses, purchases, holds, vouchers = _play(rows, rules, played)
    merges.check_left(book)
    lots(book, ledger)
    pending(book, ledger, purchases)
    accounts(book, ledger, standing)
    holds.close()
    purchases.close()
    vouchers.close()
    uses.close()
    return Audited(book.findings, uses.shared, uses.tickets)


def _play(
    rows: MemberRows, rules: Mapping[int, Rules], known: dict[int, Played], within: frozenset[int] = frozenset()
) -> Played:
    """`within`: whom this is played for."""
    if rows.id in known:
        return known[rows.id]
    book = Book(rows, rules)
    book.structure()
    ledger, standing, uses = Ledger(book), Standing(book), Uses(book)
    purchases, holds, vouchers = Purchases(book, ledger, standing), Holds(book, ledger), Vouchers(book, ledger)
    played = Played(book, ledger, standing, uses, purchases, holds, vouchers)
    for row in rows.versions:
        change = book.changes.get(row.version)
        if change is not None and change.kind == "merge":
            _take_in(played, change, rules, known, within | {rows.id})
        ledger.post(row.version, change)
        if change is None:
            continue
        ledger.compare(change)
        awards(book, change)
        paid_out = purchases.take(change)
        standing.compare(change)
        holds.take(change)
        vouchers.take(change, purchases.records.get(change.purchase), paid_out=paid_out)
        uses.take(change)
    if rows.merged_into is not None:
        known[rows.id] = played
    return played


def _take_in(
    played: Played, change: Change, rules: Mapping[int, Rules], known: dict[int, Played], within: frozenset[int]
) -> None:
    """What is wrong with the other by itself is found with the other. No damage must make this go round in a circle."""
    found = merges.came(played.book, change)
    if found is not None and change.merged not in within:
        rows, above = found
        merges.join(played, _play(rows, rules, known, within), change, Seen(change.merged, above))
