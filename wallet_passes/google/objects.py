"""The wallet view as Google's loyalty class and object.

One class for the programme; what a tier changes (its picture and its name) stands in the object, so an upgrade is one
PATCH like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.programme.document import Published, text_in
from surfaces.views import LOCALES, Locale, WalletView
from surfaces.wording import words
from wallet_passes.images import Look, look

CLASS = "chorus-loyalty"


def class_id(issuer: str) -> str:
    return f"{issuer}.{CLASS}"


def object_id(issuer: str, member: int) -> str:
    return f"{issuer}.member-{member}"


def member_of(issuer: str, object_id: str) -> int | None:
    """The member of an object of ours."""
    serial = object_id.removeprefix(f"{issuer}.member-")
    ours = serial != object_id and serial.isascii() and serial.isdigit() and len(serial) < 19
    return int(serial) if ours else None


def face(view: WalletView) -> Look:
    return look(view.finish, view.background, view.foreground)


def loyalty_class(issuer: str, published: Published, view: WalletView, *, logo: str, callback: str) -> dict[str, Any]:
    """`logo` is a public address; `callback` is told when a member saves or removes its pass."""
    brand = published.programme.brand
    names = {locale: text_in(brand.name, locale) for locale in LOCALES}
    return {
        "id": class_id(issuer),
        "issuerName": names["en"],
        "localizedIssuerName": _localized(names),
        "programName": names["en"],
        "localizedProgramName": _localized(names),
        "programLogo": {"sourceUri": {"uri": logo}, "contentDescription": _localized(names)},
        "accountNameLabel": words("en")("wallet.member"),
        "hexBackgroundColor": _hex(view.background),
        "countryCode": "US",
        "reviewStatus": "UNDER_REVIEW",
        "callbackOptions": {"url": callback},
    }


def loyalty_object(
    issuer: str, member: int, views: Mapping[Locale, WalletView], own: Locale, hero: str
) -> dict[str, Any]:
    """The object that was made for `member`, in the language of whom it shows with the others beside it. `hero` is the
    tier's picture."""
    view = views[own]
    every = {locale: {field.key: field for field in _all(shown)} for locale, shown in views.items()}
    modules = [
        {
            "id": field.key,
            "localizedHeader": _localized({locale: every[locale][field.key].label for locale in views}, own),
            "localizedBody": _localized({locale: every[locale][field.key].value for locale in views}, own),
        }
        for field in (*view.primary, *view.secondary, *view.auxiliary, *view.back)
        if field.key not in ("member", "website")
    ]
    points = view.header[0]
    made: dict[str, Any] = {
        "id": object_id(issuer, member),
        "classId": class_id(issuer),
        "state": "ACTIVE",
        "accountId": view.barcode,
        "accountName": every[own]["member"].value,
        "loyaltyPoints": {
            "localizedLabel": _localized({locale: every[locale][points.key].label for locale in views}, own),
            "balance": {"int": view.balance.points},
        },
        "barcode": {"type": "QR_CODE", "value": view.barcode, "alternateText": view.barcode_text},
        "heroImage": {"sourceUri": {"uri": hero}},
        "textModulesData": modules,
    }
    website = every[own].get("website")
    # Null, not left out: a PATCH keeps what it does not name.
    made["linksModuleData"] = website and {
        "uris": [{"id": "website", "uri": _url(website.value), "description": website.label}]
    }
    return made


def _all(view: WalletView) -> tuple[Any, ...]:
    return (*view.header, *view.primary, *view.secondary, *view.auxiliary, *view.back)


def _localized(texts: Mapping[Locale, str], own: Locale = "en") -> dict[str, Any]:
    others = [{"language": locale, "value": text} for locale, text in texts.items() if locale != own]
    return {"defaultValue": {"language": own, "value": texts[own]}, "translatedValues": others}


def _url(website: str) -> str:
    return website if "://" in website else f"https://{website}"


def _hex(colour: str) -> str:
    """`#rrggbb` of `rgb(r,g,b)`."""
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return f"#{red:02x}{green:02x}{blue:02x}"
