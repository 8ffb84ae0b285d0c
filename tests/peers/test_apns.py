"""The fake APNs refuses what Apple refuses, is content with a client of others, and outlives the trouble it makes."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from tests.peers.apns import ACTIVITY, APP, PASS, FakeApns
from tests.peers.authority import new_key, private_pem
from tests.peers.install import node
from tests.peers.node import FOLDER
from tests.peers.troubles import answer, empty_frame, goaway, goaway_after, hang, reset, well

DEVICE = "0123456789abcdef" * 4
ID = "123e4567-e89b-12d3-a456-42665544000a"
ALERT = {"aps": {"alert": "12 points"}}
WAKE = {"aps": {"content-available": 1}}

Parts = dict[str, Any]


def provider_token(apns: FakeApns, *, key: str = "", kid: str = "", **claims: Any) -> str:
    said = {"iss": apns.team_id, "iat": int(time.time()), **claims}
    return jwt.encode(said, key or apns.key_file.read_text(), "ES256", headers={"kid": kid or apns.key_id})


def activity(**aps: Any) -> Any:
    right = {"timestamp": int(time.time()), "event": "update", "content-state": {"points": 12}}
    return {"aps": {name: value for name, value in {**right, **aps}.items() if value is not None}}


@asynccontextmanager
async def client(apns: FakeApns, certificate: object = None) -> AsyncIterator[httpx.AsyncClient]:
    trust = ssl.create_default_context(cafile=apns.ca_file)
    if certificate:
        trust.load_cert_chain(str(certificate))
    async with httpx.AsyncClient(base_url=apns.url, http1=False, http2=True, verify=trust, timeout=5) as http:
        yield http


async def send(http: httpx.AsyncClient, token: str | None, parts: Parts | None = None) -> tuple[int, str]:
    """(status, reason) of a push that is right but for `parts`: fields of its header, `device`, `payload`, `path` ..."""
    parts = dict(parts or {})
    path = parts.pop("path", f"/3/device/{parts.pop('device', DEVICE)}")
    body = parts.pop("body", None) or json.dumps(parts.pop("payload", ALERT)).encode()
    method = parts.pop("method", "POST")
    twice = parts.pop("twice", None)
    headers = {"authorization": token and f"bearer {token}", "apns-topic": APP, "apns-push-type": "alert", **parts}
    fields = [(name, value) for name, value in headers.items() if value is not None] + ([twice] if twice else [])
    reply = await http.request(method, path, headers=fields, content=body)
    assert reply.http_version == "HTTP/2"
    assert "apns-id" in reply.headers
    return reply.status_code, reply.json()["reason"] if reply.content else ""


def passes(**parts: Any) -> Parts:
    return {"apns-topic": PASS, "payload": {}, **parts}


def activities(**parts: Any) -> Parts:
    return {"apns-topic": ACTIVITY, "apns-push-type": "liveactivity", **parts}


def background(**parts: Any) -> Parts:
    return {"apns-push-type": "background", "apns-priority": "5", "payload": WAKE, **parts}


async def test_it_takes_what_is_right(apns: FakeApns) -> None:
    every_field = {"apns-id": ID, "apns-expiration": "1770000000", "apns-priority": "5", "apns-collapse-id": "c" * 64}
    right: list[Parts] = [
        {},
        every_field,
        passes(),
        passes(**{"apns-push-type": "background"}),
        background(),
        activities(payload=activity()),
        {"device": DEVICE.upper()},
        {"body": json.dumps({"aps": {"alert": "x" * 4074}}).encode()},
    ]
    async with client(apns) as http:
        token = provider_token(apns)
        assert [await send(http, token, parts) for parts in right] == [(200, "")] * len(right)
        echoed = await http.post(
            f"/3/device/{DEVICE}",
            headers={"authorization": f"bearer {token}", "apns-topic": APP, "apns-push-type": "alert", "apns-id": ID},
            json=ALERT,
        )
    assert (echoed.headers["apns-id"], echoed.content) == (ID, b"")
    pushes = await apns.pushes()
    assert (pushes[1].id, pushes[1].collapse_id, pushes[1].payload, pushes[1].status) == (ID, "c" * 64, ALERT, 200)
    assert {(push.connection, push.provider_token) for push in pushes} == {(1, 1)}


REFUSED: list[tuple[Parts, int, str]] = [
    ({"method": "GET"}, 405, "MethodNotAllowed"),
    ({"path": "/3/devices/" + DEVICE}, 404, "BadPath"),
    ({"twice": ("apns-topic", APP)}, 400, "DuplicateHeaders"),
    ({"apns-topic": None}, 400, "MissingTopic"),
    ({"apns-topic": "com.example.other"}, 400, "TopicDisallowed"),
    ({"apns-push-type": None}, 400, "InvalidPushType"),
    ({"apns-push-type": "voip"}, 400, "InvalidPushType"),
    (activities(**{"apns-topic": APP}), 400, "InvalidPushType"),
    ({"apns-topic": ACTIVITY}, 400, "InvalidPushType"),
    ({"apns-id": ID.upper()}, 400, "BadMessageId"),
    ({"apns-id": "1"}, 400, "BadMessageId"),
    ({"apns-priority": "7"}, 400, "BadPriority"),
    (background(**{"apns-priority": None}), 400, "BadPriority"),
    ({"apns-expiration": "1770000000000"}, 400, "BadExpirationDate"),
    ({"apns-expiration": "1.5"}, 400, "BadExpirationDate"),
    ({"apns-collapse-id": "c" * 65}, 400, "BadCollapseId"),
    ({"body": b" " * 4097}, 413, "PayloadTooLarge"),
    ({"payload": {}}, 400, "PayloadEmpty"),
    ({"payload": []}, 400, "Dropped: the payload is no JSON object"),
    ({"body": b'{"aps"'}, 400, "Dropped: the payload is no JSON object"),
    ({"payload": {"aps": {}}}, 400, "Dropped: an alert without alert, badge or sound"),
    (passes(payload=ALERT), 400, "Dropped: a pass takes an empty payload"),
    (background(payload=ALERT), 400, "Dropped: aps.content-available"),
    (activities(payload=activity(timestamp=None)), 400, "Dropped: aps.timestamp"),
    (
        activities(payload=activity(timestamp=time.time() * 1000 // 1)),
        400,
        "Dropped: aps.timestamp is not of this hour",
    ),
    (activities(payload=activity(event="stop")), 400, "Dropped: aps.event"),
    (activities(payload=activity(**{"content-state": None})), 400, "Dropped: aps.content-state"),
    (
        activities(payload=activity(event="start")),
        400,
        "Dropped: a start without attributes-type, attributes and alert",
    ),
    ({"path": "/3/device/"}, 400, "MissingDeviceToken"),
    ({"device": "xyz"}, 400, "BadDeviceToken"),
    ({"device": DEVICE[:-1]}, 400, "BadDeviceToken"),
]


async def test_it_refuses_each_wrong_part_in_apples_words(apns: FakeApns) -> None:
    async with client(apns) as http:
        token = provider_token(apns)
        await apns.script(answer(503))
        assert [(*await send(http, token, parts), parts) for parts, *_ in REFUSED] == [
            (status, reason, parts) for parts, status, reason in REFUSED
        ]
    assert await apns.unplayed() == 1, "a wrong request used up what was scripted for a right one"


async def test_an_empty_body_is_an_empty_payload(apns: FakeApns) -> None:
    headers = {"authorization": f"bearer {provider_token(apns)}", "apns-topic": PASS, "apns-push-type": "alert"}
    async with client(apns) as http:
        reply = await http.post(f"/3/device/{DEVICE}", headers=headers)
    assert (reply.status_code, reply.json()) == (400, {"reason": "PayloadEmpty"})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda apns: None, "MissingProviderToken"),
        (lambda apns: "", "MissingProviderToken"),
        (lambda apns: "a.b.c", "InvalidProviderToken"),
        (lambda apns: provider_token(apns, kid="OTHERKEY00"), "InvalidProviderToken"),
        (lambda apns: provider_token(apns, iss="OTHERTEAM0"), "InvalidProviderToken"),
        (lambda apns: provider_token(apns, iat=time.time() // 1 + 0.5), "InvalidProviderToken"),
        (lambda apns: provider_token(apns, iat=int(time.time()) + 120), "InvalidProviderToken"),
        (lambda apns: provider_token(apns, key=private_pem(new_key()).decode()), "InvalidProviderToken"),
        (lambda apns: provider_token(apns, iat=int(time.time()) - 3605), "ExpiredProviderToken"),
    ],
)
async def test_it_refuses_a_wrong_provider_token(
    apns: FakeApns, make: Callable[[FakeApns], str | None], reason: str
) -> None:
    async with client(apns) as http:
        assert await send(http, make(apns)) == (403, reason)


async def test_it_takes_one_new_token_in_twenty_minutes(apns: FakeApns) -> None:
    now = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
    await apns.set_now(now)
    first = provider_token(apns, iat=int(now.timestamp()))
    async with client(apns) as http:
        assert await send(http, first) == (200, "")
        await apns.set_now(now + timedelta(minutes=19))
        early = provider_token(apns, iat=int(now.timestamp()) + 19 * 60)
        assert await send(http, early) == (429, "TooManyProviderTokenUpdates")
        assert await send(http, first) == (200, "")
        await apns.set_now(now + timedelta(minutes=20))
        late = provider_token(apns, iat=int(now.timestamp()) + 20 * 60)
        assert [await send(http, one) for one in (late, first)] == [(200, ""), (200, "")]
    assert (await apns.counts()).provider_tokens == 3


async def test_it_tells_a_dead_device_and_one_of_another_topic(apns: FakeApns) -> None:
    dead, other = DEVICE[::-1], "ab" * 32
    await apns.kill(dead, datetime(2026, 3, 14, tzinfo=UTC))
    await apns.register(other, PASS)
    async with client(apns) as http:
        token = provider_token(apns)
        assert await send(http, token, {"device": dead}) == (410, "Unregistered")
        assert await send(http, token, {"device": other}) == (400, "DeviceTokenNotForTopic")
        assert await send(http, token, passes(device=other)) == (200, "")
        headers = {"authorization": f"bearer {token}", "apns-topic": APP, "apns-push-type": "alert"}
        gone = await http.post(f"/3/device/{dead}", headers=headers, json=ALERT)
    assert gone.json() == {"reason": "Unregistered", "timestamp": 1773446400000}


async def test_a_certificate_stands_for_its_own_topic_only(apns: FakeApns) -> None:
    other_team = "pass.com.example.partner"
    async with client(apns, apns.certificate(other_team)) as http:
        assert await send(http, None, passes(**{"apns-topic": other_team})) == (200, "")
        assert await send(http, None, passes()) == (400, "TopicDisallowed")
    async with client(apns, apns.certificate(other_team, trusted=False)) as http:
        assert await send(http, None, passes(**{"apns-topic": other_team})) == (403, "BadCertificate")
    assert [push.provider_token for push in await apns.pushes()] == [None] * 3


async def test_it_outlives_all_the_trouble_it_makes(apns: FakeApns) -> None:
    async with client(apns) as http:
        token = provider_token(apns)
        for trouble in (answer(503), answer(500, "InternalServerError"), empty_frame(), goaway_after()):
            await apns.script(trouble)
            wanted = (trouble.get("status", 200), trouble.get("reason", ""))
            assert [await send(http, token) for _ in range(2)] == [wanted, (200, "")]
        for trouble in (reset(), goaway()):
            await apns.script(trouble)
            with pytest.raises(httpx.TransportError):
                await send(http, token)
            assert await send(http, token) == (200, "")
        await apns.script(goaway(processed=False), well(), answer(429, "TooManyRequests", retry_after=7, to=DEVICE))
        # httpx may send again what was not looked at, and does: the second one is that.
        assert await send(http, token) == (200, "")
        assert await send(http, token, {"device": "ab" * 32}) == (200, "")
        assert await send(http, token) == (429, "TooManyRequests")
    kinds = [push.trouble for push in await apns.pushes() if push.trouble != "well"]
    assert kinds == ["answer", "answer", "empty-frame", "goaway-after", "reset", "goaway", "goaway", "answer"]
    assert (await apns.counts()).connections == 4


async def test_a_reset_of_the_fake_ends_what_hangs(apns: FakeApns) -> None:
    async with client(apns) as http:
        await apns.script(hang())
        hanging = asyncio.create_task(send(http, provider_token(apns)))
        (push,) = await apns.pushes(at_least=1)
        assert (push.status, push.trouble) == (None, "hang")
        await apns.reset()
        with pytest.raises(httpx.TransportError):
            await hanging
    counts = await apns.counts()
    assert (await apns.pushes(), counts.connections, counts.provider_tokens) == ([], 0, 0)


async def node_apn(apns: FakeApns, *pushes: Parts) -> list[tuple[int, list[Any]]]:
    """What node-apn says of its pushes: (sent, failures)."""
    token = {"key": str(apns.key_file), "keyId": apns.key_id, "teamId": apns.team_id}
    options = {"address": "127.0.0.1", "port": apns.port, "ca": str(apns.ca_file), "token": token}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node(), "apns-check.mjs", cwd=FOLDER, stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(json.dumps({"options": options, "pushes": pushes}).encode())
    assert process.returncode == 0
    return [(result["sent"], result["failed"]) for result in json.loads(out)]


async def test_node_apn_is_content_with_it(apns: FakeApns) -> None:
    right = {"token": DEVICE, "headers": {"topic": APP, "pushType": "alert", "id": ID}, "payload": ALERT}
    wrong = {**right, "headers": {"topic": APP, "pushType": "alert", "collapseId": "c" * 65}}
    update = {"token": DEVICE, "headers": {"topic": ACTIVITY, "pushType": "liveactivity"}, "payload": activity()}
    done = await node_apn(apns, right, wrong, update)
    assert done == [(1, []), (0, [{"status": 400, "reason": "BadCollapseId"}]), (1, [])]
    first, *_ = await apns.pushes()
    assert (first.topic, first.id, first.payload, first.connection) == (APP, ID, ALERT, 1)


async def test_node_apn_is_refused_with_an_old_token(apns: FakeApns) -> None:
    await apns.set_now(datetime.now(UTC) + timedelta(hours=2))
    push = {"token": DEVICE, "headers": {"topic": APP, "pushType": "alert"}, "payload": ALERT}
    assert await node_apn(apns, push) == [(0, [{"status": 403, "reason": "ExpiredProviderToken"}])]
