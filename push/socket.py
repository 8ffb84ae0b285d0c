"""A socket that never makes the fan-out wait.

`write` tries to send at once, on the caller's stack. If the client does not read, the send blocks; then the socket is
parked: the blocked send goes on in a task of its own, and what comes meanwhile is only remembered as "there is news".
When the send gets through, the hub is asked for the latest state, so the slot between a slow client and the world holds
one value, the newest. A socket that stays parked too long is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from core.metrics import CUT_OFF
from push import session
from push.session import Close, Refused, Session

PARKED_SECONDS = 15.0
"""A phone in a lift comes back within seconds; one that read nothing for so long is better off reconnecting."""

Send = Callable[[Any], Awaitable[None]]


class Socket:
    """One per open connection; everything else about it belongs to the server."""

    __slots__ = ("_on_free", "_send", "attached", "closed", "last_sent", "member", "news", "parked", "session")

    def __init__(self, send: Send, session: Session, member: int | None, on_free: Callable[[Socket], None]) -> None:
        self._send = send
        self.session = session
        self.member = member
        self.parked: asyncio.Task[None] | None = None
        self.news = False
        self.closed = False
        self.attached = False
        self.last_sent = 0.0
        self._on_free = on_free

    def write(self, text: str, now: float) -> None:
        """Send a text frame now, or park. Must not be called while parked. `now`: the loop's clock."""
        assert self.parked is None
        self.last_sent = now
        self._start(self._send({"type": "websocket.send", "text": text}))

    def close(self, refused: Refused) -> None:
        """Say why, then close. Without waiting; a parked socket is only cut."""
        if self.closed:
            return
        self.closed = True
        if self.parked is None:
            self._start(self._farewell(refused))

    async def _farewell(self, refused: Refused) -> None:
        await self._send({"type": "websocket.send", "text": session.error(refused)})
        await self._send({"type": "websocket.close", "code": int(refused.code), "reason": refused.reason})

    def _start(self, sending: Awaitable[None]) -> None:
        """Drive the send until it would block; what is left of it becomes a task.

        A task for every send would cost more than the send; asyncio has eager tasks only from 3.12 on.
        """
        coroutine = sending
        assert isinstance(coroutine, Coroutine)
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return
        except Exception:
            self.closed = True
            return
        self.parked = asyncio.ensure_future(self._finish(coroutine, awaited))

    async def _finish(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        try:
            async with asyncio.timeout(PARKED_SECONDS):
                await _rest(coroutine, awaited)
        except TimeoutError:
            CUT_OFF.inc()
            self.closed = True
            with contextlib.suppress(Exception):
                async with asyncio.timeout(1):
                    await self._send({"type": "websocket.close", "code": int(Close.TOO_SLOW), "reason": "5"})
        except Exception:
            self.closed = True
        finally:
            self.parked = None
        if self.news and not self.closed:
            self.news = False
            self._on_free(self)


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was already driven up to its first wait."""
    while True:
        value, thrown = None, None
        try:
            value = yield awaited
        except BaseException as error:
            thrown = error
        try:
            awaited = coroutine.send(value) if thrown is None else coroutine.throw(thrown)
        except StopIteration:
            return
