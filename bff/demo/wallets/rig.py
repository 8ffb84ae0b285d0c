"""Push host, wallet server and phones of a demo, in a thread of their own: they are up before the shop's server is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import uvicorn

from bff.demo.wallets.apns import PushHost
from bff.demo.wallets.google import GoogleWallet
from bff.demo.wallets.phone import Phone

START_SECONDS = 15
T = TypeVar("T")


class Rig:
    """Use as a context manager; `folder` takes its keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._phones: dict[str, Phone] = {}
        self._loop = asyncio.new_event_loop()
        self._up: Future[None] = Future()
        self._stop = asyncio.Event()
        self._following: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self.google = GoogleWallet()
        self._thread = threading.Thread(target=self._run, name="wallets", daemon=True)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._push_host = PushHost(self._folder, self._pushed)
        self._thread.start()
        self._up.result(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)

    def settings(self) -> dict[str, str]:
        """The environment of a server whose passes go here."""
        return {**self._push_host.settings(), **self.google.settings(self._folder)}

    async def add(self, data: bytes, changed: Callable[[], None] | None = None) -> Phone:
        """A new phone with this pass, which follows its changes from now on; `changed` is told of each event, in the
        phones' own thread. Raises `PhoneFault`."""
        return await self.on_loop(self._add(data, changed))

    async def on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that belongs to the thread's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def _add(self, data: bytes, changed: Callable[[], None] | None) -> Phone:
        assert self._client is not None
        phone = Phone(self._client, changed)
        self._phones[phone.push_token] = phone
        await phone.add(data)
        task = asyncio.create_task(phone.run())
        self._following.add(task)
        return phone

    def _pushed(self, token: str) -> None:
        if phone := self._phones.get(token):
            phone.push()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.google.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(self.google, lifespan="off", access_log=False, log_config=None, server_header=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        async with httpx.AsyncClient(timeout=30) as self._client:
            try:
                await self._push_host.open()
                self._up.set_result(None)
                await self._stop.wait()
            finally:
                for task in self._following:
                    task.cancel()
                await asyncio.gather(*self._following, return_exceptions=True)
                await self._push_host.close()
                server.should_exit = True
                with contextlib.suppress(asyncio.CancelledError):
                    await serving
