"""What the clock alone does to an account: in order, once, and between two announced instants nothing at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.holdings import Holdings
from core.ledger.account import Account, Hold, Lot
from core.ledger.settle import settle
from core.snapshot import Profile, Snapshot
from core.tiers.ladder import notice_from, standing
from core.validity import Validity, validity
from core.warning import warning
from tests.core.programmes import programme

QUIET = settings(deadline=None, database=None, max_examples=200)
RULES = programme(zone="America/New_York", grace=2)
BEGIN = datetime(2025, 12, 25, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NEW_YEARS = [datetime(year, 1, 1, 5, tzinfo=UTC) for year in (2026, 2027)]
"""Midnight in New York."""

instants = st.one_of(
    st.integers(0, 15).map(lambda days: BEGIN + timedelta(days=days)),
    st.integers(0, 15 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes)),
)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Lots and holds that took from them, with dates close enough to meet; a debt only where no point is left."""
    lots = []
    for no in range(1, 1 + draw(st.integers(0, 4))):
        amount = draw(st.integers(1, 50))
        lots.append(Lot(no, no, BEGIN, draw(st.none() | instants), amount, draw(st.integers(0, amount))))
    holds = []
    for no in range(10, 10 + draw(st.integers(0, 3))):
        takings = []
        for i, lot in enumerate(lots):
            taken = draw(st.integers(0, (lot.amount - lot.remaining) // 3))
            if taken:
                takings.append((i + 1, taken))
        if takings:
            points = sum(points for _, points in takings)
            holds.append(Hold(no, "small", points, BEGIN, draw(instants), tuple(takings)))
    debt = 0 if any(lot.remaining for lot in lots) else draw(st.integers(0, 30))
    qualifying = draw(st.dictionaries(st.sampled_from([2024, 2025, 2026]), st.sampled_from([0, 50, 100, 300])))
    return Account(tuple(lots), tuple(holds), debt, len(lots), qualifying)


def _seen(account: Account, at: datetime) -> object:
    """All that a screen draws from an account at an instant, but for the time itself."""
    settled = settle(account, at, RULES).account
    stands = standing(account.qualifying, RULES, at)
    lots = [(lot.expires_at, lot.remaining) for lot in settled.lots if lot.remaining]
    notice = stands.keep is not None and at >= notice_from(stands.keep, RULES)
    warned = warning(settled, at, RULES)
    return settled.available, settled.holds, lots, stands.tier.key, stands.qualifying, stands.period, notice, warned


def _valid(account: Account, recorded: datetime, now: datetime) -> Validity:
    profile = Profile("079927398713", "Member 7", "en")
    return validity(Snapshot(7, 1, recorded, profile, Holdings(account), ()), now, RULES)


@QUIET
@given(account=accounts(), early=instants, late=instants)
def test_settling_in_two_steps_is_settling_once(account: Account, early: datetime, late: datetime) -> None:
    assume(early <= late)
    first = settle(account, early, RULES)
    then = settle(first.account, late, RULES)
    whole = settle(account, late, RULES)
    assert then.account == whole.account
    assert first.due + then.due == whole.due
    assert settle(whole.account, late, RULES).due == ()


@QUIET
@given(account=accounts(), now=instants)
def test_what_was_done_was_due_in_order_and_explains_the_balance(account: Account, now: datetime) -> None:
    settled = settle(account, now, RULES)
    dates = [due.at for due in settled.due]
    assert dates == sorted(dates)
    assert all(at <= now for at in dates)
    for due in settled.due:
        assert sum(posting.amount for posting in due.postings) == 0
    moved = [posting for due in settled.due for posting in due.postings]
    available = sum(posting.amount for posting in moved if posting.account == "available")
    held = sum(posting.amount for posting in moved if posting.account == "held")
    assert settled.account.available == account.available + available
    assert settled.account.held == account.held + held
    assert all(hold.expires_at > now for hold in settled.account.holds)
    assert all(lot.expires_at is None or now < lot.expires_at for lot in settled.account.lots if lot.remaining)


@QUIET
@given(account=accounts(), recorded=instants, now=instants, between=st.floats(0, 1))
def test_nothing_changes_within_the_validity_of_a_view(
    account: Account, recorded: datetime, now: datetime, between: float
) -> None:
    assume(recorded <= now)
    valid = _valid(account, recorded, now)
    assert recorded <= valid.valid_from <= now < valid.valid_until
    last = valid.valid_until - TICK
    inside = valid.valid_from + (last - valid.valid_from) * between
    for at in (valid.valid_from, inside, last):
        assert _seen(account, at) == _seen(account, now)
        assert _valid(account, recorded, at) == valid


@QUIET
@given(account=accounts(), recorded=instants, now=instants)
def test_the_validity_of_a_view_is_not_cut_short_without_a_cause(
    account: Account, recorded: datetime, now: datetime
) -> None:
    """Each end is where something falls due or a year begins: a moment before it the view was another."""
    assume(recorded <= now)
    valid = _valid(account, recorded, now)
    for end in (valid.valid_from, valid.valid_until):
        if end != recorded:
            assert _seen(account, end) != _seen(account, end - TICK) or end in NEW_YEARS
        assert end.utcoffset() == timedelta(0)
        assert end.tzinfo is UTC


def test_a_new_year_ends_every_view_whatever_the_member_has() -> None:
    """The screen names the year."""
    assert _valid(Account(), BEGIN, BEGIN) == Validity(BEGIN, NEW_YEARS[0])
    assert _valid(Account(), BEGIN, NEW_YEARS[0]) == Validity(*NEW_YEARS[:2])
