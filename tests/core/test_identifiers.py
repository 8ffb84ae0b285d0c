"""An identifier has one spelling: two that mean one member are equal after `normalise`, and a wrong one is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.members.identifiers import Identifier, Kind, new_code, normalise

QUIET = settings(deadline=None, database=None)

SPELLINGS: list[tuple[Kind, str, str]] = [
    ("email", "Member@Example.COM", "member@example.com"),
    ("email", "  member@example.com ", "member@example.com"),
    ("email", "ｍember＠example.com", "member@example.com"),  # full-width, as an input method leaves it
    ("email", "member+card@example.co.uk", "member+card@example.co.uk"),
    ("email", "me\u0301mber@example.com", "m\u00e9mber@example.com"),  # a letter and its accent are one
    ("email", "STRASSE@example.com", "strasse@example.com"),
    ("phone", "+852 2123 4567", "+85221234567"),
    ("phone", "+852-2123-4567", "+85221234567"),
    ("phone", "＋852 2123 4567", "+85221234567"),
    ("phone", "+44 (0)20 7946 0958", "+442079460958"),
    ("card", "ab12 cd34", "AB12CD34"),
    ("card", "ab-12-cd-34", "AB12CD34"),
    ("card", "x" * 40, "X" * 40),
    ("card", "0012", "0012"),  # zeros in front are part of it
    ("code", "0799 2739 8713", "079927398713"),
    ("code", "0799-2739-8713", "079927398713"),
    ("code", "０７９９２７３９８７１３", "079927398713"),
    ("code", "000000000000", "000000000000"),
]


@pytest.mark.parametrize(("kind", "given", "one"), SPELLINGS)
def test_spellings_become_one(kind: Kind, given: str, one: str) -> None:
    found = normalise(Identifier(kind, given), "/member")
    assert found == Identifier(kind, one)
    assert normalise(found, "/member") == found


WRONG: list[tuple[Kind, str]] = [
    ("email", ""),
    ("email", "member"),
    ("email", "member@example"),
    ("email", "@example.com"),
    ("email", "me mber@example.com"),
    ("email", "a@b@example.com"),
    ("email", "a\0b@example.com"),
    ("email", "a\u202eb@example.com"),
    ("email", "member@.example.com"),
    ("email", "x" * 65 + "@example.com"),
    ("email", "member@" + "x" * 250 + ".com"),
    ("phone", "2123 4567"),  # of which country?
    ("phone", "+852 21"),
    ("phone", "+999 2123 4567"),
    ("phone", "home"),
    ("card", "123"),
    ("card", "x" * 41),
    ("card", "card_1"),
    ("card", "кард1"),
    ("code", "079927398712"),
    ("code", "07992739871"),
    ("code", "0799273987130"),
    ("code", "07992739871x"),
    ("code", "٠٧٩٩٢٧٣٩٨٧١٣"),  # digits, but not ours
]


@pytest.mark.parametrize(("kind", "wrong"), WRONG)
def test_a_wrong_one_is_refused_where_it_stands(kind: Kind, wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normalise(Identifier(kind, wrong), "/identifiers/2")
    assert [error.pointer for error in refused.value.errors] == ["/identifiers/2/value"]
    assert wrong not in refused.value.detail or not wrong


# The textbook number of Luhn's check, and three worked out by hand.
CHECKED = ["079927398713", "123456789015", "000000000018", "999999999991"]


@pytest.mark.parametrize("code", CHECKED)
def test_a_code_is_checked_by_its_last_digit(code: str) -> None:
    assert normalise(Identifier("code", code), "").value == code
    for last in set("0123456789") - {code[-1]}:
        with pytest.raises(InvalidInput):
            normalise(Identifier("code", code[:-1] + last), "")


@settings(QUIET, max_examples=50)
@given(place=st.integers(0, 11), by=st.integers(1, 9))
def test_a_new_code_is_good_and_one_wrong_digit_shows(place: int, by: int) -> None:
    code = new_code()
    assert normalise(Identifier("code", code), "").value == code
    wrong = code[:place] + str((int(code[place]) + by) % 10) + code[place + 1 :]
    with pytest.raises(InvalidInput):
        normalise(Identifier("code", wrong), "")


@settings(QUIET, max_examples=300)
@given(kind=st.sampled_from(["email", "phone", "card", "code"]), text=st.text(max_size=30))
def test_whatever_is_accepted_is_its_own_spelling(kind: Kind, text: str) -> None:
    try:
        found = normalise(Identifier(kind, text), "")
    except InvalidInput:
        return
    assert normalise(found, "") == found


@settings(QUIET, max_examples=100)
@given(
    local=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="@"), min_size=1, max_size=12)
)
def test_an_address_is_its_own_spelling(local: str) -> None:
    try:
        found = normalise(Identifier("email", f"{local}@example.com"), "")
    except InvalidInput:
        return
    assert normalise(found, "") == found
