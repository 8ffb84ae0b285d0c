"""The rows that may be updated, against the journal: lots, pending parts and accounts, in every currency."""

from __future__ import annotations

from datetime import datetime

from core.points import POINTS
from core.verify.book import Book
from core.verify.ledger import Ledger
from core.verify.purchases import Purchases
from core.verify.rows import AccountRow, PendingRow
from core.verify.standing import Standing


def lots(book: Book, ledger: Ledger) -> None:
    stored = {(lot.currency, lot.no): lot for lot in book.rows.lots}
    for key in sorted(stored.keys() | ledger.lots.keys()):
        there, made, what = stored.get(key), ledger.lots.get(key), f"lot {key[1]}"
        if there is None or made is None:
            book.say("lot", f"{what} {'is in the journal only' if there is None else 'is not in the journal'}")
            continue
        if there[2:7] == (made.origin, made.amount, made.remaining, made.until, made.source):
            continue
        for field, is_, should_be in (
            ("remaining", there.remaining, made.remaining),
            ("amount", there.amount, made.amount),
            ("origin", there.origin, made.origin),
            ("source", there.source, made.source),
            ("date", there.expires_at, made.until),
        ):
            book.same("lot", f"{what}: {field}", is_, should_be)


def pending(book: Book, ledger: Ledger, purchases: Purchases) -> None:
    stored = {(part.currency, part.no): part for part in book.rows.pending}
    for key in sorted(stored.keys() | ledger.parts.keys()):
        there, made = stored.get(key), ledger.parts.get(key)
        what = f"the pending {key[0]} of version {key[1]}"
        if there is None or made is None:
            book.say("pending", f"{what} {'are in the journal only' if there is None else 'are not in the journal'}")
            continue
        book.same("pending", f"{what}: what remains", there.remaining, made.remaining)
        book.same("pending", f"{what}: amount", there.amount, made.amount)
        _dates(book, there, what, purchases)


def _dates(book: Book, part: PendingRow, what: str, purchases: Purchases) -> None:
    change, record = book.changes.get(part.no), purchases.records.get(part.no)
    if change is None or record is None:
        return
    rules, at = book.rules(change), change.occurred_at
    channel = rules.earn.channels.get(record.channel)
    vests_at = rules.ends(at, channel.vest_days) if channel else None
    until = rules.good_until(at, part.currency)
    dates = (part.earned_at, part.vests_at, part.expires_at)
    book.same("pending", f"{what}: earned, vests, until", dates, (at, vests_at, until))


def accounts(book: Book, ledger: Ledger, standing: Standing) -> None:
    stored = {account.currency: account for account in book.rows.accounts}
    if POINTS not in stored:
        book.say("balance", f"there is no account in {POINTS}")
    for currency in sorted({key[0] for key in ledger.sums} - stored.keys() - {POINTS}):
        if any(total for key, total in ledger.sums.items() if key[0] == currency):
            book.say("balance", f"the journal has {currency}, and there is no account of it")
    for account in stored.values():
        _account(book, ledger, account)
        _due(book, account)
        if account.currency == POINTS:
            standing.account(account.qualifying)
        elif account.qualifying != "{}":
            book.say("qualifying", f"{account.currency} counts {account.qualifying} for a tier")


def _account(book: Book, ledger: Ledger, account: AccountRow) -> None:
    currency, rows, what = account.currency, book.rows, _name(account.currency)
    sums, last = ledger.sums, max((no for of, no in ledger.lots if of == currency), default=0)
    remaining = sum(lot.remaining for lot in rows.lots if lot.currency == currency)
    opened = sum(hold.points for hold in rows.holds if hold.currency == currency and hold.state == "open")
    waiting = sum(part.remaining for part in rows.pending if part.currency == currency)
    book.same("balance", f"{what} balance", account.available, sums[(currency, "available")])
    if account.available != remaining - account.debt:
        detail = f"{what} balance is {account.available}, lots less debt are {remaining - account.debt}"
        book.say("balance", detail)
    book.same("debt", f"{what} debt", account.debt, ledger.debts[currency])
    book.same("lot", "the number of lots made", account.lots_made, last)
    book.same("lot", "the number of lots", sum(1 for of, _ in ledger.lots if of == currency), account.lots_made)
    book.same("held", "held", account.held, sums[(currency, "held")])
    if account.held != opened:
        book.say("held", f"held is {account.held}, the open holds are {opened}")
    book.same("pending", "pending", account.pending, sums[(currency, "pending")])
    if account.pending != waiting:
        book.say("pending", f"pending is {account.pending}, what remains of its parts is {waiting}")
    book.same("due", f"when all {currency} lapse", account.lapses_at, ledger.lapses.get(currency))


def _name(currency: str) -> str:
    return "the" if currency == POINTS else f"the {currency}"


def _due(book: Book, account: AccountRow) -> None:
    """A credit is decided without reading the lots when nothing is due yet: it must not overlook one."""
    currency, rows = account.currency, book.rows
    left = [lot.expires_at for lot in rows.lots if lot.currency == currency and lot.remaining]
    dates: list[datetime | None] = [*left, account.lapses_at if None in left else None]
    dates += [hold.expires_at for hold in rows.holds if hold.currency == currency and hold.state == "open"]
    dates += [part.vests_at for part in rows.pending if part.currency == currency and part.remaining]
    first = min((date for date in dates if date is not None), default=None)
    if first is not None and (account.next_due is None or account.next_due > first):
        book.say("due", f"next_due is {account.next_due}, something is due {first}")
