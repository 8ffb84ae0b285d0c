"""Apple's push service: notifications, Live Activities and the wake-up of passes over one long-lived HTTP/2 connection.

The provider token is made from the time alone: its signature is deterministic (RFC 6979) and it is dated to the last full
50 minutes, so every worker on every host, restarted or not, sends the very same one. Apple allows a team no more than one
new token in 20 minutes, and none older than an hour.

A connection that Apple closes with requests in flight (GOAWAY) fails them; each is sent once more at once, under the same
`apns-id`.
"""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from core.clock import Clock
from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead
from core.member_devices import DeviceChannel
from core.settings import OperatorError
from push.channels.contract import Message
from push.channels.http import AS_IT_IS, CREDENTIALS_PAUSE, SECONDS, answered, json_of, patience, unanswered, wish

TOKEN_SECONDS = 3000
MAX_PAYLOAD = 4096
_DEAD = ("BadDeviceToken",)
_ITS_TOPIC = ("DeviceTokenNotForTopic", "TopicDisallowed", "BadTopic")
_LOOK_AT = (
    "look at CHORUS_APNS_KEY, its id, team and environment (CHORUS_APNS_URL), a certificate, and this host's clock"
)
"""Any other 403 is about who asks, in whatever words: Apple adds some, and an answer may have none."""


class ProviderToken:
    """`key` is the PEM of the .p8 file."""

    def __init__(self, key: bytes, key_id: str, team_id: str, clock: Clock) -> None:
        try:
            loaded = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError) as error:
            raise OperatorError(f"CHORUS_APNS_KEY cannot be read: {error}") from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise OperatorError("CHORUS_APNS_KEY is not an APNs key: it must be the .p8 file as Apple gave it")
        self._key, self._key_id, self._team_id, self._clock = loaded, key_id, team_id, clock
        self._made: tuple[int, str] = (0, "")

    def __call__(self) -> str:
        issued = int(self._clock().timestamp()) // TOKEN_SECONDS * TOKEN_SECONDS
        if self._made[0] != issued:
            self._made = (issued, self._make(issued))
        return self._made[1]

    def _make(self, issued: int) -> str:
        header = {"alg": "ES256", "kid": self._key_id}
        claims = {"iss": self._team_id, "iat": issued}
        signed = ".".join(_base64(msgspec.json.encode(part)) for part in (header, claims))
        der = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return f"{signed}.{_base64(r.to_bytes(32) + s.to_bytes(32))}"


class ApnsClient:
    """One for a team and environment. Without a `token` the TLS certificate in `context` is who we are."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        token: ProviderToken | None,
        context: ssl.SSLContext,
        seconds: float = SECONDS,
    ) -> None:
        self._token, self._clock, self._seconds = token, clock, seconds
        self._client = httpx.AsyncClient(
            base_url=url,
            http1=False,
            http2=True,
            headers=AS_IT_IS,
            verify=context,
            timeout=patience(seconds),
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2, keepalive_expiry=3600),
        )

    async def post(self, device: str, payload: dict[str, Any], headers: dict[str, str]) -> Outcome:
        """Send `payload` to a device token. `headers` are Apple's, `apns-id` among them."""
        content = msgspec.json.encode(payload)
        if len(content) > MAX_PAYLOAD:
            return Rejected(f"the payload has {len(content)} bytes, Apple takes {MAX_PAYLOAD}")
        sent = dict(headers)
        if self._token is not None:
            sent["authorization"] = f"bearer {self._token()}"
        path = f"/3/device/{quote(device, safe='')}"
        response = await answered(self._client.post(path, content=content, headers=sent), self._seconds)
        if unanswered(response):
            response = await answered(self._client.post(path, content=content, headers=sent), self._seconds)
        return self._outcome(response) if isinstance(response, httpx.Response) else response

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        if status == 200:
            return Delivered(response.headers.get("apns-id", ""))
        reason, since = _told(response)
        told = f"{status} {reason}".strip()
        if status == 410 or reason in _DEAD:
            return TokenDead(told, since)
        if status == 403 and reason not in _ITS_TOPIC:
            return Retry(f"{told}: {_LOOK_AT}", CREDENTIALS_PAUSE)
        if status == 429 or status >= 500:
            return Retry(told, wish(response, self._clock()))
        return Rejected(told)

    async def close(self) -> None:
        await self._client.aclose()


class Apns:
    """Notifications to an app. The device's `app` is its bundle id, the topic."""

    name: DeviceChannel = "apns"
    hides_repeats = True
    at_once = 100

    def __init__(self, client: ApnsClient) -> None:
        self._client = client

    async def send(self, message: Message) -> Outcome:
        alert = {"title": message.title, "body": message.body}
        payload = {"aps": {"alert": alert, "sound": "default"}, "url": message.url, "version": message.version}
        return await self._client.post(
            message.device.token,
            payload,
            {
                "apns-id": str(message.reference),
                "apns-topic": message.device.app,
                "apns-push-type": "alert",
                "apns-priority": "10",
                "apns-expiration": str(int(message.expires_at.timestamp())),
                "apns-collapse-id": message.collapse_id,
            },
        )

    async def close(self) -> None:
        await self._client.close()


class LiveActivity:
    """Updates of the activity that an app shows while its member is in a store."""

    name: DeviceChannel = "liveactivity"
    hides_repeats = True
    at_once = 100

    def __init__(self, client: ApnsClient) -> None:
        self._client = client

    async def send(self, message: Message) -> Outcome:
        until = message.device.until
        over = until is not None and until <= message.sent_at
        aps: dict[str, Any] = {
            "timestamp": int(message.sent_at.timestamp()),
            "event": "end" if over else "update",
            "content-state": message.state,
        }
        if until is not None:
            aps["dismissal-date" if over else "stale-date"] = int(until.timestamp())
        if not over and message.title:
            aps["alert"] = {"title": message.title, "body": message.body}
        return await self._client.post(
            message.device.token,
            {"aps": aps},
            {
                "apns-id": str(message.reference),
                "apns-topic": f"{message.device.app}.push-type.liveactivity",
                "apns-push-type": "liveactivity",
                "apns-priority": "10",
                "apns-expiration": str(int(message.expires_at.timestamp())),
            },
        )

    async def close(self) -> None:
        """The connection is the notifications'."""


async def wake_pass(client: ApnsClient, token: str, pass_type: str, reference: str, now: datetime) -> Outcome:
    """Have a device ask for its passes of `pass_type`: the payload is empty, and Apple keeps only the newest."""
    expires = now + timedelta(days=1)
    return await client.post(
        token,
        {},
        {
            "apns-id": reference,
            "apns-topic": pass_type,
            "apns-push-type": "background",
            "apns-priority": "5",
            "apns-expiration": str(int(expires.timestamp())),
            "apns-collapse-id": "pass",
        },
    )


def _told(response: httpx.Response) -> tuple[str, datetime | None]:
    """Apple's reason, and since when a token is dead (milliseconds); a body may be empty, or anything."""
    body = json_of(response)
    reason, stamp = str(body.get("reason", "")), body.get("timestamp")
    if not isinstance(stamp, int) or not 0 < stamp < 10**14:
        return reason, None
    return reason, datetime.fromtimestamp(stamp / 1000, UTC)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
