"""The picture of a receipt: readable by a scanner, inside its paper, the same every time, whatever a till sends."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import segno
import zxingcpp
from PIL import Image

from surfaces.images.receipt import MAX_ARITHMETIC, MAX_LINES, MAX_PAID, ReceiptLabels, receipt_png
from surfaces.views import Arithmetic, Payment, ReceiptLine, ReceiptView

PAPER = (252, 254, 254, 255)
ROOT = Path(__file__).resolve().parents[3]

LABELS = {
    "en": ReceiptLabels(
        total="Total",
        points_earned="Points earned",
        balance_after="Balance after this sale",
        scan="Scan to open this receipt",
        more="and {count} more",
        number="Receipt {number}",
    ),
    "zh-Hant": ReceiptLabels(
        total="合計",
        points_earned="本次獲得點數",
        balance_after="本次交易後點數",
        scan="掃描開啟此收據",
        more="另有 {count} 項",
        number="收據 {number}",
    ),
    "zh-Hans": ReceiptLabels(
        total="合计",
        points_earned="本次获得积分",
        balance_after="本次交易后积分",
        scan="扫描打开此收据",
        more="另有 {count} 项",
        number="收据 {number}",
    ),
}

HOSTILE = {
    "empty": "",
    "spaces": " \u3000\t\n ",
    "controls": "a\x00b\x07\x1b[31m\x7f\u0085c\u2028d",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🎵 vinyl 💿",
    "arabic": "قرص مدمج ٣",
    "hebrew": "תקליטור × 3",
    "override": "\u202e03.53$SU\u202c \u2066x\u2069",
    "stacked marks": "Z" + "\u0351\u0334\u0321\u033a" * 200,
    "surrogates": "\ud83d \udc00 x",
    "private": "\ue000\uf8ff\U000f0000\U0010ffff\ufffe\ufffd",
    "one word": "W" * 5_000,
    "one Han word": "龍" * 5_000,
    "closing marks": "。）」" * 500,
    "no-break spaces": "\u00a0x" * 500,
    "wide": "\u2e3a\u2e3b\ufdfd" * 60,
    "huge": "Compact disc " * 50_000,
    "thai and devanagari": "แผ่นซีดี सीडी",
    "format": "%s {0} {count} {number} <b>&amp;",
}


def view(**changes: Any) -> ReceiptView:
    base = ReceiptView(
        brand="Harbour Records",
        number="0412",
        number_text="Receipt 0412",
        place="Harbour Street, till 2",
        when="12 Dec 1997, 14:32",
        lines=(line("Compact disc", 3),),
        total_text="US$35.60",
        paid=(),
        pending_note="",
        earned=445,
        earned_text="+445",
        arithmetic=(
            Arithmetic(label="Base, 10 per dollar", points_text="356"),
            Arithmetic(label="Silver Disc, +25%", points_text="89"),
        ),
        balance_after=12925,
        balance_after_text="12,925 points",
        balance=None,
        returned_note="",
        link="https://chorus.example/r/k3Jd92mQx7Lw5RtYb8Zc1A",
    )
    return msgspec.structs.replace(base, **changes)


def line(name: str, quantity: int = 1, amount: str = "35.60") -> ReceiptLine:
    return ReceiptLine(name=name, quantity=quantity, text=f"{name} × {quantity}", amount_text=amount)


def chinese(locale: str) -> ReceiptView:
    hant = locale == "zh-Hant"
    return view(
        brand="海港唱片",
        place="海港街店，2號收銀台" if hant else "海港街店，2号收银台",
        when="1997年12月12日 14:32",
        lines=(line("雷射唱片" if hant else "激光唱片", 3),),
        balance_after_text="12,925 點" if hant else "12,925 分",
    )


def everywhere(text: str, count: int = 3) -> ReceiptView:
    """`text` wherever a view holds text, but for the link, which is ours."""
    return view(
        brand=text,
        number=text,
        place=text,
        when=text,
        lines=(ReceiptLine(name=text, quantity=10**18, text=f"{text} × {10**18}", amount_text=text),) * count,
        total_text=text,
        paid=(Payment(label=text, amount_text=text),) * count,
        pending_note=text,
        earned_text=text,
        arithmetic=(Arithmetic(label=text, points_text=text),) * count,
        balance_after_text=text,
        returned_note=text,
    )


def words(text: str) -> ReceiptLabels:
    return ReceiptLabels(
        total=text, points_earned=text, balance_after=text, scan=text, more=text + "{count}", number="{number}"
    )


def opened(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("RGBA")


def assert_margins_clean(png: bytes, scale: int = 2) -> None:
    image = opened(png)
    paper = image.height - 8 * scale  # above the torn edge
    margin = 30 * scale  # 32, less what side bearings may take
    for left, right in ((0, margin), (image.width - margin, image.width)):
        strip = image.crop((left, 0, right, paper))
        assert strip.getcolors() == [(strip.width * strip.height, PAPER)]
    top = image.crop((0, 0, image.width, 20 * scale))
    assert top.getcolors() == [(top.width * top.height, PAPER)]


def decoded(png: bytes) -> list[str]:
    image = opened(png)
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return [code.text for code in zxingcpp.read_barcodes(ground.convert("RGB"))]


@pytest.mark.parametrize("locale", sorted(LABELS))
def test_a_receipt_in_each_language_scans_and_keeps_its_margins(locale: str) -> None:
    shown = view() if locale == "en" else chinese(locale)
    png = receipt_png(shown, LABELS[locale], locale=locale)
    assert opened(png).width == 780
    assert decoded(png) == [shown.link]
    assert_margins_clean(png)
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "P"
        assert "date" not in " ".join(map(str, image.info)).lower()


def test_equal_input_gives_equal_bytes_here_and_in_another_process() -> None:
    png = receipt_png(chinese("zh-Hant"), LABELS["zh-Hant"], locale="zh-Hant")
    assert receipt_png(chinese("zh-Hant"), LABELS["zh-Hant"], locale="zh-Hant") == png
    script = (
        "import sys; from tests.surfaces.images.test_receipt import LABELS, chinese, receipt_png;"
        "sys.stdout.buffer.write(receipt_png(chinese('zh-Hant'), LABELS['zh-Hant'], locale='zh-Hant'))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == png


def test_threads_draw_what_one_thread_draws() -> None:
    jobs = [(view() if locale == "en" else chinese(locale), locale) for locale in LABELS] * 6
    alone = [receipt_png(shown, LABELS[locale], locale=locale) for shown, locale in jobs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: receipt_png(job[0], LABELS[job[1]], locale=job[1]), jobs))
    assert together == alone


@pytest.mark.parametrize("locale", sorted(LABELS))
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_stay_on_the_paper(text: str, locale: str) -> None:
    shown = everywhere(text)
    png = receipt_png(shown, words(text), locale=locale)
    assert_margins_clean(png)
    assert decoded(png) == [shown.link]


def test_the_number_of_lines_decides_the_height_up_to_a_bound() -> None:
    heights = {
        count: opened(receipt_png(view(lines=(line("Compact disc"),) * count), LABELS["en"], locale="en")).height
        for count in (0, 1, 2, MAX_LINES, MAX_LINES + 1, 100, 500)
    }
    row = heights[2] - heights[1]
    assert heights[1] - heights[0] == row
    assert heights[MAX_LINES] == heights[1] + row * (MAX_LINES - 1)
    assert heights[MAX_LINES + 1] == heights[100] == heights[500] == heights[MAX_LINES] + row  # "and N more"


def test_how_many_more_is_said() -> None:
    def drawn(count: int) -> bytes:
        return receipt_png(view(lines=(line("Compact disc"),) * count), LABELS["en"], locale="en")

    assert drawn(100) != drawn(101)


@pytest.mark.parametrize("rows", [0, 1, 5, MAX_ARITHMETIC, MAX_ARITHMETIC + 30])
def test_any_number_of_arithmetic_rows(rows: int) -> None:
    arithmetic = (Arithmetic(label="Double points week", points_text="356"),) * rows
    png = receipt_png(view(arithmetic=arithmetic), LABELS["en"], locale="en")
    assert_margins_clean(png)
    shown = min(rows, MAX_ARITHMETIC) + (rows > MAX_ARITHMETIC)
    plain = opened(receipt_png(view(arithmetic=()), LABELS["en"], locale="en"))
    assert opened(png).height == plain.height + 50 * shown


@pytest.mark.parametrize("rows", [1, 3, MAX_PAID, MAX_PAID + 30])
def test_what_paid_is_printed_with_the_money_that_was_left(rows: int) -> None:
    paid = (Payment(label="Voucher", amount_text="−10.00"),) * (rows - 1)
    left = Payment(label="Left to pay", amount_text="US$24.60")
    png = receipt_png(view(paid=(*paid, left)), LABELS["en"], locale="en")
    assert_margins_clean(png)
    plain = opened(receipt_png(view(), LABELS["en"], locale="en"))
    assert opened(png).height == plain.height + 50 * min(rows, MAX_PAID)
    other = msgspec.structs.replace(left, amount_text="US$24.61")
    assert receipt_png(view(paid=(*paid, other)), LABELS["en"], locale="en") != png


def test_pending_points_are_printed_with_their_day() -> None:
    noted = opened(receipt_png(view(pending_note="445 points good from 12 Jan 2027"), LABELS["en"], locale="en"))
    assert noted.height == opened(receipt_png(view(), LABELS["en"], locale="en")).height + 50


def test_the_tallest_receipt_is_bounded() -> None:
    png = receipt_png(everywhere("Compact disc " * 30, 500), words("Compact disc " * 30), locale="en")
    image = opened(png)
    assert image.height <= 12 * image.width
    assert_margins_clean(png)


def test_a_returned_note_is_printed_and_nothing_gained_is_not_orange() -> None:
    plain = opened(receipt_png(view(), LABELS["en"], locale="en"))
    noted = opened(receipt_png(view(returned_note="Returned since."), LABELS["en"], locale="en"))
    assert noted.height > plain.height
    gained = {colour for _, colour in plain.getcolors(256) or []}
    nothing = opened(receipt_png(view(earned=0, earned_text="0"), LABELS["en"], locale="en"))
    assert (194, 57, 13, 255) in gained
    assert (194, 57, 13, 255) not in {colour for _, colour in nothing.getcolors(256) or []}


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 60, 300, 2_331])
def test_the_code_scans_at_every_scale_and_length_and_has_its_quiet_zone(scale: int, length: int) -> None:
    link = "https://chorus.example/r/".ljust(length, "k")[:length]
    png = receipt_png(view(link=link), LABELS["en"], locale="en", scale=scale)
    image = opened(png)
    assert image.width == 390 * scale
    if length < 2_331 or scale > 1:  # 177 modules of one pixel are beyond what the decoder resolves
        assert decoded(png) == [link]
    modules = segno.make_qr(link, error="m").symbol_size(border=0)[0]
    assert_margins_clean(png, scale)
    position = zxingcpp.read_barcodes(image.convert("RGB"))
    if position and length < 2_331:
        left, right = position[0].position.top_left.x, position[0].position.top_right.x
        top, foot = position[0].position.top_left.y, position[0].position.bottom_left.y
        module = (right - left + 2) // modules
        zone = image.crop((left - 4 * module + 2, top - 4 * module + 2, right + 4 * module - 2, top - 2))
        assert zone.getcolors() == [(zone.width * zone.height, PAPER)]
        beside = image.crop((left - 4 * module + 2, top, left - 2, foot))
        assert beside.getcolors() == [(beside.width * beside.height, PAPER)]


def test_only_the_torn_edge_is_transparent() -> None:
    opacity = opened(receipt_png(view(), LABELS["en"], locale="en")).getchannel("A")
    body = opacity.crop((0, 0, opacity.width, opacity.height - 14))
    edge = opacity.crop((0, opacity.height - 14, opacity.width, opacity.height))
    assert body.getextrema() == (255, 255)
    assert edge.getextrema() == (0, 255)


@pytest.mark.parametrize("changes", [{"link": ""}, {"link": "x" * 2_332}])
def test_a_link_no_code_can_hold_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        receipt_png(view(**changes), LABELS["en"], locale="en")


@pytest.mark.parametrize("scale", [0, 4, -1])
def test_a_scale_outside_the_list_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match="scale"):
        receipt_png(view(), LABELS["en"], locale="en", scale=scale)
