"""Why points were given: a line a reason, true whatever became of the programme since."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.points import POINTS
from core.programme.document import Published
from core.programme.validation import default_document, parse
from core.snapshot import Award, Moved
from surfaces import receipt
from surfaces.activity import activity, activity_once
from surfaces.views import LOCALES
from tests.surfaces.samples import NOW, PUBLISHED, PURCHASE, change, snapshot

BASE = Award("base", "", 356, qualifies=True)
TIER = Award("tier", "silver", 89)
STAR = Award("campaign", "sunday-stars", 1, "stars")
SALE: dict[str, Any] = {"amount": 3560, "sku": "CD", "quantity": 3}

CASES: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("base", {**SALE, "awards": (BASE,)}, [("Base, 10 per US$1", "+356")]),
    ("a channel's rate, known by the figure", {**SALE, "awards": (Award("base", "", 284),)},
     [("Base, 8 per US$1", "+284")]),
    ("a rate that is another by now is not told", {**SALE, "awards": (Award("base", "", 178),)}, [("Base", "+178")]),
    ("two rates that give the same", {"amount": 1, "awards": (Award("base", "", 0),)}, [("Base", "")]),
    ("some lines by the base rate", {**SALE, "awards": (Award("base", "", 356, lines=(1,)),)}, [("Base", "+356")]),
    ("what points paid does not earn", {**SALE, "paid_amount": 560, "awards": (Award("base", "", 300),)},
     [("Base, 10 per US$1", "+300")]),
    ("tier", {**SALE, "awards": (BASE, TIER)}, [("Base, 10 per US$1", "+356"), ("Silver Disc, +25%", "+89")]),
    ("campaigns",
     {**SALE, "awards": (BASE, Award("campaign", "birthday", 356), Award("campaign", "first-app-order", 500))},
     [("Base, 10 per US$1", "+356"), ("Birthday week ×2", "+356"), ("First order by app", "+500")]),
    ("another currency", {"awards": (STAR,)}, [("Sunday star", "+1 star")]),
    ("more of another currency", {"awards": (Award("campaign", "sunday-stars", 2, "stars"),)},
     [("Sunday star", "+2 stars")]),
    ("lines of two rates: a reason has all that it gave, where its first part stood",
     {**SALE, "awards": (Award("base", "", 100, lines=(0,)), Award("rule", "vinyl", 200, lines=(1, 2)),
                         Award("tier", "silver", 25, lines=(0,)), Award("tier", "silver", 50, lines=(1, 2)),
                         Award("campaign", "birthday", 100, lines=(0,)), Award("campaign", "birthday", 200, lines=(1, 2)),
                         STAR, Award("campaign", "sunday-stars", 7))},
     [("Base", "+100"), ("Double on vinyl", "+200"), ("Silver Disc, +25%", "+75"), ("Birthday week ×2", "+300"),
      ("Sunday star", "+1 star"), ("Sunday star", "+7")]),
    ("a rule", {"awards": (Award("rule", "vinyl", 712),)}, [("Double on vinyl", "+712")]),
    ("what the programme no longer has",
     {"awards": (Award("rule", "x", 1), Award("tier", "x", 2), Award("campaign", "x", 3))},
     [("Special rate", "+1"), ("Tier bonus", "+2"), ("Campaign", "+3")]),
    ("a purchase from before awards", {**SALE, "base": 356, "bonus": 89, "bonus_tier": "silver"},
     [("Base, 10 per US$1", "+356"), ("Silver Disc, +25%", "+89")]),
    ("nothing earned", {"amount": 3560}, []),
]  # fmt: skip


@pytest.fixture(scope="module")
def published() -> Published:
    """The sample with a rate of its own for vinyl."""
    rule = '[[earn.rules]]\nid = "vinyl"\nname = { en = "Double on vinyl" }\nsku = "LP"\npoints_per_unit = "20"\n\n'
    return Published(8, parse(default_document().replace("[[campaigns]]", rule + "[[campaigns]]", 1)))


@pytest.mark.parametrize(("details", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_line_a_reason(published: Published, details: dict[str, Any], told: list[tuple[str, str]]) -> None:
    one = change(5, "purchase", 1, 1, **details)
    [row] = activity((one,), published, "en")
    assert [(reason.text, reason.points_text) for reason in row.reasons] == told
    for locale in LOCALES:
        [row] = activity((one,), published, locale)
        assert (
            sum(reason.points for reason in row.reasons) == sum(award.points for award in one.awards) or not one.awards
        )
        assert all(reason.text and "{" not in reason.text for reason in row.reasons)


def test_a_receipt_has_a_row_a_reason() -> None:
    awards = (Award("base", "", 356, lines=(0,)), Award("tier", "silver", 80, lines=(0,)),
              Award("tier", "silver", 9, lines=(1,)))  # fmt: skip
    bought = msgspec.structs.replace(PURCHASE, awards=awards)
    shown = receipt.view(snapshot(), PUBLISHED, NOW, "en", purchase=bought, link="l", live=False)
    rows = [(row.label, row.points_text) for row in shown.arithmetic]
    assert rows == [("Base, 10 per US$1", "356"), ("Silver Disc, +25%", "89")]


def test_reasons_in_chinese() -> None:
    one = change(5, "purchase", 801, 1, awards=(BASE, TIER, Award("campaign", "birthday", 356)), **SALE)
    for locale, told in (
        ("zh-Hant", ["基本，每 US$1 得 10 點", "銀唱片，+25%", "生日週（×2）"]),
        ("zh-Hans", ["基本，每 US$1 得 10 分", "银唱片，+25%", "生日周（×2）"]),
    ):
        [row] = activity((one,), PUBLISHED, locale)
        assert [reason.text for reason in row.reasons] == told


def test_an_action_and_a_prize_are_their_own_reasons() -> None:
    action = change(5, "action", 20, 20, awards=(Award("action", "check_in", 20),))
    prize = change(6, "grant", 500, 520, awards=(Award("prize", "year-draw", 500),), reason="year-draw", ticket=3)
    [one], [other] = activity((action,), PUBLISHED, "en"), activity((prize,), PUBLISHED, "en")
    assert [(reason.text, reason.points) for reason in one.reasons] == [("Check-in", 20)]
    assert [(reason.text, reason.points) for reason in other.reasons] == [("Won in The collector’s draw", 500)]


def test_the_reasons_of_points_add_up_to_what_was_earned() -> None:
    awards = (BASE, TIER, Award("campaign", "sunday-stars", 1, "stars"))
    one = change(5, "purchase", 445, 1, awards=awards, others=(Moved("stars", 1, 3),), **SALE)
    [row] = activity((one,), PUBLISHED, "en")
    assert sum(reason.points for reason in row.reasons if reason.currency == POINTS) == row.points == one.earned
    assert (row.others_text, row.gain) == ("+1 star", True)


NOTES = [
    (change(1, "purchase", 0, 0, awards=(BASE,), vests_at=NOW), "356 points good from 12 Dec 2026"),
    (change(1, "purchase", 0, 0, awards=(STAR,), vests_at=NOW), "1 star good from 12 Dec 2026"),
    (change(1, "return", -20, 0, base=-120), "Taken from pending: 100 points"),
    (change(1, "claim", -5, 0, reward="voucher10", voucher=1, until=NOW), "Good until 12 Dec 2026"),
    (change(1, "extend", 0, 0, base=7, until=NOW), "7 points until 12 Dec 2026"),
    (change(1, "reinstate", 7, 0, until=NOW), "Good until 12 Dec 2026"),
    (change(1, "purchase", 445, 0, awards=(BASE,)), ""),
]  # fmt: skip


@pytest.mark.parametrize(("one", "note"), NOTES)
def test_what_the_number_leaves_open(one: Any, note: str) -> None:
    assert activity((one,), PUBLISHED, "en")[0].note == note


def test_where_it_happened() -> None:
    one = change(1, "purchase", 1, 1, place="harbour-street", till="2")
    assert [activity((one,), PUBLISHED, locale)[0].place for locale in LOCALES] == [
        "Harbour Street, till 2", "海港街店 2 号收银台", "海港街店 2 號收銀台",
    ]  # fmt: skip


def test_a_pass_has_the_rows_without_their_reasons() -> None:
    one = change(5, "purchase", 445, 1, awards=(BASE, TIER), **SALE)
    [kept], [once] = activity((one,), PUBLISHED, "en"), activity_once((one,), PUBLISHED, "en")
    assert (once.title, once.points_text, once.reasons) == (kept.title, kept.points_text, ())
