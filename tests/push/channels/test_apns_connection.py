"""One connection to Apple for all sends, and one provider token for all connections: through GOAWAY, silence and time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead, Unknown
from core.settings import OperatorError
from push.channels.apns import TOKEN_SECONDS, Apns, ApnsClient, LiveActivity, ProviderToken, wake_pass
from push.channels.contract import Message
from push.channels.http import CREDENTIALS_PAUSE
from tests.conftest import START, SettableClock
from tests.peers.apns import APP, Push
from tests.peers.authority import new_key, private_pem
from tests.peers.troubles import answer, empty_frame, goaway, goaway_after, hang, reset, well
from tests.push.channels.rigs import ApnsRig, LiveActivityRig, message

MANY = 60
NOT_OURS = "pass.com.example.other"


async def sent(rig: ApnsRig, *, many: int = MANY) -> list[Message]:
    return [message(await rig.device(), rig.clock) for _ in range(many)]


async def until_told(channel: Apns, letter: Message) -> Outcome:
    """As the dispatcher: what nobody can know is sent again under the same id."""
    for _ in range(6):
        outcome = await channel.send(letter)
        if not isinstance(outcome, Unknown | Retry):
            return outcome
    return outcome


TROUBLES = {
    "goaway, taken or not": [goaway(processed=True)],
    "goaway, not taken": [goaway(processed=False)],
    "goaway after an answer": [goaway_after()],
    "three of them": [goaway(), *[well()] * 9, goaway(processed=False), *[well()] * 9, goaway_after()],
    "streams that break": [*[reset()] * 5],
    "empty frames": [empty_frame()] * 10,
}


@pytest.mark.parametrize("name", list(TROUBLES))
async def test_every_message_of_many_at_once_is_delivered_under_its_one_id(apns: ApnsRig, name: str) -> None:
    """The connection ends while they are under way, and one of the devices is gone: the others do not notice."""
    channel = apns.make()
    letters, gone = await sent(apns), await apns.device()
    await apns.kill(gone)
    assert isinstance(channel, Apns)
    await until_told(channel, message(await apns.device(), apns.clock))  # the connection is up, and known
    await apns.peer.script(*[well()] * 10, *TROUBLES[name])
    dead, *outcomes = await asyncio.gather(
        until_told(channel, message(gone, apns.clock)), *(until_told(channel, letter) for letter in letters)
    )
    assert isinstance(dead, TokenDead)
    assert outcomes == [Delivered(str(letter.reference)) for letter in letters]
    assert await apns.peer.unplayed() == 0
    taken = defaultdict(set)
    for push in await apns.peer.pushes():
        if push.status == 200:
            taken[push.token].add(push.id)
    assert {letter.device.token: {str(letter.reference)} for letter in letters}.items() <= taken.items()
    counts = await apns.peer.counts()
    assert (counts.provider_tokens, counts.open) == (1, 1)
    assert counts.connections <= 8


async def test_all_go_by_one_connection_with_one_token(apns: ApnsRig) -> None:
    channel = apns.make()
    outcomes = await asyncio.gather(*(channel.send(letter) for letter in await sent(apns, many=100)))
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    pushes = await apns.peer.pushes()
    assert {(push.connection, push.provider_token) for push in pushes} == {(1, 1)}
    assert len({push.id for push in pushes}) == 100


async def test_a_lost_connection_is_sent_again_at_once_and_a_silent_one_is_not(apns: ApnsRig) -> None:
    letters = await sent(apns, many=2)
    await apns.peer.script(goaway())
    assert isinstance(await apns.make().send(letters[0]), Delivered)
    assert [push.status for push in await apns.peer.pushes()] == [None, 200]
    await apns.peer.script(hang())
    assert isinstance(await apns.make(seconds=0.3).send(letters[1]), Unknown)
    assert len([push for push in await apns.peer.pushes() if push.id == str(letters[1].reference)]) <= 1


async def test_one_unanswered_among_many_answered_does_not_wait_for_ever(apns: ApnsRig) -> None:
    """httpx counts silence by connection, and this one is never silent."""
    channel, letters = apns.make(seconds=0.5), await sent(apns, many=2)
    assert isinstance(await channel.send(letters[0]), Delivered)
    await apns.peer.script(hang())
    unanswered = asyncio.create_task(channel.send(letters[1]))
    await apns.peer.pushes(at_least=2)
    others = 0
    async with asyncio.timeout(8):
        while not unanswered.done():
            assert isinstance(await channel.send(message(await apns.device(), apns.clock)), Delivered)
            others += 1
    assert isinstance(unanswered.result(), Unknown)
    assert others > 20
    assert isinstance(await channel.send(letters[1]), Delivered)


@pytest.mark.parametrize(
    ("status", "reason", "becomes"),
    [
        (403, "Forbidden", Retry),
        (403, "BadCertificate", Retry),
        (403, "BadCertificateEnvironment", Retry),
        (403, "BadEnvironmentKeyInToken", Retry),
        (403, "UnrelatedKeyIdInToken", Retry),
        (403, "ExpiredProviderToken", Retry),
        (403, "", Retry),
        (403, "BadDeviceToken", TokenDead),
        (403, "TopicDisallowed", Rejected),
        (403, "DeviceTokenNotForTopic", Rejected),
        (400, "TopicDisallowed", Rejected),
        (400, "DeviceTokenNotForTopic", Rejected),
    ],
)
async def test_what_apple_has_against_our_key_waits_for_an_operator(
    apns: ApnsRig, status: int, reason: str, becomes: type[Outcome]
) -> None:
    await apns.script(answer(status, reason))
    outcome = await apns.make().send(message(await apns.device(), apns.clock))
    assert type(outcome) is becomes, outcome
    if isinstance(outcome, Retry):
        assert outcome.after == CREDENTIALS_PAUSE
        assert all(name in outcome.reason for name in (reason, "CHORUS_APNS_KEY", "CHORUS_APNS_URL"))


# -- the provider token --------------------------------------------------------------------------------------------


def provider_token(rig: ApnsRig, clock: SettableClock) -> ProviderToken:
    return ProviderToken(rig.peer.key_file.read_bytes(), rig.peer.key_id, rig.peer.team_id, clock)


def test_two_workers_make_the_very_same_token_of_the_time_alone(apns: ApnsRig) -> None:
    """Apple counts by team: two tokens within 20 minutes are one too many, whoever made them, restarted or not."""
    one, clock = provider_token(apns, apns.clock), SettableClock()
    seen: list[tuple[str, datetime]] = []
    for minute in range(24 * 60):
        apns.clock.now = START + timedelta(minutes=minute, seconds=7)
        clock.now = apns.clock.now + timedelta(seconds=20)
        another = provider_token(apns, clock)
        if one() != another():  # one of them is the first in a new period
            assert int(apns.clock().timestamp()) // TOKEN_SECONDS != int(clock().timestamp()) // TOKEN_SECONDS
        if not seen or seen[-1][0] != one():
            seen.append((one(), apns.clock()))
    assert len({token for token, _ in seen}) == len(seen) in (29, 30)
    # The first of them began before the test did.
    assert all(later - earlier >= timedelta(minutes=49) for (_, earlier), (_, later) in pairwise(seen[1:]))


async def test_apple_takes_the_tokens_of_two_clients_through_half_a_day(apns: ApnsRig) -> None:
    """The fake counts tokens as Apple does, and refuses one older than an hour, or the second within 20 minutes."""
    first, second = apns.make(), apns.make()
    device = await apns.device()
    periods = set()
    for _ in range(36):
        now = apns.clock.forward(minutes=20)
        await apns.peer.set_now(now)
        periods.add(int(now.timestamp()) // TOKEN_SECONDS)
        for channel in (first, second):
            outcome = await channel.send(message(device, apns.clock))
            assert isinstance(outcome, Delivered), outcome
    counts = await apns.peer.counts()
    assert (counts.connections, counts.provider_tokens) == (2, len(periods))
    assert len(periods) in (14, 15)


@pytest.mark.parametrize(
    ("reason", "status"),
    [("ExpiredProviderToken", 403), ("InvalidProviderToken", 403), ("TooManyProviderTokenUpdates", 429)],
)
async def test_a_token_that_apple_does_not_take_is_no_fault_of_the_message(
    apns: ApnsRig, reason: str, status: int
) -> None:
    await apns.peer.script(answer(status, reason))
    outcome = await apns.make().send(message(await apns.device(), apns.clock))
    assert isinstance(outcome, Retry)
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (b"no key", "cannot be read"),
        (b"", "cannot be read"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
    ],
)
def test_a_key_that_is_none_stops_the_start(key: bytes, words: str, clock: SettableClock) -> None:
    with pytest.raises(OperatorError, match=f"CHORUS_APNS_KEY {words}"):
        ProviderToken(key, "KEY1234567", "TEAM123456", clock)
    ProviderToken(private_pem(new_key()), "KEY1234567", "TEAM123456", clock)


# -- another team's pass -------------------------------------------------------------------------------------------


async def test_another_teams_pass_is_woken_with_its_certificate(apns: ApnsRig) -> None:
    """A team's key does not open another team's pass type; that one's certificate does, and without any token."""
    device = await apns.device()

    async def woken(client: ApnsClient) -> Outcome:
        outcome = await wake_pass(client, device.token, NOT_OURS, "123e4567-e89b-12d3-a456-42665544000a", apns.clock())
        await client.close()
        return outcome

    by_key = await woken(apns.client())
    by_stranger = await woken(apns.client(certificate=apns.peer.certificate(NOT_OURS, trusted=False)))
    by_certificate = await woken(apns.client(certificate=apns.peer.certificate(NOT_OURS)))
    assert (type(by_key).__name__, type(by_stranger).__name__) == ("Rejected", "Retry")
    assert isinstance(by_certificate, Delivered)
    pushes: list[Push] = await apns.peer.pushes()
    assert [push.reason for push in pushes] == ["TopicDisallowed", "BadCertificate", ""]
    assert [push.provider_token for push in pushes] == [1, None, None]


async def test_a_certificate_sends_many_and_prunes_as_a_key_does(apns: ApnsRig) -> None:
    client, gone = apns.client(certificate=apns.peer.certificate(APP)), await apns.device()
    await apns.kill(gone)
    channel = Apns(client)
    outcomes = await asyncio.gather(
        *(channel.send(letter) for letter in [message(gone, apns.clock), *await sent(apns, many=20)])
    )
    assert [type(outcome) for outcome in outcomes] == [TokenDead, *[Delivered] * 20]
    await channel.close()


async def test_a_live_activity_lives_on_the_connection_of_the_alerts(apns: ApnsRig, activity: LiveActivityRig) -> None:
    """One client for both, which ends with the alerts'."""
    client = apns.client()
    alerts, activities = Apns(client), LiveActivity(client)
    assert isinstance(await alerts.send(message(await apns.device(), apns.clock)), Delivered)
    assert isinstance(await activities.send(message(await activity.device(), apns.clock)), Delivered)
    await activities.close()
    assert isinstance(await alerts.send(message(await apns.device(), apns.clock)), Delivered)
    assert {push.connection for push in await apns.peer.pushes()} == {1}
    await alerts.close()
