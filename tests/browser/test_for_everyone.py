"""Every page is for everyone: axe, the keyboard, no sideways scrolling; in both themes, wide and narrow."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.bff.house import House, Shopper
from tests.browser.conftest import (
    Addresses,
    Visits,
    live,
    settled,
)

SETTINGS: tuple[tuple[Literal["light", "dark"], int], ...] = (
    ("light", 1440),
    ("light", 375),
    ("dark", 375),
    ("dark", 1440),
)


@pytest.mark.parametrize(
    ("which", "language"),
    [
        ("wall", "en"),
        ("card", "zh-Hant"),
        ("phone", "zh-Hans"),
        ("bound", "zh-Hant"),
        ("idle", "en"),
        ("receipt", "zh-Hans"),
        ("signed_out", "zh-Hant"),
        ("error", "en"),
    ],
)
async def test_a_page_is_for_everyone(
    visits: Visits, house: House, addresses: Addresses, regular: Shopper, which: str, language: str
) -> None:
    """axe finds nothing, nothing scrolls sideways, and Tab reaches every control with a ring: light and dark, a desk's
    width and a phone's, with a reward set aside."""
    await house.hold(regular)
    still = which in ("signed_out", "error")
    if still:
        visits.expect_fault("status of 40")
    address = getattr(addresses, which)
    page = await visits.open(f"{address}{'&' if '?' in address else '?'}lang={language}")
    await expect(page.locator(f"html[lang={language}]")).to_have_count(1)
    if not still:
        await live(page)
    for scheme, width in SETTINGS:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 900})
        await settled(page)
        found = (await Axe().run(page)).response["violations"]
        told = [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found]
        assert not told, (scheme, width)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if (scheme == "light") == (width == 1440):
            await tab_through(page)


async def tab_through(page: Page) -> None:
    """Every control that is shown is reached by Tab, in a ring of 2 px and more that stands out from its ground."""
    controls: list[str] = await page.evaluate(_CONTROLS)
    assert len(controls) >= 3
    await page.evaluate(_RECORD_FOCUS)
    for _ in range(len(controls) + 2):
        await page.keyboard.press("Tab")
    rings: list[dict[str, Any]] = await page.evaluate("window.rings")
    for ring in rings:
        assert ring["style"] == "solid", ring
        assert ring["width"] >= 2, ring
        assert ring["contrast"] >= 3, ring
    reached = {ring["name"] for ring in rings}
    assert reached == set(controls)


async def test_axe_would_find_something(visits: Visits, addresses: Addresses) -> None:
    """The same run finds a control without a name and a text too pale."""
    page = await visits.open(addresses.card)
    await page.evaluate("document.querySelector('[data-theme-toggle]').removeAttribute('aria-label')")
    await page.evaluate("document.querySelector('h1').style.color = '#ccc'")
    found = {fault["id"] for fault in (await Axe().run(page)).response["violations"]}
    assert found == {"button-name", "color-contrast"}


async def test_tab_would_miss_something(visits: Visits, addresses: Addresses) -> None:
    """The same walk fails where a control cannot be reached, or shows no ring."""
    page = await visits.open(addresses.card)
    await live(page)
    await page.evaluate("document.querySelector('[data-theme-toggle]').tabIndex = -1")
    with pytest.raises(AssertionError):
        await tab_through(page)
    await page.evaluate("document.querySelector('[data-theme-toggle]').removeAttribute('tabindex')")
    await tab_through(page)
    await page.add_style_tag(content=":focus-visible { outline: none !important }")
    with pytest.raises(AssertionError):
        await tab_through(page)


_CONTROLS = """() => {
    const shown = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
        .filter((el) => el.checkVisibility() && !el.disabled);
    shown.forEach((el, i) => { el.dataset.nth = `${i} ${el.tagName} ${el.className}`; });
    return shown.map((el) => el.dataset.nth);
}"""

# The ring's colour against the nearest opaque ground under it, by WCAG's formula; a canvas turns any colour into bytes.
_RECORD_FOCUS = """() => {
    document.activeElement.blur();
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const bytes = (colour) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => {
        const [r, g, b] = bytes(colour).slice(0, 3).map((byte) => byte / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    window.rings = [];
    window.recording?.abort();
    window.recording = new AbortController();
    document.addEventListener("focusin", ({ target }) => {
        const style = getComputedStyle(target);
        let under = parseFloat(style.outlineOffset) < 0 ? target : target.parentElement;
        while (under && bytes(getComputedStyle(under).backgroundColor)[3] < 255) under = under.parentElement;
        const ground = getComputedStyle(under ?? document.body).backgroundColor;
        const [a, b] = [light(style.outlineColor), light(ground)];
        window.rings.push({ name: target.dataset.nth, style: style.outlineStyle, width: parseFloat(style.outlineWidth),
                            contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) });
    }, { signal: window.recording.signal });
}"""
