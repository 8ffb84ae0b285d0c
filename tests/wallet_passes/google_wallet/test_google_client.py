"""Google's REST interface at its worst: servers that drip, drop or answer nonsense, and more requests than the quota."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.allowance import Allowance
from core.delivery.outcome import Delivered, Rejected, Retry, Unknown
from tests.bff.house import until
from tests.push.channels.rough import Http1, Talk, served
from wallet_passes.google.client import GoogleClient

OBJECT = {"id": "1.a"}
PLENTY = Allowance(1000, 1000, time.monotonic)


async def token() -> str:
    return "t"


@asynccontextmanager
async def before(talk: Talk, allowance: Allowance = PLENTY, **limits: float) -> AsyncIterator[GoogleClient]:
    async with served(talk) as origin:
        client = GoogleClient(origin, token, lambda: None, allowance, **limits)
        try:
            yield client
        finally:
            await client.close()


def dripping(start: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    return talk


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nname: "], ids=["body", "head"]
)
async def test_a_server_that_drips_is_given_up(start: bytes) -> None:
    async with before(dripping(start), seconds=0.2) as client, asyncio.timeout(5):
        assert isinstance(await client.upsert("loyaltyObject", OBJECT), Unknown)


@pytest.mark.parametrize("error", [OSError("x"), RuntimeError("x"), ValueError("x")], ids=lambda e: type(e).__name__)
async def test_whatever_breaks_under_a_request_is_an_outcome(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """As anyio's own errors do, which come through httpx where a server closes while we write."""

    async def broken(*_: object, **__: object) -> None:
        raise error

    async with before(Http1()) as client:
        monkeypatch.setattr(client._client, "request", broken)
        found = await client.upsert("loyaltyObject", OBJECT)
        assert found == Unknown(f"{type(error).__name__}: x")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\xfe", b"[]", b"7", b'{"error": []}'], ids=lambda b: str(b[:9]))
@pytest.mark.parametrize(("status", "outcome"), [(400, Rejected), (503, Retry), (200, Delivered)])
async def test_an_answer_that_cannot_be_read_has_its_outcome(body: bytes, status: int, outcome: type) -> None:
    provider = Http1()
    provider.answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    async with before(provider) as client:
        assert isinstance(await client.upsert("loyaltyObject", OBJECT), outcome)


# -- the quota ----------------------------------------------------------------------------------------------------


class Patient(Http1):
    """A server that takes everything."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_who_would_wait_too_long_for_its_turn_is_told_to_come_back() -> None:
    """And takes no turn: what waits is bounded, whatever others ask for."""
    allowance = Allowance(20, 1, time.monotonic)
    async with before(Patient(), allowance, longest_wait=0.5) as client, asyncio.timeout(10):
        found = await asyncio.gather(*(client.upsert("loyaltyObject", OBJECT) for _ in range(60)))
        assert {type(one) for one in found} == {Delivered, Retry}
        assert 2 <= sum(isinstance(one, Delivered) for one in found) <= 15
        assert allowance.wait(only_now=True) < 0.2


async def test_who_hangs_up_while_it_waits_takes_no_turn() -> None:
    allowance = Allowance(10, 1, time.monotonic)
    async with before(Patient(), allowance) as client, asyncio.timeout(10):
        asked = [asyncio.create_task(client.upsert("loyaltyObject", OBJECT)) for _ in range(200)]
        await until(lambda: any(one.done() for one in asked), "the first had its turn")
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert allowance.wait(only_now=True) < 0.2
