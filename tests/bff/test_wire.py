"""One write a response, and every response whole: without a body, in a pipeline, closed after, continued."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import cast

import pytest

from bff.wire import HeadHeld
from tests.bff.house import House

_REQUEST = "{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n"


async def said(house: House, sent: str, *, until: bytes, times: int = 1) -> bytes:
    """What the server says to `sent` over one connection, up to the `times`-th `until`, or to the end of it."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent.encode())
    heard = b""
    async with asyncio.timeout(5):
        while heard.count(until) < times and (data := await reader.read(65536)):
            heard += data
    writer.close()
    return heard


def request(method: str = "GET", path: str = "/health/live", more: str = "") -> str:
    return _REQUEST.format(method=method, path=path, more=more)


async def test_a_response_without_a_body_is_not_held_back(house: House) -> None:
    heard = await said(house, request("HEAD", "/assets/none"), until=b"\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 4")


async def test_a_connection_that_is_to_close_closes_after_its_answer(house: House) -> None:
    heard = await said(house, request(more="Connection: close\r\n"), until=b"nothing")
    assert heard.endswith(b'{"live":true}')
    heard = await said(house, request("HEAD", "/", more="Connection: close\r\n"), until=b"nothing")
    assert heard.count(b"HTTP/1.1 ") == 1


async def test_a_pipeline_is_answered_whole_and_in_order(house: House) -> None:
    sent = request() + request("HEAD", "/none") + request(path="/none") + request()
    heard = await said(house, sent, until=b'{"live":true}', times=2)
    assert re.findall(rb"HTTP/1.1 (\d+) ", heard) == [b"200", b"404", b"404", b"200"]
    assert heard.endswith(b'{"live":true}')


async def test_who_waits_to_go_on_is_told_before_the_body(house: House) -> None:
    more = "Content-Length: 2\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    heard = await said(house, request("POST", "/pos/v1/purchases", more), until=b"100 Continue\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")


@dataclass
class Recorder:
    """The writes a transport was given."""

    writes: list[bytes] = field(default_factory=list)
    closed: bool = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ([b"head", b"body"], [b"headbody"]),
        ([b"head", b""], [b"head"]),
        ([b"head", b"a", b"b", b"c"], [b"heada", b"b", b"c"]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"head", b"body"], [b"HTTP/1.1 100 Continue\r\n\r\n", b"headbody"]),
        ([b"head"], []),
        ([], []),
    ],
)
@pytest.mark.parametrize("end", ["flush", "close"])
def test_the_head_goes_with_the_first_of_the_body(given: list[bytes], written: list[bytes], end: str) -> None:
    transport = Recorder()
    held = HeadHeld(cast(asyncio.Transport, transport))
    for data in given:
        held.write(data)
    assert transport.writes == written
    getattr(held, end)()
    assert b"".join(transport.writes) == b"".join(given)
    assert transport.closed == held.is_closing() == (end == "close")
