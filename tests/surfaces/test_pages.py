"""Pages are complete before any script runs, escape everything, and carry no inline script."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import msgspec
import pytest
from markupsafe import escape

from core.snapshot import Line
from surfaces import app, kiosk, pages, receipt, wallet, web
from surfaces.activity import causes
from surfaces.etag import Stamp
from surfaces.views import LOCALES, WalletView
from tests.surfaces.samples import HOSTILE, NOW, PUBLISHED, PURCHASE, SALE, change, snapshot

LINK = "https://harbour.example/r/JhGf7dKq2mPz"
ALL = ("card", "phone", "kiosk", "receipt", "wall", "signed_out", "error")


def pass_face(view: WalletView) -> pages.PassFace:
    """What a phone shows of a pass with this view."""
    return pages.PassFace(
        brand=view.brand,
        background=view.background,
        foreground=view.foreground,
        label=view.label,
        header=view.header,
        primary=view.primary,
        secondary=view.secondary,
        auxiliary=view.auxiliary,
        barcode=view.barcode,
        barcode_text=view.barcode_text,
        strip="/wall/v1/strips/42/1",
    )


def page(locale: str = "en", **config: object) -> pages.Page:
    return pages.Page(
        locale=locale, zone="Asia/Hong_Kong", have=Stamp(3, 318, 7, NOW), as_of=NOW, config={"token": "t", **config}
    )


def render(which: str, locale: str = "en", *, name: str = "", purchase=PURCHASE, changes=(SALE,), **config) -> str:
    who = snapshot(*changes, name=name)
    paper = receipt.view(who, PUBLISHED, NOW, locale, purchase=purchase, link=LINK, live=True)
    counter = kiosk.view(
        who, PUBLISHED, NOW, locale, store="pier-road", session=3, clears_at=NOW + timedelta(seconds=45)
    )
    faces = pages.WallFaces(
        phone=app.view(who, PUBLISHED, NOW, locale),
        web=web.view(who, PUBLISHED, NOW, locale),
        kiosk=counter,
        receipt=paper,
        wallet=pass_face(wallet.view(who, PUBLISHED, NOW, locale)),
    )
    tokens = {face: {"surface": "app", "token": "t"} for face in ("phone", "web", "kiosk", "receipt", "pass")}
    match which:
        case "card":
            return pages.card(faces.web, page(locale))
        case "phone":
            return pages.phone(faces.phone, page(locale))
        case "kiosk":
            return pages.kiosk(counter, page(locale))
        case "receipt":
            return pages.receipt(paper, page(locale))
        case "wall":
            last = causes(who.recent, PUBLISHED, locale)[-1]
            return pages.wall(faces, page(locale, faces=tokens, target_ms=250, demo=True, **config), last=last)
        case "signed_out":
            return pages.signed_out(page(locale), sign_in="/sign-in")
        case _:
            return pages.error(503, page(locale), request_id="r1")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("which", ALL)
def test_a_page_is_whole_and_has_no_inline_script(which: str, locale: str) -> None:
    html = render(which, locale)
    assert f'<html lang="{locale}"' in html
    # A kiosk has both its screens in the page, one of them hidden.
    assert html.count("<h1") == (2 if which == "kiosk" else 1)
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S):
        assert "src=" in attributes or ('type="application/json"' in attributes and json.loads(body))
    assert not re.search(r"\son\w+=", html)
    assert "http://" not in html.replace("http://www.w3.org", "")
    if which not in ("signed_out", "error"):
        assert "12,925" in html


def test_hostile_text_stays_text() -> None:
    purchase = msgspec.structs.replace(
        PURCHASE, lines=(Line("X", 1, 3560, HOSTILE),), external_id=HOSTILE, till=HOSTILE
    )
    changes = (change(318, "adjust", 5, 12925, reason=HOSTILE, place=HOSTILE),)
    shown = str(escape(HOSTILE.replace("\u202e", "")))
    for which in ("card", "phone", "kiosk", "receipt", "wall"):
        html = render(which, name=HOSTILE, purchase=purchase, changes=changes)
        assert "<script>alert" not in html
        assert "alert(1)</script" not in html
    assert shown in render("card", changes=changes)
    assert shown in render("receipt", purchase=purchase)


def test_the_browser_is_told_what_is_drawn() -> None:
    block = re.search(r'id="chorus">(.*?)</script>', render("card"), re.S)
    assert block
    config = json.loads(block[1])
    assert config["have"] == {"epoch": 3, "version": 318, "programme": 7, "valid_from": "2026-12-12T06:32:07Z"}
    assert (config["surface"], config["token"], config["balance"]["points"]) == ("web", "t", 12925)


def test_a_receipt_whose_time_is_over_opens_no_socket() -> None:
    fixed = receipt.view(snapshot(), PUBLISHED, NOW, "en", purchase=PURCHASE, link=LINK, live=False)
    html = pages.receipt(fixed, page())
    assert "receipt.js" not in html
    assert "Balance after this sale" in html


@pytest.mark.parametrize("wallets", [{}, {"apple": "/a"}, {"google": "/g"}, {"apple": "/a", "google": "/g"}])
def test_only_the_passes_that_can_be_had_are_offered(wallets: dict[str, str]) -> None:
    who = snapshot()
    paper = receipt.view(who, PUBLISHED, NOW, "en", purchase=PURCHASE, link=LINK, live=False)
    card = pages.card(web.view(who, PUBLISHED, NOW, "en"), page(wallets=wallets))
    for html in (card, pages.receipt(paper, page(wallets=wallets))):
        assert re.findall(r'<a class="badge" href="(\S+)"', html) == list(wallets.values())
        assert ('class="wallets"' in html) == bool(wallets)


def test_the_switch_of_web_push_is_there_with_its_key() -> None:
    view = web.view(snapshot(), PUBLISHED, NOW, "en")
    assert 'role="switch"' not in pages.card(view, page())
    html = pages.card(view, page(push={"key": "BNNxx4sB"}))
    assert 'role="switch" aria-checked="false"' in html
    assert '"push":{"key":"BNNxx4sB"}' in html


def test_a_wall_offers_neither() -> None:
    """Its faces are a member's, but who looks at it is not."""
    html = render("wall", push={"key": "BNNxx4sB"}, wallets={"apple": "/a", "google": "/g"})
    assert "12,925" in html
    assert 'role="switch"' not in html
    assert "badge" not in html


def test_a_wall_without_a_purchase_shows_blank_paper() -> None:
    who = snapshot(points=0, qualifying=0)
    faces = pages.WallFaces(
        phone=app.view(who, PUBLISHED, NOW, "en"),
        web=web.view(who, PUBLISHED, NOW, "en"),
        kiosk=kiosk.view(None, PUBLISHED, NOW, "en", store="", session=0, clears_at=None),
        receipt=None,
        wallet=pass_face(wallet.view(who, PUBLISHED, NOW, "en")),
    )
    assert "f-receipt empty" in pages.wall(faces, page(faces={}, demo=False))


def test_a_status_without_words_of_its_own_is_told_by_its_class() -> None:
    assert "Nothing here" in pages.error(418, page())
    assert "Something broke on our side" in pages.error(502, page())
