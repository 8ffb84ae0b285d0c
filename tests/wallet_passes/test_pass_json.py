"""What a pass says: Apple's form by a reader nobody here wrote, and in each language the wallet view's very words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from core.programme.document import Published
from core.programme.validation import default_document, parse
from core.snapshot import Change, Snapshot
from surfaces import wallet
from surfaces.views import LOCALES, Locale
from tests.peers.passkit import check_passes
from tests.surfaces.samples import CODE, HOSTILE, NOW, PUBLISHED, SALE, change, snapshot
from tests.wallet_passes.conftest import SERVICE
from tests.wallet_passes.opening import PARTS, STYLE, UNSEEN, Opened, opened, strings
from wallet_passes.apple.certificates import DEVELOPMENT_TEAM, DEVELOPMENT_TYPE, Signer
from wallet_passes.apple.factory import PassFactory
from wallet_passes.apple.pass_json import _quoted

TOKEN = "token-of-thirty-two-characters-ok"
NASTY = 'A "7\\" single" costs C:\\n; /* not */ %@ \\U0041 = "x";'
"""Whatever means something in a `.strings` file."""


def programme(*changes: tuple[str, str]) -> Published:
    """The sample programme with pieces of its document put in place of others."""
    source = default_document()
    for old, new in changes:
        assert source.count(old) >= 1, old
        source = source.replace(old, new)
    return Published(7, parse(source))


def quoted(text: str) -> str:
    """As a TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


PLAIN = 'harbour.example/card"'
TERMS = default_document().split("\nterms = ")[1].splitlines()[0]
CARD = '\ncard = { background = "#102030", foreground = "#ffffff", label = "#e0e0e0" }\n'


class State(NamedTuple):
    who: Snapshot
    published: Published = PUBLISHED


def named(name: str) -> State:
    return State(snapshot(name=name))


ADJUSTED: Change = change(318, "adjust", -9, 12925, reason="A long reason, " * 33)
OFTEN = tuple(change(318 - i, "adjust", 9, 12925, reason=NASTY) for i in range(20))
_BEFORE, _, _REST = default_document().partition("[[rewards]]")
WITHOUT_REWARDS = _BEFORE + "[[segments]]" + _REST.partition("[[segments]]")[2]
STATES: dict[str, State] = {
    "silver": State(snapshot()),
    "newcomer": State(snapshot(change(1, "enrol", 0, 0), version=1, points=0, qualifying=0)),
    "linked only": State(snapshot(change(2, "link", 0, 0, reason="email"), points=0, qualifying=0)),
    "in debt": State(snapshot(points=0, debt=120)),
    "one point": State(snapshot(points=1)),
    "the first tier": State(snapshot(qualifying=5)),
    "gold": State(snapshot(qualifying=30_000)),
    "millions": State(snapshot(points=9_007_199_254_740_991, qualifying=999_999_999)),
    "never expires": State(snapshot(expires_at=None)),
    "a hostile name": named(HOSTILE),
    "a nasty name": named(NASTY),
    "a name of many lines": named("Ada\r\nLovelace\tthe\x00 first\u2028"),
    "a very long name": named("W" * 200),
    "a name in Chinese": named("陳大文"),
    "a long reason": State(snapshot(ADJUSTED)),
    "nasty reasons": State(snapshot(*OFTEN)),
    "no website": State(snapshot(), programme((PLAIN, '"'))),
    "no terms": State(snapshot(), programme((f"\nterms = {TERMS}", ""))),
    "no rewards": State(snapshot(), Published(7, parse(WITHOUT_REWARDS))),
    "nasty terms": State(
        snapshot(), programme((TERMS, f"{{ en = {quoted(NASTY)}, zh-Hans = {quoted(NASTY[::-1])} }}"))
    ),
    "terms of many lines": State(
        snapshot(), programme((TERMS, '{ en = "One.\\n\\n\\"Two\\"\\\\", zh-Hans = "一。\\n二。" }'))
    ),
    "a nasty brand": State(snapshot(), programme(('en = "Harbour Records"', f"en = {quoted(NASTY)}"))),
    "English only": State(snapshot(), programme((', zh-Hant = "海港唱片", zh-Hans = "海港唱片"', ""))),
    "its own colours": State(snapshot(), programme(('\nkey = "silver"', '\nkey = "silver"' + CARD))),
}

# A text that stands for two things. "Member", the label, is not "Member", the tier, in Chinese.
TWICE: dict[str, State] = {
    **{
        f"called {label}": named(label) for label in ("Points", "Tier", "Member", "Rewards", "7 rewards", "Silver Disc")
    },
    "called like the brand": named("Harbour Records"),
    "called like a change": named("Balance now %@"),
    "called by a label with a mark": named(f"Points{UNSEEN}"),
    "a tier called Member": State(snapshot(qualifying=5), programme(('{ en = "Listener"', '{ en = "Member"'))),
    "a tier called Points": State(snapshot(name="Points"), programme(('{ en = "Silver Disc"', '{ en = "Points"'))),
    "a brand called Terms": State(snapshot(name="Terms"), programme(('en = "Harbour Records"', 'en = "Terms"'))),
}
ALL = STATES | TWICE


def in_language(who: Snapshot, locale: str) -> Snapshot:
    return msgspec.structs.replace(who, profile=msgspec.structs.replace(who.profile, locale=locale))


def built(signer: Signer, state: State, locale: str = "en") -> Opened:
    """By a factory of its own: to one that keeps passes, two states of one version are the same."""
    factory = PassFactory(signer, SERVICE)
    return opened(factory.build(in_language(state.who, locale), state.published, TOKEN, NOW).data)


def fields(found: Opened) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in PARTS:
        for field in found.json[STYLE][part]:
            yield part, field


async def test_apples_form_is_kept_in_every_state(signer: Signer) -> None:
    cases = [(name, LOCALES[i % 3]) for i, name in enumerate(ALL)] + [("silver", locale) for locale in LOCALES]
    verdicts = await check_passes([built(signer, ALL[name], locale).files["pass.json"] for name, locale in cases])
    assert {case: verdict for case, verdict in zip(cases, verdicts, strict=True) if verdict} == {}


@pytest.mark.parametrize("own", LOCALES)
@pytest.mark.parametrize("name", ALL)
def test_each_language_has_exactly_the_views_words(signer: Signer, name: str, own: Locale) -> None:
    state = ALL[name]
    found = built(signer, state, own)
    assert sorted(found.languages) == sorted(LOCALES)
    for locale in LOCALES:
        view = wallet.view(in_language(state.who, own), state.published, NOW, locale)
        shown, table = found.shown(locale), found.table(locale)
        if locale == own:  # it has no need of a table, and marks are not seen
            shown = {key: type(one)(*(text.rstrip(UNSEEN) for text in one)) for key, one in shown.items()}
            assert list(table.items()) == [(found.json["description"], view.description)]
        parts = (view.header, view.primary, view.secondary, view.auxiliary, view.back)
        expected = {field.key: (field.label, field.value, field.change_message) for part in parts for field in part}
        unmarked = {key: tuple(text.rstrip(UNSEEN) for text in one) for key, one in expected.items()}
        assert shown == (unmarked if locale == own else expected), locale
        for key, text in (
            ("description", view.description),
            ("logoText", view.brand),
            ("organizationName", view.brand),
        ):
            source = found.json[key]
            assert table.get(source, source).rstrip(UNSEEN) == text, (locale, key)


@pytest.mark.parametrize("name", STATES)
def test_marks_are_only_where_a_text_stands_for_two_things(signer: Signer, name: str) -> None:
    assert UNSEEN not in built(signer, STATES[name]).files["pass.json"].decode()


@pytest.mark.parametrize("name", ALL)
def test_every_value_is_text_and_every_key_its_own(signer: Signer, name: str) -> None:
    found = list(fields(built(signer, ALL[name])))
    assert all(type(text) is str for _, field in found for text in field.values())
    assert all(field["label"] and field["value"] for _, field in found)
    keys = [field["key"] for _, field in found]
    assert len(set(keys)) == len(keys)
    assert {field["key"] for _, field in found if "changeMessage" in field} == {"points"}


@pytest.mark.parametrize("own", LOCALES)
def test_the_change_message_shows_the_value_in_every_language(signer: Signer, own: Locale) -> None:
    found = built(signer, STATES["silver"], own)
    messages = {locale: found.shown(locale)["points"].change_message for locale in LOCALES}
    assert all(message.count("%@") == 1 for message in messages.values()), messages
    assert len(set(messages.values())) == 3


def test_who_it_is_and_where_it_is_kept_up_to_date(signer: Signer) -> None:
    found = built(signer, STATES["silver"]).json
    assert {key: found[key] for key in ("formatVersion", "passTypeIdentifier", "teamIdentifier", "serialNumber")} == {
        "formatVersion": 1,
        "passTypeIdentifier": DEVELOPMENT_TYPE,
        "teamIdentifier": DEVELOPMENT_TEAM,
        "serialNumber": "42",
    }
    assert (found["webServiceURL"], found["authenticationToken"]) == (SERVICE, TOKEN)
    assert not found["webServiceURL"].endswith("/")
    assert len(found["authenticationToken"]) >= 16
    (barcode,) = found["barcodes"]
    assert (barcode["message"], barcode["altText"]) == (CODE, "0714 3298 1174")


def test_the_face_of_the_card(signer: Signer) -> None:
    """The points are where a stacked pass still shows them; the colours are the tier's, or the retailer's own."""
    found = built(signer, STATES["silver"])
    assert [(part, field["key"], field["value"]) for part, field in fields(found) if part != "backFields"] == [
        ("headerFields", "points", "12,925"),
        ("primaryFields", "tier", "Silver Disc"),
        ("secondaryFields", "member", "Member 1174"),
        ("secondaryFields", "to_next", "11,404"),
        ("auxiliaryFields", "this_year", "18,596"),
        ("auxiliaryFields", "ready", "7 rewards"),
    ]
    colours = ("backgroundColor", "foregroundColor", "labelColor")
    for name in ("the first tier", "silver", "gold"):
        finish = {"the first tier": "petrol"}.get(name, name)
        shown = built(signer, STATES[name]).json
        assert tuple(shown[colour] for colour in colours) == wallet.COLOURS[finish], name  # type: ignore[index]
    own = built(signer, STATES["its own colours"])
    assert [own.json[colour] for colour in colours] == ["rgb(16,32,48)", "rgb(255,255,255)", "rgb(224,224,224)"]
    assert own.files["strip.png"] != found.files["strip.png"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("in debt", "−120"), ("newcomer", "0"), ("one point", "1"), ("millions", "9,007,199,254,740,991")],
)
def test_the_balance_as_text(signer: Signer, name: str, value: str) -> None:
    assert built(signer, STATES[name]).value("points") == value


def test_the_back(signer: Signer) -> None:
    def keys(name: str) -> list[str]:
        return [field["key"] for part, field in fields(built(signer, STATES[name])) if part == "backFields"]

    assert keys("silver") == ["rewards", "kept", "expiring", "recent", "website", "terms"]
    assert keys("no website") == ["rewards", "kept", "expiring", "recent", "terms"]
    assert keys("no terms") == ["rewards", "kept", "expiring", "recent", "website"]
    assert keys("linked only") == ["rewards", "website", "terms"]
    reason = built(signer, STATES["nasty reasons"]).value("recent")
    assert (reason.count(NASTY), len(reason.splitlines())) == (wallet.RECENT, wallet.RECENT)
    assert ADJUSTED.reason.strip() in built(signer, STATES["a long reason"]).value("recent")
    assert "16 Jan 2028" in built(signer, STATES["silver"]).value("expiring")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a hostile name", '<script>alert(1)</script>"&evil'),  # its bidi override is no part of a name
        ("a nasty name", NASTY),
        ("a name in Chinese", "陳大文"),
    ],
)
def test_names_survive(signer: Signer, name: str, value: str) -> None:
    for own in LOCALES:
        found = built(signer, STATES[name], own)
        assert {found.shown(locale)["member"].value for locale in LOCALES} == {value}


def test_a_member_of_another_language_has_an_english_pass(signer: Signer) -> None:
    assert built(signer, STATES["silver"], "fr").json["description"] == "Harbour Records membership"


@pytest.mark.parametrize(
    "text", ["", "plain", '"', "\\", '\\"', "a\nb", "a\r\nb\t", '";\n"x" = "y', "ends in \\", "\\n", "\u2028", "é😀"]
)
def test_any_text_comes_back_from_a_table(text: str) -> None:
    assert strings(f'"{_quoted(text)}" = "{_quoted(text)}x";\n'.encode()) == {text: text + "x"}


@pytest.mark.parametrize(
    "table", ['"a" = "b"', '"a" "b";', '"a" = "b";"a" = "c";', '"a" = "\\q";', "a = b;", '"a = "b";']
)
def test_the_reader_of_tables_is_strict(table: str) -> None:
    with pytest.raises(ValueError, match=r"line of strings|twice|unknown escape"):
        strings(table.encode())


def test_a_sale_is_told_on_the_back(signer: Signer) -> None:
    assert SALE.points == 445
    assert built(signer, STATES["silver"]).value("recent") == "12 Dec 2026, 14:32: 3 CDs, Harbour Street +445"
