"""The tier in words: the distance in what is measured, until when it is kept, and what keeps it longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.holdings import Holdings
from core.ledger.account import Account
from core.programme.document import Programme, Published
from core.programme.validation import default_document, parse
from core.tiers.upgrade import celebrated_until, upgrade
from surfaces import kiosk, web
from surfaces.views import LOCALES, Tier
from tests.surfaces.samples import NOW, PUBLISHED, change, snapshot

SPRING = datetime(2026, 5, 5, tzinfo=UTC)


def programme(**rule: str) -> Programme:
    """The sample with another qualification."""
    document = default_document()
    before, _, rest = document.partition("[qualification]\n")
    _, _, after = rest.partition("\n[[tiers]]")
    written = "".join(f"{key} = {value}\n" for key, value in {"measure": '"points"', **rule}.items())
    return parse(f"{before}[qualification]\n{written}\n[[tiers]]{after}")


def tier(rules: Programme, qualifying: dict[int, int], now: datetime = NOW, locale: str = "en") -> Tier:
    who = msgspec.structs.replace(snapshot(), holdings=Holdings(Account(qualifying=qualifying, lots_made=1)))
    return web.view(who, Published(9, rules), now, locale).tier


VISITS = {"measure": '"visits"'}
SPEND = {"measure": '"spend"'}

DISTANCES = [
    ({}, 18_596, ("11,404 to Gold Disc", "尚差 11,404 點升級金唱片", "还差 11,404 分升级金唱片")),
    (SPEND, 18_596, ("US$114.04 to Gold Disc", "再消費 US$114.04 即可升級金唱片", "再消费 US$114.04 即可升级金唱片")),
    (VISITS, 29_999, ("1 visit to Gold Disc", "再光顧 1 次即可升級金唱片", "再光顾 1 次即可升级金唱片")),
    (VISITS, 29_998, ("2 visits to Gold Disc", "再光顧 2 次即可升級金唱片", "再光顾 2 次即可升级金唱片")),
    ({}, 30_000, ("Highest tier", "已是最高等級", "已是最高等级")),
]


@pytest.mark.parametrize(("rule", "figure", "told"), DISTANCES)
def test_the_distance_is_in_what_is_measured(rule: dict[str, str], figure: int, told: tuple[str, ...]) -> None:
    found = [tier(programme(**rule), {2026: figure}, locale=locale) for locale in ("en", "zh-Hant", "zh-Hans")]
    assert tuple(one.distance for one in found) == told
    assert all(one.distance in one.label or one.to_next is None for one in found)


def test_money_is_written_as_money() -> None:
    found = tier(programme(**SPEND), {2026: 18_596})
    assert (found.measure, found.qualifying_text, found.to_next_text, found.goal_text, found.notch_text) == (
        "spend", "US$185.96", "US$114.04", "US$300.00", "US$100.00",
    )  # fmt: skip


PERIODS = [
    ({}, ("2026", "2026 年")),
    ({"months": "6"}, ("Jan–Jun 2026", "2026年1月至6月")),
    ({"months": "1"}, ("May 2026", "2026年5月")),
    ({"starts": "4"}, ("Apr 2026 – Mar 2027", "2026年4月至2027年3月")),
    ({"months": "3", "starts": "2"}, ("May–Jul 2026", "2026年5月至7月")),
]


@pytest.mark.parametrize(("rule", "told"), PERIODS)
def test_a_period_in_words(rule: dict[str, str], told: tuple[str, str]) -> None:
    for locale, expected in zip(("en", "zh-Hant"), told, strict=True):
        assert tier(programme(**rule), {}, SPRING, locale).period == expected


def test_a_tier_that_is_sure_says_until_when() -> None:
    sure = tier(programme(), {2026: 18_596})
    assert (sure.kept_text, sure.keep) == ("Kept until 31 Dec 2027", None)
    assert tier(programme(), {}).kept_text == ""
    lasting = tier(programme(), {2020: 150_000}, SPRING)
    assert (lasting.name, lasting.kept_text, lasting.keep) == ("Gold Disc", "Yours for good", None)


KEEPS = [
    ({}, 6_404, "Earn 3,596 more by 31 Dec 2026 to keep Silver Disc."),
    (SPEND, 6_404, "Spend US$35.96 more by 31 Dec 2026 to keep Silver Disc."),
    (VISITS, 9_999, "Come 1 more time by 31 Dec 2026 to keep Silver Disc."),
    (VISITS, 9_998, "Come 2 more times by 31 Dec 2026 to keep Silver Disc."),
]


@pytest.mark.parametrize(("rule", "figure", "told"), KEEPS)
def test_a_tier_that_is_not_sure_says_what_keeps_it(rule: dict[str, str], figure: int, told: str) -> None:
    early, late = (tier(programme(**rule), {2025: 12_000, 2026: figure}, now) for now in (SPRING, NOW))
    assert early.keep is not None
    assert late.keep is not None
    assert early.kept_text == late.kept_text == "Kept until 31 Dec 2026"
    assert early.keep.text == late.keep.text == told
    assert (early.keep.near, early.keep.notice) == (False, "")
    assert (late.keep.near, late.keep.notice) == (True, "Otherwise it becomes Listener.")


def test_a_soft_landing_falls_by_one() -> None:
    found = tier(programme(landing='"one"'), {2025: 30_000, 2026: 0}).keep
    assert found is not None
    assert (found.needed, found.falls_to) == (30_000, "Silver Disc")


def test_benefits_are_listed() -> None:
    assert tier(programme(), {2026: 18_596}).benefits == ("A quarter more points", "New releases held for you")
    assert tier(programme(), {}).benefits == ()


def test_an_upgrade_is_celebrated_for_a_day() -> None:
    risen = change(318, "purchase", 445, 12925, tier="silver"), change(317, "purchase", 1, 1, tier="listener")
    who = snapshot(*risen)
    now = web.view(who, PUBLISHED, NOW + timedelta(hours=23), "en").celebration
    assert now is not None
    assert (now.tier, now.title, now.finish) == ("silver", "You’ve reached Silver Disc", "silver")
    for locale in LOCALES:
        held = kiosk.view(who, PUBLISHED, NOW, locale, store="", session=1, clears_at=NOW).member
        assert held is not None
        assert held.celebration is not None
        assert "%" in held.celebration.text
    assert web.view(who, PUBLISHED, NOW + timedelta(days=1), "en").celebration is None
    fallen = snapshot(change(318, "purchase", 1, 1, tier="listener"), change(317, "purchase", 1, 1, tier="silver"))
    assert web.view(fallen, PUBLISHED, NOW, "en").celebration is None
    lost_again = snapshot(*risen, qualifying=10)
    assert web.view(lost_again, PUBLISHED, NOW, "en").celebration is None


LADDERS = [
    ("a rise", [("listener", 7), ("silver", 7)], True),
    ("across a publication", [("listener", 6), ("silver", 7)], True),
    ("from a tier that is gone", [("diamond", 6), ("silver", 7)], False),
    ("from one that is gone, then none", [("listener", 6), ("diamond", 6), ("silver", 7), ("silver", 7)], False),
    ("after one that is gone", [("diamond", 6), ("listener", 7), ("silver", 7)], True),
    ("to one that is gone", [("listener", 6), ("diamond", 6)], False),
    ("a late slip, of a higher ladder", [("listener", 6), ("silver", 7), ("listener", 6)], True),
    ("celebrated before a late slip", [("silver", 7), ("listener", 6), ("silver", 7)], False),
    ("a late slip, of a lower ladder", [("listener", 7), ("silver", 6)], False),
    ("a rise after a late slip", [("listener", 7), ("listener", 6), ("silver", 7)], True),
    ("late by two", [("silver", 8), ("listener", 7), ("listener", 6), ("silver", 7), ("silver", 8)], False),
]


@pytest.mark.parametrize(("steps", "risen"), [row[1:] for row in LADDERS], ids=[row[0] for row in LADDERS])
def test_a_rise_is_one_on_the_ladder_in_force(steps: list[tuple[str, int]], risen: bool) -> None:
    """Of (tier, revision), oldest first: neighbours may have been decided by different ladders."""
    changes = [
        msgspec.structs.replace(change(version, "purchase", 1, 1, tier=tier), programme=revision)
        for version, (tier, revision) in enumerate(steps, start=1)
    ][::-1]
    assert (upgrade(changes, NOW, PUBLISHED.programme) is not None) == risen
    assert bool(list(celebrated_until(changes, PUBLISHED.programme))) == risen
