"""Answers that no provider's documentation has: garbage, half answers, connections that close under a request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from core.delivery.outcome import Delivered, Rejected, Retry, TokenDead, Unknown
from push.channels.apns import Apns, ApnsClient, ProviderToken
from push.channels.contract import Channel
from push.channels.fcm import Fcm
from push.channels.http import NO_ANSWER, answered, json_of, told, unanswered, wish
from push.channels.sms import Sms
from push.channels.webpush import WebPush
from tests.conftest import SettableClock
from tests.peers.authority import new_key, private_pem
from tests.push.channels.rigs import FcmRig, WebPushRig, message
from tests.push.channels.rough import Http1, Http2, closing, served, tls_of

BODIES = {
    "nothing": b"",
    "not UTF-8": b"\xff\xfe\x00",
    "NUL": b'{"reason": "a\\u0000b", "timestamp": 1e400}',
    "HTML": b"<html><h1>Bad Gateway</h1>",
    "deep": b"[" * 16_000,
    "a list": b'[{"error": 1}]',
    "a number": b"7",
    "null": b"null",
    "other kinds": b'{"error": "no", "reason": 5, "timestamp": "soon", "name": []}',
    "kinds within": b'{"error": {"details": 5, "status": []}}',
    "kinds further within": b'{"error": {"details": ["x", {"errorCode": {"a": 1}}, null]}}',
    "an absurd instant": b'{"reason": "Unregistered", "timestamp": 999999999999999999999}',
    "an instant below zero": b'{"reason": "Unregistered", "timestamp": -5}',
}
MEANS: dict[int, dict[str, type[Any]]] = {
    200: dict.fromkeys(("apns", "fcm", "webpush", "sms"), Delivered),
    400: dict.fromkeys(("apns", "fcm", "webpush", "sms"), Rejected),
    403: dict.fromkeys(("apns", "fcm", "webpush", "sms"), Retry),
    404: {"apns": Rejected, "fcm": Rejected, "webpush": TokenDead, "sms": Rejected},
    410: {"apns": TokenDead, "fcm": Rejected, "webpush": TokenDead, "sms": Retry},
    500: {"apns": Retry, "fcm": Retry, "webpush": Retry, "sms": Unknown},
    503: dict.fromkeys(("apns", "fcm", "webpush", "sms"), Retry),
    302: dict.fromkeys(("apns", "fcm", "webpush", "sms"), Rejected),
}


@asynccontextmanager
async def before(
    name: str, origin: str, fcm: FcmRig, webpush: WebPushRig
) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Sends by a channel to whoever is at `origin`."""
    channel: Channel
    device = fcm.of("t1")
    if name == "fcm":
        channel = Fcm(origin, fcm.token(), fcm.clock)
    elif name == "sms":
        channel = Sms(origin, '{"to": "{to}", "text": "{text}"}', "", fcm.clock)
    else:
        channel = WebPush(webpush.key, origin.partition("://")[2], webpush.clock)
        device = webpush.of(f"{origin}/push/1", keys=(await webpush.device()).keys)
    yield lambda: channel.send(message(device, fcm.clock))
    await channel.close()


@pytest.mark.parametrize("name", ["fcm", "webpush", "sms"])
async def test_any_body_under_any_status_has_its_outcome(fcm: FcmRig, webpush: WebPushRig, name: str) -> None:
    """It is told by the status, and the operator reads what was in it, as far as it can be read."""
    provider = Http1()
    async with served(provider) as origin, before(name, origin, fcm, webpush) as send:
        for status, means in MEANS.items():
            for what, body in BODIES.items():
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nLocation: {origin}/other\r\n"
                kind = "Content-Type: text/html; charset=hex\r\nRetry-After: -1\r\n\r\n"
                provider.answer = f"{head}{kind}".encode() + body
                outcome = await send()
                assert type(outcome) is means[name], (status, what, outcome)


@pytest.mark.parametrize("name", ["fcm", "webpush", "sms"])
async def test_no_answer_is_asked_for_that_grows_as_it_is_read(fcm: FcmRig, webpush: WebPushRig, name: str) -> None:
    provider = Http1()
    async with served(provider) as origin, before(name, origin, fcm, webpush) as send:
        await send()
    assert b"\r\naccept-encoding: identity\r\n" in provider.head.lower()


HALF = {
    "no HTTP at all": b"220 mail.example.com ESMTP\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "a false encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff",
    "a status that is none": b"HTTP/1.1 9999 X\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
}


@pytest.mark.parametrize("name", ["fcm", "webpush", "sms"])
async def test_half_an_answer_leaves_it_open(fcm: FcmRig, webpush: WebPushRig, name: str) -> None:
    provider = Http1()
    async with served(provider) as origin, before(name, origin, fcm, webpush) as send:
        for what, provider.answer in HALF.items():
            outcome = await send()
            assert type(outcome) is Unknown, (what, outcome)
            assert outcome.reason


# -- Apple's, over HTTP/2 ------------------------------------------------------------------------------------------


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
async def contexts() -> AsyncIterator[Contexts]:
    async with tls_of("h2") as both:
        yield both


@asynccontextmanager
async def apns_at(origin: str, context: ssl.SSLContext, fcm: FcmRig) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    token = ProviderToken(private_pem(new_key()), "KEY1234567", "TEAM123456", fcm.clock)
    channel = Apns(ApnsClient(origin, fcm.clock, token=token, context=context, seconds=5))
    yield lambda: channel.send(message(fcm.of("ab" * 32), fcm.clock))
    await channel.close()


async def test_any_body_of_apples_has_its_outcome(fcm: FcmRig, contexts: Contexts) -> None:
    server, client = contexts
    provider = Http2()
    async with served(provider, tls=server) as origin, apns_at(origin, client, fcm) as send:
        for provider.status, means in MEANS.items():
            for what, provider.body in BODIES.items():
                outcome = await send()
                assert type(outcome) is means["apns"], (provider.status, what, outcome)
                assert getattr(outcome, "since", None) is None


async def test_nor_of_apple(fcm: FcmRig, contexts: Contexts) -> None:
    server, client = contexts
    provider = Http2()
    async with served(provider, tls=server) as origin, apns_at(origin, client, fcm) as send:
        await send()
    assert (b"accept-encoding", b"identity") in provider.head


@pytest.mark.parametrize("after", [0, 1, 24, 40, 200, 600])
async def test_a_server_that_closes_while_we_write_raises_nothing(fcm: FcmRig, contexts: Contexts, after: int) -> None:
    """Under TLS, where the transport's own errors come through httpx."""
    server, client = contexts
    async with served(closing(after), tls=server) as origin, apns_at(origin, client, fcm) as send:
        for outcome in await asyncio.gather(*(send() for _ in range(4))):
            assert isinstance(outcome, Unknown | Retry), outcome


async def test_a_server_that_speaks_no_http2_is_not_believed(fcm: FcmRig) -> None:
    """Whatever stands between us and Apple and answers 200 is not Apple."""
    provider = Http1()
    provider.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with (
        tls_of("http/1.1") as (server, client),
        served(provider, tls=server) as origin,
        apns_at(origin, client, fcm) as send,
    ):
        assert isinstance(await send(), Unknown | Retry)


# -- by itself ---------------------------------------------------------------------------------------------------------

RAISED: list[tuple[Exception, type[Any], bool]] = [
    (httpx.ConnectError("refused"), Retry, False),
    (httpx.ConnectTimeout("late"), Retry, False),
    (httpx.PoolTimeout("full"), Retry, False),
    (httpx.InvalidURL("no"), Retry, False),
    (httpx.ReadTimeout(""), Unknown, False),
    (httpx.WriteTimeout(""), Unknown, False),
    (TimeoutError(), Unknown, False),
    (httpx.ReadError("reset"), Unknown, True),
    (httpx.WriteError("reset"), Unknown, True),
    (httpx.LocalProtocolError("closed"), Unknown, True),
    (httpx.RemoteProtocolError("goaway"), Unknown, True),
    (anyio.EndOfStream(), Unknown, True),
    (anyio.ClosedResourceError(), Unknown, True),
    (anyio.BrokenResourceError(), Unknown, True),
    (ssl.SSLError("bad record"), Unknown, True),
    (KeyError(7), Unknown, True),
]


@pytest.mark.parametrize(("error", "becomes", "at_once"), RAISED, ids=lambda value: type(value).__name__)
async def test_whatever_a_client_raises_is_an_outcome(error: Exception, becomes: type[Any], at_once: bool) -> None:
    """httpx lets errors of its transport through, as anyio's where a server closes TLS while we write."""

    async def request() -> httpx.Response:
        raise error

    outcome = await answered(request(), 1.0)
    assert type(outcome) is becomes
    assert not isinstance(outcome, httpx.Response)
    assert outcome.reason
    assert unanswered(outcome) is at_once
    assert outcome.reason.startswith(NO_ANSWER) is (becomes is Unknown and not at_once)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("007", 7),
        ("9" * 8, 99_999_999),
        ("9" * 5_000, 10**8),
        ("Sat, 14 Mar 2026 09:28:53 GMT", 120),
        ("Sat, 14 Mar 2026 10:28:53 +0100", 120),
        ("Saturday, 14-Mar-26 09:28:53 GMT", 120),
        ("Sat, 14 Mar 2026 09:00:00 GMT", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("120, 120", None),
        ("Sat, 14 Mar 99999999999 09:26:53 GMT", None),
        ("Sat, 14 Mar 2026 09:26:53 +99999999999999999999", None),
        ("Sat, 14 Mar 2026 09:26:53 +2500", None),
    ],
)
def test_retry_after_in_all_its_spellings(given: str, seconds: int | None, clock: SettableClock) -> None:
    headers = [(b"retry-after", given.encode())]
    found = wish(httpx.Response(429, headers=headers), clock())
    assert (None if found is None else found.total_seconds()) == seconds


def test_a_body_is_told_in_short_and_never_raises() -> None:
    for body in BODIES.values():
        response = httpx.Response(400, content=body, headers={"content-type": "text/html; charset=hex"})
        assert isinstance(json_of(response), dict)
        assert told(response).startswith("400")
        assert len(told(response)) <= 210
