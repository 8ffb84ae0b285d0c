"""The pictures of the passes: their sizes, nothing in them but pixels, a record that is seen on any background."""

from __future__ import annotations

import hashlib
import io
import math
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from core.programme.colours import Rgb
from surfaces.views import Finish
from surfaces.wallet import COLOURS
from wallet_passes import images
from wallet_passes.images import Look, apple_images, google_hero, google_logo, look

ROOT = Path(__file__).resolve().parents[2]
FINISHES: tuple[Finish, ...] = get_args(Finish)
OWN = ("rgb(120,20,60)", "rgb(255,255,255)")
SIZES = {
    "icon.png": (29, 29),
    "icon@2x.png": (58, 58),
    "icon@3x.png": (87, 87),
    "logo.png": (36, 50),
    "logo@2x.png": (72, 100),
    "logo@3x.png": (108, 150),
    "strip.png": (375, 123),
    "strip@2x.png": (750, 246),
    "strip@3x.png": (1125, 369),
}
SPINDLE = (348.75, 60.0)
LOOKS = [
    *(pytest.param(finish, *COLOURS[finish][:2], id=finish) for finish in FINISHES),
    *(pytest.param(finish, *OWN, id=f"{finish} of a retailer's colour") for finish in FINISHES),
]


def pictures(a_look: Look) -> dict[str, bytes]:
    return {**apple_images(a_look), "hero": google_hero(a_look), "google logo": google_logo(a_look)}


def strips(a_look: Look) -> dict[str, bytes]:
    return {name: png for name, png in pictures(a_look).items() if name == "hero" or name.startswith("strip")}


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def pixel(picture: Image.Image, x: float, y: float) -> Rgb:
    found = picture.convert("RGB").getpixel((int(x), int(y)))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def near(one: Rgb, other: Rgb, tolerance: int) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def contrast(one: Rgb, other: Rgb) -> float:
    """WCAG's, written apart from the module's own."""

    def luminance(colour: Rgb) -> float:
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_apple_and_google_get_the_sizes_they_ask_for() -> None:
    found = apple_images(look("petrol", *COLOURS["petrol"][:2]))
    assert {name: opened(png).size for name, png in found.items()} == SIZES
    assert list(found) == list(SIZES)
    modes = {name: opened(png).mode for name, png in found.items()}
    assert modes == {name: "RGBA" if name.startswith("logo") else "RGB" for name in SIZES}
    for png, size in ((google_hero, (1032, 336)), (google_logo, (660, 660))):
        picture = opened(png(look("petrol", *COLOURS["petrol"][:2])))
        assert (picture.size, picture.mode, picture.format) == (size, "RGB", "PNG")


def test_a_png_holds_pixels_only_and_few_bytes() -> None:
    for name, png in pictures(look("gold", *COLOURS["gold"][:2])).items():
        chunks, at = [], 8
        while at < len(png):
            chunks.append(png[at + 4 : at + 8])
            at += 12 + int.from_bytes(png[at : at + 4])
        assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}, name
        assert len(png) < 120_000, name


def test_the_same_bytes_in_every_process_and_at_every_time() -> None:
    script = (
        "import hashlib; from wallet_passes.images import *; from surfaces.wallet import COLOURS\n"
        "a = look('silver', *COLOURS['silver'][:2])\n"
        "parts = [*apple_images(a).values(), google_hero(a), google_logo(a)]\n"
        "print(hashlib.sha256(b''.join(parts)).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    here = pictures(look("silver", *COLOURS["silver"][:2]))
    assert hashlib.sha256(b"".join(here.values())).hexdigest() == other.stdout.strip()


def test_what_a_caller_does_to_its_answer_stays_there() -> None:
    mine = look("gold", *COLOURS["gold"][:2])
    apple_images(mine).clear()
    assert set(apple_images(mine)) == set(SIZES)
    assert google_hero(mine) is google_hero(mine)


@pytest.mark.parametrize(("finish", "background", "foreground"), LOOKS)
def test_a_record_enters_from_the_right(finish: Finish, background: str, foreground: str) -> None:
    mine = look(finish, background, foreground)
    for name, png in strips(mine).items():
        picture = opened(png)
        scale = picture.width / 375
        x, y = SPINDLE[0] * scale, picture.height / 2 + (SPINDLE[1] - 61.5) * scale
        assert near(pixel(picture, x, y), mine.vinyl, 2), name
        assert near(pixel(picture, x - 20 * scale, y), mine.centre, 2), name
        grooves = [pixel(picture, x - r * scale, y + r * 0.3 * scale) for r in range(48, 93)]
        assert all(near(groove, mine.vinyl, 48) for groove in grooves), name
        assert len(set(grooves)) > 5, f"{name}: the vinyl is flat"
        ground = pixel(picture, 0, 0)
        assert pixel(picture, x - 102 * scale, y) == ground, name
        assert not near(pixel(picture, x - 97 * scale, y), ground, 12), name


@pytest.mark.parametrize(("finish", "background", "foreground"), LOOKS)
def test_the_tiers_name_can_be_read_on_the_strip(finish: Finish, background: str, foreground: str) -> None:
    mine = look(finish, background, foreground)
    for name, png in strips(mine).items():
        picture = opened(png)
        left = picture.crop((0, 0, picture.width * 3 // 5, picture.height))
        assert left.getcolors(1) is not None, f"{name} is not flat where the name stands"
        assert contrast(pixel(left, 0, 0), mine.foreground) >= 4.5, name


@pytest.mark.parametrize(("finish", "background", "foreground"), LOOKS)
def test_the_mark_is_seen_on_its_ground(finish: Finish, background: str, foreground: str) -> None:
    mine = look(finish, background, foreground)
    for name, png in pictures(mine).items():
        if name == "hero" or name.startswith("strip"):
            continue
        picture = opened(png)
        width, height = picture.size
        bare = name.startswith("logo")
        across = width if bare else width * (2 / 3 if name == "google logo" else 0.79)
        disc = pixel(picture, width / 2 - across * 0.3, height / 2 - across * 0.12)
        sea = pixel(picture, width / 2, height / 2 + across * 0.3)
        hole = picture.convert("RGBA").getpixel((width // 2, int(height / 2 - across * 0.125)))
        assert disc == mine.foreground, name
        assert contrast(disc, mine.background) >= 4.5, name
        assert near(sea, (232, 80, 31), 1), name
        assert hole == (*mine.foreground, 0) if bare else hole == (*mine.background, 255), name
        if not bare:
            assert pixel(picture, 0, 0) == mine.background, name


def test_a_logo_has_no_fringe() -> None:
    """Each colour lies between the disc's and the sea's, also where it is half transparent."""
    mine = look("petrol", *COLOURS["petrol"][:2])
    low, high = (tuple(map(pick, mine.foreground, (232, 80, 31))) for pick in (min, max))
    for name in SIZES:
        if name.startswith("logo"):
            for _, colour in opened(apple_images(mine)[name]).getcolors(20_000) or []:
                assert isinstance(colour, tuple)
                assert all(a <= c <= b for a, c, b in zip(low, colour[:3], high, strict=True)), name


def test_google_masks_nothing_of_the_mark() -> None:
    mine = look("gold", *COLOURS["gold"][:2])
    picture = opened(google_logo(mine))
    safe = 0.7 * 660 / 2
    side = range(0, 660, 6)
    outside = (at for at in product(side, side) if math.dist(at, (330, 330)) > safe)
    assert {picture.getpixel(at) for at in outside} == {mine.background}


def test_every_look_has_its_own_face() -> None:
    looks = [look(finish, *colours) for finish in FINISHES for colours in (COLOURS[finish][:2], OWN)]
    assert len(set(looks)) == len(looks)
    for one, other in combinations(looks, 2):
        for name, png in strips(one).items():
            assert png != strips(other)[name], name


def test_our_own_records_have_the_colours_of_the_design() -> None:
    # As a browser painted them.
    assert look("petrol", *COLOURS["petrol"][:2]).centre == (250, 109, 56)
    assert look("petrol", *COLOURS["petrol"][:2]).vinyl == (3, 14, 20)
    assert look("silver", *COLOURS["silver"][:2]).vinyl == (83, 96, 102)
    assert look("gold", *COLOURS["gold"][:2]).centre == (247, 231, 187)


@pytest.mark.parametrize("finish", FINISHES)
def test_the_record_is_seen_on_any_background(finish: Finish) -> None:
    levels = (0, 51, 102, 153, 204, 255)
    white, black = (255, 255, 255), (0, 0, 0)
    for background in product(levels, levels, levels):
        ink = white if contrast(background, white) >= 4.5 else black
        mine = look(finish, *("rgb({},{},{})".format(*colour) for colour in (background, ink)))
        ground = images._ground(mine.background, mine.foreground)
        assert contrast(ground, ink) >= 4.5, background
        assert contrast(ground, mine.vinyl) >= 1.45, background
        assert contrast(mine.vinyl, mine.centre) >= 3, background


def test_a_foreground_that_just_passes_costs_the_strip_its_tint() -> None:
    mine = look("petrol", "rgb(255,255,255)", "rgb(118,118,118)")  # 4.54:1
    assert pixel(opened(apple_images(mine)["strip.png"]), 0, 0) == mine.background


@pytest.mark.parametrize("css", ["", "#052430", "rgb(1,2)", "rgb(1,2,256)", "rgb(1,2,3,4)", "rgb(-1,2,3)", "red"])
def test_another_notation_is_refused(css: str) -> None:
    with pytest.raises(ValueError, match="not a colour written rgb"):
        look("petrol", css, "rgb(0,0,0)")
    assert look("petrol", " rgb( 1, 2 ,3 ) ", "rgb(0,0,0)").background == (1, 2, 3)
