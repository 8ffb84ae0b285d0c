"""A token's server that never comes to an end: whoever wants the token is told in time, and the process can end."""

from __future__ import annotations

import asyncio
import time

import pytest

from push.channels.google_token import NoToken
from tests.bff.house import until
from tests.push.channels.rigs import FcmRig
from tests.push.channels.rough import served

BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nname: "


class Dripping:
    """Sends a byte now and then until it is told to stop."""

    def __init__(self, start: bytes) -> None:
        self._start, self.asked, self.stopped = start, 0, False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(self._start)
        while not self.stopped:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("start", [BODY, HEAD], ids=["body", "head"])
async def test_a_token_that_drips_is_given_up_for_all_who_wait(fcm: FcmRig, start: bytes) -> None:
    server = Dripping(start)
    async with served(server) as origin:
        token = fcm.token(seconds=0.3, token_uri=f"{origin}/token")
        try:
            async with asyncio.timeout(5):
                found = await asyncio.gather(*(token() for _ in range(5)), return_exceptions=True)
            assert {type(one) for one in found} == {NoToken}
            assert all(isinstance(one, NoToken) and one.again for one in found)
            assert server.asked == 1
            with pytest.raises(NoToken):
                async with asyncio.timeout(5):
                    await token()
            assert server.asked == 2, "a later one asks anew"
        finally:
            server.stopped = True


async def test_a_token_that_is_being_fetched_does_not_hold_up_the_end(fcm: FcmRig) -> None:
    server = Dripping(BODY)
    async with served(server) as origin:
        token = fcm.token(seconds=10, token_uri=f"{origin}/token")

        async def process() -> None:
            asked = asyncio.create_task(token())
            await until(lambda: server.asked == 1, "it is fetched")
            asked.cancel()

        started = time.monotonic()
        ended = asyncio.create_task(asyncio.to_thread(asyncio.run, process()))
        try:
            await asyncio.wait([ended], timeout=5)
            assert ended.done()
            assert time.monotonic() - started < 5
        finally:
            server.stopped = True
            await ended
