"""A snapshot moved on change by change is the one read afresh; what is stored as JSON comes back the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.holdings import Holdings
from core.ledger.account import Account
from core.snapshot import RECENT, Change, Kind, Line, Profile, Purchase, Snapshot, advance
from tests.conftest import START

QUIET = settings(deadline=None, database=None)
KINDS: list[Kind] = ["purchase", "return", "hold", "capture", "void", "adjust", "expire"]

number = st.integers(-(10**15), 10**15)
word = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
instant = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside it
lines = st.builds(Line, sku=word, quantity=number, amount=number, name=word, category=word)


def _of(version: int, kind: Kind) -> Change:
    at = START + timedelta(minutes=version)
    return Change(
        member=7, version=version, kind=kind, programme=1, recorded_at=at, occurred_at=at, available=10 * version
    )


def _afresh(changes: list[Change]) -> Snapshot:
    """What a read of the database builds after `changes`."""
    return Snapshot(
        member=7,
        version=changes[-1].version,
        recorded_at=changes[-1].recorded_at,
        profile=Profile("079927398713", "Member 7", "en"),
        holdings=Holdings(Account(debt=changes[-1].version)),
        recent=tuple(reversed(changes))[:RECENT],
    )


@settings(QUIET, max_examples=100)
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=3 * RECENT))
def test_advancing_is_reading_afresh(kinds: list[Kind]) -> None:
    changes = [_of(1, "enrol")]
    snapshot = _afresh(changes)
    for version, kind in enumerate(kinds, 2):
        changes.append(_of(version, kind))
        moved = advance(snapshot, changes[-1], Holdings(Account(debt=version)))
        assert moved is not None
        snapshot = moved
        assert snapshot == _afresh(changes)


@pytest.mark.parametrize(
    ("version", "kind", "moves"),
    [
        (6, "purchase", True),
        (5, "purchase", False),
        (4, "purchase", False),
        (7, "purchase", False),
        (6, "link", False),  # the profile may have changed with it
    ],
)
def test_only_the_very_next_version_moves_it(version: int, kind: Kind, moves: bool) -> None:
    snapshot = _afresh([_of(version, "purchase") for version in range(1, 6)])
    assert (advance(snapshot, _of(version, kind), Holdings()) is not None) is moves


@settings(QUIET, max_examples=100)
@given(
    st.builds(
        Change,
        member=number,
        version=number,
        kind=st.sampled_from([*KINDS, "enrol", "link"]),
        programme=number,
        recorded_at=instant,
        occurred_at=instant,
        available=number,
        points=number,
        tier=word,
        qualifying=number,
        place=word,
        till=word,
        sku=word,
        quantity=number,
        amount=number,
        base=number,
        bonus=number,
        bonus_tier=word,
        expired=number,
        released=number,
        reward=word,
        purchase=number,
        hold=number,
        reason=word,
        flags=st.lists(word, max_size=2).map(tuple),
    )
)
def test_a_change_comes_back_from_json_the_same(change: Change) -> None:
    assert msgspec.json.decode(msgspec.json.encode(change), type=Change) == change


@settings(QUIET, max_examples=100)
@given(
    st.builds(
        Purchase,
        member=number,
        version=number,
        external_id=word,
        occurred_at=instant,
        recorded_at=instant,
        place=word,
        till=word,
        channel=word,
        currency=word,
        total=number,
        lines=st.lists(lines, max_size=3).map(tuple),
        programme=number,
        base=number,
        bonus=number,
        bonus_tier=word,
        period=number,
        lot=number,
        available=number,
        returned=st.lists(st.tuples(number, number), max_size=3).map(tuple),
        taken_back=number,
        qualifying_taken_back=number,
    )
)
def test_a_purchase_comes_back_from_json_the_same(purchase: Purchase) -> None:
    assert msgspec.json.decode(msgspec.json.encode(purchase), type=Purchase) == purchase
