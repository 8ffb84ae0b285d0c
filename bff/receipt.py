"""The digital receipt behind its link: a page, a picture, and the same as JSON.

The link is the key. What was earned is fixed as printed; the balance is live for the programme's time, and then gone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Controller, Request, Response, get
from litestar.params import FromPath

from bff.auth import Principal
from bff.bodies import ShownView
from bff.errors import refusals
from bff.html import html, page
from bff.live import receipt_subject
from bff.passes import wallets
from bff.services import Given, Services, locale_of
from bff.showing import show, snapshot_of
from core.snapshot import Snapshot
from push import render
from push.render import ReceiptSubject
from surfaces import pages
from surfaces.images.receipt import ReceiptLabels, receipt_png
from surfaces.views import ReceiptView
from surfaces.wording import words

_Request = Request[Any, Any, Any]
_REFUSALS = refusals((404, "unknown_receipt", "there is no such receipt"))


class ReceiptController(Controller):
    path = "/r"
    tags = ("receipt",)

    @get("/{token:str}", summary="The receipt as a page", media_type="text/html", responses=_REFUSALS)
    async def as_page(self, request: _Request, services: Given, token: FromPath[str]) -> Response[str]:
        snapshot, subject = await _opened(services, token)
        locale = locale_of(request, snapshot.profile.locale)
        view = _view(services, snapshot, subject, locale)
        stamp, _ = render.stamp_of(snapshot, services.book.current, services.engine.epoch, services.clock(), subject)
        config = {"token": token, "wallets": wallets(services)}
        shown = page(services, request, locale, stamp, config)
        return html(request, pages.receipt(view, shown))

    @get("/{token:str}/receipt.png", summary="The receipt as a picture", media_type="image/png", responses=_REFUSALS)
    async def as_picture(self, request: _Request, services: Given, token: FromPath[str]) -> Response[bytes]:
        """As printed: the balance after the sale, not the one now."""
        snapshot, subject = await _opened(services, token)
        locale = locale_of(request, snapshot.profile.locale)
        view = _view(services, snapshot, subject, locale)
        picture = await asyncio.to_thread(receipt_png, view, _labels(locale), locale=locale)
        return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})

    @get("/{token:str}/receipt.json", summary="The receipt's view", responses=_REFUSALS)
    async def as_json(self, request: _Request, services: Given, token: FromPath[str]) -> Response[ShownView]:
        member, subject = await receipt_subject(services, token)
        return await show(services, request, Principal("receipt", member=member), "receipt", member, subject)


async def _opened(services: Services, token: str) -> tuple[Snapshot, ReceiptSubject]:
    member, subject = await receipt_subject(services, token)
    return await snapshot_of(services, member), subject


def _view(services: Services, snapshot: Snapshot, subject: ReceiptSubject, locale: Any) -> ReceiptView:
    view = render.view(snapshot, services.book.current, services.clock(), "receipt", locale, subject)
    assert isinstance(view, ReceiptView)
    return view


def _labels(locale: str) -> ReceiptLabels:
    w = words(locale)
    return ReceiptLabels(
        total=w("receipt_page.total"),
        points_earned=w("receipt_page.earned"),
        balance_after=w("receipt_page.balance_after"),
        scan=w("receipt_page.scan"),
        more=w("receipt_page.more"),
        number=w("receipt.number"),
    )
