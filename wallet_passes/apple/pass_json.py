"""A wallet view as `pass.json`, with the same view in the other languages beside it.

A pass carries all languages at once: `pass.json` in the member's own, and for each a table from that wording to its own
(`zh-Hant.lproj/pass.strings`). A program that knows nothing of languages shows the member's. Every value is text: one
reader shows a number as empty.

Only the balance has a change message. A purchase that lifts a member to a new tier changes both, and a phone that finds
two changed fields says merely that the pass changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from surfaces.views import Locale, PassField, WalletView

WEB_SERVICE = "/apple"
"""Where the web service lies under the public address; Apple's own paths (`/v1/...`) follow it."""
_STYLE = {"header": "headerFields", "primary": "primaryFields", "secondary": "secondaryFields"}
_STYLE |= {"auxiliary": "auxiliaryFields", "back": "backFields"}
_ENCODER = msgspec.json.Encoder()


class Identity(msgspec.Struct, frozen=True):
    """What a pass is and where it is kept up to date. Neither `token` nor `service` ever changes for a serial."""

    pass_type: str
    team: str
    service: str
    """https, without a slash at its end."""
    token: str


def pass_json(view: WalletView, identity: Identity, version: int) -> bytes:
    """`version` is the ledger's, for a companion app (`userInfo`)."""
    document: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": identity.pass_type,
        "serialNumber": view.serial,
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


def strings(views: Mapping[Locale, WalletView], own: Locale) -> Iterator[tuple[Locale, bytes]]:
    """(language, content of its `pass.strings`), in order. The member's own table has one line: that it is there tells a
    phone in that language not to take another."""
    source = views[own]
    yield own, _line(source.description, source.description).encode()
    for locale, view in views.items():
        if locale != own:
            yield locale, _table(source, view)


def _table(source: WalletView, other: WalletView) -> bytes:
    pairs = {source.description: other.description, source.brand: other.brand}
    for part in _STYLE:
        theirs = {field.key: field for field in getattr(other, part)}
        for field in getattr(source, part):
            its = theirs[field.key]
            pairs[field.label], pairs[field.value] = its.label, its.value
            if field.change_message:
                pairs[field.change_message] = its.change_message
    return "".join([_line(text, its) for text, its in pairs.items() if text != its]).encode()


@lru_cache(maxsize=8192)
def _line(text: str, its: str) -> str:
    """The same labels are translated in every pass."""
    return f'"{_quoted(text)}" = "{_quoted(its)}";\n'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _field(field: PassField) -> dict[str, str]:
    shown = {"key": field.key, "label": field.label, "value": field.value}
    return shown | {"changeMessage": field.change_message} if field.change_message else shown
