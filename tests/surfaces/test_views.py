"""Every surface says the same of one version, in every language, and a shared screen says less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest

from core.ledger.account import Hold
from core.snapshot import Award, Change, Kind, Line, Moved
from surfaces import app, kiosk, masking, pos, receipt, wallet, web
from surfaces.activity import MAX_CAUSES, activity, causes
from surfaces.etag import Stamp, etag
from surfaces.notification import notification
from surfaces.views import LOCALES, SCHEMA, SURFACES
from tests.surfaces.samples import CODE, NOW, PUBLISHED, PURCHASE, SALE, change, snapshot

HELD = Hold(319, "off5", 2500, NOW, NOW + timedelta(minutes=15), ((1, 2500),))


def at_kiosk(who=None, locale="en", **how):
    how = {"store": "pier-road", "session": 3, "clears_at": NOW + timedelta(seconds=45)} | how
    return kiosk.view(who, PUBLISHED, NOW, locale, **how)


def on_paper(locale="en", *, purchase=PURCHASE, live=True):
    return receipt.view(
        snapshot(points=20000), PUBLISHED, NOW, locale, purchase=purchase, link="https://x.example/r/t", live=live
    )


@pytest.mark.parametrize("locale", LOCALES)
def test_all_surfaces_agree(locale: str) -> None:
    who = snapshot(holds=(HELD,))
    views = [view(who, PUBLISHED, NOW, locale) for view in (app.view, web.view, pos.view, wallet.view)]
    views.append(at_kiosk(who, locale).member)
    assert len({view.balance for view in views}) == 1
    assert len({view.tier for view in views}) == 1
    for view in views[:3]:
        assert view.rewards == views[0].rewards
        assert view.holds == views[0].holds


@pytest.mark.parametrize(
    ("locale", "balance", "distance", "locked", "note", "period"),
    [
        ("en", "12,925 points", "11,404 to Gold Disc", "22,500 points, 9,575 to go",
         "Show this at the till until 14:47", "2026"),
        ("zh-Hant", "12,925 點", "尚差 11,404 點升級金唱片", "22,500 點，尚差 9,575",
         "請於 14:47 前在收銀台出示", "2026 年"),
        ("zh-Hans", "12,925 分", "还差 11,404 分升级金唱片", "22,500 分，还差 9,575",
         "请在 14:47 前到收银台出示", "2026 年"),
    ],
)  # fmt: skip
def test_the_words_of_a_member(locale, balance, distance, locked, note, period) -> None:
    view = web.view(snapshot(holds=(HELD,)), PUBLISHED, NOW, locale)
    assert (view.balance.text, view.tier.distance, view.tier.period) == (balance, distance, period)
    assert next(reward.note for reward in view.rewards if reward.id == "box") == locked
    assert view.holds[0].note == note
    assert (view.tier.progress, view.tier.notch, view.tier.to_next) == (62.0, 33.3, 11404)


def test_the_clock_alone_changes_what_is_shown() -> None:
    who = snapshot(holds=(HELD,), expires_at=NOW + timedelta(days=1))
    assert app.view(who, PUBLISHED, NOW, "en").balance.held == 2500
    later = app.view(who, PUBLISHED, NOW + timedelta(minutes=15), "en")
    assert (later.balance.points, later.holds) == (12925 + 2500, ())
    assert app.view(who, PUBLISHED, NOW + timedelta(days=1), "en").balance.points == 0


def test_the_ends_of_the_ladder() -> None:
    first = web.view(snapshot(points=0, qualifying=0), PUBLISHED, NOW, "en")
    assert (first.tier.progress, first.tier.notch, first.tier.kept_text) == (0.0, None, "")
    assert first.hint == "No points yet. Show your code at the till to start."
    top = web.view(snapshot(qualifying=30_000), PUBLISHED, NOW, "en").tier
    assert (top.distance, top.progress, top.next_name) == ("Highest tier", 100.0, None)
    assert (top.finish, top.kept_text) == ("gold", "Kept until 31 Dec 2027")


def test_a_debt_shows_as_a_negative_balance() -> None:
    view = web.view(snapshot(points=0, debt=120), PUBLISHED, NOW, "en")
    assert (view.balance.points, view.balance.text) == (-120, "−120 points")
    assert not any(reward.affordable for reward in view.rewards)
    assert {reward.state for reward in view.rewards} == {"short"}


MONTH_ON = datetime(2027, 1, 11, 16, tzinfo=UTC)
"""The midnight that ends 11 January in the programme's zone."""

HISTORY: list[tuple[Change, list[tuple[str, str]], str]] = [
    (SALE, [("3 CDs, Harbour Street", "+445")], "445 points added. Balance 12,925 points."),
    (change(2, "purchase", 1, 1, sku="CD", quantity=1, place="online"), [("1 CD, Online", "+1")],
     "1 point added. Balance 1 point."),
    (change(3, "purchase", 0, 5, quantity=2), [("2 items", "")], "Purchase recorded. Balance 5 points."),
    (change(4, "return", -120, 80, sku="CD", quantity=1, place="pier-road"), [("Returned: 1 CD, Pier Road", "−120")],
     "120 points taken back for a return. Balance 80 points."),
    (change(5, "hold", -2500, 0, reward="off5"), [("US$5 off any order, set aside", "−2,500")],
     "2,500 points set aside. Balance 0 points."),
    (change(6, "capture", 0, 9, reward="off5", hold=5), [("US$5 off any order, used", "")],
     "US$5 off any order used. Balance 9 points."),
    (change(7, "void", 2500, 2509, reward="off5", hold=5), [("US$5 off any order, cancelled", "+2,500")],
     "2,500 points given back. Balance 2,509 points."),
    (change(8, "void", 2500, 2509, released=2500, reason="timed_out"), [("Set-aside points returned", "+2,500")],
     "2,500 points given back. Balance 2,509 points."),
    (change(9, "adjust", -9, 0, reason="Wrong till"), [("Adjusted: Wrong till", "−9")],
     "9 points taken off. Balance 0 points."),
    (change(10, "expire", -80, 20, expired=80), [("Points past their date", "−80")],
     "80 points past their date. Balance 20 points."),
    (change(11, "enrol", 0, 0), [("Joined Harbour Records", "")], "Welcome to Harbour Records. Balance 0 points."),
    (change(12, "link", 0, 0, reason="email"), [], ""),
    (change(12, "traits", 0, 0), [], ""),
    (change(13, "purchase", 405, 900, sku="CD", quantity=3, expired=40),
     [("3 CDs", "+445"), ("Points past their date", "−40")], "445 points added. Balance 900 points."),
    (change(14, "purchase", -55, 900, sku="CD", quantity=3, paid_points=500, paid_amount=100),
     [("3 CDs", "+445"), ("Paid US$1.00 with points", "−500")],
     "445 points added, 500 points spent. Balance 900 points."),
    (change(15, "purchase", 445, 900, sku="CD", quantity=3, paid_points=500, paid_amount=100, hold=13),
     [("3 CDs", "+445"), ("Paid US$1.00 with points", "")], "445 points added. Balance 900 points."),
    (change(16, "purchase", 0, 900, sku="CD", quantity=1, awards=(Award("base", "", 445),), vests_at=MONTH_ON),
     [("1 CD", "")], "445 points to come on 12 Jan 2027. Balance 900 points."),
    (change(17, "purchase", 0, 9, quantity=1, awards=(Award("campaign", "x", 1, "stars"),),
            others=(Moved("stars", 1, 3),)), [("1 item", "")], "1 star added. Balance 3 stars."),
    (change(18, "return", 380, 900, quantity=1, base=-120, paid_points=500),
     [("Returned: 1 item", "−120"), ("Points given back for a return", "+500")],
     "380 points given back for a return. Balance 900 points."),
    (change(19, "action", 20, 900, awards=(Award("action", "check_in", 20),), reason="pier-road"),
     [("Check-in, Pier Road", "+20")], "20 points added. Balance 900 points."),
    (change(20, "action", 20, 900, awards=(Award("action", "review", 20),), reason="sku-1"),
     [("Review", "+20")], "20 points added. Balance 900 points."),
    (change(21, "claim", -5000, 9, reward="voucher10", voucher=21, code="7Q2M0XK481TZ"),
     [("Redeemed: US$10 voucher", "−5,000")], "US$10 voucher is yours. Balance 9 points."),
    (change(22, "claim", -1000, 9, reward="music-lessons"), [("Given: A music lesson for a child", "−1,000")],
     "1,000 points given, thank you. Balance 9 points."),
    (change(23, "claim", -500, 9, reward="year-draw", ticket=1017), [("The collector’s draw, ticket 1,017", "−500")],
     "Ticket 1,017: The collector’s draw. Balance 9 points."),
    (change(24, "claim", 0, 9, reward="gone", voucher=24, others=(Moved("stars", -5, 2),)), [("Redeemed: Reward", "")],
     "Reward is yours. Balance 2 stars."),
    (change(25, "grant", 0, 9, reward="voucher10", voucher=25, reason="Sorry"), [("For you: US$10 voucher", "")],
     "US$10 voucher is yours. Balance 9 points."),
    (change(26, "grant", 0, 9, reward="voucher10", voucher=26, reason="year-draw", ticket=7),
     [("Won: US$10 voucher", "")], "US$10 voucher is yours. Balance 9 points."),
    (change(27, "grant", 50_000, 50_009, awards=(Award("prize", "year-draw", 50_000),), reason="year-draw", ticket=7),
     [("Won in The collector’s draw", "+50,000")], "50,000 points added. Balance 50,009 points."),
    (change(28, "use", 0, 9, reward="voucher10", voucher=21), [("US$10 voucher, used", "")],
     "US$10 voucher used. Balance 9 points."),
    (change(29, "unuse", 0, 9, reward="voucher10", voucher=21, reason="slip"), [("US$10 voucher, good again", "")],
     "US$10 voucher is good again. Balance 9 points."),
    (change(30, "cancel", 5000, 5009, reward="voucher10", voucher=21, base=5000),
     [("US$10 voucher, given back", "+5,000")], "5,000 points given back. Balance 5,009 points."),
    (change(31, "reinstate", 80, 89, reason="Ill", until=MONTH_ON), [("Points given back: Ill", "+80")],
     "80 points given back. Balance 89 points."),
    (change(32, "extend", 0, 89, base=80, reason="Closed", until=MONTH_ON), [("Points kept longer: Closed", "")],
     "80 points kept until 11 Jan 2027. Balance 89 points."),
    (change(33, "vest", 445, 534, vested=445), [("Pending points, now good", "+445")],
     "445 points now good to use. Balance 534 points."),
    (change(34, "expire", 0, 534, others=(Moved("stars", -2, 1, expired=2),)), [("Points past their date", "")],
     "2 stars past their date. Balance 1 star."),
    (change(35, "hold", -500, 34), [("Points for a basket, set aside", "−500")],
     "500 points set aside. Balance 34 points."),
    (change(36, "void", 500, 534, hold=35), [("Points for a basket, given back", "+500")],
     "500 points given back. Balance 534 points."),
    (change(37, "adjust", 0, 34, reason="A gift", others=(Moved("stars", 2, 3),)), [("Adjusted: A gift", "")],
     "2 stars added. Balance 3 stars."),
    (change(38, "purchase", 0, 9, quantity=1, others=(Moved("badges", -2, 0, expired=2), Moved("stars", 1, 3))),
     [("1 item", ""), ("Points past their date", "")], "1 star added. Balance 3 stars."),
    (change(39, "purchase", 0, 9, quantity=1, others=(Moved("badges", -2, 0, expired=2),)),
     [("1 item", ""), ("Points past their date", "")], "Purchase recorded. Balance 9 points."),
    (change(40, "merge", 162, 202, merged=7, reason="the same person"), [("Your accounts were joined", "+162")],
     "All your points are in one place. Balance 202 points."),
    (change(41, "merge", -60, 20, merged=7, expired=40, others=(Moved("stars", 2, 3),)),
     [("Your accounts were joined", "−20"), ("Points past their date", "−40")],
     "All your points are in one place. Balance 20 points."),
    (change(42, "merged", 0, 0, merged=7), [], ""),
]  # fmt: skip


@pytest.mark.parametrize(("one", "rows", "sentence"), HISTORY)
def test_every_kind_of_change_in_words(one: Change, rows, sentence: str) -> None:
    assert [(row.title, row.points_text) for row in activity((one,), PUBLISHED, "en")] == rows
    assert [cause.text for cause in causes((one,), PUBLISHED, "en")] == ([sentence] if sentence else [])
    assert sum(row.points for row in activity((one,), PUBLISHED, "en")) == one.points
    for locale in LOCALES:
        told = [row.title for row in activity((one,), PUBLISHED, locale)]
        told += [cause.text for cause in causes((one,), PUBLISHED, locale)]
        assert all(told)
        assert "{" not in "".join(told)


def test_the_table_above_has_every_kind() -> None:
    assert {one.kind for one, _, _ in HISTORY} == set(get_args(Kind))


@pytest.mark.parametrize(
    ("locale", "title", "told"),
    [
        ("en", "Your accounts were joined", "All your points are in one place. Balance 202 points."),
        ("zh-Hans", "账户已合并", "积分已合并，当前共 202 分。"),
        ("zh-Hant", "帳戶已合併", "點數已合併，目前共 202 點。"),
    ],
)
def test_a_merge_is_told_alike_on_the_screens_of_either_side(locale: str, title: str, told: str) -> None:
    """The list adds up by the points that came; a frame's cause says none, for what came to the one was on the other.
    The side that went is never shown, whatever went with it."""
    came = change(40, "merge", 162, 202, merged=7)
    row = activity((came,), PUBLISHED, locale)[0]
    assert (row.title, row.points, row.gain) == (title, 162, True)
    cause = causes((came,), PUBLISHED, locale)[0]
    assert (cause.text, cause.what, cause.points, cause.points_text, cause.gain) == (told, title, 0, "", False)
    said = notification(came, PUBLISHED, locale)
    assert (said.title, said.body) == (told, title)
    assert activity((change(3, "merged", -162, 0, merged=8),), PUBLISHED, locale) == ()


def test_causes_are_oldest_first_bounded_and_silent_in_public() -> None:
    many = [change(n, "purchase", 1, n, place="online") for n in range(40, 10, -1)]
    told = causes(many, PUBLISHED, "zh-Hans")
    assert [cause.version for cause in told] == list(range(40 - MAX_CAUSES + 1, 41))
    assert told[-1].text == "已加 1 分，当前共 40 分。"
    public = causes((SALE,), PUBLISHED, "en", public=True)[0]
    assert (public.where, public.what, public.when) == ("", "", "")
    assert public.points == 445


@pytest.mark.parametrize(
    ("name", "greeting", "short"),
    [
        ("", "", ""),
        ("Ada Lovelace", "Ada", "Ada L."),
        ("Ada", "", "A…"),
        ("陳大文", "陳＊＊", "陳＊＊"),
        ("陳 大", "陳＊", "陳＊"),
        ("ada@example.com", "", ""),
        ("+852 6123 4567", "", ""),
        ("\u202eAda\u0000 Lovelace", "Ada", "Ada L."),
        ("Ada\r\nLovelace\u2028", "Ada", "Ada L."),
        ("Wolfeschlegelsteinhausen Senior", "Wolfeschlegelst…", "Wolfeschlegelst… S."),
    ],
)
def test_a_shared_screen_never_shows_a_whole_name_or_code(name: str, greeting: str, short: str) -> None:
    assert (masking.greeting_name(name), masking.short_name(name)) == (greeting, short)
    seen = msgspec.json.encode((at_kiosk(snapshot(name=name)), pos.view(snapshot(name=name), PUBLISHED, NOW, "en")))
    assert CODE not in seen.decode()
    assert "•••• 1174" in seen.decode()
    if len(name) > 1:
        assert name not in seen.decode()


def test_an_idle_kiosk_knows_nobody() -> None:
    idle = at_kiosk(None)
    assert (idle.member, idle.clears_at, idle.session, idle.store) == (None, None, 3, "Pier Road")


def test_a_receipt_is_fixed_but_for_its_balance() -> None:
    live, fixed = on_paper(), on_paper(live=False)
    assert live.balance is not None
    assert live.balance.points == 20000
    assert msgspec.structs.replace(live, balance=None) == fixed
    assert (fixed.number_text, fixed.place, fixed.when) == (
        "Receipt 0412", "Harbour Street, till 2", "12 Dec 2026, 14:32",
    )  # fmt: skip
    assert (fixed.earned_text, fixed.total_text, fixed.balance_after_text) == ("+445", "US$35.60", "12,925 points")
    assert [(row.label, row.points_text) for row in fixed.arithmetic] == [
        ("Base, 10 per US$1", "356"), ("Silver Disc, +25%", "89"),
    ]  # fmt: skip
    assert [line.text for line in on_paper("zh-Hant").lines] == ["3 張 CD"]


def test_a_receipt_says_what_was_returned_and_by_which_rate_it_earned() -> None:
    some = msgspec.structs.replace(PURCHASE, returned=((1, 1187),), taken_back=148)
    assert on_paper(purchase=some).returned_note == "Partly returned since. 148 points taken back."
    whole = msgspec.structs.replace(PURCHASE, returned=((3, 3560),), taken_back=445)
    assert on_paper(purchase=whole).returned_note == "Returned since. 445 points taken back."
    market = msgspec.structs.replace(PURCHASE, channel="marketplace", lines=(Line("X9", 2, 3560, "Latte"),))
    assert on_paper(purchase=market).arithmetic[0].label == "Base, 8 per US$1"
    assert on_paper(purchase=market).lines[0].text == "Latte × 2"


def test_the_pass_can_be_read() -> None:
    """WCAG contrast of text and labels on each background."""

    def luminance(rgb: str) -> float:
        channels = [int(c) / 255 for c in rgb.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for background, foreground, label in wallet.COLOURS.values():
        for text in (foreground, label):
            light, dark = sorted((luminance(background), luminance(text)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_stamps_compare_in_order_and_every_part_makes_another_etag() -> None:
    stamp = Stamp(3, 42, 7, NOW)
    later = [
        Stamp(4, 1, 1, NOW),
        Stamp(3, 43, 1, NOW),
        Stamp(3, 42, 8, NOW),
        Stamp(3, 42, 7, NOW + timedelta.resolution),
    ]
    assert all(other > stamp for other in later)
    tags = {etag(stamp, surface, locale, SCHEMA) for surface in SURFACES for locale in LOCALES}
    tags |= {etag(other, "app", "en", SCHEMA) for other in later} | {etag(stamp, "app", "en", SCHEMA + 1)}
    assert len(tags) == len(SURFACES) * len(LOCALES) + len(later) + 1
    assert etag(stamp, "app", "en", SCHEMA) in tags
