"""A wallet view as `pass.json`, with the same view in the other languages beside it.

A pass carries all languages at once: `pass.json` in the member's own, and for each a table from that wording to its own
(`zh-Hant.lproj/pass.strings`). A program that knows nothing of languages shows the member's. Every value is text: one
reader shows a number as empty.

Only the balance has a change message. A purchase that lifts a member to a new tier changes both, and a phone that finds
two changed fields says merely that the pass changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from surfaces.views import Locale, PassField, WalletView

WEB_SERVICE = "/apple"
"""Where the web service lies under the public address; Apple's own paths (`/v1/...`) follow it."""
_STYLE = {"header": "headerFields", "primary": "primaryFields", "secondary": "secondaryFields"}
_STYLE |= {"auxiliary": "auxiliaryFields", "back": "backFields"}
_MARK = "\u200b"
"""Zero-width space."""
_ENCODER = msgspec.json.Encoder()


class Identity(msgspec.Struct, frozen=True):
    """What a pass is and where it is kept up to date. Neither `token` nor `service` ever changes for a serial, whoever's
    balance the pass comes to show."""

    pass_type: str
    serial: str
    team: str
    service: str
    """https, without a slash at its end."""
    token: str


def pass_json(view: WalletView, identity: Identity, version: int) -> bytes:
    """`version` is the ledger's, for a companion app (`userInfo`)."""
    document: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": identity.pass_type,
        "serialNumber": identity.serial,
        "teamIdentifier": identity.team,
        "organizationName": view.brand,
        "description": view.description,
        "logoText": view.brand,
        "webServiceURL": identity.service,
        "authenticationToken": identity.token,
        "backgroundColor": view.background,
        "foregroundColor": view.foreground,
        "labelColor": view.label,
        "sharingProhibited": True,
        "barcodes": [
            {
                "format": "PKBarcodeFormatQR",
                "message": view.barcode,
                "messageEncoding": "iso-8859-1",
                "altText": view.barcode_text,
            }
        ],
        "storeCard": {style: [_field(one) for one in getattr(view, part)] for part, style in _STYLE.items()},
        "userInfo": {"version": version},
    }
    return _ENCODER.encode(document)


def worded(views: Mapping[Locale, WalletView], own: Locale) -> tuple[WalletView, list[tuple[Locale, bytes]]]:
    """The member's own view as `pass.json` is to word it, and (language, content of its `pass.strings`), in order.

    The member's own table has one line: that it is there tells a phone in that language not to take another.
    """
    source = _texts(views[own])
    others = [locale for locale in views if locale != own]
    texts, meanings = _told_apart(source, [_texts(views[locale]) for locale in others])
    shown = views[own] if texts == source else _with_texts(views[own], texts)
    tables = [(own, _line(shown.description, shown.description).encode())]
    for number, locale in enumerate(others):
        lines = [_line(text, its[number]) for text, its in meanings.items() if text != its[number]]
        tables.append((locale, "".join(lines).encode()))
    return shown, tables


def _texts(view: WalletView) -> list[str]:
    """Every text of a view that has a language; all languages have the same fields in the same order."""
    fields = (*view.header, *view.primary, *view.secondary, *view.auxiliary, *view.back)
    texts = [view.description, view.brand]
    for field in fields:
        texts += (field.label, field.value, field.change_message)
    return texts


def _told_apart(source: list[str], others: list[list[str]]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """The source texts, in their order, and what each is in the other languages. One that stands for two things (a member
    who is called "Points") has a mark that nobody sees, for a table knows a text by its wording alone."""
    meanings: dict[str, tuple[str, ...]] = {}
    texts = []
    for text, its in zip(source, zip(*others, strict=True), strict=True):
        while meanings.setdefault(text, its) != its:
            text += _MARK
        texts.append(text)
    return texts, meanings


def _with_texts(view: WalletView, texts: Sequence[str]) -> WalletView:
    left = iter(texts)
    description, brand = next(left), next(left)
    parts = {
        part: tuple(
            PassField(key=field.key, label=next(left), value=next(left), change_message=next(left))
            for field in getattr(view, part)
        )
        for part in _STYLE
    }
    return msgspec.structs.replace(view, description=description, brand=brand, **parts)


def _line(text: str, its: str) -> str:
    return f'"{_quoted(text)}" = "{_quoted(its)}";\n'


def _quoted(text: str) -> str:
    """A line end stands as it is: one reader compares a text with the bytes between the quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"') if "\\" in text or '"' in text else text


def _field(field: PassField) -> dict[str, str]:
    shown = {"key": field.key, "label": field.label, "value": field.value}
    return shown | {"changeMessage": field.change_message} if field.change_message else shown
