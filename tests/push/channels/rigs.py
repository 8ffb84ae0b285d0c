"""Each channel on a rig: made as production makes it, before its provider's simulator on a real socket."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead, Unknown
from core.member_devices import DeviceChannel, MemberDevice
from push.channels.apns import Apns, ApnsClient, LiveActivity, ProviderToken
from push.channels.contract import Channel, Message
from push.channels.email import Email
from push.channels.fcm import SCOPE, Fcm
from push.channels.google_token import GoogleToken
from push.channels.http import SECONDS
from push.channels.sms import Sms
from push.channels.webpush import VapidKey, WebPush
from tests.conftest import SettableClock
from tests.peers import smtp
from tests.peers.apns import APP, FakeApns
from tests.peers.authority import new_key, private_pem
from tests.peers.http import FakeHttp
from tests.peers.node import Simulator, Trouble
from tests.peers.smtp import MailServer
from tests.peers.troubles import answer, hang, reset
from tests.peers.webpush import PushService

TITLE = "+85 points. Your balance is 3,085."
BODY = "3 CDs, $35.60, Harbour Street, till 2"
END = "https://chorus.example/u/"
LOGIN = ("shop", "right")
OUTCOMES = (Delivered, TokenDead, Retry, Unknown, Rejected)


@dataclass(frozen=True)
class Peers:
    apns: FakeApns
    http: FakeHttp
    push: PushService
    mail: MailServer
    folder: Path
    """For keys."""


def message(device: MemberDevice, clock: SettableClock, **changed: Any) -> Message:
    """One notification of a purchase, or for a Live Activity the state after it."""
    now = clock()
    said: dict[str, Any] = {
        "reference": uuid4(),
        "device": device,
        "title": TITLE,
        "body": BODY,
        "collapse_id": f"{device.member}.7",
        "url": "https://chorus.example/card",
        "version": 7,
        "sent_at": now,
        "expires_at": now + timedelta(hours=12),
    }
    if device.channel == "liveactivity":
        said |= {"title": "", "body": "", "state": {"version": 7, "points": 3085}}
    return Message(**{**said, **changed})


class Rig:
    """`kinds` are the replies of this provider that stand in the tables of tests by name."""

    name: ClassVar[DeviceChannel]
    too_large: ClassVar[tuple[int, str]]
    """How it refuses for good."""
    gone: ClassVar[type[Outcome]] = TokenDead
    """What comes of a message to a device that is no more."""
    cut: Sequence[Trouble] = (reset(),)
    """What breaks one send off so that nobody can know."""

    def __init__(self, peers: Peers, clock: SettableClock) -> None:
        self.peers, self.clock = peers, clock
        self._made: list[Channel] = []

    @property
    def peer(self) -> Simulator:
        raise NotImplementedError

    def make(self, *, url: str = "", seconds: float = SECONDS, stranger: bool = False) -> Channel:
        """The channel; before another address, or with credentials that the provider does not know."""
        made = self._channel(url, seconds, stranger)
        self._made.append(made)
        return made

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        raise NotImplementedError

    async def device(self) -> MemberDevice:
        """One that the provider reaches, and no other test's."""
        return self.of("t" + uuid4().hex)

    def of(self, token: str, **more: Any) -> MemberDevice:
        now = self.clock()
        known: dict[str, Any] = {"id": 17, "member": 1000, "app": APP, "channel": self.name, "token": token}
        return MemberDevice(**{**known, "registered_at": now, "refreshed_at": now, **more})

    async def kill(self, device: MemberDevice) -> None:
        """From now on the provider says that this device is no more; as far as it has a word for it."""
        raise NotImplementedError

    async def script(self, *troubles: Trouble) -> None:
        await self.peer.script(*troubles)

    def says(self, status: int, reason: str = "", retry_after: int | str | None = None) -> Trouble:
        return answer(status, reason, retry_after=retry_after)

    def silent(self) -> Trouble:
        return hang()

    async def arrived(self) -> list[Any]:
        """What came, taken or not."""
        raise NotImplementedError

    def identity(self, arrived: Any) -> Any:
        """By what the far end knows two sends for one message."""
        raise NotImplementedError

    async def new(self) -> None:
        """The simulator as new, at the test's time."""
        await self.peer.reset()
        await self.peer.set_now(self.clock())

    async def close(self) -> None:
        for channel in self._made:
            await channel.close()

    @cached_property
    def nowhere(self) -> str:
        return f"https://127.0.0.1:{free_port()}"


class ApnsRig(Rig):
    name: ClassVar[DeviceChannel] = "apns"
    too_large = (413, "PayloadTooLarge")
    cut = (reset(), reset())  # the first is sent again at once

    @property
    def peer(self) -> FakeApns:
        return self.peers.apns

    def client(
        self, url: str = "", seconds: float = SECONDS, stranger: bool = False, certificate: Path | None = None
    ) -> ApnsClient:
        """With `certificate`, that is who asks, and no token."""
        key = private_pem(new_key()) if stranger else self.peer.key_file.read_bytes()
        context = ssl.create_default_context(cafile=self.peer.ca_file)
        if certificate is not None:
            context.load_cert_chain(certificate)
        token = ProviderToken(key, self.peer.key_id, self.peer.team_id, self.clock) if certificate is None else None
        return ApnsClient(url or self.peer.url, self.clock, token=token, context=context, seconds=seconds)

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        return Apns(self.client(url, seconds, stranger))

    async def device(self) -> MemberDevice:
        return self.of(uuid4().hex * 2)

    async def kill(self, device: MemberDevice) -> None:
        await self.peer.kill(device.token, self.clock() - timedelta(hours=1))

    async def arrived(self) -> list[Any]:
        return await self.peer.pushes()

    def identity(self, arrived: Any) -> Any:
        return arrived.id, arrived.collapse_id, arrived.token


class LiveActivityRig(ApnsRig):
    name: ClassVar[DeviceChannel] = "liveactivity"

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        return _Owning(self.client(url, seconds, stranger))

    async def device(self) -> MemberDevice:
        return self.of(uuid4().hex * 2, until=self.clock() + timedelta(hours=2))


class _Owning(LiveActivity):
    """Its client is nobody else's."""

    def __init__(self, client: ApnsClient) -> None:
        super().__init__(client)
        self._own = client

    async def close(self) -> None:
        await self._own.close()


class FcmRig(Rig):
    name: ClassVar[DeviceChannel] = "fcm"
    too_large = (400, "INVALID_ARGUMENT")

    @property
    def peer(self) -> FakeHttp:
        return self.peers.http

    def token(self, seconds: float = SECONDS, **changed: str) -> GoogleToken:
        """`changed`: fields of the service account's file."""
        file = self.peers.folder / f"{uuid4().hex}.json"
        file.write_text(json.dumps({**self.peer.service_account, **changed}))
        return GoogleToken(str(file), "CHORUS_FCM_CREDENTIALS", SCOPE, self.clock, seconds=seconds)

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        token = self.token(client_email="nobody@example.com") if stranger else self.token()
        return Fcm(url or self.peer.url, token, self.clock, seconds=seconds)

    async def kill(self, device: MemberDevice) -> None:
        await self.peer.kill(device.token)

    async def script(self, *troubles: Trouble) -> None:
        await self.peer.script(*troubles, route="fcm")

    async def arrived(self) -> list[Any]:
        return list(await self.peer.requests("fcm"))

    def identity(self, arrived: Any) -> Any:
        sent = arrived.body["message"]
        android, apple = sent["android"], sent["apns"]["headers"]
        return sent["token"], android["collapse_key"], android["notification"]["tag"], apple["apns-collapse-id"]

    async def new(self) -> None:
        await self.peer.reset()  # google-auth goes by the machine's time


class SmsRig(FcmRig):
    name: ClassVar[DeviceChannel] = "sms"
    too_large = (400, "no such number")
    gone = Rejected  # every gateway has a word of its own for it, and no status of HTTP is about a number

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        template = '{"to": "{to}", "text": "{text}", "reference": "{id}"}'
        header = "Authorization: Bearer s3cret"
        return Sms(url or self.peer.sms_url, template, header, self.clock, seconds=seconds)

    async def device(self) -> MemberDevice:
        return self.of("+85251234567")

    async def kill(self, device: MemberDevice) -> None:
        await self.script(answer(400, "the number is no more"))

    async def script(self, *troubles: Trouble) -> None:
        await self.peer.script(*troubles, route="sms")

    async def arrived(self) -> list[Any]:
        return list(await self.peer.requests("sms"))

    def identity(self, arrived: Any) -> Any:
        return arrived.headers["idempotency-key"], arrived.body["reference"]


class WebPushRig(Rig):
    name: ClassVar[DeviceChannel] = "webpush"
    too_large = (413, "the body is over 4096 octets")

    @property
    def peer(self) -> PushService:
        return self.peers.push

    @cached_property
    def key(self) -> VapidKey:
        return VapidKey.of("", self.peers.folder, "mailto:shop@example.com")

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        key = self.key
        if stranger:
            file = self.peers.folder / f"{uuid4().hex}.pem"
            file.write_bytes(private_pem(new_key()))
            key = VapidKey.of(str(file), self.peers.folder, "mailto:shop@example.com")
        hosts = ",".join(one.partition("://")[2] for one in (url, self.peer.url) if one)
        return WebPush(key, hosts, self.clock, seconds=seconds)

    async def device(self) -> MemberDevice:
        subscription = await self.peer.subscribe(self.key.public)
        return self.of(subscription["endpoint"], keys=subscription["keys"])

    async def kill(self, device: MemberDevice) -> None:
        await self.peer.expire(device.token)

    async def arrived(self) -> list[Any]:
        return list(await self.peer.messages())

    def identity(self, arrived: Any) -> Any:
        return arrived.endpoint, arrived.topic, json.loads(arrived.message)["tag"]


class EmailRig(Rig):
    name: ClassVar[DeviceChannel] = "email"
    too_large = (552, "5.3.4 Message too big")
    cut = (smtp.cut("data"),)

    @property
    def peer(self) -> MailServer:
        return self.peers.mail

    def _channel(self, url: str, seconds: float, stranger: bool) -> Channel:
        user, password = LOGIN
        known = f"smtp://{user}:{'wrong' if stranger else password}@{self.peer.host}:{self.peer.port}"
        return self.email(re.sub("^https", "smtp", url) or known, seconds=seconds)

    def email(self, url: str, **more: Any) -> Email:
        context = ssl.create_default_context(cafile=self.peer.ca_file)
        return Email(url, "shop@example.com", lambda device: f"{END}{device}", _brand, context=context, **more)

    async def device(self) -> MemberDevice:
        return self.of("ada@example.com")

    async def kill(self, device: MemberDevice) -> None:
        await self.script(smtp.reply(550, "5.1.1 No such user", "rcpt", to=device.token))

    def says(self, status: int, reason: str = "", retry_after: int | str | None = None) -> Trouble:
        if status == 552:
            return smtp.reply(status, reason, "data")
        return smtp.reply(451, "4.3.0 Not now", "data" if status == 500 else "rcpt")

    def silent(self) -> Trouble:
        return smtp.hang("data")

    async def arrived(self) -> list[Any]:
        return list(await self.peer.mails())

    def identity(self, arrived: Any) -> Any:
        return arrived.message["Message-ID"], arrived.recipients


def _brand(locale: str) -> str:
    return {"en": "Cafe & Records"}.get(locale, "唱片店")


RIGS: dict[str, Callable[[Peers, SettableClock], Rig]] = {
    "apns": ApnsRig,
    "liveactivity": LiveActivityRig,
    "fcm": FcmRig,
    "webpush": WebPushRig,
    "email": EmailRig,
    "sms": SmsRig,
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
