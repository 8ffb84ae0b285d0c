"""Firebase Cloud Messaging (HTTP v1): notifications to Android apps, and to iOS apps that use it.

The message's collapse id is the notification's tag, and on Apple's platforms its own: a repeat replaces what it repeats.
"""

from __future__ import annotations

import httpx

from core.clock import Clock
from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead
from core.member_devices import DeviceChannel
from push.channels.contract import Message
from push.channels.google_token import GoogleToken, NoToken
from push.channels.http import AS_IT_IS, CREDENTIALS_PAUSE, SECONDS, answered, json_of, patience, wish

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_DEAD = ("UNREGISTERED",)
_ANOTHER_SENDER = "SENDER_ID_MISMATCH"
"""Of every token at once where the service account is another project's, so no token is forgotten for it; nor does it
wait, for a token that did come from another project's app never works."""
_LOOK_AT = "look at CHORUS_FCM_CREDENTIALS, its project and role, and at Apple's key in Firebase"


class Fcm:
    name: DeviceChannel = "fcm"
    hides_repeats = True
    at_once = 50

    def __init__(self, url: str, token: GoogleToken, clock: Clock, *, seconds: float = SECONDS) -> None:
        self._token, self._clock, self._seconds = token, clock, seconds
        self._path = f"{url}/v1/projects/{token.project}/messages:send"
        self._client = httpx.AsyncClient(http2=True, headers=AS_IT_IS, timeout=patience(seconds))

    async def send(self, message: Message) -> Outcome:
        try:
            headers = {"authorization": f"Bearer {await self._token()}"}
        except NoToken as error:
            return Retry(f"no access token: {error}", None if error.again else CREDENTIALS_PAUSE)
        request = self._client.post(self._path, json=_body(message), headers=headers)
        response = await answered(request, self._seconds)
        return self._outcome(response) if isinstance(response, httpx.Response) else response

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        reason, name = _told(response)
        if status == 200:
            return Delivered(name)
        told = f"{status} {reason}".strip()
        if reason in _DEAD:
            return TokenDead(told)
        if status == 401:
            self._token.refused()
        if status == 401 or (status == 403 and reason != _ANOTHER_SENDER):
            return Retry(f"{told}: {_LOOK_AT}", CREDENTIALS_PAUSE)
        if status == 429 or status >= 500:
            return Retry(told, wish(response, self._clock()))
        return Rejected(told)

    async def close(self) -> None:
        await self._client.aclose()


def _body(message: Message) -> dict[str, object]:
    seconds = max(0, int((message.expires_at - message.sent_at).total_seconds()))
    return {
        "message": {
            "token": message.device.token,
            "notification": {"title": message.title, "body": message.body},
            "data": {"url": message.url, "version": str(message.version)},
            "android": {
                "collapse_key": message.collapse_id,
                "ttl": f"{seconds}s",
                "notification": {"tag": message.collapse_id},
            },
            "apns": {
                "headers": {
                    "apns-collapse-id": message.collapse_id,
                    "apns-expiration": str(int(message.expires_at.timestamp())),
                    "apns-priority": "10",
                }
            },
        }
    }


def _told(response: httpx.Response) -> tuple[str, str]:
    """(error code, name of the message); FCM's own code is in the details, which a body may lack."""
    body = json_of(response)
    if response.status_code == 200:
        return "", str(body.get("name", ""))
    found = body.get("error")
    error = found if isinstance(found, dict) else {}
    details = error.get("details")
    own = [one.get("errorCode") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return str(next(filter(None, own), error.get("status", ""))), ""
