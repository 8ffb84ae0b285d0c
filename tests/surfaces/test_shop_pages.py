"""The till's and the shop's page are whole without a script, and say nothing that has no words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bff.demo.shelf import SHELF
from surfaces import shop_pages, web
from surfaces.shop_pages import Counter
from surfaces.views import LOCALES
from surfaces.wording import words
from tests.surfaces.samples import HOSTILE, NOW, PUBLISHED, snapshot
from tests.surfaces.test_pages import page

PROGRAMME = PUBLISHED.programme
SCRIPTS = Path(shop_pages.__file__).parent / "static" / "js"


def render(which: str, locale: str, *, name: str = "Ada Lovelace", store: str = "pier-road") -> str:
    match which:
        case "till":
            counter = Counter(programme=PROGRAMME, device="till-1", store=store, till="2", articles=SHELF)
            return shop_pages.till(counter, page(locale))
        case "shop":
            view = web.view(snapshot(name=name), PUBLISHED, NOW, locale)
            return shop_pages.shop(view, PROGRAMME, SHELF, SHELF[1], page(locale))
        case "visit":
            return shop_pages.shop(None, PROGRAMME, SHELF, SHELF[0], page(locale))
        case _:
            return shop_pages.signed_out(page(locale))


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("which", ["till", "shop", "visit", "signed_out"])
def test_a_page_is_whole_and_has_no_inline_script(which: str, locale: str) -> None:
    html = render(which, locale)
    assert f'<html lang="{locale}"' in html
    assert html.count("<h1") == 1
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S):
        assert "src=" in attributes or ('type="application/json"' in attributes and json.loads(body))
    assert not re.search(r"\son\w+=", html)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_hostile_text_stays_text() -> None:
    for html in (render("shop", "en", name=HOSTILE), render("till", "en", store=HOSTILE)):
        assert "<script>alert" not in html


def test_prices_are_in_the_readers_words() -> None:
    for locale in LOCALES:
        html = render("visit", locale)
        assert f'sku="{SHELF[0].sku}" name="{SHELF[0].name[locale]}"' in html
        assert "US$12.90" in html


@pytest.mark.parametrize(
    ("scripts", "tables"),
    [
        (("till.js", "till-desk.js", "till-view.js", "till-refund.js", "quote-view.js"), ("live", "quote", "till")),
        (("chorus-shop.js", "shop-quoted.js", "shop.js", "kiosk-quote.js", "quote-view.js"), ("live", "quote", "shop")),
    ],
)
def test_every_word_that_a_module_says_is_there(scripts: tuple[str, ...], tables: tuple[str, ...]) -> None:
    """A word that is missing would break the page just when it is to be said."""
    kept = set().union(*(words("en").table(table) for table in tables))
    for script in scripts:
        text = (SCRIPTS / script).read_text()
        said = set(re.findall(r'words\(\s*"(\w+)"', text)) | set(re.findall(r'data-word="(\w+)"', text))
        chosen = re.findall(r'words\([^?()]*\? "(\w+)" : "(\w+)"', text)
        assert said | {word for pair in chosen for word in pair} <= kept, script
