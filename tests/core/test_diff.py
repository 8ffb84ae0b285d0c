"""What differs between two documents, each thing once and by its own name."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.programme.diff import between, differences
from core.programme.validation import parse
from tests.core.programmes import document

PLAIN = document()
REWARD = '[[rewards]]\nid = "off2"\nname = { en = "Two" }\nstub = { en = "2" }\npoints = 20\n\n'
SKEW = "clock_skew_seconds = 300"

# What is written in place of what -> the lines that say so.
EDITS: list[tuple[str, str, str, list[str]]] = [
    ("nothing", "schema = 1", "schema = 1", []),
    ("a comment", "schema = 1", "# later\nschema = 1", []),
    ("a default written out", "store = {}", 'store = { coefficient = "1" }', []),
    ("another default", SKEW, SKEW + ", receipt_live_days = 30", []),
    ("a rate", 'points_per_unit = "1"', 'points_per_unit = "2"', ['changed /earn/points_per_unit: "1" -> "2"']),
    ("a channel gone", ', market = { coefficient = "0.8" }', "", ["removed /earn/channels/market"]),
    ("a channel more", "store = {}", 'store = {}, fair = { coefficient = "2" }', ["added /earn/channels/fair"]),
    ("a tier's threshold", "threshold = 100", "threshold = 90", ["changed /tiers/silver/threshold: 100 -> 90"]),
    ("a reward first", '[[rewards]]\nid = "small"', REWARD + '[[rewards]]\nid = "small"', ["added /rewards/off2"]),
    ("a reward renamed", 'id = "large"', 'id = "huge"', ["removed /rewards/large", "added /rewards/huge"]),
    ("a word", 'en = "Silver"', 'en = "Argent"', ['changed /tiers/silver/name/en: "Silver" -> "Argent"']),
    ("a limit from its default", SKEW, SKEW + ", kiosk_clears_seconds = 20",
     ["changed /limits/kiosk_clears_seconds: 45 -> 20"]),
]  # fmt: skip


@pytest.mark.parametrize(("good", "changed", "lines"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_an_edit_is_the_lines_that_say_it(good: str, changed: str, lines: list[str]) -> None:
    assert good in PLAIN
    found = [str(one) for one in between(parse(PLAIN), parse(PLAIN.replace(good, changed, 1)))]
    assert len(found) == len(lines)
    assert all(line.startswith(expected) for line, expected in zip(found, lines, strict=True)), found


def test_two_rewards_that_change_places_are_one_difference() -> None:
    rules = parse(document())
    turned = msgspec.structs.replace(rules, rewards=rules.rewards[::-1])
    assert [str(one) for one in between(rules, turned)] == ['changed /rewards: ["small","large"] -> ["large","small"]']


VALUES: list[tuple[Any, Any, list[tuple[str, str]]]] = [
    (1, 1, []),
    (1, 2, [("changed", "")]),
    (1, True, [("changed", "")]),
    (1, 1.0, [("changed", "")]),
    (float("nan"), float("nan"), []),
    ({"a": 1}, [1], [("changed", "")]),
    ({"a/b": 1, "c~d": 1}, {}, [("removed", "/a~1b"), ("removed", "/c~0d")]),
    ({}, {"": 1}, [("added", "/")]),
    ([1, 2], [0, 1, 2], [("changed", "")]),
    ([], [], []),
    ((1, 2), [1, 2], []),
    ([{"id": "a"}, {"id": "a"}], [{"id": "a"}], [("removed", "/1")]),
    ([{"id": 1}], [{"id": 2}], [("changed", "/0/id")]),
    ([{"id": "a", "x": [{"code": "b", "n": 1}]}], [{"id": "a", "x": [{"code": "b", "n": 2}]}], [("changed", "/a/x/b/n")]),
    ([{"id": "a"}, 7], [{"id": "a"}, 8], [("changed", "/1")]),
    ([], [{"id": "a"}], [("added", "/a")]),
    ([{"sku": "a", "tiers": []}, {"sku": "a", "tiers": ["gold"]}], [{"sku": "a", "tiers": []}], [("removed", "/1")]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), VALUES)
def test_any_decoded_document(before: Any, after: Any, expected: list[tuple[str, str]]) -> None:
    assert [(one.kind, one.pointer) for one in differences(before, after)] == expected


_NAMES = {"id": st.sampled_from("abc"), "sku": st.sampled_from("ab"), "n": st.integers(0, 2)}
_KEYED = st.fixed_dictionaries({}, optional=_NAMES)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y/z", ""]),
    lambda inner: (
        st.lists(inner | _KEYED, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "id"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(DOCUMENTS, DOCUMENTS)
def test_nothing_differs_just_when_they_are_equal(before: Any, after: Any) -> None:
    found = list(differences(before, after))
    assert (not found) == (msgspec.json.encode(before) == msgspec.json.encode(after) or _equal(before, after))
    assert list(differences(before, copy.deepcopy(before))) == []
    for one in found:
        assert str(one)
        assert msgspec.json.decode(msgspec.json.encode(one))["kind"] == one.kind


def _equal(before: Any, after: Any) -> bool:
    """Whatever the order of names."""
    return msgspec.json.encode(before, order="deterministic") == msgspec.json.encode(after, order="deterministic")
