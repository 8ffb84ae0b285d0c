"""`GET /live`: the WebSocket of every surface, as a bare ASGI application.

It stands beside Litestar rather than in it: there is one of these coroutines for every open socket, and each layer it
would pass through costs memory that thousands of idle sockets pay for. It feeds `push.session`, attaches to the hub, and
then only waits for the client to go.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bff.auth import SESSION_COOKIE, Principal, same_origin
from bff.services import Services
from core import read
from core.errors import ChorusError, InvalidInput, NotAllowed, NotFound, Unauthenticated
from core.members.identifiers import Identifier, normalise
from push.render import KioskSubject, ReceiptSubject, Subject, TillSubject
from push.session import SUBPROTOCOL, Close, Hello, Refused, Session, error, read_hello, unexpected
from push.socket import Socket
from surfaces.views import Surface

HELLO_SECONDS = 10.0
"""A client says hello at once; one that is silent holds a connection for nothing."""
COMING_BACK_SECONDS = 5


class LiveApp:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert message["type"] == "websocket.connect"
        offered = scope.get("subprotocols", [])
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None})
        socket = None
        try:
            if SUBPROTOCOL not in offered:
                raise Refused(Close.BAD_MESSAGE, f"ask for the subprotocol {SUBPROTOCOL}", error="bad_message")
            hello = await self._hello(receive)
            if hello is None:
                return
            socket = await self._socket(scope, send, hello)
            await self._services.hub.attach(socket)
            await _until_gone(receive)
        except Refused as refused:
            await _farewell(send, refused)
        except TimeoutError:
            await _farewell(send, Refused(Close.BAD_MESSAGE, "no hello came", error="bad_message"))
        except Exception as failure:
            # The client may come back: what failed here (a database that is away) is not its fault.
            wait = Refused(Close.OVERLOADED, "come back shortly", error="unavailable", wait=COMING_BACK_SECONDS)
            await _farewell(send, wait)
            if not isinstance(failure, ChorusError | DBAPIError | PoolTimeout | OSError):
                raise
        finally:
            if socket is not None:
                self._services.hub.detach(socket)

    async def _hello(self, receive: Any) -> Hello | None:
        async with asyncio.timeout(HELLO_SECONDS):
            message = await receive()
        if message["type"] == "websocket.disconnect":
            return None
        return read_hello(message.get("text"))

    async def _socket(self, scope: Any, send: Any, hello: Hello) -> Socket:
        """The socket of a hello whose token is good. Raises `Refused`."""
        if self._services.draining:
            raise Refused(Close.DRAINING, "this instance is stopping", error="draining", wait=COMING_BACK_SECONDS)
        try:
            member, subject = await self._who(scope, hello)
        except Unauthenticated as refusal:
            raise Refused(Close.BAD_TOKEN, refusal.detail, error=refusal.code) from None
        except (NotAllowed, NotFound) as refusal:
            raise Refused(Close.NOT_ALLOWED, refusal.detail, error=refusal.code) from None
        surface: Surface = hello.surface  # type: ignore[assignment]
        session = Session(surface, hello.locale, subject, hello.have)  # type: ignore[arg-type]
        return Socket(send, session, member, self._services.hub.free)

    async def _who(self, scope: Any, hello: Hello) -> tuple[int | None, Subject]:
        services = self._services
        match hello.surface:
            case "receipt":
                return await receipt_subject(services, hello.token)
            case "kiosk":
                principal = services.tokens.verify(hello.token, "kiosk")
                session = await services.kiosk_session(principal.device)
                return session.member, KioskSubject(principal.store, session)
            case "pos":
                return await self._followed(hello)
            case _:
                return self._member(scope, hello).member, None

    async def _followed(self, hello: Hello) -> tuple[int, TillSubject]:
        """The member a till looked up, as `GET /pos/v1/members` does."""
        principal = self._services.tokens.verify(hello.token, "pos")
        if hello.who is None:
            raise Refused(Close.BAD_MESSAGE, "who: say which member to follow", error="bad_message")
        try:
            identifier = normalise(Identifier(hello.who.kind, hello.who.value), "/who")
        except InvalidInput as refusal:
            raise Refused(Close.BAD_MESSAGE, f"who: {refusal.errors[0].detail}", error="bad_message") from None
        member = await read.member_of(self._services.database, identifier)
        if member is None:
            raise NotFound("no member has this identifier", code="unknown_member")
        return member, TillSubject(principal.device)

    def _member(self, scope: Any, hello: Hello) -> Principal:
        services = self._services
        if hello.token:
            return services.tokens.verify(hello.token, hello.surface)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if hello.surface != "web" or not (cookie := _cookie(headers.get(b"cookie", ""), SESSION_COOKIE)):
            raise Unauthenticated("the hello has no token")
        if not same_origin(headers.get(b"origin"), headers.get(b"host"), services.settings.public_url):
            raise NotAllowed("this page is not ours", code="wrong_origin")
        return services.tokens.verify(cookie, "web")


async def receipt_subject(services: Services, token: str) -> tuple[int, ReceiptSubject]:
    """The member and the subject of a receipt's link. Raises `NotFound`."""
    member, version = services.tokens.open_receipt(token)
    purchase = await services.reader.purchase(member, version)
    if purchase is None:
        raise NotFound("there is no such receipt", code="unknown_receipt")
    live = timedelta(days=services.book.current.programme.limits.receipt_live_days)
    printed = services.book.published(purchase.programme)
    link = services.receipt_url(member, version)
    return member, ReceiptSubject(purchase, link, purchase.recorded_at + live, printed)


async def _until_gone(receive: Any) -> None:
    """Wait for the disconnect. Raises `Refused` when the client says anything more."""
    message = await receive()
    if message["type"] != "websocket.disconnect":
        raise unexpected()


async def _farewell(send: Any, refused: Refused) -> None:
    try:
        await send({"type": "websocket.send", "text": error(refused)})
        await send({"type": "websocket.close", "code": int(refused.code), "reason": refused.reason})
    except Exception:
        return  # it is gone already


def _cookie(header: str, name: str) -> str:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
