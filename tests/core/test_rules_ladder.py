"""The ladder of rewards as tables: goods and experiences, stock, flash sales, points and money, charity, draws, tiers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adjustments.decide import AdjustPoints, SettleDue
from core.engine.commands import Command
from core.programme.validation import default_document, parse
from core.rewards.decide import CaptureHold, HoldReward, VoidHold
from core.rewards.vouchers import ClaimReward
from tests.core.life import Life
from tests.core.naive import Dates, Reward, Rules
from tests.core.programmes import written

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)

# Of each kind, whether it is held or claimed: the command -> the kind of the version, points, or the refusal.
KINDS: list[tuple[Command, str, int]] = [
    (HoldReward("mug"), "hold", -10),
    (HoldReward("tour"), "hold", -20),
    (HoldReward("gift"), "not_held", 0),
    (HoldReward("draw"), "not_held", 0),
    (HoldReward("five"), "not_held", 0),
    (ClaimReward("mug", "A"), "not_claimed", 0),
    (ClaimReward("tour", "A"), "not_claimed", 0),
    (ClaimReward("gift"), "claim", -15),
    (ClaimReward("draw", entropy=b"x"), "claim", -4),
    (ClaimReward("five", "A"), "claim", -50),
    (HoldReward("none"), "unknown_reward", 0),
]


@pytest.mark.parametrize(("command", "kind", "points"), KINDS)
def test_what_is_held_and_what_is_had_at_once(command: Command, kind: str, points: int) -> None:
    life = _life()
    if not points:
        assert life.refusal(command).code == kind
        return
    change = life.do(command)
    assert (change.kind, change.points, change.reward) == (kind, points, command.reward)
    counter = {"hold": "held", "claim": "redeemed"}[kind]
    assert life.last.entries[-1].postings[-1].account == counter
    assert life.state.holdings.progress.counters == {f"reward/{command.reward}": 1}


# Stock of 2 and one a member of "few": pieces that others have, what the member did, minutes passed -> what it says next,
# and the pieces then gone.
STOCK: list[tuple[int, list[Command], int, str, int]] = [
    (0, [], 0, "", 1),
    (1, [], 0, "", 2),
    (2, [], 0, "sold_out", 2),
    (0, [HoldReward("few")], 0, "reward_limit", 1),
    (0, [HoldReward("few"), CaptureHold(3)], 0, "reward_limit", 1),
    (0, [HoldReward("few"), VoidHold(3)], 0, "", 1),
    (1, [HoldReward("few"), VoidHold(3)], 0, "", 2),
    (0, [HoldReward("few")], 14, "reward_limit", 1),
    (0, [HoldReward("few")], 15, "", 1),  # it ran out: no longer had
    (1, [HoldReward("few")], 15, "", 2),  # and its piece is there for this very command
    (0, [HoldReward("few"), CaptureHold(3)], 15, "reward_limit", 1),
]


@pytest.mark.parametrize(("others", "commands", "minutes", "code", "gone"), STOCK)
def test_a_reward_is_had_so_often_and_so_often_in_all(
    others: int, commands: list[Command], minutes: int, code: str, gone: int
) -> None:
    life = _life()
    life.tallies["reward/few"] = others
    for command in commands:
        life.do(command)
    life.now += timedelta(minutes=minutes)
    if code:
        assert life.refusal(HoldReward("few")).code == code
    else:
        life.do(HoldReward("few"))
    assert life.tallies["reward/few"] == gone


def test_a_hold_that_ran_out_gives_its_piece_back_with_whatever_comes_next() -> None:
    life = _life()
    life.do(HoldReward("few"))
    life.now += timedelta(minutes=15)
    life.buy(0)
    assert (life.tallies["reward/few"], life.state.holdings.progress.counters) == (0, {})


# A flash sale from 10:00 until 11:00 in New York, on the day the clocks go forward: an instant in UTC -> the refusal.
FLASH = [
    ("2026-03-08T13:59:59.999999", "reward_not_open"),
    ("2026-03-08T14:00", ""),
    ("2026-03-08T14:59:59.999999", ""),
    ("2026-03-08T15:00", "reward_closed"),
]


@pytest.mark.parametrize(("instant", "code"), FLASH)
def test_a_flash_sale_is_open_from_and_until_before(instant: str, code: str) -> None:
    life = _life(zone="America/New_York", now=datetime.fromisoformat(instant).replace(tzinfo=UTC))
    if code:
        assert life.refusal(HoldReward("flash")).code == code
    else:
        assert life.do(HoldReward("flash")).points == -5
        life.now += timedelta(minutes=14)
        assert life.do(CaptureHold(3)).kind == "capture"  # what was held in time is had


# Points and money: what the till took -> the refusal.
@pytest.mark.parametrize(("paid", "code"), [(250, ""), *((paid, "money_due") for paid in (0, 249, 251, -1, 2**63))])
def test_points_and_money_are_both_paid(paid: int, code: str) -> None:
    life = _life()
    life.do(HoldReward("both"))
    if code:
        refused = life.refusal(CaptureHold(3, paid))
        assert (refused.code, [error.pointer for error in refused.errors]) == (code, ["/paid"])
    else:
        change = life.do(CaptureHold(3, paid))
        assert (change.base, change.amount, change.points) == (30, 250, 0)
    assert life.refusal(CaptureHold(9)).code == "hold_not_open"


# Tiers: points gained before, -> the refusal of a reward for silver and gold (from 100).
@pytest.mark.parametrize(("gained", "code"), [(0, "tier_too_low"), (99, "tier_too_low"), (100, ""), (300, "")])
def test_a_reward_for_some_tiers_is_for_them_alone(gained: int, code: str) -> None:
    life = _life()
    life.buy(gained * 100)
    if code:
        assert life.refusal(HoldReward("tour_plus")).code == code
    else:
        assert life.do(HoldReward("tour_plus")).reward == "tour_plus"


# Collected in a store, kept 3 days: where -> the refusal, or until when (New York).
COLLECT = [
    ("mug", "mitte", "not_collected", ""),
    ("few", "nowhere", "invalid_input", ""),
    ("few", "mitte", "", "2026-03-10T04:00"),  # through the 9th; the clocks went forward on the 8th
    ("few", "", "", "2026-03-06T17:15"),
]


@pytest.mark.parametrize(("reward", "store", "code", "until"), COLLECT)
def test_a_reward_is_kept_in_a_store_for_some_days(reward: str, store: str, code: str, until: str) -> None:
    life = _life(zone="America/New_York", now=datetime(2026, 3, 6, 17, tzinfo=UTC))
    if code:
        assert life.refusal(HoldReward(reward, store)).code == code
        return
    life.do(HoldReward(reward, store))
    (held,) = life.state.holdings.account.holds
    assert (held.store, held.expires_at) == (store, datetime.fromisoformat(until).replace(tzinfo=UTC))
    life.now = held.expires_at - timedelta(microseconds=1)
    assert life.try_to(SettleDue()) is None
    life.now = held.expires_at
    assert life.do(SettleDue()).released == 10


def test_nothing_is_collected_in_a_store_that_does_not() -> None:
    life = Life(parse(default_document()))
    life.do(AdjustPoints(50_000, "a gift"))
    refused = life.refusal(HoldReward("box", "online"))
    assert [(error.pointer, refused.code) for error in refused.errors] == [("/store", "invalid_input")]
    assert life.do(HoldReward("box", "pier-road")).reward == "box"


def test_tickets_of_a_draw_are_numbered_from_one_until_it_closes() -> None:
    life = _life()
    assert [life.do(ClaimReward("draw", entropy=b"x")).ticket for _ in range(3)] == [1, 2, 3]
    assert life.last.ticket is not None
    assert (life.last.ticket.draw, life.last.ticket.no, life.last.ticket.entropy) == ("draw", 3, b"x")
    assert life.refusal(ClaimReward("draw")).code == "sold_out"  # its stock is three tickets
    life.now = datetime(2026, 4, 1, tzinfo=UTC)
    assert life.refusal(ClaimReward("draw")).code == "reward_closed"


def test_a_draw_without_a_committed_seed_sells_no_ticket() -> None:
    life = _life()
    life.tallies.clear()
    assert life.refusal(ClaimReward("draw")).code == "reward_not_open"


def test_a_reward_in_another_currency_takes_that_and_nothing_else() -> None:
    life = _life()
    life.buy(10_000)
    life.do(AdjustPoints(-life.state.holdings.account.available, "a reason"))
    change = life.do(HoldReward("badge"))
    assert (change.points, change.currency, change.available) == (0, "stars", 0)
    (moved,) = change.others
    assert (moved.currency, moved.points, moved.available) == ("stars", -3, 7)
    assert life.state.holdings.of("stars").held == 3
    assert life.do(VoidHold(change.version)).others[0].points == 3
    assert life.refusal(HoldReward("badges")).code == "insufficient_points"


def _life(*, zone: str = "UTC", now: datetime = NOW) -> Life:
    rewards = [
        Reward("mug", 10),
        Reward("tour", 20, kind="experience"),
        Reward("tour_plus", 20, kind="experience", tiers=("silver", "gold")),
        Reward("gift", 15, kind="charity"),
        Reward("five", 50, kind="voucher", value=500, per_member=9),
        Reward("draw", 4, kind="draw", closes="2026-04-01T00:00:00", stock=3),
        Reward("few", 10, stock=2, per_member=1, collect_days=3),
        Reward("flash", 5, opens="2026-03-08T10:00:00", closes="2026-03-08T11:00:00"),
        Reward("both", 30, money=250),
        Reward("badge", 3, currency="stars"),
        Reward("badges", 11, currency="stars"),
    ]
    rules = Rules(zone=zone, rewards=rewards, stores=("mitte",), others={"stars": ("0.1", Dates())})
    life = Life(parse(written(rules)), now=now)
    life.do(AdjustPoints(100, "a gift"))
    return life
