"""The fakes of Google and of a gateway for text messages take what is right, and refuse the rest in their own words."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import jwt
import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from tests.conftest import SettableClock
from tests.peers.http import FakeHttp
from tests.peers.troubles import answer, hang, reset

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MESSAGING = "https://www.googleapis.com/auth/firebase.messaging"


def assertion(http: FakeHttp, **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": http.email, "aud": http.token_url, "iat": now, "exp": now + 3600, "scope": MESSAGING}
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(claims, http.service_account["private_key"], "RS256")


async def access_token(http: FakeHttp, client: httpx.AsyncClient, **changed: Any) -> str:
    form = {"grant_type": JWT_GRANT, "assertion": assertion(http, **changed)}
    reply = await client.post(http.token_url, data=form)
    assert reply.status_code == 200, reply.text
    assert reply.json()["expires_in"] == 3600
    token: str = reply.json()["access_token"]
    return token


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"iss": "other@example.com"}, "invalid_grant"),
        ({"aud": "https://accounts.example.com/token"}, "invalid_grant"),
        ({"exp": int(time.time()) + 7200}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"scope": None}, "invalid_scope"),
    ],
)
async def test_google_grants_no_token_to_a_wrong_assertion(http: FakeHttp, changed: dict[str, Any], error: str) -> None:
    async with httpx.AsyncClient() as client:
        form = {"grant_type": JWT_GRANT, "assertion": assertion(http, **changed)}
        reply = await client.post(http.token_url, data=form)
        forged = await client.post(http.token_url, data={**form, "assertion": form["assertion"][:-8] + "AAAAAAAA"})
        other = await client.post(http.token_url, data={**form, "grant_type": "client_credentials"})
    assert (reply.status_code, reply.json()["error"]) == (400, error)
    assert forged.json()["error_description"] == "Invalid JWT Signature."
    assert other.json()["error"] == "unsupported_grant_type"
    assert await http.tokens_issued() == 0


async def test_googles_own_client_gets_a_token(http: FakeHttp) -> None:
    def refresh() -> str:
        credentials: Any = service_account.Credentials
        credentials = credentials.from_service_account_file(str(http.service_account_file), scopes=[MESSAGING])
        with requests.Session() as session:
            credentials.refresh(Request(session))
        return str(credentials.token)

    token = await asyncio.to_thread(refresh)
    async with httpx.AsyncClient() as client:
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.post(http.fcm_url, json={"message": RIGHT}, headers=headers)).status_code == 200
    assert await http.tokens_issued() == 1


RIGHT = {
    "token": "c0ffee:APA91b-x_y",
    "notification": {"title": "12 points", "body": "Thank you"},
    "data": {"version": "7"},
    "android": {"collapse_key": "points", "ttl": "3600s", "notification": {"tag": "points"}},
    "apns": {"headers": {"apns-collapse-id": "points", "apns-expiration": "1773480413", "apns-priority": "10"}},
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in RIGHT.items() if name not in names}


async def test_fcm_takes_a_right_message_and_nothing_else(http: FakeHttp) -> None:
    async with httpx.AsyncClient() as client:
        authorization = {"Authorization": f"Bearer {await access_token(http, client)}"}

        async def send(message: object, headers: dict[str, str] = authorization) -> tuple[int, str, list[str]]:
            reply = await client.post(http.fcm_url, json={"message": message}, headers=headers)
            error = reply.json().get("error", {})
            codes = [detail["errorCode"] for detail in error.get("details", []) if "errorCode" in detail]
            return reply.status_code, error.get("status", ""), codes

        invalid = (400, "INVALID_ARGUMENT", ["INVALID_ARGUMENT"])
        assert await send(RIGHT) == (200, "", [])
        wrong: list[dict[str, Any]] = [
            {**RIGHT, "collapse_key": "x"},
            {**RIGHT, "android": {"ttl": 3600}},
            {**RIGHT, "android": {"ttl": "1h"}},
            {**RIGHT, "apns": {"headers": {"apns-collapse-id": "x" * 65}}},
            {**RIGHT, "apns": {"headers": {"apns-expiration": "43200s"}}},
            {**RIGHT, "apns": {"headers": {"apns-priority": "high"}}},
            {**RIGHT, "apns": {"headers": {"apns-priority": 10}}},
            {**RIGHT, "data": {"version": 7}},
            {**RIGHT, "data": {"from": "x"}},
            {**RIGHT, "data": {"x": "y" * 4096}},
            {**RIGHT, "token": "not a token"},
            without("token"),
        ]
        assert [await send(message) for message in wrong] == [invalid] * len(wrong)
        await http.kill("dead")
        await http.estrange("strange")
        assert await send({**RIGHT, "token": "dead"}) == (404, "NOT_FOUND", ["UNREGISTERED"])
        assert await send({**RIGHT, "token": "strange"}) == (403, "PERMISSION_DENIED", ["SENDER_ID_MISMATCH"])
        assert await send(RIGHT, {}) == (401, "UNAUTHENTICATED", [])
        narrow = {"Authorization": f"Bearer {await access_token(http, client, scope='openid')}"}
        assert await send(RIGHT, narrow) == (403, "PERMISSION_DENIED", [])
        await http.set_now(None)
        assert (await client.post(http.url + "/v1/projects/other/messages:send")).status_code == 404
    (first, *_) = await http.requests("fcm")
    assert (first.body, first.status, first.trouble) == ({"message": RIGHT}, 200, "well")
    assert (await http.tokens_issued(), (await http.requests("token"))[0].claims["scope"]) == (2, MESSAGING)


async def test_http_trouble_befalls_the_route_it_is_for(http: FakeHttp) -> None:
    async with httpx.AsyncClient() as client:
        await http.script(answer(500), route="token")
        form = {"grant_type": JWT_GRANT, "assertion": assertion(http)}
        broken = await client.post(http.token_url, data=form)
        assert (broken.status_code, broken.content) == (500, b"")
        authorization = {"Authorization": f"Bearer {await access_token(http, client)}"}
        await http.script(
            answer(429, "QUOTA_EXCEEDED", retry_after=3),
            answer(401, "THIRD_PARTY_AUTH_ERROR"),
            answer(503, "UNAVAILABLE", retry_after="Sat, 14 Mar 2026 09:27:53 GMT"),
            route="fcm",
        )
        replies = [await client.post(http.fcm_url, json={"message": RIGHT}, headers=authorization) for _ in range(4)]
        assert [reply.status_code for reply in replies] == [429, 401, 503, 200]
        assert [reply.headers.get("retry-after") for reply in replies[:3]] == [
            "3",
            None,
            "Sat, 14 Mar 2026 09:27:53 GMT",
        ]
        assert replies[0].json()["error"]["details"][-1]["errorCode"] == "QUOTA_EXCEEDED"
        await http.script(reset(), route="sms")
        with pytest.raises(httpx.TransportError):
            await client.post(http.sms_url, json={"to": "+49301234567", "text": "12 points"})
        await http.script(hang(), route="sms")
        hanging = asyncio.create_task(client.post(http.sms_url, data={"to": "+49301234567"}))
        request = (await http.requests("sms", at_least=2))[-1]
        assert (request.body, request.status, request.trouble) == ({"to": "+49301234567"}, None, "hang")
        await http.reset()
        with pytest.raises(httpx.TransportError):
            await hanging
        assert (await client.post(http.sms_url, content=b"hello")).status_code == 415


async def test_google_forgets_a_token_after_its_hour(http: FakeHttp, clock: SettableClock) -> None:
    now = int(clock().timestamp())
    await http.set_now(clock())
    async with httpx.AsyncClient() as client:
        token = await access_token(http, client, iat=now, exp=now + 3600)
        await http.set_now(clock.forward(seconds=3600))
        reply = await client.post(http.fcm_url, json={"message": RIGHT}, headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 401
