"""Runs a peer: a Node process that is told what to do in JSON lines, and that ends with the test, however that ends."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

from tests.peers.install import node

FOLDER = Path(__file__).parent
PATIENCE_SECONDS = 10.0
"""How long an answer may take before a test fails; nothing ever waits so long when it works."""
LONGEST_LINE = 64 * 1024 * 1024

Trouble = Mapping[str, object]
"""What shall befall one request; made by `tests.peers.troubles`, and for mail by `tests.peers.smtp`."""


class PeerError(Exception):
    """The peer died, or did not understand; with what it wrote to stderr."""


class Peer:
    """One Node process running `script` of this folder."""

    def __init__(self, script: str) -> None:
        self.script = script
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def start(self, **config: Any) -> Any:
        """Start the process; returns what it tells once it is ready."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            node(), self.script, cwd=FOLDER, stdin=pipe, stdout=pipe, stderr=pipe, limit=LONGEST_LINE
        )
        assert self._process.stderr is not None
        self._stderr = asyncio.create_task(self._process.stderr.read())
        self._reading = asyncio.create_task(self._read())
        try:
            return await self.call("start", **config)
        except BaseException:
            await self.stop()
            raise

    async def call(self, name: str, **args: Any) -> Any:
        """The answer to a command. Raises `PeerError` when there is none, `TimeoutError` when it does not come."""
        if self._reading.done():
            raise await self._death()
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._process.stdin.write(json.dumps({"id": number, "name": name, "args": args}).encode() + b"\n")
                await self._process.stdin.drain()
                return await answer
        except (BrokenPipeError, ConnectionResetError):
            answer.cancel()
            raise await self._death() from None
        except TimeoutError:
            raise TimeoutError(f"{self.script}: no answer to {name} {args} in {PATIENCE_SECONDS} s") from None
        finally:
            del self._waiting[number]

    async def stop(self) -> None:
        """End the process, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(self._reading, self._stderr)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            answer = self._waiting.get(message["id"])
            if answer is None or answer.done():
                continue  # nobody waits any more
            if "error" in message:
                answer.set_exception(PeerError(f"{self.script}: {message['error']}"))
            else:
                answer.set_result(message["value"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(await self._death())

    async def _death(self) -> PeerError:
        words = (await self._stderr).decode(errors="replace").strip()
        return PeerError(f"{self.script} ended with {await self._process.wait()}:\n{words}")


class Simulator:
    """A peer as a test uses it: `async with` starts and stops it, `reset` makes it as new within the same process."""

    SCRIPT: ClassVar[str]

    def __init__(self) -> None:
        self.peer = Peer(self.SCRIPT)

    async def __aenter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="chorus-peer-")
        try:
            self._started(await self.peer.start(**self._config(Path(self._folder.name))))
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        try:
            await self.peer.stop()
        finally:
            self._folder.cleanup()

    def _config(self, folder: Path) -> dict[str, Any]:
        """What the peer is started with; `folder` is for files, and is gone in the end."""
        raise NotImplementedError

    def _started(self, ready: dict[str, Any]) -> None:
        """Take what the peer told once it was ready."""
        raise NotImplementedError

    async def reset(self) -> None:
        """Forget all records, scripts, declared devices, accepted credentials and the clock; break every connection."""
        await self.peer.call("clear")

    async def script(self, *troubles: Trouble) -> None:
        """Let these befall the coming requests in this order, after those scripted before. A request that is refused on
        its merits takes none."""
        await self.peer.call("script", troubles=troubles)

    async def unplayed(self) -> int:
        """How many scripted troubles befell nothing yet."""
        count: int = await self.peer.call("unplayed")
        return count

    async def set_now(self, now: datetime | None) -> None:
        """Let it be `now` for the peer, until set again; None: the machine's time."""
        await self.peer.call("now", seconds=now and now.timestamp())

    async def _records(self, at_least: int) -> list[dict[str, Any]]:
        """All records, as soon as there are so many."""
        records: list[dict[str, Any]] = await self.peer.call("records", at_least=at_least)
        return records
