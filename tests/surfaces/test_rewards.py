"""What points buy, what is held, and the vouchers one has: prices, reasons why not, codes to be scanned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO

import msgspec
import pytest
import segno
import zxingcpp
from PIL import Image

from core.holdings import Holdings, Progress, Voucher
from core.ledger.account import Account, Hold, Lot
from core.programme.document import Published
from core.programme.validation import default_document, parse
from core.snapshot import Award, Snapshot
from surfaces import app, kiosk, pos, receipt, wallet, web
from surfaces.views import LOCALES, Reward
from surfaces.vouchers import qr_path
from tests.surfaces.samples import NOW, PUBLISHED, PURCHASE, snapshot

OPENS = datetime(2026, 12, 20, 2, tzinfo=UTC)
CLOSES = datetime(2026, 12, 24, 10, tzinfo=UTC)
SALE = """
[[rewards]]
id = "flash"
name = { en = "Flash", zh-Hant = "快閃", zh-Hans = "快闪" }
stub = { en = "!" }
kind = "voucher"
points = 100
opens = 2026-12-20T10:00:00
closes = 2026-12-24T18:00:00

[[rewards]]
id = "pin"
name = { en = "An enamel pin" }
stub = { en = "Pin" }
currency = "stars"
points = 2

[[rewards]]
id = "tea"
name = { en = "A pot of tea" }
stub = { en = "Tea" }
kind = "voucher"
points = 0
per_member = 2

[[stores]]"""
FLASH = Published(9, parse(default_document().replace("\n[[stores]]", SALE, 1)))


def member(
    points: int = 10_000, qualifying: int = 0, stars: int = 0, vouchers=(), holds=(), **counters: int
) -> Snapshot:
    lots = (Lot(1, 1, NOW, None, points, points),)
    account = Account(lots=lots, lots_made=1, holds=holds, qualifying={2026: qualifying})
    others = {"stars": Account(lots=(Lot(1, 1, NOW, None, stars, stars),), lots_made=1)} if stars else {}
    progress = Progress(counters={f"reward/{id}": n for id, n in counters.items()})
    return msgspec.structs.replace(snapshot(), holdings=Holdings(account, others, tuple(vouchers), progress))


def reward(id: str, who: Snapshot, now: datetime = NOW, locale: str = "en") -> Reward | None:
    return next((one for one in web.view(who, FLASH, now, locale).rewards if one.id == id), None)


SHOWN = [
    ("off5", member(), NOW, ("open", "hold", "Use", "2,500 points", "")),
    ("off5", member(100), NOW, ("short", "hold", "Use", "2,500 points, 2,400 to go", "")),
    ("voucher10", member(), NOW, ("open", "claim", "Get", "5,000 points", "")),
    ("music-lessons", member(), NOW, ("open", "claim", "Give", "1,000 points", "")),
    ("year-draw", member(), NOW, ("open", "claim", "Enter", "500 points", "Until 20 Dec 2029, 20:00")),
    ("signed", member(), NOW, ("tier", "hold", "Use", "9,000 points + US$15.00, for Silver Disc, Gold Disc", "")),
    ("signed", member(qualifying=10_000), NOW, ("open", "hold", "Use", "9,000 points + US$15.00", "")),
    ("signed", member(qualifying=10_000, signed=1), NOW, ("had", "hold", "Use", "You have had this one", "")),
    ("tea", member(0), NOW, ("open", "claim", "Get", "Free", "")),
    ("tea", member(0, tea=2), NOW, ("had", "claim", "Get", "You have had all 2", "")),
    ("pin", member(), NOW, ("short", "hold", "Use", "2 stars, 2 to go", "")),
    ("pin", member(0, stars=2), NOW, ("open", "hold", "Use", "2 stars", "")),
    ("flash", member(), NOW, ("soon", "claim", "Get", "100 points", "From 20 Dec 2026, 10:00")),
    ("flash", member(), OPENS, ("open", "claim", "Get", "100 points", "Until 24 Dec 2026, 18:00")),
    ("flash", member(), CLOSES, None),
]


@pytest.mark.parametrize(("id", "who", "now", "told"), SHOWN)
def test_how_a_reward_is_had_and_why_not_now(
    id: str, who: Snapshot, now: datetime, told: tuple[str, ...] | None
) -> None:
    found = reward(id, who, now)
    assert (found and (found.state, found.action, found.action_text, found.note, found.when_text)) == told
    if found is not None:
        assert found.affordable == (found.state == "open")
        assert all(reward(id, who, now, locale) for locale in LOCALES)


def test_kinds_are_marked_and_buttons_say_what_they_do() -> None:
    view = web.view(member(50_000, 50_000), FLASH, NOW, "en")
    assert {one.kind: one.kind_text for one in view.rewards} == {
        "goods": "", "voucher": "Voucher", "experience": "Experience", "charity": "Donation", "draw": "Lucky draw",
    }  # fmt: skip
    for one in view.rewards:
        assert one.action_text in one.action_label, "what is read aloud has what is seen"


def test_what_is_kept_in_a_store_may_be_sent_there() -> None:
    box = reward("box", member(50_000))
    assert box is not None
    assert [(place.id, place.name) for place in box.places] == [
        ("", "At the till, now"), ("harbour-street", "Harbour Street"), ("pier-road", "Pier Road"),
    ], "nothing is collected online"  # fmt: skip
    plain = reward("off5", member())
    assert plain is not None
    assert plain.places == ()


HELD = [
    (Hold(5, "off5", 2500, NOW, NOW + timedelta(minutes=15), ()),
     ("US$5 off any order", "Show this at the till until 14:47", "", "")),
    (Hold(5, "box", 22_500, NOW, datetime(2026, 12, 19, 16, tzinfo=UTC), (), "pier-road"),
     ("A box set up to US$60", "Collect at Pier Road until 19 Dec 2026", "Pier Road", "")),
    (Hold(5, "signed", 9_000, NOW, NOW + timedelta(minutes=15), (), money=1_500),
     ("A signed pressing", "Show this at the till until 14:47", "", "US$15.00 to pay")),
    (Hold(5, "", 500, NOW, NOW + timedelta(minutes=15), ()),
     ("500 points for a basket", "Pay with them until 14:47", "", "")),
    (Hold(5, "gone", 500, NOW, NOW + timedelta(minutes=15), ()), ("Reward", "Show this at the till until 14:47", "", "")),
]  # fmt: skip


@pytest.mark.parametrize(("hold", "told"), HELD)
def test_what_is_held_says_where_and_until_when(hold: Hold, told: tuple[str, ...]) -> None:
    [found] = web.view(member(holds=(hold,)), PUBLISHED, NOW, "en").holds
    assert (found.name, found.note, found.store_text, found.due_text) == told


def voucher(no: int, **fields) -> Voucher:
    how = {"code": "7Q2M0XK481TZ", "reward": "voucher10", "issued_at": NOW, "expires_at": CLOSES, "uses": 1}
    return Voucher(no=no, **{**how, **fields})


VOUCHERS = [
    (voucher(5, points=5000),
     ("US$10 voucher", "", "Good until 24 Dec 2026", "US$10.00 off", "Give back for 5,000 points")),
    (voucher(5, uses=3, used=1, points=5000),
     ("US$10 voucher", "2 uses left", "2 uses left. Good until 24 Dec 2026", "US$10.00 off", "")),
    (voucher(5, uses=3, used=2),
     ("US$10 voucher", "1 use left", "1 use left. Good until 24 Dec 2026", "US$10.00 off", "")),
    (voucher(5), ("US$10 voucher", "", "Good until 24 Dec 2026", "US$10.00 off", "")),
    (voucher(5, points=2, currency="stars"),
     ("US$10 voucher", "", "Good until 24 Dec 2026", "US$10.00 off", "Give back for 2 stars")),
    (voucher(5, expires_at=None, reward="gone"), ("Voucher", "", "No end date", "", "")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "told"), VOUCHERS)
def test_a_voucher_in_words(one: Voucher, told: tuple[str, ...]) -> None:
    [found] = app.view(member(vouchers=(one,)), PUBLISHED, NOW, "en").vouchers
    assert (found.name, found.uses_text, found.note, found.value_text, found.cancel_text) == told
    assert found.cancellable == bool(found.cancel_text)
    assert (found.code_text, found.id) == ("7Q2M 0XK4 81TZ", "5")


def test_vouchers_that_are_good_now_soonest_first() -> None:
    many = (
        voucher(1, expires_at=None), voucher(2, expires_at=CLOSES), voucher(3, expires_at=OPENS), voucher(4, used=1),
        voucher(5, void=True), voucher(6, expires_at=NOW),
    )  # fmt: skip
    who = member(vouchers=many)
    assert [one.id for one in web.view(who, PUBLISHED, NOW, "en").vouchers] == ["3", "2", "1"]
    assert web.view(member(), PUBLISHED, NOW, "en").vouchers == ()


def test_who_may_see_a_vouchers_code() -> None:
    """The member's own devices and the till; neither a shared screen nor the back of a pass."""
    who = member(vouchers=(voucher(5), voucher(6, expires_at=OPENS)))
    at_kiosk = kiosk.view(who, PUBLISHED, NOW, "en", store="", session=1, clears_at=NOW)
    on_pass = wallet.view(who, PUBLISHED, NOW, "en")
    for shown, told in ((app.view(who, PUBLISHED, NOW, "en"), True), (pos.view(who, PUBLISHED, NOW, "en"), True),
                        (at_kiosk, False), (on_pass, False)):  # fmt: skip
        assert (b"7Q2M" in msgspec.json.encode(shown)) == told
    assert at_kiosk.member is not None
    assert at_kiosk.member.vouchers_text == "2 vouchers, use by 20 Dec 2026"
    assert [one.note for one in at_kiosk.member.vouchers] == ["Good until 20 Dec 2026", "Good until 24 Dec 2026"]
    back = {field.key: field.value for field in on_pass.back}
    assert back["vouchers"] == "US$10 voucher: Good until 20 Dec 2026\nUS$10 voucher: Good until 24 Dec 2026"


def test_a_pass_has_the_first_vouchers_and_says_that_there_are_more() -> None:
    who = member(vouchers=tuple(voucher(n) for n in range(5)))
    back = {field.key: field.value for field in wallet.view(who, PUBLISHED, NOW, "en").back}
    assert back["vouchers"].splitlines()[2:] == ["US$10 voucher: Good until 24 Dec 2026", "and 2 more"]


def test_a_kiosk_offers_what_fits_it() -> None:
    """Four at most: those that may be had, then those nearest."""

    def offered(who: Snapshot) -> list[str]:
        shown = kiosk.view(who, PUBLISHED, NOW, "en", store="", session=1, clears_at=NOW).member
        assert shown is not None
        return [one.id for one in shown.rewards]

    assert offered(member(50_000, 50_000)) == ["off5", "off10", "disc", "box"]
    assert offered(member(1_000)) == ["music-lessons", "year-draw", "off5", "off10"]
    assert offered(member(0)) == ["year-draw", "music-lessons", "off5", "off10"]


def test_the_code_is_the_one_that_segno_draws() -> None:
    """And a scanner reads it back."""
    code = "7Q2M0XK481TZ"
    found = qr_path(code)
    side = int(found.box.split()[-1])
    drawn = Image.new("L", (side, side), 255)
    for run in found.path.split("M")[1:]:
        at, _, length = run.partition("h")
        x, y = at.split()
        for dx in range(int(length)):
            drawn.putpixel((int(x) + dx, int(float(y))), 0)
    expected = BytesIO()
    segno.make_qr(code, error="m").save(expected, kind="png", border=4)
    assert drawn.tobytes() == Image.open(expected).convert("L").tobytes()
    [read] = zxingcpp.read_barcodes(drawn.resize((side * 6, side * 6), Image.Resampling.NEAREST).convert("RGB"))
    assert read.text == code


def test_a_receipt_says_what_paid_and_from_when_points_are_good() -> None:
    awards = (Award("base", "", 249), Award("campaign", "sunday-stars", 1, "stars"))
    bought = msgspec.structs.replace(
        PURCHASE, channel="web", awards=awards, paid_points=500, paid_amount=100, vouchers=((5, 1000),)
    )

    def paper(purchase, locale: str = "en"):
        return receipt.view(snapshot(), PUBLISHED, NOW, locale, purchase=purchase, link="l", live=False)

    shown = paper(bought)
    assert [(row.label, row.amount_text) for row in shown.paid] == [
        ("Voucher", "−10.00"), ("Paid with 500 points", "−1.00"), ("Left to pay", "US$24.60"),
    ]  # fmt: skip
    assert [(row.label, row.points_text) for row in shown.arithmetic] == [
        ("Base, 10 per US$1", "249"), ("Sunday star", "1 star"),
    ]  # fmt: skip
    assert shown.pending_note == "249 points good from 27 Dec 2026"
    assert (paper(PURCHASE).paid, paper(PURCHASE).pending_note) == ((), "")
    back = msgspec.structs.replace(bought, returned=((3, 3560),), taken_back=249, paid_back=500)
    assert paper(back).returned_note == "Returned since. 249 points taken back. 500 points given back."
    assert paper(back, "zh-Hant").returned_note == "其後已退貨，扣回 249 點。退回 500 點。"
