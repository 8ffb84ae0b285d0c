"""The access token of a Google service account: fetched once for all, kept until shortly before its end."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.delivery.outcome import Delivered, Rejected, Retry
from core.settings import OperatorError
from push.channels.fcm import SCOPE, Fcm
from push.channels.google_token import GoogleToken, NoToken
from push.channels.http import CREDENTIALS_PAUSE
from tests.conftest import SettableClock
from tests.peers.troubles import answer, hang, reset
from tests.push.channels.rigs import FcmRig, free_port, message
from tests.push.channels.rough import Http1, served


async def test_many_sends_at_once_fetch_one_token(fcm: FcmRig) -> None:
    channel = fcm.make()
    letters = [message(await fcm.device(), fcm.clock) for _ in range(30)]
    outcomes = await asyncio.gather(*(channel.send(letter) for letter in letters))
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert await fcm.peer.tokens_issued() == 1


async def test_a_token_is_renewed_before_its_end_and_after_it_was_refused(fcm: FcmRig) -> None:
    token = fcm.token()
    first = await token()
    expires = token._credentials.expiry
    for before, fresh in ((timedelta(minutes=6), False), (timedelta(minutes=4), True)):
        fcm.clock.now = expires.replace(tzinfo=fcm.clock.now.tzinfo) - before
        assert (await token() != first) is fresh
    fcm.clock.now = expires.replace(tzinfo=fcm.clock.now.tzinfo) - timedelta(minutes=30)
    second = await token()
    assert await token() == second
    token.refused()
    assert await token() not in (first, second)


async def test_a_token_that_firebase_no_longer_takes_is_fetched_anew(fcm: FcmRig) -> None:
    channel, letter = fcm.make(), message(await fcm.device(), fcm.clock)
    assert isinstance(await channel.send(letter), Delivered)
    await fcm.script(answer(401))
    refused = await channel.send(letter)
    assert isinstance(refused, Retry)
    assert refused.after == CREDENTIALS_PAUSE
    assert isinstance(await channel.send(letter), Delivered)
    assert await fcm.peer.tokens_issued() == 2


@pytest.mark.parametrize(
    ("status", "reason", "becomes"),
    [
        (403, "PERMISSION_DENIED", Retry),
        (403, "SERVICE_DISABLED", Retry),
        (403, "", Retry),
        (403, "SENDER_ID_MISMATCH", Rejected),
        (401, "THIRD_PARTY_AUTH_ERROR", Retry),
        (400, "INVALID_ARGUMENT", Rejected),
        (404, "NOT_FOUND", Rejected),
    ],
)
async def test_what_firebase_has_against_us_and_what_against_the_message(
    fcm: FcmRig, status: int, reason: str, becomes: type[Any]
) -> None:
    await fcm.script(answer(status, reason))
    outcome = await fcm.make().send(message(await fcm.device(), fcm.clock))
    assert type(outcome) is becomes
    told = getattr(outcome, "reason", "")
    assert told.startswith(f"{status} {reason}".strip())
    assert ("CHORUS_FCM_CREDENTIALS" in told) is (becomes is Retry)
    assert getattr(outcome, "after", None) == (CREDENTIALS_PAUSE if becomes is Retry else None)


TROUBLES = {
    "away": (answer(503), True),
    "broken": (answer(500, "internal_failure"), True),
    "slower": (answer(429, "slow_down", retry_after=5), True),
    "cut": (reset(), True),
    "silent": (hang(), True),
    "refused": (answer(400, "invalid_grant"), False),
    "not for us": (answer(401, "unauthorized_client"), False),
}


@pytest.mark.parametrize("name", list(TROUBLES))
async def test_without_a_token_nothing_is_sent_and_all_wait(fcm: FcmRig, name: str) -> None:
    """For a moment, where the token's server is away; until an operator came, where it does not know us."""
    trouble, again = TROUBLES[name]
    await fcm.peer.script(trouble, route="token")
    channel = Fcm(fcm.peer.url, fcm.token(seconds=0.5), fcm.clock)
    letters = [message(await fcm.device(), fcm.clock) for _ in range(3)]
    for outcome in await asyncio.gather(*(channel.send(letter) for letter in letters)):
        assert isinstance(outcome, Retry), outcome
        assert outcome.after == (None if again else CREDENTIALS_PAUSE)
    assert await fcm.peer.requests("fcm") == []
    assert len(await fcm.peer.requests("token")) == 1
    assert isinstance(await channel.send(letters[0]), Delivered)
    await channel.close()


GARBAGE = [
    b"",
    b"\xff\xfe",
    b"<html>",
    b"[]",
    b"7",
    b"null",
    b"{}",
    b'{"access_token": null}',
    b'{"access_token": "x", "expires_in": "soon"}',
    b'{"access_token": "x", "expires_in": []}',
    b'{"access_token": "x", "expires_in": 1e300}',
    b'{"access_token": "x\\r\\ny: z", "expires_in": 60}',
    b"[" * 100_000,
]


async def test_a_token_server_that_answers_garbage_gives_no_token(fcm: FcmRig) -> None:
    provider = Http1()
    async with served(provider) as origin:
        channel = Fcm(fcm.peer.url, fcm.token(token_uri=f"{origin}/token"), fcm.clock)
        letter = message(await fcm.device(), fcm.clock)
        for body in GARBAGE:
            for status in (200, 400):
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                provider.answer = head.encode() + body
                outcome = await channel.send(letter)
                assert not isinstance(outcome, Delivered), (status, body[:40])
        await channel.close()
    assert [request for request in await fcm.peer.requests("fcm") if request.status == 200] == []


async def test_nobody_at_the_tokens_address_is_a_matter_of_time(fcm: FcmRig) -> None:
    for uri in (f"http://127.0.0.1:{free_port()}/token", "http://[::/token", "no address"):
        with pytest.raises(NoToken) as failed:
            await fcm.token(token_uri=uri)()
        assert failed.value.again


async def test_who_goes_away_while_a_token_is_fetched_stops_nobody(fcm: FcmRig) -> None:
    token = fcm.token()
    first, second = asyncio.create_task(token()), asyncio.create_task(token())
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert first.cancelled() or first.done()
    assert await fcm.peer.tokens_issued() == 1


@pytest.mark.parametrize("content", ["", "{}", "no JSON", json.dumps({"type": "service_account"})])
def test_a_file_that_is_no_service_accounts_stops_the_start(content: str, tmp_path: Path, clock: SettableClock) -> None:
    file = tmp_path / "account.json"
    file.write_text(content)
    with pytest.raises(OperatorError, match="CHORUS_FCM_CREDENTIALS"):
        GoogleToken(str(file), "CHORUS_FCM_CREDENTIALS", SCOPE, clock)
