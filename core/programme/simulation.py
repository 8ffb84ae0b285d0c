"""What a draft would have given: the last days' purchases decided again, by the programme in force and by the draft.

Both are decided by the very deciders of the door, in memory, from the same start: what qualifies and what was counted
now, less what the window gave. So two equal programmes show no difference, and what differs comes of the draft. A
purchase's returns are taken as one, when the last of them was; holds, adjustments and expiry give nothing by a purchase
and are left out. Limits that members share are counted from the window's start. It writes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import transaction
from core.decision import Context, Decision, State
from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.engine.commands import decide
from core.errors import ChorusError
from core.holdings import Holdings
from core.members.reference import origin_of
from core.points import POINTS
from core.programme import window
from core.programme.document import Programme, Published
from core.programme.rewind import rewound
from core.programme.window import Recorded
from core.snapshot import Purchase
from core.tiers.ladder import standing

MAX_DAYS = 366
DECISIONS_A_TURN = 32
"""So many are made, in 2 ms, before the loop may do something else: a serving process simulates too."""


class Refusals(msgspec.Struct, frozen=True):
    """How many were refused with `code`, and the first field that was wrong (empty where none was)."""

    code: str
    pointer: str
    count: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one programme gives."""

    purchases: int
    """That it takes."""
    points: int
    """Issued on them."""
    by_reason: dict[str, int]
    """As `base`, `tier:gold`, `campaign:double`."""
    others: dict[str, int]
    """Issued in other currencies."""
    taken_back: int
    """Of `points`, by their returns."""
    worth: int | None
    """What is left of them, in minor units of the programme's money; None where it states no worth."""
    tiers: dict[str, int]
    """Members in each tier at the end."""
    refused: list[Refusals]


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="progress"):
    """After `done` of `members`."""

    done: int
    members: int
    before: Figures
    after: Figures


class Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="report"):
    """`before` is by revision `revision`, which was in force at `until`; `after` by the draft."""

    revision: int
    since: datetime
    until: datetime
    money: str
    members: int
    touched: int
    """Members with a purchase in the window."""
    purchases: int
    before: Figures
    after: Figures


async def simulate(
    database: AsyncEngine, in_force: Published, draft: Programme, *, days: int, now: datetime
) -> AsyncGenerator[Progress | Report, None]:
    """Progress after each batch of members, then the report. Close the iterator where it is not read to its end."""
    since = now - timedelta(days=days)
    first_day = since.astimezone(in_force.programme.tzinfo).date()
    before, after = _Side(in_force, now), _Side(Published(in_force.revision + 1, draft), now)
    done = touched = purchases = decided = 0
    async with transaction(database, one_instant=True) as connection:
        members = await window.count(connection)
        async with aclosing(window.recorded(connection, since)) as batches:
            async for batch in batches:
                for recorded in batch:
                    start, steps = rewound(recorded, first_day), _steps(recorded)
                    for side in (before, after):
                        side.take(recorded.member, start, steps)
                    touched += bool(recorded.purchases)
                    purchases += len(recorded.purchases)
                    decided += 1 + 2 * len(recorded.purchases)
                    if decided >= DECISIONS_A_TURN:
                        decided = 0
                        await asyncio.sleep(0)
                done += len(batch)
                yield Progress(done=done, members=members, before=before.figures(), after=after.figures())
    yield Report(
        revision=in_force.revision,
        since=since,
        until=now,
        money=in_force.programme.money,
        members=members,
        touched=touched,
        purchases=purchases,
        before=before.figures(),
        after=after.figures(),
    )


class _Step(NamedTuple):
    """What a member did once: the purchase that was recorded, or the return of it."""

    version: int
    recorded_at: datetime
    purchase: Purchase
    command: RecordPurchase | ReturnPurchase


class _Side:
    """One of the two programmes, and what it has given so far."""

    def __init__(self, published: Published, now: datetime) -> None:
        self._published, self._now = published, now
        self._purchases = self._taken_back = 0
        self._reasons: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._tallies: Counter[str] = Counter()
        self._tiers = {tier.key: 0 for tier in published.programme.tiers}
        self._refused: Counter[tuple[str, str]] = Counter()

    def take(self, member: int, holdings: Holdings, steps: Sequence[_Step]) -> None:
        """Decide a member's purchases and returns in the order in which they came."""
        taken: dict[int, Purchase] = {}
        for step in steps:
            returned = isinstance(step.command, ReturnPurchase)
            if returned and step.purchase.version not in taken:
                continue  # it was refused
            # Whether a late one had been sent by staff is not recorded; that it was taken is.
            context = Context(
                now=step.recorded_at,
                published=self._published,
                source="simulation",
                place=step.purchase.place,
                till=step.purchase.till,
                staff=True,
                tallies=self._tallies,
            )
            decision = decide(State(member, step.version - 1, holdings, taken), step.command, context)
            if isinstance(decision, ChorusError):
                self._refused[decision.code, decision.errors[0].pointer if decision.errors else ""] += 1
                continue
            self._count(decision, returned, taken)
            holdings = decision.holdings
        self._tiers[standing(holdings.account.qualifying, self._published.programme, self._now).tier.key] += 1

    def _count(self, decision: Decision, returned: bool, taken: dict[int, Purchase]) -> None:
        purchase = decision.purchase
        assert purchase is not None
        taken[purchase.version] = purchase
        for tally in decision.tallies:
            self._tallies[tally.key] += tally.by
        if returned:
            self._taken_back += purchase.taken_back
            return
        self._purchases += 1
        for award in purchase.granted:
            if award.currency == POINTS:
                self._reasons[f"{award.rule}:{award.id}" if award.id else award.rule] += award.points
            else:
                self._others[award.currency] += award.points

    def figures(self) -> Figures:
        points, worth = sum(self._reasons.values()), self._published.programme.worth
        refused = [Refusals(*named, count) for named, count in sorted(self._refused.items())]
        return Figures(
            purchases=self._purchases,
            points=points,
            by_reason=dict(self._reasons),
            others=dict(self._others),
            taken_back=self._taken_back,
            worth=None if worth is None else int(worth.money_of(points - self._taken_back)),
            tiers=dict(self._tiers),
            refused=refused,
        )


def _steps(recorded: Recorded) -> list[_Step]:
    steps = []
    codes = {voucher.no: voucher.code for voucher in recorded.holdings.vouchers or ()}
    for one in recorded.purchases:
        bought = RecordPurchase(
            external_id=one.external_id,
            occurred_at=one.occurred_at,
            channel=one.channel,
            currency=one.currency,
            total=one.total,
            lines=one.lines,
            points=one.paid_points,
            vouchers=tuple(codes[no] for no, _ in one.vouchers if no in codes),
        )
        steps.append(_Step(one.version, one.recorded_at, one, bought))
        if one.returned and (last := recorded.returns.get(one.version)):
            lines = tuple(
                ReturnLine(line.sku, quantity, amount)
                for line, (quantity, amount) in zip(one.lines, one.returned, strict=True)
                if quantity
            )
            steps.append(_Step(last.version, last.recorded_at, one, ReturnPurchase(one.version, lines)))
    # Versions alone say nothing of what members did before they became one; at one instant, what came was there first.
    return sorted(steps, key=lambda step: (step.recorded_at, origin_of(step.version) is None, step.version))
