"""A client of `chorus.v1`, written from docs/live-protocol.md alone: it shows what its rules make of the frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.bff.house import House, Shopper, receipt_token, until

LOCALES = ("en", "zh-Hant")
Stamp = tuple[int, int, int, datetime]


def stamp_of(frame: dict[str, Any]) -> Stamp:
    return (frame["epoch"], frame["version"], frame["programme"], datetime.fromisoformat(frame["valid_from"]))


class Screen:
    """One socket of one surface. `frames` is all that came, `view` what it shows by the client's rule."""

    def __init__(self, surface: str, locale: str, token: str) -> None:
        self.surface, self.locale, self.token = surface, locale, token
        self.frames: list[dict[str, Any]] = []
        self.applied = 0
        self.have: Stamp | None = None
        self.session = 0
        self.view: Any = None
        self.closed: tuple[int, str] | None = None
        self.connection: ClientConnection | None = None

    def __str__(self) -> str:
        return f"{self.surface}/{self.locale}"

    @property
    def states(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == "state"]

    @property
    def last(self) -> dict[str, Any]:
        return self.frames[-1]

    def hello(self, **changed: Any) -> dict[str, Any]:
        hello: dict[str, Any] = {"type": "hello", "token": self.token, "surface": self.surface, "locale": self.locale}
        if self.have is not None:
            epoch, version, programme, valid_from = self.have
            hello["have"] = {
                "epoch": epoch,
                "version": version,
                "programme": programme,
                "valid_from": valid_from.isoformat(),
                "session": self.session,
            }
        return {**hello, **changed}

    def take(self, frame: dict[str, Any]) -> None:
        """The client's rule: on a kiosk the session first, then only a newer stamp."""
        self.frames.append(frame)
        if frame["type"] != "state":
            return
        stamp, session = stamp_of(frame), int(frame["view"].get("session", 0))
        if self.have is None or session > self.session or (session == self.session and stamp > self.have):
            self.have, self.session, self.view = stamp, session, frame["view"]
            self.applied += 1

    @contextlib.asynccontextmanager
    async def open(self, house: House, **changed: Any) -> AsyncIterator[Screen]:
        """Connected, and shown its first frame."""
        before = len(self.frames)
        async with connect(
            house.url.replace("http", "ws", 1) + "/live",
            subprotocols=[Subprotocol("chorus.v1")],
            ping_interval=None,
            compression=None,
        ) as connection:
            self.connection, self.closed = connection, None
            await connection.send(json.dumps(self.hello(**changed)))
            reading = asyncio.create_task(self._read(connection))
            try:
                await until(lambda: len(self.frames) > before or self.closed is not None, f"{self} gets a first frame")
                yield self
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                self.take(json.loads(text))
        self.closed = (connection.close_code or 0, connection.close_reason or "")


async def screens_of(house: House, who: Shopper, sold: dict[str, Any], kiosk: str) -> list[Screen]:
    """A screen for every surface in two languages; the receipt is that of `sold`."""
    tokens = {surface: house.token(surface, who.member) for surface in ("app", "web", "wallet")}
    tokens |= {"kiosk": kiosk, "receipt": receipt_token(sold)}
    return [Screen(surface, locale, token) for surface, token in tokens.items() for locale in LOCALES]


@contextlib.asynccontextmanager
async def opened_all(house: House, screens: list[Screen]) -> AsyncIterator[list[Screen]]:
    async with contextlib.AsyncExitStack() as stack:
        for screen in screens:
            await stack.enter_async_context(screen.open(house))
        yield screens


async def fetched(house: House, screen: Screen) -> dict[str, Any]:
    """The same view over HTTP."""
    path = f"/r/{screen.token}/receipt.json" if screen.surface == "receipt" else f"/{screen.surface}/v1/me"
    headers = {"Accept-Language": screen.locale, "Authorization": f"Bearer {screen.token}"}
    answer = await house.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def must_agree(source: House, shown_by: House, screens: list[Screen]) -> None:
    """What each screen shows equals what a GET where it was committed, a GET where it is shown, and a fresh hello say:
    the same view at the same stamp."""
    for screen in screens:
        truth = await fetched(source, screen)
        await until(
            lambda screen=screen, truth=truth: (
                (screen.have, screen.session)  # type: ignore[misc]
                == (stamp_of(truth), int(truth["view"].get("session", 0)))
            ),
            f"{screen} reaches {stamp_of(truth)}, shows {screen.have}",
        )
        assert screen.view == truth["view"], str(screen)
        if shown_by is not source:
            here = await fetched(shown_by, screen)
            assert (stamp_of(here), here["view"]) == (stamp_of(truth), truth["view"]), str(screen)
        async with Screen(screen.surface, screen.locale, screen.token).open(shown_by) as newcomer:
            assert (newcomer.have, newcomer.view) == (stamp_of(truth), truth["view"]), str(screen)
            assert newcomer.last["causes"] == []
