"""A member's own devices: register, refresh, list, revoke; and the end of letters by the link in each."""

from __future__ import annotations

import base64
import re
import time
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from bff.auth import Principal
from bff.errors import refusals
from bff.html import html, page
from bff.member import member_of
from bff.services import Given, Services, locale_of
from core import member_devices, read
from core.allowance import Allowance
from core.errors import InvalidInput, TooMany
from core.member_devices import MAX_TOKEN, DeviceChannel, MemberDevice
from core.members.identifiers import Identifier, normalise
from push.channels.webpush import allowed
from surfaces import pages
from surfaces.views import Locale, Surface

LONGEST_VISIT = timedelta(hours=12)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){16,200}")
_BUNDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{MAX_TOKEN}}}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3}={0,2})?")
_ON_THE_WEB: frozenset[str] = frozenset({"webpush", "email", "sms"})

_Request = Request[Any, Any, Any]


class DeviceBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`token`: a device token in hex (apns, liveactivity), FCM's token, a push endpoint, an address or a number of the
    member's own. `app`: the bundle id for Apple, else any name; an address or a number is kept once, whichever app names
    it. `keys` are a browser's. `until` ends a Live Activity."""

    channel: DeviceChannel
    app: str
    token: str
    keys: dict[Literal["p256dh", "auth"], str] = {}
    locale: Locale | None = None
    until: datetime | None = None


class DeviceAnswer(msgspec.Struct, frozen=True):
    """Without its token: whoever lists devices need not be able to reach them."""

    id: str
    channel: DeviceChannel
    app: str
    locale: str
    registered_at: datetime
    refreshed_at: datetime
    until: datetime | None


class DeviceList(msgspec.Struct, frozen=True):
    items: list[DeviceAnswer]


class _DevicesController(Controller):
    surface: Surface

    @post("/devices", summary="Register a device, or refresh it", responses=refusals((429, "too_many", "come back")))
    async def register(self, request: _Request, services: Given, data: JSONBody[DeviceBody]) -> Response[DeviceAnswer]:
        """201 where it is new for this member, else 200. A token that was another member's leaves it."""
        principal = member_of(request, services, self.surface)
        if not _REGISTERING.take(principal.member):
            raise TooMany("too many registrations; come back in a minute")
        token = await self._checked(services, principal, data)
        now = services.clock()
        device = MemberDevice(
            member=principal.member,
            app=data.channel if data.channel in ("email", "sms") else data.app,
            channel=data.channel,
            token=token,
            keys={str(name): key for name, key in data.keys.items()},
            locale=data.locale or locale_of(request),
            registered_at=now,
            refreshed_at=now,
            until=data.until,
        )
        kept, new = await member_devices.register(services.database, device)
        return Response(_answer(kept), status_code=201 if new else 200)

    @get("/devices", summary="The member's devices, the last refreshed first", responses=refusals())
    async def listed(self, request: _Request, services: Given) -> DeviceList:
        principal = member_of(request, services, self.surface)
        return DeviceList([_answer(one) for one in await member_devices.of_member(services.database, principal.member)])

    @delete(
        "/devices/{id:str}",
        status_code=204,
        summary="Tell a device nothing more",
        responses=refusals((404, "unknown_device", "this member has no such device")),
    )
    async def revoke(self, request: _Request, services: Given, id: FromPath[str]) -> None:
        principal = member_of(request, services, self.surface)
        number = int(id) if id.isascii() and id.isdigit() and len(id) < 19 else 0
        await member_devices.revoke(services.database, principal.member, number)

    async def _checked(self, services: Services, principal: Principal, data: DeviceBody) -> str:
        """The token in its one form. Raises `InvalidInput`."""
        if self.surface == "web" and data.channel not in _ON_THE_WEB:
            raise InvalidInput.at("/channel", "a website has no such devices")
        if _BUNDLE.fullmatch(data.app) is None:
            raise InvalidInput.at("/app", "must be 1 to 100 letters, digits, dots and hyphens")
        _check_until(data, services.clock())
        if data.keys and data.channel != "webpush":
            raise InvalidInput.at("/keys", "are for a browser only")
        match data.channel:
            case "email" | "sms":
                return await _own_address(services, principal, data)
            case "apns" | "liveactivity":
                form, told = _HEX, "must be a device token in hex"
            case _:
                form, told = _TOKEN, f"must be 1 to {MAX_TOKEN} visible characters"
        if form.fullmatch(data.token) is None:
            raise InvalidInput.at("/token", told)
        if data.channel == "webpush":
            if not allowed(data.token, services.outside.webpush_hosts):
                raise InvalidInput.at("/token", "is not the endpoint of a push service we send to")
            _check_keys(data.keys)
        return data.token.lower() if form is _HEX else data.token


class AppDevicesController(_DevicesController):
    path = "/app/v1"
    tags = ("app", "devices")
    surface = "app"


class WebDevicesController(_DevicesController):
    path = "/web/v1"
    tags = ("web", "devices")
    surface = "web"


class UnsubscribeController(Controller):
    """The link in a letter. Opening it asks; only a POST ends the letters, as a mail program sends it by itself (RFC
    8058), for links are opened by machines too."""

    path = "/u"
    include_in_schema = False

    @get("/{token:str}")
    async def ask(self, request: _Request, services: Given, token: FromPath[str]) -> Response[str]:
        services.tokens.open_device(token)
        shown = page(services, request, locale_of(request), None, {})
        return html(request, pages.unsubscribe(shown, done=False))

    @post("/{token:str}", status_code=200)
    async def end(self, request: _Request, services: Given, token: FromPath[str]) -> Response[str]:
        await member_devices.forget(services.database, services.tokens.open_device(token), None)
        shown = page(services, request, locale_of(request), None, {})
        return html(request, pages.unsubscribe(shown, done=True))


_REGISTERING = Allowance(0.5, 30, time.monotonic)


def _answer(device: MemberDevice) -> DeviceAnswer:
    return DeviceAnswer(
        id=str(device.id),
        channel=device.channel,
        app=device.app,
        locale=device.locale,
        registered_at=device.registered_at,
        refreshed_at=device.refreshed_at,
        until=device.until,
    )


async def _own_address(services: Services, principal: Principal, data: DeviceBody) -> str:
    """An address or a number that is the member's: nobody has letters sent to somebody else."""
    kind: Literal["email", "phone"] = "email" if data.channel == "email" else "phone"
    try:
        wanted = normalise(Identifier(kind, data.token), "")
    except InvalidInput as error:
        raise InvalidInput.at("/token", error.detail) from None
    member = await read.living(services.database, principal.member)
    if await read.member_of(services.database, wanted) != member:
        raise InvalidInput.at("/token", f"is not this member's {kind}: link it first")
    return wanted.value


def _check_until(data: DeviceBody, now: datetime) -> None:
    if data.channel != "liveactivity":
        if data.until is not None:
            raise InvalidInput.at("/until", "is for a Live Activity only")
        return
    if data.until is None or data.until.tzinfo is None or not now < data.until <= now + LONGEST_VISIT:
        raise InvalidInput.at("/until", "must be an instant with a zone, at most 12 hours ahead")


def _check_keys(keys: dict[Literal["p256dh", "auth"], str]) -> None:
    sizes: dict[Literal["p256dh", "auth"], int] = {"p256dh": 65, "auth": 16}
    for name, size in sizes.items():
        key = keys.get(name, "")
        # The library overlooks what is not in its alphabet, and a column takes no NUL.
        if _BASE64.fullmatch(key) is None or len(base64.urlsafe_b64decode(key.rstrip("=") + "==")) != size:
            raise InvalidInput.at(f"/keys/{name}", f"must be {size} bytes in base64url")
