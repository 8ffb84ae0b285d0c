"""All a member has: an account in each currency, vouchers, and the progress that rules look at.

A value, as an account is. What a surface shows and what a decider decides on is this and the programme.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from core.ledger.account import Account
from core.ledger.account import whole as whole_account
from core.ledger.movements import Takings
from core.ledger.movements import compact as compact_account
from core.points import POINTS


class Voucher(msgspec.Struct, frozen=True, array_like=True):
    """A right to something, bought with points or granted; redeemed by its code, `uses` times at most."""

    no: int
    """The member's version that issued it."""
    code: str
    reward: str
    issued_at: datetime
    expires_at: datetime | None
    """The exclusive instant."""
    uses: int
    used: int = 0
    points: int = 0
    """What it cost; 0 for one that was granted."""
    currency: str = POINTS
    takings: Takings = ()
    """The lots it was paid from."""
    void: bool = False
    stocked: bool = False
    """Whether it took a piece of the reward's stock."""
    granted: bool = False
    """Given for nothing, and not counted among those the member had."""
    by_hand: int = 0
    """Of `used`, the uses that paid no basket: the others come back with what they paid for."""

    @property
    def open(self) -> bool:
        """Whether a use is left, its date aside."""
        return self.used < self.uses and not self.void

    def good_at(self, now: datetime) -> bool:
        return self.open and (self.expires_at is None or now < self.expires_at)


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """What rules look at beside points."""

    counters: dict[str, int] = {}
    """How often something limited was given, by its key; a day's key ends in the day."""
    first_purchase: int = 0
    """The version of the first purchase; 0 before it."""
    segments: tuple[str, ...] = ()
    birthday: str = ""
    """Month and day, "02-29"; empty where it is not known. It is kept with the profile."""


class Holdings(msgspec.Struct, frozen=True, array_like=True):
    """`vouchers` are those with a use left, and any that a command names; None where they were not read (the holdings of
    a command that only credits)."""

    account: Account = Account()
    """In points, the currency that tiers stand on."""
    others: dict[str, Account] = {}
    """By currency; one that the member never had is not there."""
    vouchers: tuple[Voucher, ...] | None = ()
    progress: Progress = Progress()

    def of(self, currency: str) -> Account:
        return self.account if currency == POINTS else self.others.get(currency, _EMPTY)

    def accounts(self) -> Iterator[tuple[str, Account]]:
        """The points first."""
        yield POINTS, self.account
        yield from self.others.items()

    def with_account(self, currency: str, account: Account) -> Holdings:
        if currency == POINTS:
            return msgspec.structs.replace(self, account=account)
        return msgspec.structs.replace(self, others={**self.others, currency: account})

    def with_accounts(self, accounts: Mapping[str, Account]) -> Holdings:
        others = {currency: account for currency, account in accounts.items() if currency != POINTS}
        return msgspec.structs.replace(
            self, account=accounts.get(POINTS, self.account), others={**self.others, **others}
        )

    def with_progress(self, progress: Progress) -> Holdings:
        return msgspec.structs.replace(self, progress=progress)

    def with_voucher(self, voucher: Voucher) -> Holdings:
        """Entered, or as it is now."""
        assert self.vouchers is not None, "a command that moves vouchers needs them all"
        kept = tuple(one for one in self.vouchers if one.no != voucher.no)
        return msgspec.structs.replace(self, vouchers=tuple(sorted((*kept, voucher), key=lambda one: one.no)))


_EMPTY = Account()


def whole(before: Holdings, after: Holdings) -> Holdings:
    """`after` with what it left unnamed, which is as it was in `before`, the holdings just before it."""
    others = {
        currency: whole_account(before.of(currency), account) if account.rest else account
        for currency, account in after.others.items()
    }
    return Holdings(
        whole_account(before.account, after.account),
        {**before.others, **others},
        before.vouchers if after.vouchers is None else after.vouchers,
        after.progress,
    )


def compact(holdings: Holdings) -> Holdings:
    """Without what is spent: what a store keeps loaded, and what others are told."""
    return Holdings(
        compact_account(holdings.account),
        {currency: compact_account(account) for currency, account in holdings.others.items()},
        None if holdings.vouchers is None else tuple(voucher for voucher in holdings.vouchers if voucher.open),
        holdings.progress,
    )
