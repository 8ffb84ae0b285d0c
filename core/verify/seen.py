"""A merged member's journal in the numbers of the one that lives on: what the checks of that one go on from."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.points import POINTS
from core.snapshot import Change, Purchase
from core.verify.rows import EntryRow, PostingRow

_VERSIONS = 2**20
_OTHERS = 1_000 * _VERSIONS
"""Members are numbered from a thousand: no number below is another's."""


class Seen:
    """`above`: by currency, how far the numbers of its lots lie above its own."""

    def __init__(self, member: int, above: Mapping[str, int]) -> None:
        self.member, self._above = member, above

    def no(self, no: int) -> int:
        """A version, hold, voucher or purchase. What had come from a third is named already."""
        return no if no == 0 or no >= _OTHERS else self.member * _VERSIONS + no

    def lot(self, currency: str, lot: int) -> int:
        return lot + self._above.get(currency, 0)

    def lot_or_debt(self, currency: str, lot: int | None) -> int | None:
        return None if lot is None else self.lot(currency, lot)

    def takings(self, currency: str, takings: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(self.lot(currency, lot), points) for lot, points in takings]

    def change(self, change: Change) -> Change:
        return msgspec.structs.replace(
            change,
            version=self.no(change.version),
            purchase=self.no(change.purchase),
            hold=self.no(change.hold),
            voucher=self.no(change.voucher),
        )

    def entry(self, entry: EntryRow) -> EntryRow:
        return entry._replace(version=self.no(entry.version), reverses=self.no(entry.reverses))

    def posting(self, posting: PostingRow) -> PostingRow:
        lot = self.lot_or_debt(posting.currency, posting.lot)
        return posting._replace(version=self.no(posting.version), lot=lot)

    def purchase(self, purchase: Purchase) -> Purchase:
        return msgspec.structs.replace(
            purchase,
            version=self.no(purchase.version),
            lot=self.lot(POINTS, purchase.lot) if purchase.lot else 0,
            paid_from=tuple(self.takings(POINTS, list(purchase.paid_from))),
            vouchers=tuple((self.no(no), off) for no, off in purchase.vouchers),
        )


def is_own(no: int) -> bool:
    """Whether a number names something of the member itself."""
    return no < _OTHERS
