"""Views as whole HTML pages: complete at the first paint, kept true by the modules under `static/js`.

Everything is escaped (autoescape), an unknown name in a template raises (StrictUndefined), and no page carries an
inline script: what the modules need travels as JSON in a data block. A page is a pure function of its view and `Page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from core.clock import rfc3339
from surfaces.etag import Stamp
from surfaces.views import (
    AppView,
    Cause,
    KioskView,
    PassField,
    ReceiptView,
    Surface,
    WebView,
)
from surfaces.wording import formats, words

LAG_AXIS_MS = 300
"""The dot plot's width; the target lies inside it."""
SPEEDS = (1, 4, 16, 64)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a page needs beside its view.

    `have` is the stamp of the view drawn, which the page's socket says hello with; None where nothing is live. `config`
    goes to the browser as it is (a token, the wall's faces). `zone` is the programme's, for "as of 14:31:52"; `letters`
    are those the page may come to need (`surfaces.letters`).
    """

    locale: str
    zone: str = "UTC"
    have: Stamp | None = None
    as_of: datetime | None = None
    config: dict[str, Any] = {}
    static: str = "/static"
    letters: str = ""


class PassFace(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet pass as a phone draws it, read out of its `pass.json`; `strip` is the address of its picture."""

    brand: str
    background: str
    foreground: str
    label: str
    header: tuple[PassField, ...]
    primary: tuple[PassField, ...]
    secondary: tuple[PassField, ...]
    auxiliary: tuple[PassField, ...]
    barcode: str
    barcode_text: str
    strip: str = ""


class WallFaces(msgspec.Struct, frozen=True, kw_only=True):
    """One member on every surface. `receipt` is None before the first purchase, `wallet` where it has no phone."""

    phone: AppView
    web: WebView
    kiosk: KioskView
    receipt: ReceiptView | None
    wallet: PassFace | None


class _Blank:
    """Stands for a row that is not there: every value of it is empty. For a list's `<template>`."""

    def __getattr__(self, name: str) -> str | _Blank:
        if name.startswith("__"):
            raise AttributeError(name)
        return _NOTHING if name in ("balance", "tier", "qr") else ""

    def __bool__(self) -> bool:
        return False


_NOTHING = _Blank()
_BASE_SHEETS = ("css/tokens.css", "css/base.css", "css/parts.css", "css/tickets.css")


def card(view: WebView, page: Page) -> str:
    """`page.config` may have `push` with the `key` that Web Push is asked for with, and `wallets` with the addresses of
    the passes (`apple`, `google`); what it does not have is not offered."""
    return render_page(
        "card.html",
        page,
        "web",
        script="card.js",
        sheets=("css/web.css",),
        view=view,
        config={"balance": view.balance},
        code_qr=qr(view.member.code),
        push="push" in page.config,
        wallets=page.config.get("wallets", {}),
    )


def phone(view: AppView, page: Page) -> str:
    return render_page(
        "phone.html",
        page,
        "app",
        script="phone.js",
        sheets=("css/phone.css",),
        view=view,
        config={"balance": view.balance},
        code_qr=qr(view.member.code),
    )


def kiosk(view: KioskView, page: Page) -> str:
    config = {"session": view.session, "clears_at": view.clears_at}
    return render_page(
        "kiosk.html",
        page,
        "kiosk",
        script="kiosk.js",
        sheets=("css/kiosk.css",),
        forced="dark",
        view=view,
        config=config,
    )


def receipt(view: ReceiptView, page: Page) -> str:
    """Without a live balance the page is still: it opens no socket. `page.config` may have `wallets`, as the card's."""
    script = "receipt.js" if view.balance else ""
    return render_page(
        "receipt.html",
        page,
        "receipt",
        script=script,
        sheets=("css/receipt.css",),
        forced="light",
        view=view,
        config={"balance": view.balance},
        link_qr=qr(view.link),
        wallets=page.config.get("wallets", {}),
    )


def wall(faces: WallFaces, page: Page, *, last: Cause | None = None) -> str:
    """`page.config` has `faces`, `target_ms` and `demo`; `last` is what happened last, for the event panel."""
    target = int(page.config.get("target_ms", 250))
    kiosk, unit = faces.kiosk, faces.web.balance.unit
    return render_page(
        "wall.html",
        page,
        "web",
        script="wall.js",
        sheets=(
            "css/phone.css",
            "css/web.css",
            "css/kiosk.css",
            "css/receipt.css",
            "css/pass.css",
            "css/wall.css",
            "css/wall-faces.css",
            "css/wall-panel.css",
        ),
        config={
            "session": kiosk.session,
            "clears_at": kiosk.clears_at,
            "code": faces.phone.member.code,
        },
        faces=faces,
        brand=faces.web.brand,
        version=page.have.version if page.have else 0,
        event={"points_text": last.points_text, "unit": unit, "gain": last.gain, "what": last.what, "when": last.when}
        if last
        else None,
        ids=("phone", "web", "kiosk", "receipt", "pass"),
        target_ms=target,
        axis_ms=max(LAG_AXIS_MS, target * 6 // 5),
        ticks=(0, 100, 200, target),
        speeds=SPEEDS,
        demo=bool(page.config.get("demo")),
        blank_receipt=_NOTHING,
        code_qr=qr(faces.phone.member.code),
        link_qr=qr(faces.receipt.link) if faces.receipt else "",
    )


def signed_out(page: Page, *, sign_in: str = "") -> str:
    """`sign_in` is where the button leads; without it there is only the advice."""
    w = words(page.locale)
    return message_page(
        page,
        title=w("error.signed_out_title"),
        text=w("error.signed_out_text"),
        action_href=sign_in,
        action_text=w("error.signed_out_action"),
    )


def unsubscribe(page: Page, *, done: bool) -> str:
    """Asks whether letters shall end, or says that they have."""
    w = words(page.locale)
    return render_page(
        "unsubscribe.html",
        page,
        None,
        script="",
        sheets=(),
        done=done,
        title=w("unsubscribe.done" if done else "unsubscribe.title"),
    )


def error(status: int, page: Page, *, request_id: str = "") -> str:
    """What went wrong in a member's words and what to do; a status without words of its own is told as 404 or 500."""
    w = words(page.locale)
    told = status if status in (401, 403, 404, 410, 429, 500, 503) else 404 if status < 500 else 500
    again = told in (429, 500, 503)
    return message_page(
        page,
        title=w(f"error.t{told}"),
        text=w(f"error.d{told}"),
        reference=w("error.reference", id=request_id) if request_id else "",
        action_href="" if not again else "?",
        action_text=w("error.reload"),
    )


def qr(text: str) -> Markup:
    """`text` as an inline SVG QR code: never Micro QR, which phones often miss; level M, four modules of quiet zone,
    dark on light in both themes."""
    code = segno.make_qr(text, error="m")
    svg: str = code.svg_inline(border=4, omitsize=True, dark="#071d27", light="#fff", svgclass=None, lineclass=None)
    return Markup(svg)  # noqa: S704 - segno draws paths; no text of ours is in it


def message_page(page: Page, *, title: str, text: str, action_href: str, action_text: str, reference: str = "") -> str:
    return render_page(
        "message.html",
        page,
        None,
        script="",
        sheets=(),
        title=title,
        text=text,
        action_href=action_href,
        action_text=action_text,
        reference=reference,
    )


def render_page(
    template: str,
    page: Page,
    surface: Surface | None,
    *,
    script: str,
    sheets: tuple[str, ...],
    forced: str = "",
    config: Mapping[str, object] | None = None,
    **values: object,
) -> str:
    w = words(page.locale)
    noto = {"zh-Hant": ("fonts/noto-tc/index.css",), "zh-Hans": ("fonts/noto-sc/index.css",)}.get(page.locale, ())
    shared = {
        "surface": surface,
        "locale": page.locale,
        "zone": page.zone,
        "have": page.have,
        "as_of": page.as_of,
        "words": w.table("live"),
        **(config or {}),
        **page.config,
    }
    return (
        _environment()
        .get_template(template)
        .render(
            page=page,
            w=w,
            sheets=(*noto, *_BASE_SHEETS, *sheets),
            script=script,
            han=bool(noto),
            forced=forced,
            config=_data_block(shared),
            body_class=f"p-{template.removesuffix('.html')}",
            blank=_NOTHING,
            solo=True,
            face_id="face",
            **values,
        )
    )


def _data_block(config: dict[str, object]) -> Markup:
    """JSON that cannot end its `<script>`: `<`, `>` and `&` as escapes."""
    text = msgspec.json.encode(config).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped here


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("surfaces"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["number"] = formats.number
    environment.filters["rfc3339"] = rfc3339
    return environment
