"""Between which instants the clock alone changes nothing of what a member's screens show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from core.holdings import Holdings
from core.ledger.settle import next_thing, settle
from core.programme.document import Programme
from core.rewards.offer import window
from core.snapshot import Snapshot
from core.tiers.ladder import notice_from, period_of, period_start, standing
from core.tiers.upgrade import celebrated_until
from core.warning import steps


class Validity(msgspec.Struct, frozen=True):
    """From when and until when a view is true, the clock being the only thing that moves."""

    valid_from: datetime
    valid_until: datetime


def validity(snapshot: Snapshot, now: datetime, programme: Programme) -> Validity:
    """`valid_from` <= now < `valid_until`; `valid_from` is never before the member's version was recorded."""
    holdings, done = _settled(snapshot.holdings, now, programme)
    period = period_of(now, programme)
    # A new period changes every view, if only the year it names.
    instants = [period_start(period, programme), period_start(period + 1, programme), *done]
    instants += _ahead(holdings, now, programme)
    instants += celebrated_until(snapshot.recent, programme)
    past = [snapshot.recorded_at, *(instant for instant in instants if instant <= now)]
    return Validity(max(past).astimezone(UTC), min(instant for instant in instants if instant > now).astimezone(UTC))


def _settled(holdings: Holdings, now: datetime, programme: Programme) -> tuple[Holdings, list[datetime]]:
    """The holdings as of now, and when the clock did what."""
    done: list[datetime] = []
    for currency, account in holdings.accounts():
        settled = settle(account, now, programme, currency=currency)
        if settled.due:
            holdings = holdings.with_account(currency, settled.account)
            done += [due.at for due in settled.due]
    return holdings, done


def _ahead(holdings: Holdings, now: datetime, programme: Programme) -> Iterator[datetime]:
    """The instants, past and to come, at which something a screen shows changes by itself."""
    for currency, account in holdings.accounts():
        if (due := next_thing(account)) is not None:
            yield due[0]
        yield from steps(account, currency, programme)
    for voucher in holdings.vouchers or ():
        if voucher.open and voucher.expires_at is not None:
            yield voucher.expires_at
    for reward in programme.rewards:
        yield from (instant for instant in window(reward, programme) if instant is not None)
    stands = standing(holdings.account.qualifying, programme, now)
    if stands.keep is not None:
        yield notice_from(stands.keep, programme)
