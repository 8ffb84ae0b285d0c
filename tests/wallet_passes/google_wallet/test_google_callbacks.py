"""Whether a callback is Google's: what a stranger's may cost, and what a keys server that is away or mad may break."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bff.demo.wallets.google import ISSUER, GoogleWallet
from core.errors import Unauthenticated, Unavailable
from tests.conftest import SettableClock
from tests.push.channels.rough import served
from wallet_passes.google.callbacks import KEYS_KEPT, KEYS_PAUSE, MAX_SIGNATURES, MAX_TEXT, CallbackVerifier

OBJECT = f"{ISSUER}.member-7"


class Keys:
    """A keys server that answers `body`, drips it, or does not answer."""

    def __init__(self, body: bytes) -> None:
        self.body, self.status, self.asked, self.silent = body, 200, 0, False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        while self.silent:  # noqa: ASYNC110 - until the test ends, or the client goes
            await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(self.body), self.body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture(scope="module")
def google() -> GoogleWallet:
    return GoogleWallet()


@pytest.fixture
def keys(google: GoogleWallet) -> Keys:
    return Keys(google.answer("GET", "/keys", {}, b"").body)


@pytest.fixture
def now() -> SettableClock:
    """The keys' dates are by the machine's time."""
    return SettableClock(datetime.now(UTC))


@pytest.fixture
async def verifier(keys: Keys, now: SettableClock) -> AsyncIterator[CallbackVerifier]:
    async with served(keys) as origin:
        yield CallbackVerifier(f"{origin}/keys", ISSUER, now)


def callback(google: GoogleWallet, good_for: int = 3 * 3600) -> bytes:
    return google.callback(OBJECT, "save", nonce="n", good_for=good_for)


def changed(body: bytes, **intermediate: Any) -> bytes:
    envelope = json.loads(body)
    envelope["intermediateSigningKey"] |= intermediate
    return json.dumps(envelope).encode()


# -- what a stranger's callback costs -----------------------------------------------------------------------------


async def test_a_flood_of_signatures_is_refused_before_any_is_tried(
    google: GoogleWallet, verifier: CallbackVerifier
) -> None:
    good = callback(google)
    assert (await verifier.open(good)).object_id == OBJECT
    started = time.perf_counter()
    with pytest.raises(Unauthenticated):
        await verifier.open(changed(good, signatures=["MAYCAQECAQE="] * 15_000))
    assert time.perf_counter() - started < 0.2


async def test_the_right_signature_may_be_one_of_a_few(google: GoogleWallet, verifier: CallbackVerifier) -> None:
    good = callback(google)
    (right,) = json.loads(good)["intermediateSigningKey"]["signatures"]
    several = ["MAYCAQECAQE="] * (MAX_SIGNATURES - 1) + [right]
    assert await verifier.open(changed(good, signatures=several))
    with pytest.raises(Unauthenticated):
        await verifier.open(changed(good, signatures=["MAYCAQECAQE=", *several]))


async def test_a_text_that_is_too_long_is_refused(google: GoogleWallet, verifier: CallbackVerifier) -> None:
    good = callback(google)
    (right,) = json.loads(good)["intermediateSigningKey"]["signatures"]
    with pytest.raises(Unauthenticated, match="no signed message"):
        await verifier.open(changed(good, signatures=["A" * (MAX_TEXT + 1), right]))


# -- Google's keys ------------------------------------------------------------------------------------------------

BAD_KEYS = [
    b'{"keys": []}',
    b"",
    b"<html>",
    b"[" * 100_000,
    b'{"keys": [{"keyValue": "\xff"}]}',
    b'{"keys": [{"keyValue": "AAAA", "keyExpiration": "99999999999999"}]}',
    b'{"keys": [{"keyValue": "not base64", "keyExpiration": "99999999999999"}]}',
]


@pytest.mark.parametrize("body", BAD_KEYS, ids=lambda body: body[:20].decode(errors="replace"))
async def test_good_keys_are_kept_until_there_are_better(
    google: GoogleWallet, keys: Keys, verifier: CallbackVerifier, now: SettableClock, body: bytes
) -> None:
    assert await verifier.open(callback(google))
    keys.body = body
    now.forward(seconds=KEYS_KEPT.total_seconds() + 1)
    assert await verifier.open(callback(google))
    assert keys.asked == 2


@pytest.mark.parametrize("body", BAD_KEYS, ids=lambda body: body[:20].decode(errors="replace"))
async def test_without_any_key_nobody_is_believed_or_refused(
    google: GoogleWallet, keys: Keys, verifier: CallbackVerifier, now: SettableClock, body: bytes
) -> None:
    good, keys.body = keys.body, body
    with pytest.raises(Unavailable):
        await verifier.open(callback(google))
    keys.body = good
    now.forward(seconds=KEYS_PAUSE.total_seconds() + 1)
    assert await verifier.open(callback(google))


async def test_an_expired_key_signs_no_more(google: GoogleWallet, keys: Keys, verifier: CallbackVerifier) -> None:
    old = json.loads(keys.body)
    old["keys"][0]["keyExpiration"] = str(int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000))
    keys.body = json.dumps(old).encode()
    with pytest.raises(Unavailable):
        await verifier.open(callback(google))


async def test_while_the_keys_are_away_they_are_asked_for_once_in_a_while(
    google: GoogleWallet, keys: Keys, verifier: CallbackVerifier, now: SettableClock
) -> None:
    keys.status = 503
    for _ in range(3):
        found = await asyncio.gather(*(verifier.open(callback(google)) for _ in range(10)), return_exceptions=True)
        assert {type(one) for one in found} == {Unavailable}
    assert keys.asked == 1
    now.forward(seconds=KEYS_PAUSE.total_seconds() + 1)
    with pytest.raises(Unavailable):
        await verifier.open(callback(google))
    assert keys.asked == 2


async def test_who_goes_away_while_keys_are_fetched_stops_nobody(
    google: GoogleWallet, keys: Keys, verifier: CallbackVerifier
) -> None:
    keys.silent = True
    first, second = (asyncio.create_task(verifier.open(callback(google))) for _ in range(2))
    async with asyncio.timeout(5):
        while not keys.asked:  # noqa: ASYNC110 - what is waited for is another's
            await asyncio.sleep(0.01)
    first.cancel()
    keys.silent = False
    assert await second
    assert keys.asked == 1
