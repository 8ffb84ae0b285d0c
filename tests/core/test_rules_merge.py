"""The rule of a merge, case by case: what both had is there afterwards, each with its date, and no more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from core.decision import Context, Decision, State
from core.engine.commands import decide
from core.errors import ChorusError
from core.holdings import Holdings, Progress, Voucher
from core.ledger.account import Account, Hold, Lot, Pending
from core.members.merge import MergeMembers, merge, purchase_seen
from core.members.reference import Step, along
from core.points import MAX_POINTS
from core.programme.document import Programme
from core.snapshot import Line, Purchase
from core.warning import schedule
from tests.conftest import START
from tests.core.programmes import programme, published

SPRING, AUTUMN, WINTER = (datetime(2027, month, 1, tzinfo=UTC) for month in (4, 9, 12))
END = {"spring": SPRING, "autumn": AUTUMN, "winter": WINTER, "never": None}
Lots = tuple[tuple[int, str], ...]
"""(points, when they end)."""


def account(lots: Lots = (), debt: int = 0, **more: object) -> Account:
    made = tuple(Lot(no, 1, START, END[end], 500, points) for no, (points, end) in enumerate(lots, 1))
    return msgspec.structs.replace(Account(made, debt=debt, lots_made=len(made)), **more)


def one(id: int, version: int, points: Account, **more: object) -> State:
    return State(id, version, msgspec.structs.replace(Holdings(points), **more))


def merged(survivor: State, absorbed: State, *, rules: Programme | None = None) -> Decision:
    """As `survivor` is asked to take `absorbed` in."""
    context = Context(now=START, published=published(rules or programme()), source="test", other=absorbed)
    return merge(survivor, MergeMembers(absorbed.member, "one person"), context)


def refused(state: State, other: State | None, reason: str = "one person") -> ChorusError:
    context = Context(now=START, published=published(programme()), source="test", other=other)
    decision = decide(state, MergeMembers(1007, reason), context)
    assert isinstance(decision, ChorusError)
    return decision


# Lots of the survivor and what it owes; the same of the other; what is there by date afterwards, and what is owed.
POINTS: list[tuple[Lots, int, Lots, int, dict[str, int], int]] = [
    ((), 0, (), 0, {}, 0),
    (((10, "spring"),), 0, (), 0, {"spring": 10}, 0),
    ((), 0, ((10, "spring"),), 0, {"spring": 10}, 0),
    (((10, "spring"),), 0, ((5, "spring"), (3, "autumn")), 0, {"spring": 15, "autumn": 3}, 0),
    (((10, "winter"),), 0, ((5, "spring"),), 0, {"spring": 5, "winter": 10}, 0),
    (((0, "spring"), (10, "winter")), 0, ((0, "winter"), (7, "autumn")), 0, {"autumn": 7, "winter": 10}, 0),
    (((10, "never"),), 0, ((7, "never"),), 0, {"never": 17}, 0),
    ((), 4, ((10, "spring"),), 0, {"spring": 6}, 0),
    ((), 10, ((10, "spring"),), 0, {}, 0),
    ((), 14, ((10, "spring"),), 0, {}, 4),
    ((), 12, ((10, "winter"), (5, "spring")), 0, {"winter": 3}, 0),
    (((10, "spring"),), 0, (), 4, {"spring": 6}, 0),
    (((10, "winter"), (5, "spring")), 0, (), 7, {"winter": 8}, 0),
    ((), 3, (), 4, {}, 7),
]


@pytest.mark.parametrize(("mine", "owed", "its", "it_owed", "there", "owes"), POINTS)
def test_points_keep_their_dates_and_debts_are_paid_from_what_ends_first(
    mine: Lots, owed: int, its: Lots, it_owed: int, there: dict[str, int], owes: int
) -> None:
    survivor, absorbed = one(1001, 9, account(mine, owed)), one(1002, 5, account(its, it_owed))
    decision = merged(survivor, absorbed)
    after, left = decision.holdings.account, decision.merge
    assert left
    by_end: dict[str, int] = {}
    for lot in after.lots:
        name = next(name for name, end in END.items() if end == lot.expires_at)
        by_end[name] = by_end.get(name, 0) + lot.remaining
    assert {name: points for name, points in by_end.items() if points} == there
    assert after.debt == owes
    assert after.available == survivor.holdings.account.available + absorbed.holdings.account.available
    assert [lot.no for lot in after.lots] == list(range(1, len(mine) + len(its) + 1))
    gone = left.absorbed.holdings.account
    assert (gone.available, gone.debt, schedule(gone)) == (0, 0, ())
    for part in (decision, left.absorbed):
        for entry in part.entries:
            assert sum(posting.amount for posting in entry.postings) == 0
            assert all(posting.amount for posting in entry.postings)


def test_what_is_pending_and_held_comes_with_its_dates() -> None:
    pending = Pending(3, START, START + timedelta(days=7), AUTUMN, 20, 15)
    held = Hold(4, "small", 10, START, START + timedelta(minutes=15), ((2, 10),), "central", stocked=True, money=5)
    absorbed = one(1002, 5, account(((0, "spring"), (30, "autumn")), pending=(pending,), holds=(held,)))
    after = merged(one(1001, 9, account(((10, "winter"),))), absorbed).holdings.account
    assert (after.available, after.held, after.waiting) == (40, 10, 15)
    assert after.pending == (msgspec.structs.replace(pending, no=1002 * 2**20 + 3),)
    assert after.holds == (msgspec.structs.replace(held, no=1002 * 2**20 + 4, takings=((3, 10),)),)


# When points without a date lapse, on either side; whether there are such; when they do afterwards.
LAPSES: list[tuple[datetime | None, bool, datetime | None, bool, datetime | None]] = [
    (None, False, None, False, None),
    (SPRING, True, None, False, SPRING),
    (None, False, SPRING, True, SPRING),
    (SPRING, True, AUTUMN, True, AUTUMN),
    (AUTUMN, True, SPRING, False, AUTUMN),
    (SPRING, True, None, True, None),
    (None, True, SPRING, True, None),
]


@pytest.mark.parametrize("where", ["a lot", "pending", "on hold"])
@pytest.mark.parametrize(("mine", "some", "its", "it_has_some", "then"), LAPSES)
def test_points_that_lapse_for_want_of_activity_never_lapse_sooner(
    mine: datetime | None, some: bool, its: datetime | None, it_has_some: bool, then: datetime | None, where: str
) -> None:
    """Wherever they are at that moment."""
    later = START + timedelta(days=1)
    pending, held = Pending(3, START, later, None, 10, 10), Hold(4, "", 10, START, later, ((1, 10),))

    def lapsing(at: datetime | None, has: bool) -> Account:
        if not has:
            return account(lapses_at=at)
        match where:
            case "a lot":
                return account(((10, "never"),), lapses_at=at)
            case "pending":
                return account(pending=(pending,), lapses_at=at)
            case _:
                return account(((0, "never"),), holds=(held,), lapses_at=at)

    decision = merged(one(1001, 9, lapsing(mine, some)), one(1002, 5, lapsing(its, it_has_some)))
    assert decision.holdings.account.lapses_at == then


def test_what_qualified_adds_up_by_period_and_makes_the_tier() -> None:
    """Half of a tier each: together they have it."""
    survivor = one(1001, 9, account(qualifying={2025: 20, 2026: 60}))
    decision = merged(survivor, one(1002, 5, account(qualifying={2026: 50, 2024: 1})))
    assert decision.holdings.account.qualifying == {2024: 1, 2025: 20, 2026: 110}
    assert decision.change
    assert (decision.change.tier, decision.change.qualifying) == ("silver", 110)


def test_every_currency_comes_over_one_by_one() -> None:
    stars, moons = account(((3, "spring"),)), account(((4, "autumn"),))
    survivor = one(1001, 9, account(((1, "spring"),)), others={"stars": account(((2, "winter"),))})
    decision = merged(survivor, one(1002, 5, account(), others={"stars": stars, "moons": moons}))
    assert {code: one.available for code, one in decision.holdings.accounts()} == {"points": 1, "stars": 5, "moons": 4}
    assert decision.merge
    assert decision.merge.lots == {"points": 1, "stars": 1, "moons": 0}
    assert decision.change
    assert [(moved.currency, moved.points) for moved in decision.change.others] == [("stars", 3), ("moons", 4)]


def test_counts_add_up_and_what_either_did_first_was_done() -> None:
    mine = Progress(counters={"reward/mug": 1, "campaign/x": 2}, segments=("sleeping",))
    its = Progress(counters={"reward/mug": 2}, first_purchase=3, segments=("growing",), birthday="02-29")
    after = merged(one(1001, 9, account(), progress=mine), one(1002, 5, account(), progress=its)).holdings.progress
    assert after.counters == {"reward/mug": 3, "campaign/x": 2}
    assert after.first_purchase == 1002 * 2**20 + 3
    assert (after.segments, after.birthday) == (("growing", "sleeping"), "02-29")


def test_vouchers_come_with_their_uses_and_the_lots_they_were_paid_from() -> None:
    spent = Voucher(3, "A", "five", START, AUTUMN, 2, used=2, points=20, takings=((1, 20),))
    good = Voucher(4, "B", "five", START, AUTUMN, 2, used=1, points=20, takings=((2, 20),), by_hand=1)
    absorbed = one(1002, 5, account(((0, "spring"), (1, "spring"))), vouchers=(spent, good))
    after = merged(one(1001, 9, account(((1, "winter"),) * 3)), absorbed)
    assert after.holdings.vouchers == (
        msgspec.structs.replace(spent, no=1002 * 2**20 + 3, takings=((4, 20),)),
        msgspec.structs.replace(good, no=1002 * 2**20 + 4, takings=((5, 20),)),
    )


@pytest.mark.parametrize(
    ("mine", "its", "survivor", "takes_name"),
    [
        ((1001, 9), (1002, 5), 1001, False),
        ((1001, 5), (1002, 9), 1002, True),
        ((1001, 5), (1002, 5), 1001, False),
        ((1002, 5), (1001, 5), 1001, True),
    ],
)
def test_the_longer_history_lives_on_under_the_name_that_was_asked_for(
    mine: tuple[int, int], its: tuple[int, int], survivor: int, takes_name: bool
) -> None:
    decision = merged(one(*mine, account()), one(*its, account()))
    assert decision.change
    assert decision.merge
    assert decision.merge.absorbed.change
    assert (decision.change.member, decision.merge.takes_name) == (survivor, takes_name)
    assert decision.change.version == max(mine[1], its[1]) + 1
    assert decision.change.merged == decision.merge.absorbed.change.member
    assert decision.merge.absorbed.change.merged == survivor


def test_a_birthday_is_that_of_whom_the_name_is() -> None:
    """And where that one's is not known, the other's."""
    born, other = Progress(birthday="01-31"), Progress(birthday="12-24")
    asked, longer = one(1001, 5, account(), progress=born), one(1002, 9, account(), progress=other)
    assert merged(asked, longer).holdings.progress.birthday == "01-31"
    assert merged(one(1001, 5, account()), longer).holdings.progress.birthday == "12-24"


def test_what_fell_due_happens_to_each_before() -> None:
    """A lot past its date is gone, and a hold that ran out is back in its lot, with the entries that say so."""
    past = Lot(1, 1, START, START - timedelta(days=1), 5, 5)
    ran_out = Hold(4, "small", 10, START, START, ((2, 10),))
    absorbed = one(1002, 5, account(((0, "spring"), (30, "autumn")), holds=(ran_out,)))
    survivor = one(1001, 9, Account((past,), lots_made=1))
    decision = merged(survivor, absorbed)
    assert decision.merge
    assert (decision.holdings.account.available, decision.holdings.account.held) == (40, 0)
    assert [entry.kind for entry in decision.entries] == ["expire", "merge"]
    assert [entry.kind for entry in decision.merge.absorbed.entries] == ["time_out", "merge"]
    assert [end.state for end in decision.merge.absorbed.hold_ends] == ["timed_out"]


@pytest.mark.parametrize(
    ("no", "named"),
    [
        (0, 1003 * 2**20),
        (4, 1003 * 2**20 + 4),
        (5, 1002 * 2**20 + 5),
        (9, 1002 * 2**20 + 9),
        (10, 10),
        (1007 * 2**20 + 1,) * 2,
    ],
)
def test_a_number_is_of_the_member_that_told_it(no: int, named: int) -> None:
    """1003 went into 1002 after its fourth version, and 1002 into 1001 after its ninth. 0 is nobody's."""
    way = (Step(1003, 4, 1002, 0), Step(1002, 9, 1001, 0))
    assert along(way, no) == (named if no else 0)


def test_of_one_that_is_the_same_nothing_happens() -> None:
    state = one(1001, 9, account())
    assert merged(state, state).change is None


def test_what_cannot_be_merged_is_refused() -> None:
    state, most = one(1001, 9, account()), account((), lots_made=0)
    full = Account((Lot(1, 1, START, None, MAX_POINTS, MAX_POINTS),), lots_made=1)
    assert refused(state, None).errors[0].pointer == "/other"
    assert refused(state, one(1007, 0, most)).code == "unknown_member"
    assert refused(state, one(1007, 5, account()), reason="  ").errors[0].pointer == "/reason"
    assert refused(one(1001, 9, full), one(1007, 5, account(((1, "never"),)))).code == "points_out_of_range"
    assert refused(state, one(1007, 2**20 - 1, account())).code == "history_too_long"
    lots = tuple(Lot(no, 1, START, None, 1, 1) for no in range(1, 30_001))
    assert refused(state, one(1007, 5, Account(lots, lots_made=30_000))).code == "history_too_long"


def test_a_purchase_is_the_same_in_the_numbers_of_whoever_took_its_member_in() -> None:
    day = date(2026, 3, 14)
    bought = Purchase(
        member=1002, version=3, external_id="x", occurred_at=START, recorded_at=START, place="", till="", channel="store",
        currency="USD", total=100, lines=(Line("CD", 1, 100),), programme=1, base=1, bonus=0, bonus_tier="",
        period=day.year, lot=4, available=1, paid_points=5, paid_from=((1, 2), (2, 3)), paid_amount=50,
        vouchers=((2, 10),),
    )  # fmt: skip
    seen = purchase_seen(bought, 1002, 10)
    there = 1002 * 2**20
    assert (seen.version, seen.lot, seen.paid_from) == (there + 3, 14, ((11, 2), (12, 3)))
    assert (seen.member, seen.vouchers) == (1002, ((there + 2, 10),))
    again = purchase_seen(seen, 1005, 100)
    assert (again.version, again.lot, again.vouchers) == (there + 3, 114, ((there + 2, 10),))
    assert purchase_seen(msgspec.structs.replace(bought, lot=0), 1002, 10).lot == 0
