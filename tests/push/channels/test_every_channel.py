"""The contract of a channel, held against each of them before its provider's simulator: whatever a provider may answer,
and however it may fail, has one of five outcomes, and nothing is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from core.delivery.outcome import LONGEST_WISH, Delivered, Rejected, Retry, TokenDead, Unknown, pause
from push.channels.http import CREDENTIALS_PAUSE
from tests.conftest import START
from tests.push.channels.rigs import OUTCOMES, RIGS, Rig, SmsRig, message


async def test_a_message_arrives_and_its_repeat_is_known_as_one(rig: Rig) -> None:
    """What was sent twice, as after a crash, carries the same name both times."""
    channel = rig.make()
    letter = message(await rig.device(), rig.clock)
    assert [type(await channel.send(letter)) for _ in range(2)] == [Delivered, Delivered]
    first, second = await rig.arrived()
    assert rig.identity(first) == rig.identity(second)
    other = message(letter.device, rig.clock, collapse_id="1000.8")
    assert type(await channel.send(other)) is Delivered
    third = (await rig.arrived())[2]
    assert rig.identity(third) != rig.identity(first)


async def test_a_device_that_is_gone_is_told_as_gone(rig: Rig) -> None:
    """And Apple says since when; it keeps what registered again after that. A gateway for short messages has no word for
    a number that is gone, so that of all devices only a number is never forgotten: the message is refused, no more."""
    channel, device = rig.make(), await rig.device()
    await rig.kill(device)
    dead = await channel.send(message(device, rig.clock))
    assert type(dead) is rig.gone is (Rejected if rig.name == "sms" else TokenDead)
    assert getattr(dead, "reason", "")
    since = START - timedelta(hours=1) if rig.name in ("apns", "liveactivity") else None
    assert getattr(dead, "since", None) == since


async def test_whatever_a_gateway_answers_no_number_is_forgotten(sms: SmsRig) -> None:
    """Its answers are about its address, our key or the message; a version of its API that was retired says 410."""
    channel, device = sms.make(), await sms.device()
    for status in range(300, 600):
        await sms.script(sms.says(status, "gone"))
        outcome = await channel.send(message(device, sms.clock))
        assert type(outcome) in (Retry, Unknown, Rejected), (status, outcome)
        if status == 410:
            assert outcome == Retry('410 {"error":"gone"}', CREDENTIALS_PAUSE)


@dataclass(frozen=True)
class Case:
    """A provider's reply, and what it means; `but` names the channels to which it means something else."""

    name: str
    status: int
    reason: str = ""
    retry_after: int | str | None = None
    becomes: type[Any] = Retry
    after: timedelta | None = None
    but: dict[str, type[Any]] = field(default_factory=dict)


IN_TWO_MINUTES = "Sat, 14 Mar 2026 09:28:53 GMT"
AT_THE_END_OF_TIME = "Fri, 31 Dec 9999 23:59:59 GMT"
SOME_MINUTES = timedelta(minutes=2)
REPLIES = [
    Case("slower, in seconds", 429, "TooManyRequests", 120, after=SOME_MINUTES),
    Case("slower, until an instant", 429, "TooManyRequests", IN_TWO_MINUTES, after=SOME_MINUTES),
    Case("slower, until an instant that is over", 429, "", "Sat, 14 Mar 2026 09:00:00 GMT", after=timedelta()),
    Case("slower, in words", 429, "TooManyRequests", "after lunch"),
    Case("slower, less than no time", 429, "TooManyRequests", "-5"),
    Case("slower, a date that is none", 429, "", "Sat, 14 Mar 99999999999 09:26:53 GMT"),
    Case("slower, and no more", 429),
    Case("broken", 500, "InternalServerError", but={"sms": Unknown}),
    Case("broken, empty", 500, but={"sms": Unknown}),
    Case("bad gateway, empty", 502, but={"sms": Unknown}),
    Case("away", 503, "ServiceUnavailable"),
    Case("away, with an hour", 503, "", 3600, after=timedelta(hours=1)),
    Case("away, empty", 503),
]


def pairs(values: Sequence[Any], wish: Callable[[Any], object]) -> list[Any]:
    """Each channel with each value, but SMTP, which has no wishes, with none that is one."""
    return [
        pytest.param(name, value, id=f"{name}-{getattr(value, 'name', value)}")
        for name in RIGS
        for value in values
        if name != "email" or not wish(value)
    ]


@pytest.mark.parametrize(("rig", "case"), pairs(REPLIES, lambda case: case.retry_after), indirect=["rig"])
async def test_a_provider_that_wants_to_be_left_alone_is_asked_again_later(rig: Rig, case: Case) -> None:
    await rig.script(rig.says(case.status, case.reason, case.retry_after))
    channel, letter = rig.make(), message(await rig.device(), rig.clock)
    outcome = await channel.send(letter)
    assert type(outcome) is case.but.get(rig.name, case.becomes), outcome
    if isinstance(outcome, Retry):
        assert outcome.after == case.after
        assert outcome.reason
    assert type(await channel.send(letter)) is Delivered


ABSURD = [86_400, 10**8 - 1, 10**8, 10**30, AT_THE_END_OF_TIME]


@pytest.mark.parametrize(("rig", "absurd"), pairs(ABSURD, bool), indirect=["rig"])
async def test_an_absurd_wish_is_bounded(rig: Rig, absurd: int | str) -> None:
    """An answer that says "in a year" must not silence a member; nor may one so long that it is no number."""
    await rig.script(rig.says(429, "", absurd))
    outcome = await rig.make().send(message(await rig.device(), rig.clock))
    assert isinstance(outcome, Retry)
    assert LONGEST_WISH <= pause(1, outcome.after, lambda: 0.99) <= LONGEST_WISH * 1.1


async def test_what_is_refused_for_good_is_not_tried_again(rig: Rig) -> None:
    await rig.script(rig.says(*rig.too_large))
    outcome = await rig.make().send(message(await rig.device(), rig.clock))
    assert type(outcome) is Rejected
    assert str(rig.too_large[0]) in outcome.reason


async def test_credentials_that_are_refused_wait_for_an_operator(rig: Rig) -> None:
    """It is not the message's fault: it waits long enough for somebody to mend the key."""
    if rig.name == "sms":
        await rig.script(rig.says(401, "who are you"))
    outcome = await rig.make(stranger=True).send(message(await rig.device(), rig.clock))
    assert type(outcome) is Retry, outcome
    assert outcome.after == CREDENTIALS_PAUSE


async def test_nobody_there_is_no_attempt(rig: Rig) -> None:
    """Nothing left this machine, so it may be sent again, whatever the channel."""
    url = rig.nowhere
    device = rig.of(f"{url}/push/1", keys=(await rig.device()).keys) if rig.name == "webpush" else await rig.device()
    outcome = await rig.make(url=url).send(message(device, rig.clock))
    assert type(outcome) is Retry, outcome
    assert outcome.after is None


async def test_a_connection_that_breaks_leaves_open_what_was_taken(rig: Rig) -> None:
    await rig.script(*rig.cut)
    channel, letter = rig.make(), message(await rig.device(), rig.clock)
    outcome = await channel.send(letter)
    assert type(outcome) is Unknown, outcome
    assert await rig.peer.unplayed() == 0
    assert type(await channel.send(letter)) is Delivered


async def test_a_provider_that_never_answers_is_not_waited_for(rigs: list[Rig]) -> None:
    """All of them at once, a second each. Nobody can know what became of it, and it was sent once."""

    async def waited(rig: Rig) -> None:
        device = await rig.device()
        await rig.script(rig.silent())
        outcome = await rig.make(seconds=1.0).send(message(device, rig.clock))
        assert type(outcome) is Unknown, (rig.name, outcome)
        arrived = [one for one in await rig.arrived() if getattr(one, "token", device.token) == device.token]
        assert len(arrived) == 1, rig.name

    async with asyncio.timeout(10):
        await asyncio.gather(*(waited(rig) for rig in rigs))


async def test_one_that_fails_holds_up_no_other(rig: Rig) -> None:
    """Twenty at once: one device is gone, one send is refused, one meets a provider out of breath."""
    channel, gone = rig.make(), await rig.device()
    devices = [await rig.device() for _ in range(19)]
    await rig.kill(gone)
    await rig.script(rig.says(429), rig.says(*rig.too_large))
    letters = [message(device, rig.clock) for device in (gone, *devices)]
    outcomes = await asyncio.gather(*(channel.send(letter) for letter in letters))
    told = sorted(type(outcome).__name__ for outcome in outcomes)
    assert told == sorted([rig.gone.__name__, "Retry", "Rejected", *["Delivered"] * 17])
    assert all(isinstance(outcome, OUTCOMES) for outcome in outcomes)
