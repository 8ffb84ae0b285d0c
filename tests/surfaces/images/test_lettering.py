"""Setting text: rows never wider than their room, each character in its script's font, figures of one width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, features

from surfaces.images import lettering
from surfaces.images.lettering import Setting, Style, draw, fit, prepare, width, wrap

BODY = Style(420, 100, 400)
EN, HANT, HANS = (Setting(BODY, 30, locale) for locale in ("en", "zh-Hant", "zh-Hans"))

LETTERS = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("abc XYZ 0123456789 ，。（）「」“”…— 海港唱片激光 ×\u00a0")),
    max_size=80,
)


WAYS = ["libraqm", "basic"] if features.check_feature("raqm") else ["basic"]
"""The ways of laying text out that this machine's Pillow has."""


@pytest.fixture(params=WAYS)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "basic":
        monkeypatch.setattr(lettering, "_shapes", lambda: False)
    for cache in (lettering._face, lettering._advance):
        cache.cache_clear()
    yield request.param
    for cache in (lettering._face, lettering._advance):
        cache.cache_clear()


@settings(deadline=None)  # the first text in a font loads it
@given(raw=LETTERS, room=st.integers(120, 900), rows=st.integers(1, 3), tail=st.sampled_from(["", "× 3"]))
def test_rows_fit_their_room_and_lose_nothing_that_fits(raw: str, room: int, rows: int, tail: str) -> None:
    text = prepare(raw, "zh-Hant")
    lines = wrap(text, HANT, room, rows, tail)
    assert 1 <= len(lines) <= rows
    assert all(width(line, HANT) <= room for line in lines)
    assert lines[-1].endswith(tail.replace(" ", "\u00a0"))
    if not lines[-1].removesuffix("\u00a0× 3".replace(" ", "\u00a0")).endswith("…"):
        whole = "".join(lines).replace("\u00a0", "").replace(" ", "")
        assert whole == (text + tail).replace("\u00a0", "").replace(" ", "")


@settings(deadline=None)
@given(raw=st.text(), locale=st.sampled_from(["en", "zh-Hans", "zh-Hant", "xx"]))
def test_a_prepared_text_is_one_line_that_the_fonts_hold(raw: str, locale: str) -> None:
    text = prepare(raw, locale)
    assert text.isprintable() or "\u00a0" in text
    assert "  " not in text
    assert text == text.strip(" ")
    assert all(lettering._home(char, locale) for char in text)
    assert prepare(text, locale) == text


def test_what_no_font_holds_becomes_one_box() -> None:
    assert prepare("👩‍👩‍👧‍👦 vinyl", "en") == "□ vinyl"
    assert prepare("قرص", "en") == "□"
    assert prepare("a\u202eb\u200bc\x00d", "en") == "abc d"
    assert prepare("e\u0301", "en") == "é"


def test_each_locale_uses_its_own_han_forms_and_borrows_the_other_ones() -> None:
    def folder(char: str, locale: str) -> str:
        file = lettering._home(char, locale)
        assert file is not None
        return Path(file).parent.name

    assert folder("海", "zh-Hant") == "noto-tc"
    assert folder("海", "zh-Hans") == "noto-sc"
    assert folder("纳", "zh-Hant") == "noto-sc"  # claimed by a TC slice that does not hold it
    assert folder("7", "zh-Hant") == folder("é", "zh-Hans") == "archivo"
    assert folder("…", "en") == "archivo"
    assert folder("…", "zh-Hant") == "noto-tc"
    assert folder("，", "en") == "noto-tc"


def test_an_eighth_of_an_em_stands_between_the_scripts_but_not_at_punctuation_or_spaces() -> None:
    eighth = 30 / 8
    assert width("第2號", HANT) == pytest.approx(width("第號", HANT) + width("2", HANT) + 2 * eighth)
    assert width("，2", HANT) == pytest.approx(width("，", HANT) + width("2", HANT))
    assert width("第 2", HANT) == pytest.approx(width("第", HANT) + width(" 2", HANT))
    assert width("第+", HANT) == pytest.approx(width("第", HANT) + width("+", HANT))


@pytest.mark.usefixtures("engine")
def test_figures_are_tabular() -> None:
    assert width("111,111.10", EN) == pytest.approx(width("888,888.80", EN))
    canvas = Image.new("L", (400, 60), 0)
    draw(ImageDraw.Draw(canvas), 10, 40, "12,925 點", HANT)
    assert canvas.getbbox() is not None


@pytest.mark.usefixtures("engine")
def test_nothing_is_drawn_beyond_the_measured_width() -> None:
    for text in ("12,925 points", "海港街店，2號收銀台", "□ vinyl × 3", "“…—”"):
        canvas = Image.new("L", (700, 80), 0)
        draw(ImageDraw.Draw(canvas), 50, 50, text, HANT)
        box = canvas.getbbox()
        assert box is not None
        assert box[0] >= 47
        assert box[2] <= 50 + width(text, HANT) + 3


def test_a_row_never_begins_with_a_closing_mark_or_ends_with_an_opening_one() -> None:
    text = "海港街店，銅鑼灣（總店）「二樓」，收銀台。"
    for room in range(120, 600, 7):
        for row in wrap(text, HANT, room, 20):
            assert row[0] not in "，。）」"
            assert row[-1] not in "（「"


def test_words_break_at_spaces_and_only_a_word_too_long_breaks_inside() -> None:
    assert wrap("Compact disc", EN, width("Compact", EN) + 5, 2) == ["Compact", "disc"]
    broken = wrap("Compactdisc", EN, width("Compact", EN) + 5, 2)
    assert "".join(broken) == "Compactdisc"
    assert len(broken) == 2
    cut = wrap("Compact disc with a booklet", EN, 200, 1, "× 3")
    assert cut[0].endswith("…\u00a0×\u00a03")
    assert cut[0].startswith("Com")


def test_a_figure_is_made_smaller_before_it_is_cut() -> None:
    text, smaller = fit("1,234,567,890", EN, 100, 8)
    assert text == "1,234,567,890"
    assert 8 <= smaller.px < 30
    assert width(text, smaller) <= 100
    text, smaller = fit("1" * 200, EN, 100, 8)
    assert text.endswith("…")
    assert smaller.px == 8
    assert width(text, smaller) <= 100
