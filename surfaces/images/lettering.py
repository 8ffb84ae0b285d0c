"""Sets text in Archivo and Noto Sans TC/SC on a Pillow canvas, whatever the text is.

Guarantees, for any `str` (emoji, lone surrogates, right-to-left, controls, megabytes): no error; no character drawn as
the font's own "missing" glyph, since a stretch that no font can draw becomes one hollow box; and nothing returned by
`wrap` or `fit` is wider than the room it was given, so no drawing leaves the paper.

The woff2 files of the web pages are opened as they are: Pillow's FreeType has brotli and varies the axes. Noto comes
in about a hundred slices a language; the css beside them says which slice should have a character. It promises more
than the slices hold (a simplified form in the TC package, say), so each candidate is asked for its glyph once.

Figures are tabular. With libraqm that is the font's `tnum` feature. Pillow's wheel has libraqm but looks for the
system's libfribidi to use it; where that is missing, digits are centred in cells of one width and kerning is lost.

Not safe for threads: FreeType faces are shared. Hold `LOCK` around any call of this module.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import ImageDraw, ImageFont, features

LOCK = threading.Lock()

FONTS = Path(__file__).resolve().parent.parent / "static" / "fonts"
_ARCHIVO = str(FONTS / "archivo" / "archivo-latin-wdth-normal.woff2")
_NOTO = {"TC": FONTS / "noto-tc", "SC": FONTS / "noto-sc"}

MAX_CHARACTERS = 240
"""Of one text; two rows of a receipt hold some 200 of the narrowest letters, so more could never be seen."""

# One face is some 100 kB once opened; 256 hold a day's common characters in every size a receipt uses.
_OPEN_FACES = 256

_BOX = "\u25a1"
_NBSP = "\u00a0"
_ELLIPSIS = "\u2026"
_DIGITS = tuple("0123456789")
_PARTS = re.compile("[ \u00a0]|[^ \u00a0]+")
_PARTS_BY_DIGIT = re.compile("[ \u00a0]|[0-9]|[^ \u00a00-9]+")
_WORD_SPACE = 0.04
"""In ems, on top of Archivo's own 0.21, and spaces are not kerned: at 13 px "check this" would read as one word."""
_HAN_MARKS = frozenset("\u201c\u201d\u2026\u2014")
"""Both fonts have these; in Chinese they are full width, as the pages' `unicode-range` also decides."""
_NO_START = frozenset("，。、．：；！？）」』】》〉〕…—”’,.:;!?)]}%\u2019\u201d")
_NO_END = frozenset("（「『【《〈〔“‘([{\u2018\u201c")


class Style(NamedTuple):
    """Archivo's weight (100-900) and width (62-125), and the weight Noto takes beside it (no width axis)."""

    weight: int
    width: int
    han_weight: int


class Setting(NamedTuple):
    """How a text is set. `px` are device pixels to the em; `locale` picks the Han forms (zh-Hans: SC, else TC)."""

    style: Style
    px: float
    locale: str


class _Piece(NamedTuple):
    font: ImageFont.FreeTypeFont
    text: str
    x: float
    """From the start of the whole text, in device pixels."""
    features: list[str] | None


def prepare(raw: str, locale: str) -> str:
    """One line of drawable text: composed (NFC), white space collapsed, at most `MAX_CHARACTERS`.

    Controls are white space; format characters (joiners, direction overrides, variation selectors) and stray combining
    marks go, since what they act on is not in these fonts. Each stretch no font can draw becomes one hollow box.
    """
    composed = unicodedata.normalize("NFC", raw[:MAX_CHARACTERS])
    kept: list[str] = []
    for char in composed:
        category = unicodedata.category(char)
        if category in ("Cc", "Zl", "Zp", "Zs"):
            kept.append(_NBSP if char == _NBSP else " ")
        elif category[0] == "M" or category == "Cf" or 0x1F3FB <= ord(char) <= 0x1F3FF:
            continue  # the last range: skin tones, which only tint the emoji before them
        elif category != "Cs" and _home(char, locale) is not None:
            kept.append(char)
        elif not kept or kept[-1] != _BOX:
            kept.append(_BOX)
    return re.sub(" {2,}", " ", "".join(kept)).strip(" ")


def width(text: str, setting: Setting) -> float:
    """Advance width of a prepared text in device pixels."""
    return _lay_out(text, setting)[1]


def wrap(text: str, setting: Setting, room: float, rows: int, tail: str = "") -> list[str]:
    """Breaks a prepared text into at most `rows` rows, none wider than `room` device pixels.

    Breaks after spaces and between Han characters, never before closing or after opening punctuation; inside a word
    only if the word alone is too wide. What does not fit ends in an ellipsis. `tail` ("× 3", prepared too) always
    stays, at the very end and on one row with what precedes it. An empty text gives one row.
    `room` is to be four ems at least: the widest single characters take three.
    """
    if tail:
        tail = _NBSP + tail.replace(" ", _NBSP)
    if width(text + tail, setting) <= room:
        return [text + tail]
    # Rows keep the spaces at their ends until the last step, so that joining them gives the text back. Nothing is
    # measured beyond the row after the last: a hostile text costs no more than a long one.
    lines = [""]
    units = _units(text + tail)
    while units and len(lines) <= rows:
        unit = units.pop(0)
        if width((lines[-1] + unit).rstrip(" "), setting) <= room:
            lines[-1] += unit
        elif lines[-1]:
            lines.append("")
            units.insert(0, unit)
        else:  # alone on its row and still too wide
            head = max(1, _fitting(unit, "", setting, room))
            lines[-1] = unit[:head]
            if len(unit) > head:
                lines.append("")
                units.insert(0, unit[head:])
    lines[-1] += "".join(units)
    if not lines[-1].endswith(tail):  # a word broken inside its tail: take its last character along instead
        body = "".join(lines[-2:]).removesuffix(tail)
        lines[-2:] = [body[:-1], body[-1:] + tail]
    if len(lines) > rows:
        rest = "".join(lines[rows - 1 :]).removesuffix(tail)
        lines[rows - 1 :] = [_cut(rest, tail, setting, room)]
    return [line.rstrip(" ") for line in lines]


def fit(text: str, setting: Setting, room: float, least_px: float) -> tuple[str, Setting]:
    """Makes a prepared text at most `room` device pixels wide: smaller, down to `least_px`, then cut with an ellipsis.

    For figures: a number set smaller is still true, a number cut is not, so cutting is for the absurd only.
    """
    natural = width(text, setting)
    if natural <= room:
        return text, setting
    smaller = setting._replace(px=max(least_px, int(setting.px * room / natural * 2) / 2))
    if width(text, smaller) > room:
        smaller = smaller._replace(px=max(least_px, smaller.px - 0.5))  # advances do not scale quite linearly
    return (text if width(text, smaller) <= room else _cut(text, "", smaller, room)), smaller


def draw(canvas: ImageDraw.ImageDraw, x: float, baseline: float, text: str, setting: Setting) -> None:
    """Draws a prepared text in full (255) on a canvas of mode "L", from `x` along `baseline`, in device pixels."""
    for piece in _lay_out(text, setting)[0]:
        canvas.text(
            (x + piece.x, baseline),
            piece.text,
            fill=255,
            font=piece.font,
            anchor="ls",
            direction="ltr" if piece.features is not None else None,
            features=piece.features,
        )


def _lay_out(text: str, setting: Setting) -> tuple[list[_Piece], float]:
    pieces: list[_Piece] = []
    x = 0.0
    for run, file, gap in _runs(text, setting.locale):
        if gap:
            x += setting.px / 8
        latin = file == _ARCHIVO
        style = setting.style
        key = (file, (style.weight, style.width) if latin else (style.han_weight,), setting.px)
        font = _face(*key)
        shaped = _shapes()
        for part in (_PARTS_BY_DIGIT if latin and not shaped else _PARTS).findall(run):
            if part in (" ", _NBSP):
                x += _advance(*key, " ") + setting.px * _WORD_SPACE
            elif part in _DIGITS and not shaped:
                cell = max(_advance(*key, digit) for digit in _DIGITS)
                pieces.append(_Piece(font, part, x + (cell - _advance(*key, part)) / 2, None))
                x += cell
            else:
                pieces.append(_Piece(font, part, x, _shaping(file) if shaped else None))
                x += _advance(*key, part)
    return pieces, x


def _runs(text: str, locale: str) -> list[tuple[str, str, bool]]:
    """Stretches of one font, and whether the eighth of an em belongs before each: between a Han character and a letter
    or digit that touch (CSS `text-autospace`). Punctuation carries its own space and a typed space is enough."""
    runs: list[tuple[str, str, bool]] = []
    before = ""
    for char in text:
        file = _home(char, locale) or _ARCHIVO
        gap = bool(before) and ((_is_han(before) and _is_alnum(char)) or (_is_alnum(before) and _is_han(char)))
        if runs and not gap and runs[-1][1] == file:
            runs[-1] = (runs[-1][0] + char, file, runs[-1][2])
        else:
            runs.append((char, file, gap))
        before = char
    return runs


def _units(text: str) -> list[str]:
    """What a row may be broken between: words with the spaces after them, Han characters with their punctuation."""
    units: list[str] = []
    for char in text:
        if not units:
            units.append(char)
            continue
        last = units[-1][-1]
        broken = (last == " " and char != " ") or _is_han(char) or _is_han(last) or _is_full_width(last)
        if char == " " or char == _NBSP or last == _NBSP or char in _NO_START or last in _NO_END:
            broken = False
        if broken:
            units.append(char)
        else:
            units[-1] += char
    return units


def _cut(text: str, tail: str, setting: Setting, room: float) -> str:
    end = _ELLIPSIS + tail
    kept = text[: _fitting(text, end, setting, room)].rstrip(" ") + end
    return kept if width(kept, setting) <= room else kept[: _fitting(kept, "", setting, room)]


def _fitting(text: str, end: str, setting: Setting, room: float) -> int:
    """How many characters of `text` fit into `room` with `end` after them; widths grow with length, near enough."""
    # Six letters to the em are narrower than any text: a bound, so that the search never measures a whole book.
    low, high = 0, min(len(text), int(room / setting.px * 6) + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle] + end, setting) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _is_han(char: str) -> bool:
    """Ideographs and kana: what CSS `text-autospace` sets off from letters and digits."""
    code = ord(char)
    return (
        0x3400 <= code <= 0x9FFF
        or 0x20000 <= code <= 0x3FFFF
        or 0xF900 <= code <= 0xFAFF
        or 0x3041 <= code <= 0x30FF
        or 0x2E80 <= code <= 0x2FDF
        or 0x3005 <= code <= 0x3007
    )


def _is_full_width(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "FW"


def _is_alnum(char: str) -> bool:
    return char.isalnum() and not _is_full_width(char)


@lru_cache(maxsize=1)
def _shapes() -> bool:
    return features.check_feature("raqm") is True


@lru_cache(maxsize=_OPEN_FACES)
def _face(file: str, axes: tuple[int, ...], px: float) -> ImageFont.FreeTypeFont:
    """A face of its own for each style and size: FreeType keeps both inside the face, so sharing would mix them."""
    engine = ImageFont.Layout.RAQM if _shapes() else ImageFont.Layout.BASIC
    font = ImageFont.truetype(file, px, layout_engine=engine)
    font.set_variation_by_axes(list(axes))
    return font


def _shaping(file: str) -> list[str]:
    """The OpenType features for libraqm; tabular figures are Archivo's affair, since it has all the digits."""
    return ["tnum"] if file == _ARCHIVO else []


@lru_cache(maxsize=8_192)
def _advance(file: str, axes: tuple[int, ...], px: float, part: str) -> float:
    """In device pixels. Kept, because finding where to break a row measures the same words again and again."""
    font = _face(file, axes, px)
    return font.getlength(part, features=_shaping(file), direction="ltr") if _shapes() else font.getlength(part)


@lru_cache(maxsize=2)
def _slices(script: str) -> dict[int, str]:
    """Which file of a Noto package claims a code point, from the `unicode-range`s of its css. No two claim the same."""
    folder = _NOTO[script]
    claims: dict[int, str] = {}
    css = (folder / "index.css").read_text(encoding="utf-8")
    for name, ranges in re.findall(r"url\(([^)]+)\)[^}]*?unicode-range:([^;}]+)", css):
        for part in ranges.split(","):
            first, _, last = part.strip().removeprefix("U+").partition("-")
            for code in range(int(first, 16), int(last or first, 16) + 1):
                claims[code] = str(folder / name)
    return claims


@lru_cache(maxsize=16_384)
def _home(char: str, locale: str) -> str | None:
    """The file that draws `char` in `locale`; None if none does."""
    if char in (" ", _NBSP):
        return _ARCHIVO
    order = ("SC", "TC") if locale == "zh-Hans" else ("TC", "SC")
    noto = [file for script in order if (file := _slices(script).get(ord(char))) is not None]
    han_first = _is_han(char) or _is_full_width(char) or (char in _HAN_MARKS and locale.startswith("zh"))
    candidates = [*noto, _ARCHIVO] if han_first else [_ARCHIVO, *noto]
    return next((file for file in candidates if _has_glyph(file, char)), None)


def _has_glyph(file: str, char: str) -> bool:
    """Pillow does not show a font's character map, so the glyph is compared with that of a code point nothing maps."""
    font = _face(file, (400, 100) if file == _ARCHIVO else (400,), 16)
    glyph, missing = font.getmask(char), font.getmask("\U0010ffff")
    if glyph.size[0] == 0 or glyph.size[1] == 0:
        return False
    return glyph.size != missing.size or bytes(glyph) != bytes(missing)
