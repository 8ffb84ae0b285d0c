"""A receipt as one PNG: what was printed at the sale, for a chat, a mail or a printer.

A picture cannot follow the balance, so it says the balance after this sale and its QR code leads to the live page.

Guarantees: equal input gives equal bytes on one installation (no clock, no metadata); nothing is ever drawn outside
the margins, whatever the texts are; the height is bounded (`MAX_LINES` and its like, two rows a text); the QR
code has whole-pixel modules and a quiet zone of four, dark on light. It may be called from any thread.

The page is an 8-bit image of palette indices. Each text is drawn as coverage on a strip of its own column, and the
strip is mapped to the ramp from its ground to its ink. Clipping at the column comes with that, and so does a PNG of a
quarter of an RGBA one's data, which is encoded several times as fast.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache

import msgspec
import segno
from PIL import Image, ImageChops, ImageDraw

from surfaces.images import lettering
from surfaces.images.lettering import Setting, Style
from surfaces.views import ReceiptView

MAX_LINES = 60
"""More lines than this and the first ones are drawn with "and N more"; the page behind the QR code has them all."""
MAX_ARITHMETIC = 12
MAX_PAID = 4
"""Of more vouchers than a basket ever has, the last and the money left are drawn."""
SCALES = (1, 2, 3)

# All lengths below are CSS px; a scale of 2 makes two device pixels of each.
_WIDTH = 390
_MARGIN = 32
_LEFT, _RIGHT = _MARGIN, _WIDTH - _MARGIN
_COLUMN = _RIGHT - _LEFT
_GUTTER = 16  # least space between a name and its amount
_BLEED = 2  # a strip reaches so far into the margin, for side bearings that hang over
_TOOTH = 7
_QR_SIDE = 168
_QR_MODULE = 2  # least side of a module, so that a long link grows the code rather than blurs it
_QR_QUIET = 4

_TEXT = Style(420, 100, 400)
_STRONG = Style(720, 100, 700)
_WORDMARK = Style(760, 118, 700)
_FIGURE = Style(740, 92, 700)

_LEVELS = 32  # steps from ground to ink; more cannot be told apart in text
_COLOURS = {
    "paper": (252, 254, 254),
    "ink": (8, 39, 51),
    "ink-2": (62, 87, 98),
    "line": (124, 140, 147),
    "gain": (194, 57, 13),
    "buoy": (234, 79, 26),
    "box": (236, 241, 243),
}
# (ground, ink): the ramps of the palette. The last has paper on both ends and differs in opacity: the torn edge.
_RAMPS = (
    ("paper", "ink"),
    ("paper", "ink-2"),
    ("paper", "gain"),
    ("box", "ink"),
    ("paper", "box"),
    ("ink", "buoy"),
    ("paper", "line"),
    ("none", "paper"),
)
_INK, _SOFT, _GAIN, _BOX_INK, _BOX, _BUOY, _LINE, _EDGE = range(len(_RAMPS))
assert len(_RAMPS) * _LEVELS <= 256, "a palette has 256 entries"

_NUMBER = re.compile("[+\u2212-]?[0-9][0-9.,]*")
_TOUCHED = [0, *[255] * 255]  # any coverage at all, as a mask


class ReceiptLabels(msgspec.Struct, frozen=True, kw_only=True):
    """The fixed words of the picture, in the view's locale.

    `more` holds `{count}` where the number of lines not drawn goes ("and {count} more"); `number` holds `{number}`
    where the receipt's number goes, if the view gives it bare.
    """

    total: str
    points_earned: str
    balance_after: str
    scan: str
    more: str
    number: str = "{number}"


def receipt_png(view: ReceiptView, labels: ReceiptLabels, *, locale: str, scale: int = 2) -> bytes:
    """Draws `view` as a PNG 390 * `scale` pixels wide; the height follows from what is on it, at most 12 times
    the width. Transparent only below the torn edge.

    `locale` decides the Han forms (zh-Hans: simplified; any other: traditional) and full-width punctuation; all words
    come from `view` and `labels`. Raises ValueError if `scale` is not in `SCALES`, or if the link is empty or over the
    2,331 bytes a QR code of level M holds.
    """
    if scale not in SCALES:
        raise ValueError(f"scale {scale} is not one of {SCALES}")
    code = _qr(view.link, scale)
    with lettering.LOCK:
        page = _Roll(locale, scale).draw(view, labels, code)
    out = io.BytesIO()
    palette, opacity = _palette()
    page.putpalette(palette)
    dots = scale * 72
    # Level 6 would save a tenth of the bytes for twice the time.
    page.save(out, "PNG", compress_level=3, transparency=opacity, dpi=(dots, dots))
    return out.getvalue()


class _Roll:
    """The paper while it is being printed: `y` is the last baseline, and the paper grows as `y` does."""

    def __init__(self, locale: str, scale: int) -> None:
        self.locale = locale
        self.scale = scale
        self.y = 0.0
        self.prints: list[tuple[Image.Image, Image.Image | None, int, int]] = []
        """In order: palette indices, a mask of those to lay down (None: all), left and top in device pixels."""

    def draw(self, view: ReceiptView, labels: ReceiptLabels, code: Image.Image) -> Image.Image:
        self._head(view, labels)
        self._sale(view, labels)
        self._points(view, labels)
        self._balance(view, labels)
        self._code(code, labels)
        return self._paper()

    def _head(self, view: ReceiptView, labels: ReceiptLabels) -> None:
        mark = _mark(self.scale)
        self.prints.append((mark, None, self._px(_LEFT), self._px(30)))
        self.y = 51
        indent = 38
        brand = self._prepare(view.brand)
        setting = self._setting(_WORDMARK, 20)
        room = self._px(_COLUMN - indent)
        if lettering.width(brand, setting) > room:  # a long name is better small than broken
            setting = self._setting(_WORDMARK, 16)
        for row, line in enumerate(lettering.wrap(brand, setting, room, 2)):
            self.y += 24 if row else 0
            self._strip([(line, setting, indent)], _INK)
        self.y += 39 - 21
        for text in (view.place, view.when, labels.number.replace("{number}", view.number)):
            self._paragraph(text, 13, 21, _SOFT)
        self._rule(22)

    def _sale(self, view: ReceiptView, labels: ReceiptLabels) -> None:
        self.y += 31 - 27
        for line in view.lines[:MAX_LINES]:
            # Where the quantity stands after the name, an ellipsis must not swallow it.
            tail = line.text.removeprefix(line.name) if line.text.startswith(line.name) else ""
            self._row(line.text.removesuffix(tail), line.amount_text, 15, 27, _INK, tail=self._prepare(tail))
        self._more(len(view.lines) - MAX_LINES, labels, 27)
        self.y += 32 - 27
        self._row(labels.total, view.total_text, 18, 27, _INK, style=_STRONG)
        for part in view.paid[-MAX_PAID:]:
            self._row(part.label, part.amount_text, 15, 25, _INK)
        self._rule(21)

    def _points(self, view: ReceiptView, labels: ReceiptLabels) -> None:
        self.y += 30 - 21
        self._paragraph(labels.points_earned, 13, 21, _SOFT)
        self.y += 50
        figure = self._setting(_FIGURE, 52)
        text, figure = lettering.fit(self._prepare(view.earned_text), figure, self._px(_COLUMN), self._px(15))
        ramp = _GAIN if view.earned > 0 else _INK  # orange means points gained, nothing else
        self._strip([(text, figure, -2)], ramp)  # two back: the plus sign's bearing, or it looks indented
        self.y += 34 - 25
        for line in view.arithmetic[:MAX_ARITHMETIC]:
            self._row(line.label, line.points_text, 15, 25, _SOFT)
        self._more(len(view.arithmetic) - MAX_ARITHMETIC, labels, 25)
        if view.pending_note:
            self._paragraph(view.pending_note, 13, 25, _SOFT)

    def _balance(self, view: ReceiptView, labels: ReceiptLabels) -> None:
        top = self.y + 23
        inset = 16
        room = self._px(_COLUMN - 2 * inset)
        setting = self._setting(_TEXT, 15)
        # "12,925 points": the number large, its unit as small as the words beside it.
        number = _NUMBER.match(text := self._prepare(view.balance_after_text))
        unit = text[number.end() :].lstrip(" ") if number else ""
        unit = lettering.wrap(unit, setting, room * 0.3, 1)[0]
        figure = self._setting(_STRONG, 24)
        text, figure = lettering.fit(number[0] if number else text, figure, room * 0.5, self._px(9))
        unit_x = _COLUMN - inset - lettering.width(unit, setting) / self.scale
        text_x = unit_x - (5 if unit else 0) - lettering.width(text, figure) / self.scale
        left = self._px(text_x - _GUTTER - inset)
        rows = lettering.wrap(self._prepare(labels.balance_after), setting, left, 2)
        height = 54 + 20 * (len(rows) - 1)
        box = _rounded(self._px(_COLUMN), self._px(height), self._px(10))
        self.prints.append((box, None, self._px(_LEFT), self._px(top)))
        self.y = top + 34 - 20
        for place, row in enumerate(rows):
            self.y += 20
            parts = [(row, setting, float(inset))]
            if place == 0:
                parts += [(text, figure, text_x), (unit, setting, unit_x)]
            self._strip(parts, _BOX_INK, inside=True)
        self.y = top + height
        if view.returned_note:
            self.y += 26 - 20
            self._paragraph(view.returned_note, 13, 20, _SOFT)

    def _code(self, code: Image.Image, labels: ReceiptLabels) -> None:
        top = self._px(self.y + 16)
        self.prints.append((code, None, (self._px(_WIDTH) - code.width) // 2, top))
        self.y = (top + code.height) / self.scale + 18 - 20
        setting = self._setting(_TEXT, 13)
        for row in lettering.wrap(self._prepare(labels.scan), setting, self._px(_COLUMN), 2):
            self.y += 20
            middle = (_COLUMN - lettering.width(row, setting) / self.scale) / 2
            self._strip([(row, setting, middle)], _SOFT)

    def _paper(self) -> Image.Image:
        edge = _torn(self.scale)
        height = self._px(self.y + 44)
        page = Image.new("L", (self._px(_WIDTH), height + edge.height), _index(_INK, 0))
        for picture, mask, left, top in self.prints:
            page.paste(picture, (left, top), mask)
        page.paste(edge, (0, height))
        return page

    def _row(
        self,
        name: str,
        amount: str,
        px: float,
        pitch: float,
        ramp: int,
        *,
        style: Style = _TEXT,
        tail: str = "",
    ) -> None:
        """A name on the left in at most two rows, its amount on the right of the first."""
        setting = self._setting(style, px)
        room = self._px(_COLUMN)
        text, smaller = lettering.fit(self._prepare(amount), setting, room * 0.55, self._px(9))
        taken = lettering.width(text, smaller)
        room_left = room - taken - self._px(_GUTTER)
        for number, row in enumerate(lettering.wrap(self._prepare(name), setting, room_left, 2, tail)):
            self.y += px * 1.4 if number else pitch
            parts = [(row, setting, 0.0)]
            if number == 0:
                parts.append((text, smaller, _COLUMN - taken / self.scale))
            self._strip(parts, ramp)

    def _paragraph(self, text: str, px: float, pitch: float, ramp: int) -> None:
        """At most two rows across the column."""
        setting = self._setting(_TEXT, px)
        for row in lettering.wrap(self._prepare(text), setting, self._px(_COLUMN), 2):
            self.y += pitch
            self._strip([(row, setting, 0.0)], ramp)

    def _more(self, count: int, labels: ReceiptLabels, pitch: float) -> None:
        if count > 0:
            self._paragraph(labels.more.replace("{count}", str(count)), 15, pitch, _SOFT)

    def _strip(self, parts: list[tuple[str, Setting, float]], ramp: int, *, inside: bool = False) -> None:
        """Texts on the baseline `y`, each with its distance from the column's left edge in CSS px."""
        tallest = max(setting.px for _, setting, _ in parts)
        above, below = round(tallest * 1.15), round(tallest * 0.35)
        bleed = 0 if inside else self._px(_BLEED)  # a strip inside the box must not reach over its edge
        coverage = Image.new("L", (self._px(_COLUMN) + 2 * bleed, above + below), 0)
        canvas = ImageDraw.Draw(coverage)
        for text, setting, x in parts:
            lettering.draw(canvas, bleed + x * self.scale, above, text, setting)
        # Strips are taller than the pitch, so only what is covered may go down on its neighbours.
        covered = coverage.point(_TOUCHED)
        left, top = self._px(_LEFT) - bleed, self._px(self.y) - above
        self.prints.append((coverage.point(_table(ramp)), covered, left, top))

    def _rule(self, below: float) -> None:
        """A dashed line so far below the last baseline, which begins and ends with a whole dash."""
        self.y += below
        dash, period = 3.5, 6.0
        count = int((_COLUMN - dash) / period)
        step = (_COLUMN - dash) / count
        line = Image.new("L", (self._px(_COLUMN), self._px(1)), _index(_INK, 0))
        canvas = ImageDraw.Draw(line)
        for number in range(count + 1):
            left = self._px(number * step)
            canvas.rectangle((left, 0, left + self._px(dash) - 1, line.height), fill=_index(_LINE, _LEVELS - 1))
        self.prints.append((line, None, self._px(_LEFT), self._px(self.y)))

    def _prepare(self, text: str) -> str:
        return lettering.prepare(text, self.locale)

    def _setting(self, style: Style, px: float) -> Setting:
        return Setting(style, px * self.scale, self.locale)

    def _px(self, length: float) -> int:
        return round(length * self.scale)


def _index(ramp: int, level: int) -> int:
    return ramp * _LEVELS + level


@lru_cache(maxsize=len(_RAMPS))
def _table(ramp: int) -> list[int]:
    """From coverage (0-255) to the index of its shade."""
    return [_index(ramp, round(coverage * (_LEVELS - 1) / 255)) for coverage in range(256)]


@lru_cache(maxsize=1)
def _palette() -> tuple[bytes, bytes]:
    """RGB triples and opacities, one of each an index."""
    colours = bytearray()
    opacity = bytearray()
    for ground, ink in _RAMPS:
        start, end = _COLOURS.get(ground, _COLOURS[ink]), _COLOURS[ink]
        for level in range(_LEVELS):
            share = level / (_LEVELS - 1)
            colours += bytes(round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
            opacity.append(round(255 * share) if ground == "none" else 255)
    return bytes(colours), bytes(opacity)


def _qr(link: str, scale: int) -> Image.Image:
    """The code with its quiet zone: about `_QR_SIDE` wide, modules of whole pixels, never wider than the column."""
    if not link:
        raise ValueError("a receipt needs a link for its QR code")
    code = segno.make_qr(link, error="m")  # never a Micro QR, which phones often miss
    rows = [bytes(row) for row in code.matrix_iter(border=_QR_QUIET)]
    side = len(rows)
    module = min(max(_QR_SIDE * scale // side, _QR_MODULE * scale), _COLUMN * scale // side)
    dark = Image.frombytes("L", (side, side), b"".join(rows))
    shades = dark.point([_index(_INK, _LEVELS - 1 if value else 0) for value in range(256)])
    return shades.resize((side * module, side * module), Image.Resampling.NEAREST)


# The shapes below are drawn eight times as large and averaged down, since Pillow's own shapes have hard edges.
_FINE = 8


@lru_cache(maxsize=len(SCALES))
def _mark(scale: int) -> Image.Image:
    """The brand's mark, 28 px: a record whose lower third is the sea, the spindle hole above it."""
    side = 28 * scale * _FINE
    unit = side / 24
    disc = Image.new("L", (side, side), 0)
    canvas = ImageDraw.Draw(disc)
    canvas.ellipse((0, 0, side - 1, side - 1), fill=255)
    canvas.ellipse((10.2 * unit, 7.2 * unit, 13.8 * unit, 10.8 * unit), fill=0)
    # The sea stays a pixel inside the disc, so that each edge lies between two colours only and has a ramp.
    inner = Image.new("L", (side, side), 0)
    inset = 0.5 * unit
    ImageDraw.Draw(inner).ellipse((inset, inset, side - 1 - inset, side - 1 - inset), fill=255)
    water = Image.new("L", (side, side), 0)
    surface = [(x * unit / 10, _wave(x / 10) * unit) for x in range(241)]
    ImageDraw.Draw(water).polygon([*surface, (side, side), (0, side)], fill=255)
    sea = ImageChops.multiply(inner, water)
    small = (28 * scale, 28 * scale)
    disc, sea = disc.resize(small, Image.Resampling.BOX), sea.resize(small, Image.Resampling.BOX)
    mark = disc.point(_table(_INK))
    mark.paste(sea.point(_table(_BUOY)), mask=sea.point(_TOUCHED))
    return mark


def _wave(x: float) -> float:
    """Height of the water at `x`, both in 24ths of the mark: two swells, as parabolas."""
    phase = (x % 12) / 6
    swell = 1 - (2 * (phase % 1) - 1) ** 2
    return 16 + (0.9 * swell if phase < 1 else -0.9 * swell)


@lru_cache(maxsize=16)
def _rounded(width: int, height: int, radius: int) -> Image.Image:
    """A filled box on paper, in device pixels."""
    fine = Image.new("L", (2 * radius * _FINE, 2 * radius * _FINE), 0)
    ImageDraw.Draw(fine).ellipse((0, 0, fine.width - 1, fine.height - 1), fill=255)
    corners = fine.resize((2 * radius, 2 * radius), Image.Resampling.BOX)
    box = Image.new("L", (width, height), 255)
    for right in (0, 1):
        for lower in (0, 1):
            corner = corners.crop((right * radius, lower * radius, (right + 1) * radius, (lower + 1) * radius))
            box.paste(corner, (right * (width - radius), lower * (height - radius)))
    return box.point(_table(_BOX))


@lru_cache(maxsize=len(SCALES))
def _torn(scale: int) -> Image.Image:
    """The paper's lower edge: teeth that point down, transparent between them, whole teeth from edge to edge."""
    width, height = _WIDTH * scale * _FINE, _TOOTH * scale * _FINE
    fine = Image.new("L", (width, height), 0)
    canvas = ImageDraw.Draw(fine)
    count = round(_WIDTH / (2 * _TOOTH))
    for tooth in range(count):
        left, right = width * tooth / count, width * (tooth + 1) / count
        canvas.polygon([(left, 0), ((left + right) / 2, height), (right, 0)], fill=255)
    return fine.resize((_WIDTH * scale, _TOOTH * scale), Image.Resampling.BOX).point(_table(_EDGE))
