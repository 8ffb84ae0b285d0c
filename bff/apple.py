"""Apple's web service for passes, as a phone's Wallet speaks it: five requests, under `webServiceURL`.

A phone knows no problem documents, but whoever reads a log does; the status is what counts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, TypeVar

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath

from bff.requests import Malformed
from bff.services import Given, header
from wallet_passes.apple.factory import MEDIA_TYPE
from wallet_passes.apple.pass_json import WEB_SERVICE
from wallet_passes.apple.service import Given as GivenPass

_Request = Request[Any, Any, Any]
Body = TypeVar("Body")
_REGISTRATION = "/v1/devices/{device:str}/registrations/{pass_type:str}/{serial:str}"


class Registration(msgspec.Struct, frozen=True, rename={"push_token": "pushToken"}):
    push_token: str


class Logs(msgspec.Struct, frozen=True):
    logs: list[str]


class Changed(msgspec.Struct, frozen=True, rename="camel"):
    serial_numbers: list[str]
    last_updated: str
    """Opaque: the next request's `passesUpdatedSince`."""


class AppleController(Controller):
    """Apple's protocol, not ours: the document of our interface leaves it out."""

    path = WEB_SERVICE
    include_in_schema = False

    @post(_REGISTRATION)
    async def register(
        self,
        request: _Request,
        services: Given,
        device: FromPath[str],
        pass_type: FromPath[str],
        serial: FromPath[str],
    ) -> Response[bytes]:
        """`Authorization: ApplePass <token>`, `{"pushToken": "..."}`. 201 where it is new, else 200."""
        token = _pass_token(request)
        sent = await _decoded(request, Registration)
        new = await services.outside.apple.register(device, pass_type, serial, token, sent.push_token)
        return Response(b"", status_code=201 if new else 200)

    @delete(_REGISTRATION, status_code=200)
    async def unregister(
        self,
        request: _Request,
        services: Given,
        device: FromPath[str],
        pass_type: FromPath[str],
        serial: FromPath[str],
    ) -> Response[bytes]:
        await services.outside.apple.unregister(device, pass_type, serial, _pass_token(request))
        return Response(b"", status_code=200)

    @get("/v1/devices/{device:str}/registrations/{pass_type:str}")
    async def changed(
        self, request: _Request, services: Given, device: FromPath[str], pass_type: FromPath[str]
    ) -> Response[Changed | None]:
        """200 with serials and a tag for `passesUpdatedSince`; 204 where none changed."""
        since = request.query_params.get("passesUpdatedSince", "")
        found = await services.outside.apple.changed(device, pass_type, since)
        return Response(Changed(*found) if found else None, status_code=200 if found else 204)

    @get("/v1/passes/{pass_type:str}/{serial:str}", media_type=MEDIA_TYPE)
    async def fetch(
        self, request: _Request, services: Given, pass_type: FromPath[str], serial: FromPath[str]
    ) -> Response[bytes]:
        """304 where it has not changed after `If-Modified-Since`."""
        since = _date(header(request, b"if-modified-since"))
        given = await services.outside.apple.fetch(pass_type, serial, _pass_token(request), since)
        return Response(b"", status_code=304, media_type=MEDIA_TYPE) if given is None else pass_response(given)

    @post("/v1/log", status_code=200)
    async def log(self, request: _Request, services: Given) -> Response[bytes]:
        await services.outside.apple.log((await _decoded(request, Logs)).logs)
        return Response(b"", status_code=200)


def pass_response(given: GivenPass, *, file: str = "") -> Response[bytes]:
    """A pass; `file` has a browser that knows no passes keep it under that name."""
    headers = {
        "Last-Modified": format_datetime(given.modified_at.astimezone(UTC), usegmt=True),
        "Cache-Control": "private, no-cache",
    }
    if file:
        headers["Content-Disposition"] = f'attachment; filename="{file}"'
    return Response(given.data, media_type=MEDIA_TYPE, headers=headers)


def _pass_token(request: _Request) -> str | None:
    scheme, _, token = header(request, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "applepass" else None


async def _decoded(request: _Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"this is not what a device sends: {error}") from None


def _date(text: str) -> datetime | None:
    """An HTTP date; None where there is none, or none that can be read: the pass is then given whole."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)
