"""The push service lets a browser read what pywebpush encrypted, and refuses what breaks the RFCs."""

from __future__ import annotations

import copy
import time
from typing import Any

import aiohttp
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02, b64urlencode
from pywebpush import WebPusher, webpush_async

from tests.peers.authority import new_key
from tests.peers.troubles import answer
from tests.peers.webpush import PushService


class Sender:
    """An application server with its own VAPID key."""

    def __init__(self) -> None:
        self.vapid = Vapid02(new_key())
        point = self.vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.key = b64urlencode(point)

    async def push(self, subscription: dict[str, Any], **changed: Any) -> tuple[int, str | None]:
        """(status, Retry-After) of a push that is right but for `changed`: claims, and header fields."""
        origin = subscription["endpoint"].partition("/push/")[0]
        claims = {"aud": origin, "exp": int(time.time()) + 3600, "sub": "mailto:shop@example.com"}
        claims = {name: changed.pop(name, value) for name, value in claims.items()}
        encoded = WebPusher(subscription).encode(changed.pop("text", "12 points").encode(), "aes128gcm")
        authorization = changed.pop("authorization", None) or self.vapid.sign(claims)["Authorization"]
        right = {"Authorization": authorization, "TTL": "60", "Content-Encoding": "aes128gcm"}
        headers = {name: value for name, value in {**right, **changed}.items() if value is not None}
        async with httpx.AsyncClient() as client:
            reply = await client.post(subscription["endpoint"], content=encoded["body"], headers=headers)
        return reply.status_code, reply.headers.get("retry-after")


async def test_a_browser_decrypts_what_was_pushed_to_it(push_service: PushService) -> None:
    sender = Sender()
    subscription = await push_service.subscribe(sender.key)
    assert (await sender.push(subscription, Urgency="high", Topic="points", text="12 Punkte für dich"))[0] == 201
    (message,) = await push_service.messages(at_least=1)
    assert (message.message, message.ttl, message.urgency) == ("12 Punkte für dich", "60", "high")
    assert (message.topic, message.claims["sub"], message.claims["aud"], message.endpoint) == (
        "points",
        "mailto:shop@example.com",
        push_service.url,
        subscription["endpoint"],
    )


async def test_pywebpush_is_taken_as_it_is(push_service: PushService) -> None:
    sender = Sender()
    subscription = await push_service.subscribe(sender.key)
    async with aiohttp.ClientSession() as session:
        reply: Any = await webpush_async(
            subscription,
            "12 points",
            vapid_private_key=sender.vapid,
            vapid_claims={"sub": "mailto:shop@example.com"},
            ttl=60,
            aiohttp_session=session,
        )
    assert reply.status == 201
    assert [message.message for message in await push_service.messages()] == ["12 points"]


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"TTL": None}, 400, "TTL is no number of seconds"),
        ({"Urgency": "urgent"}, 400, "Urgency is none of the four"),
        ({"Topic": "t" * 33}, 400, "Topic is not 1 to 32 characters of base64url"),
        ({"Content-Encoding": "aesgcm"}, 415, "Content-Encoding is not aes128gcm"),
        ({"authorization": "Bearer x"}, 401, "no vapid credentials"),
        ({"authorization": "vapid t=a.b.c, k=x"}, 403, "the token is not signed by ES256 with the key k"),
        ({"aud": "https://push.example.com"}, 403, "aud is not "),
        ({"exp": int(time.time()) + 25 * 3600}, 403, "exp is more than 24 hours away"),
        ({"exp": int(time.time()) - 1}, 403, "the token has expired"),
        ({"text": "x" * 4096}, 413, "the body is over 4096 octets"),
    ],
)
async def test_a_wrong_push_is_refused(
    push_service: PushService, changed: dict[str, Any], status: int, reason: str
) -> None:
    sender = Sender()
    subscription = await push_service.subscribe(sender.key)
    assert (await sender.push(subscription, **changed))[0] == status
    (message,) = await push_service.messages()
    assert message.reason.startswith(reason)
    assert message.message is None


async def test_a_subscription_is_for_one_key_and_ends(push_service: PushService) -> None:
    sender = Sender()
    subscription = await push_service.subscribe(sender.key)
    stranger = copy.deepcopy(subscription)
    stranger["keys"]["auth"] = "AAAAAAAAAAAAAAAAAAAAAA"
    assert [await Sender().push(subscription), await sender.push(stranger)] == [(403, None), (400, None)]
    await push_service.script(answer(429, retry_after=5), answer(413), answer(500))
    assert [await sender.push(subscription) for _ in range(4)] == [(429, "5"), (413, None), (500, None), (201, None)]
    await push_service.expire(subscription["endpoint"])
    assert await sender.push(subscription) == (410, None)
    await push_service.reset()
    assert await sender.push(subscription) == (404, None)
