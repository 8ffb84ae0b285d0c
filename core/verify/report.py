"""What `verify` answers: counts of what was looked at, and a line for each thing that does not hold."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "orphan",
    "versions",
    "change",
    "entries",
    "zero_sum",
    "balance",
    "due",
    "debt",
    "lot",
    "pending",
    "held",
    "hold",
    "award",
    "qualifying",
    "tier",
    "purchase",
    "voucher",
    "progress",
    "tally",
    "draw",
    "claim",
    "merge",
]
"""What is wrong, by the thing it is wrong with; `orphan`: rows of a member that does not exist; `tally`: a count that
members share."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not hold. `detail` says what is stored and what the journal makes it."""

    member: int
    """0 where it is no one's."""
    kind: Kind
    detail: str

    def __str__(self) -> str:
        return f"member {self.member}: {self.kind}: {self.detail}"


class Report(msgspec.Struct, kw_only=True):
    """`findings` holds the first of them, `found` says how many there were."""

    members: int = 0
    versions: int = 0
    entries: int = 0
    postings: int = 0
    lots: int = 0
    pending: int = 0
    """Parts of points that are not good at once, or were not."""
    holds: int = 0
    vouchers: int = 0
    tickets: int = 0
    purchases: int = 0
    claims: int = 0
    findings: list[Finding] = []
    found: int = 0
    clean: bool = False
    seconds: float = 0.0
