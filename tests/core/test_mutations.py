"""Rules bent on purpose, each by one function: the random lives or a table of cases must notice.

A test that never fails proves nothing. Here each rule is broken as a slip would break it, and whoever watches over it has
to say so within some hundred examples.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from core import limits
from core.earning import earn, returns
from core.errors import ChorusError
from core.holdings import Holdings, Progress
from core.ledger import expiry, merging, movements
from core.ledger.account import Lot
from core.limits import Limit, Use
from core.members import merge
from core.programme.document import Programme
from core.snapshot import Award, Line
from core.tiers import ladder
from tests.core import (
    test_rules_campaigns,
    test_rules_ladder,
    test_rules_merge,
    test_rules_part_payment,
    test_rules_pending,
    test_rules_return_mixtures,
    test_rules_returns_rates,
    test_rules_tier_measures,
)
from tests.core.drivers import PureDriver
from tests.core.machine import LedgerMachine

FEW = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=600,
    stateful_step_count=40,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


class PureLife(LedgerMachine):
    def __init__(self) -> None:
        super().__init__(PureDriver())


def lives() -> None:
    run_state_machine_as_test(PureLife, settings=FEW)


def table(test: Callable[..., None], rows: list[Any]) -> Callable[[], None]:
    """All cases of a table."""

    def run() -> None:
        for row in rows:
            test(*row)

    return run


_kept, _exceeded, _vesting_of, _debit = earn.kept, limits.exceeded, expiry.vesting_of, movements.debit
_lot, _together = merging._lot, merge._together


def kept_rounded_up(award: Award, lines: tuple[Line, ...], returned: tuple[tuple[int, int], ...]) -> int:
    chosen = award.lines or range(len(lines))
    total, back = sum(lines[i].amount for i in chosen), sum(returned[i][1] for i in chosen)
    if not total or all(returned[i] == (lines[i].quantity, lines[i].amount) for i in chosen):
        return _kept(award, lines, returned)
    return -(-award.points * (total - back) // total)


def on_all_lines(award: Award, *_: object) -> list[Award]:
    return [award]


def vesting_a_day_early(earned_at: datetime, days: int, programme: Programme) -> datetime:
    return _vesting_of(earned_at, days - 1, programme)


def landing_by_two(period: int, qualifying: Mapping[int, int], programme: Programme) -> int:
    falls = range(len(programme.tiers) if programme.qualification.landing == "one" else 1)
    lasting = sum(qualifying.values())
    ranks = [ladder._reached(period - back, qualifying, programme) - 2 * back for back in falls]
    return max(ranks + [i for i, tier in enumerate(programme.tiers) if tier.lifetime and lasting >= tier.lifetime])


def one_more_than_there_is(use: Use, progress: Progress, tallies: Mapping[str, int]) -> Limit | None:
    return _exceeded(use, progress, {key: n - 1 for key, n in tallies.items()})


def any_day(use: Use) -> str:
    return f"{use.subject}/{date.min}"


def newest_lot_first(*given: Any, **named: Any) -> Any:
    account = given[0]
    order = {lot.no: -i for i, lot in enumerate(account.lots)}
    return _debit(*given, **{**named, "first": lambda lot: order[lot.no] == -len(order) + 1})


def own_lots_are_no_others(lot: object, currency: str, purchase: object) -> bool:
    return False


def as_they_were(takings: movements.Takings, above: int) -> movements.Takings:
    return takings


def good_a_day_longer(lot: Lot, *given: int) -> Lot:
    moved = _lot(lot, *given)
    return msgspec.structs.replace(moved, expires_at=moved.expires_at and moved.expires_at + timedelta(days=1))


def counts_of_the_survivor(holdings: Holdings, *given: Any) -> Progress:
    return msgspec.structs.replace(_together(holdings, *given), counters=holdings.progress.counters)


# The slip, where it is, what is there instead, who notices.
MUTATIONS: list[tuple[str, str, object, Callable[[], None]]] = [
    (
        "hours that include their end",
        "core.earning.slate.bisect_right",
        bisect_left,
        table(
            test_rules_campaigns.test_a_campaign_holds_on_days_and_hours_of_the_programmes_zone,
            test_rules_campaigns.WHEN,
        ),
    ),
    ("a return's share rounded up", "core.earning.returns.kept", kept_rounded_up, lives),
    (
        "a return's share rounded up",
        "core.earning.returns.kept",
        kept_rounded_up,
        test_rules_return_mixtures.test_a_campaign_for_a_line_goes_back_with_that_line_alone,
    ),
    ("a tier's share that lies on lines of any rate", "core.earning.earn.by_rate", on_all_lines, lives),
    (
        "a tier's share that lies on lines of any rate",
        "core.earning.earn.by_rate",
        on_all_lines,
        table(test_rules_returns_rates.test_what_stays_is_what_the_rest_earns_alone, test_rules_returns_rates.RETURNS),
    ),
    ("vesting a day early", "core.earning.purchase.vesting_of", vesting_a_day_early, lives),
    (
        "vesting a day early",
        "core.earning.purchase.vesting_of",
        vesting_a_day_early,
        table(test_rules_pending.test_points_are_pending_through_the_return_window, test_rules_pending.VESTING),
    ),
    ("soft landing by two", "core.tiers.ladder.rank_in", landing_by_two, lives),
    (
        "soft landing by two",
        "core.tiers.ladder.rank_in",
        landing_by_two,
        table(
            test_rules_tier_measures.test_a_tier_is_kept_through_the_next_period_and_lands,
            test_rules_tier_measures.LANDINGS,
        ),
    ),
    ("one piece more than the stock", "core.limits.exceeded", one_more_than_there_is, lives),
    (
        "one piece more than the stock",
        "core.limits.exceeded",
        one_more_than_there_is,
        table(test_rules_ladder.test_a_reward_is_had_so_often_and_so_often_in_all, test_rules_ladder.STOCK),
    ),
    ("a limit a day that ignores the day", "core.limits._of_day", any_day, lives),
    ("debits that take the newest lot first", "core.ledger.movements.debit", newest_lot_first, lives),
    ("returns that take any lot first", "core.earning.returns._own", own_lots_are_no_others, lives),
    (
        "a cap of part payment that is never looked at",
        "core.earning.tender._check_cap",
        lambda *_: None,
        table(
            test_rules_part_payment.test_points_pay_within_the_cap_in_whole_amounts,
            test_rules_part_payment.PAYING,
        ),
    ),
    ("points of a merged hold that go back to another lot", "core.ledger.merging.takings_above", as_they_were, lives),
    (
        "points of a merged hold that go back to another lot",
        "core.ledger.merging.takings_above",
        as_they_were,
        test_rules_merge.test_what_is_pending_and_held_comes_with_its_dates,
    ),
    ("points good for longer by a merge", "core.ledger.merging._lot", good_a_day_longer, lives),
    ("counts that a merge forgets", "core.members.merge._together", counts_of_the_survivor, lives),
    (
        "counts that a merge forgets",
        "core.members.merge._together",
        counts_of_the_survivor,
        test_rules_merge.test_counts_add_up_and_what_either_did_first_was_done,
    ),
]


@pytest.mark.parametrize(
    ("slip", "place", "instead", "watch"), MUTATIONS, ids=[f"{one[0]} {i}" for i, one in enumerate(MUTATIONS)]
)
def test_a_slip_in_a_rule_is_noticed(
    monkeypatch: pytest.MonkeyPatch, slip: str, place: str, instead: object, watch: Callable[[], None]
) -> None:
    monkeypatch.setattr(place, instead)
    # A figure that differs, a refusal of what should be given, or none of what should not.
    with pytest.raises((AssertionError, ChorusError, pytest.fail.Exception)):
        watch()


def test_the_rules_as_they_are_pass_the_same_watches() -> None:
    assert earn.kept is _kept
    assert returns.kept is _kept
    for watch in {one[3] for one in MUTATIONS} - {lives}:
        watch()
