"""The pictures of a wallet pass: its icon, its logo and the strip with the record, for Apple and for Google.

Guarantees: equal looks give equal bytes on one installation (no clock, no metadata, no randomness); a strip has no
text in it; the left three fifths of a strip are one flat colour, on which the look's foreground is at least 4.5:1
wherever it is so on the look's background; the record can be told from the strip, and its label from the record,
whatever background a retailer sets. It may be called from any thread.

The record is drawn once, large, as layers of light and shade that know no colour, and reduced to each size; a look lays
its own colours through the reduced layers. So the first look takes half a second and each further one half of that.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

import msgspec
from PIL import Image, ImageChops, ImageDraw

from core.programme.colours import Rgb, contrast
from surfaces.views import Finish

_Lab = tuple[float, float, float]


class Look(msgspec.Struct, frozen=True):
    """What a pass's pictures are coloured with."""

    background: Rgb
    foreground: Rgb
    vinyl: Rgb
    centre: Rgb
    """The record's label."""


_TEXT_CONTRAST = 4.5
_VINYL_CONTRAST = 1.45  # with the strip; petrol's black on dark blue, the least of our own, has 1.49
_CENTRE_CONTRAST = 3.0  # with the vinyl
_SEA_CONTRAST = 2.0  # of the mark's sea with its disc
_TINT = 0.09  # the strip is the background with so much of the foreground in it

# As in surfaces/static/css/pass.css (a test compares): lightness, chroma and hue of OkLCh.
_VINYLS: dict[Finish, tuple[float, float, float]] = {
    "petrol": (0.155, 0.022, 230),
    "silver": (0.48, 0.018, 228),
    "gold": (0.52, 0.1, 72),
}
_CENTRES: dict[Finish, tuple[float, float, float]] = {
    "petrol": (0.7, 0.185, 40),
    "silver": (0.93, 0.006, 220),
    "gold": (0.93, 0.06, 90),
}
_BUOY: Rgb = (232, 80, 31)  # the sea in surfaces/static/mark.svg

_CSS = re.compile(r"rgb\( *([0-9]{1,3}) *, *([0-9]{1,3}) *, *([0-9]{1,3}) *\)")

# Lengths in points of Apple's strip. The record is where and as large as on the page: pass.css, `.strip .disc`.
_WIDTH, _HEIGHT = 375, 123
_CENTRE_X, _CENTRE_Y = 348.75, 60.0
_RADIUS = 100.0
_LABEL = 39.5
_HOLE = 4.65
_LEFT = 225  # nothing but the flat ground is further left
_GROOVES = (96.4, 46.0)  # from the rim to the dead wax
_PITCH = 1.9
_GAPS = (86.9, 71.7, 58.4)  # between the songs
# Where the sheen lies, in degrees clockwise from the right: its middle, half its breadth, its opacity of 255 there.
_SHEEN = ((-106, 17, 26), (-163, 14, 10))
_FINE = 12  # pixels a point of the drawing that all sizes are reduced from

_ICONS = {"icon.png": 29, "icon@2x.png": 58, "icon@3x.png": 87}
_LOGOS = {"logo.png": 1, "logo@2x.png": 2, "logo@3x.png": 3}
_STRIPS = {"strip.png": (375, 123), "strip@2x.png": (750, 246), "strip@3x.png": (1125, 369)}
_HERO = (1032, 336)


def look(finish: Finish, background: str, foreground: str) -> Look:
    """The look of a pass with these CSS colours, written `rgb(r,g,b)`; ValueError for any other notation."""
    paper, ink = _parse(background), _parse(foreground)
    ground = _ground(paper, ink)
    vinyl = _told_from(ground, _lch(*_VINYLS[finish]), _VINYL_CONTRAST)
    centre = _told_from(vinyl, _lch(*_CENTRES[finish]), _CENTRE_CONTRAST)
    return Look(paper, ink, vinyl, centre)


def apple_images(look: Look) -> dict[str, bytes]:
    """PNGs by their names in a pass's bundle, always in the same order."""
    return dict(_apple(look))


@lru_cache(maxsize=16)
def _apple(look: Look) -> tuple[tuple[str, bytes], ...]:
    icons = ((name, _png(_badge(look, side, round(side * 0.39) * 2 + side % 2))) for name, side in _ICONS.items())
    logos = ((name, _png(_logo(look, scale))) for name, scale in _LOGOS.items())
    strips = ((name, _png(_strip(look, *size))) for name, size in _STRIPS.items())
    return *icons, *logos, *strips


@lru_cache(maxsize=16)
def google_hero(look: Look) -> bytes:
    """The strip's composition in the proportions of Google's wide picture."""
    return _png(_strip(look, *_HERO))


@lru_cache(maxsize=16)
def google_logo(look: Look) -> bytes:
    """The mark inside the 70% that Google's circular mask leaves safe."""
    return _png(_badge(look, 660, 440))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _strip(look: Look, width: int, height: int) -> Image.Image:
    """The record enters from the right; the rest is ground for the tier's name, which the wallet sets over it."""
    white, black = (255, 255, 255), (0, 0, 0)
    inks = (look.vinyl, white, black, look.centre, look.vinyl, look.vinyl)
    picture = Image.new("RGB", (width, height), _ground(look.background, look.foreground))
    for ink, layer in zip(inks, _layers()[width, height], strict=True):
        picture.paste(ink, (width - layer.width, 0), layer)
    return picture


@cache
def _layers() -> dict[tuple[int, int], tuple[Image.Image, ...]]:
    """The record's layers by the strip's size, each reaching from `_LEFT` to the strip's right edge.

    All sizes at once, so that the drawing they come from, sixteen megabytes, need not be kept for the next.
    """
    record = _record()
    reduced = {}
    for width, height in (*_STRIPS.values(), _HERO):
        scale = width / _WIDTH
        left, rows = math.ceil(_LEFT * scale), height / scale
        top = (_HEIGHT - rows) / 2  # Google's picture is a point less high than Apple's
        box = ((left / scale - _LEFT) * _FINE, top * _FINE, (_WIDTH - _LEFT) * _FINE, (top + rows) * _FINE)
        # Hamming is as sharp as Lanczos here and, unlike it, leaves no halo where orange meets black.
        reduced[width, height] = tuple(
            layer.resize((width - left, height), Image.Resampling.HAMMING, box) for layer in record
        )
    return reduced


def _record() -> tuple[Image.Image, ...]:
    """Opacities from the lowest layer up: vinyl, light, shade, label, the label's print, hole."""
    disc = _disc(_RADIUS)
    sheen = ImageChops.multiply(_sheen(), disc)
    # A groove throws light where the sheen passes over it, and little elsewhere.
    glint = ImageChops.multiply(_grooves(), sheen.point([min(255, 105 + 4 * value) for value in range(256)]))
    rim = _rings([(_RADIUS - 0.8, 0.5, 28)])
    light = ImageChops.add(ImageChops.add(glint, sheen), rim)
    shade = _rings((gap, 1.5, 34) for gap in _GAPS)
    printed = _rings([(_LABEL - 3.4, 0.5, 60), (_HOLE + 6, 0.5, 40)])
    return disc, light, shade, _disc(_LABEL), printed, _disc(_HOLE)


def _grooves() -> Image.Image:
    """Rings of light, each a little unlike the last, as music is."""
    first, last = _GROOVES
    rings = [(42.6, 0.5, 34.0)]  # the groove in which a needle comes to rest
    for number in range(int((first - last) / _PITCH) + 1):
        radius = first - number * _PITCH
        if all(abs(radius - gap) > 0.8 * _PITCH for gap in _GAPS):
            loudness = math.sin(number * 1.9) * math.sin(number * 0.7)
            rings.append((radius, 0.8, 42 + 18 * loudness))
    return _rings(rings)


def _sheen() -> Image.Image:
    """Wedges of light from the spindle outwards, each with its opposite, soft at their flanks."""
    layer = _blank()
    canvas = ImageDraw.Draw(layer)
    x, y = (_CENTRE_X - _LEFT) * _FINE, _CENTRE_Y * _FINE
    reach, steps = 2 * _RADIUS * _FINE, 64
    for middle, half, peak in (*_SHEEN, *((middle + 180, half, peak) for middle, half, peak in _SHEEN)):
        for step in range(steps):
            across = (2 * step + 1) / steps - 1
            ends = (math.radians(middle + half * (2 * end / steps - 1)) for end in (step, step + 1))
            rim = [(x + reach * math.cos(end), y + reach * math.sin(end)) for end in ends]
            canvas.polygon([(x, y), *rim], fill=round(peak * (1 + math.cos(math.pi * across)) / 2))
    return layer


def _disc(radius: float) -> Image.Image:
    layer = _blank()
    ImageDraw.Draw(layer).ellipse(_around(radius), fill=255)
    return layer


def _rings(rings: Iterable[tuple[float, float, float]]) -> Image.Image:
    """Circles about the spindle: radius, width of the line, opacity."""
    layer = _blank()
    canvas = ImageDraw.Draw(layer)
    for radius, width, opacity in rings:
        canvas.ellipse(_around(radius + width / 2), outline=round(opacity), width=round(width * _FINE))
    return layer


def _blank() -> Image.Image:
    return Image.new("L", ((_WIDTH - _LEFT) * _FINE, _HEIGHT * _FINE), 0)


def _around(radius: float) -> tuple[float, float, float, float]:
    x, y = _CENTRE_X - _LEFT, _CENTRE_Y
    return (x - radius) * _FINE, (y - radius) * _FINE, (x + radius) * _FINE - 1, (y + radius) * _FINE - 1


def _badge(look: Look, side: int, diameter: int) -> Image.Image:
    """The mark in the middle of an opaque square."""
    picture = Image.new("RGB", (side, side), look.background)
    mark = _mark(look, diameter)
    picture.paste(mark, ((side - diameter) // 2,) * 2, mark)
    return picture


def _logo(look: Look, scale: int) -> Image.Image:
    """The mark alone on nothing, as high as the wordmark beside it bears, in a picture of the full 50 points."""
    diameter = 36 * scale
    picture = Image.new("RGBA", (diameter, 50 * scale), (*look.foreground, 0))
    picture.paste(_mark(look, diameter), (0, (50 * scale - diameter) // 2))
    return picture


def _mark(look: Look, diameter: int) -> Image.Image:
    """surfaces/static/mark.svg in this look's colours; the spindle hole shows what is behind."""
    disc, sea = _mark_layers(diameter)
    mark = Image.new("RGB", disc.size, look.foreground)
    mark.paste(_told_from(look.foreground, _lab(_BUOY), _SEA_CONTRAST), (0, 0), sea)
    mark.putalpha(disc)
    return mark


@lru_cache(maxsize=16)
def _mark_layers(diameter: int) -> tuple[Image.Image, Image.Image]:
    """Coverage of the disc with its hole and of the sea, from a drawing in mark.svg's units, 24 a side."""
    times = max(4, -(-768 // diameter))
    side = diameter * times
    unit = side / 24
    disc, sea = Image.new("L", (side, side), 0), Image.new("L", (side, side), 0)
    canvas = ImageDraw.Draw(disc)
    canvas.ellipse((0, 0, side - 1, side - 1), fill=255)
    canvas.ellipse((10 * unit, 7 * unit, 14 * unit - 1, 11 * unit - 1), fill=0)
    ImageDraw.Draw(sea).polygon([(x * unit, y * unit) for x, y in _sea()], fill=255)
    small = (diameter, diameter)
    return disc.resize(small, Image.Resampling.HAMMING), sea.resize(small, Image.Resampling.HAMMING)


def _sea() -> Iterator[tuple[float, float]]:
    """The outline of mark.svg's water: three swells, then the arc below them."""
    knots = [(1.2, 6.6, 2.3, -1.9, 4.4, -1.9), (7.8, 6.5, 2.2, 1.9, 4.4, 1.9), (14.3, 8.5, 2.1, -1.9, 4.3, -1.9)]
    for start, width, x1, y1, x2, y2 in knots:
        for step in range(64):
            t = step / 64
            a, b, c = 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            yield start + a * x1 + b * x2 + c * width, 15.4 + a * y1 + b * y2
    middle = 15.4 - math.sqrt(12**2 - 10.8**2)
    tilt = math.asin((15.4 - middle) / 12)
    for step in range(129):
        angle = tilt + (math.pi - 2 * tilt) * step / 128
        yield 12 + 12 * math.cos(angle), middle + 12 * math.sin(angle)


def _parse(css: str) -> Rgb:
    found = _CSS.fullmatch(css.strip())
    if found is None or max(parts := [int(part) for part in found.groups()]) > 255:
        raise ValueError(f"{css!r} is not a colour written rgb(r,g,b)")
    red, green, blue = parts
    return red, green, blue


def _ground(background: Rgb, foreground: Rgb) -> Rgb:
    """The strip's colour: the background with a little of the foreground, or none if text would be hard to read."""
    paper, ink = _lab(background), _lab(foreground)
    for share in (_TINT, _TINT * 2 / 3, _TINT / 3):
        lightness, a, b = (start + (end - start) * share for start, end in zip(paper, ink, strict=True))
        tinted = _rgb((lightness, a, b))
        if contrast(tinted, foreground) >= _TEXT_CONTRAST:
            return tinted
    return background


def _told_from(ground: Rgb, wish: _Lab, least: float) -> Rgb:
    """The colour nearest to `wish` in lightness, of the same hue, that has this contrast with `ground`."""
    lightness, a, b = wish
    for step in range(101):
        for tried in (lightness - step / 100, lightness + step / 100):
            colour = _rgb((min(max(tried, 0.0), 1.0), a, b))
            if contrast(colour, ground) >= least:
                return colour
    raise AssertionError("black or white is at least 4.5:1 on any colour")


def _linear(channel: int) -> float:
    value = channel / 255
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _channel(linear: float) -> int:
    value = min(max(linear, 0.0), 1.0)
    return round(255 * (value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def _lch(lightness: float, chroma: float, hue: float) -> _Lab:
    angle = math.radians(hue)
    return lightness, chroma * math.cos(angle), chroma * math.sin(angle)


def _lab(colour: Rgb) -> _Lab:
    """To OKLab (Ottosson, 2020), where equal steps look equal."""
    red, green, blue = map(_linear, colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _rgb(lab: _Lab) -> Rgb:
    """From OKLab; what the screen cannot show is clipped, as browsers do."""
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _channel(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _channel(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _channel(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )
