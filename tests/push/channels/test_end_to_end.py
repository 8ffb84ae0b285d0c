"""From the till to the locked screen: a purchase through the real engine, by outbox, relay, stream, fan-out and senders,
out of every channel at once; the processes' own composition, before the providers' simulators.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bff.server import running
from bff.services import Services
from core import member_devices
from core.adjustments.decide import AdjustPoints
from core.embedded import Endpoints
from core.engine.commands import Command
from core.member_devices import DeviceChannel, MemberDevice
from core.members.decide import LinkIdentifier
from core.members.identifiers import Identifier
from core.providers import Providers
from core.rewards.decide import HoldReward, VoidHold
from core.settings import Settings
from push.bus import Bus
from tests.bff.house import until_async
from tests.conftest import SettableClock
from tests.core.door import bought, enrol, scalar, send
from tests.databases import Database, execute
from tests.peers.apns import ACTIVITY, APP
from tests.push.carriers import rows
from tests.push.channels.rigs import LOGIN, Peers
from tests.push.streams import emptied


@dataclass(frozen=True)
class Shop:
    """Everything that runs, and one member."""

    services: Services
    peers: Peers
    clock: SettableClock
    member: int

    async def does(self, command: Command) -> int:
        """The version that it made."""
        return (await send(self.services.engine, command, self.member)).version

    async def register(self, channel: DeviceChannel, token: str, locale: str, **more: object) -> int:
        now = self.clock()
        device = MemberDevice(
            member=self.member,
            app=APP,
            channel=channel,
            token=token,
            locale=locale,
            registered_at=now,
            refreshed_at=now,
            **more,  # type: ignore[arg-type]
        )
        kept, _ = await member_devices.register(self.services.database, device)
        return kept.id

    async def quiet(self) -> None:
        """Until every fact so far is planned, and every delivery has its end."""

        async def over() -> bool:
            if await scalar(self.services.database, "SELECT count(*) FROM outbox") != 0:
                return False
            newest = await scalar(self.services.database, "SELECT max(version) FROM member")
            found = await rows(self.services.database)
            return all(row.state != "pending" for row in found) and newest in [row.version for row in found]

        await until_async(over, "everything is delivered")


@pytest.fixture
async def shop(
    database: Database,
    endpoints: Endpoints,
    clock: SettableClock,
    peers: Peers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    for peer in (peers.apns, peers.push, peers.mail, peers.http):
        await peer.reset()
    for timed in (peers.apns, peers.push):
        await timed.set_now(clock())
    monkeypatch.setenv("SSL_CERT_FILE", str(peers.mail.ca_file))  # the mail server's, as an operator trusts one
    user, password = LOGIN
    providers = Providers(
        apns_key=str(peers.apns.key_file),
        apns_key_id=peers.apns.key_id,
        apns_team_id=peers.apns.team_id,
        apns_url=peers.apns.url,
        apns_ca=str(peers.apns.ca_file),
        fcm_credentials=str(peers.http.service_account_file),
        fcm_url=peers.http.url,
        webpush_hosts=peers.push.url.partition("://")[2],
        webpush_contact="mailto:shop@example.com",
        smtp_url=f"smtp://{user}:{password}@{peers.mail.host}:{peers.mail.port}",
        mail_from="shop@example.com",
        sms_url=peers.http.sms_url,
    )
    settings = Settings(
        data_dir=tmp_path,
        secret="s" * 32,
        database_url=database.url,
        nats_url=endpoints.nats_url,
        nats_token=endpoints.nats_token,
        public_url="https://chorus.example",
        providers=providers,
    )
    # A lineage of its own: the session's stream remembers the ids of other tests' facts.
    await execute(database.owner_url, f"UPDATE lineage SET epoch = {secrets.randbits(30) + 2}")
    bus = Bus(endpoints.nats_url, endpoints.nats_token)
    await bus.open(lambda heard: None, lambda session: None, lambda: None)
    async with emptied(bus), running(settings, roles=frozenset({"serve", "work"}), clock=clock) as services:
        yield Shop(services, peers, clock, await enrol(services.engine, Identifier("email", "ada@example.com")))
    await bus.close()


async def test_one_purchase_reaches_five_devices_once_each_in_their_own_words(shop: Shop) -> None:
    peers = shop.peers
    browser = await peers.push.subscribe(shop.services.outside.vapid.public)
    await shop.register("apns", "ab" * 32, "en")
    await shop.register("fcm", "android-1", "zh-Hant")
    await shop.register("webpush", browser["endpoint"], "zh-Hans", keys=browser["keys"])
    letters = await shop.register("email", "ada@example.com", "en")
    await shop.register("sms", "+85251234567", "zh-Hans")
    version = await shop.does(bought(shop.clock(), 3_560))
    await shop.quiet()
    (push,) = await peers.apns.pushes()
    (android,) = await peers.http.requests("fcm")
    (shown,) = await peers.push.messages()
    (mail,) = await peers.mail.mails()
    (text,) = await peers.http.requests("sms")
    english = {"title": "356 points added. Balance 356 points.", "body": "Sale: 1 CD, US$35.60"}
    traditional = {"title": "已加 356 點，目前共 356 點。", "body": "售出 1 張 CD，US$35.60"}
    simplified = {"title": "已加 356 分，当前共 356 分。", "body": "售出 1 张 CD，US$35.60"}
    assert push.payload["aps"]["alert"] == english
    assert (push.topic, push.collapse_id) == (APP, f"{shop.member}.{version}")
    assert android.body["message"]["notification"] == traditional
    message = json.loads(shown.message or "")
    assert {name: message[name] for name in simplified} == simplified
    assert message["url"] == push.payload["url"] == "https://chorus.example/card"
    assert mail.message["Subject"] == english["title"]
    unsubscribe = f"https://chorus.example/u/{shop.services.tokens.device_token(letters)}"
    assert mail.message["List-Unsubscribe"] == f"<{unsubscribe}>"
    assert shop.services.tokens.open_device(unsubscribe.rpartition("/")[2]) == letters
    assert text.body == {"to": "+85251234567", "text": f"{simplified['title']} {simplified['body']}"}
    found = await rows(shop.services.database)
    assert sorted((row.channel, row.state, row.attempts) for row in found) == [
        (channel, "delivered", 1) for channel in ("apns", "email", "fcm", "sms", "webpush")
    ]


async def test_two_purchases_in_one_second_are_told_one_by_one_and_what_is_not_news_is_not(shop: Shop) -> None:
    """Enrolling, holds and links are seen where they are made; a Live Activity shows where all that led."""
    await shop.register("apns", "ab" * 32, "en")
    await shop.register("liveactivity", "cd" * 32, "en", until=shop.clock() + timedelta(hours=2))
    first = await shop.does(bought(shop.clock(), 100_000))
    second = await shop.does(bought(shop.clock(), 2_000))
    await shop.does(HoldReward("off5"))
    await shop.does(VoidHold(await shop.does(HoldReward("off5"))))
    await shop.does(LinkIdentifier(Identifier("card", "AB12CD34")))
    last = await shop.does(AdjustPoints(5, "a gift"))
    await shop.quiet()
    pushes = await shop.peers.apns.pushes()
    alerts = sorted((push for push in pushes if push.topic == APP), key=lambda push: push.payload["version"])
    assert [push.collapse_id for push in alerts] == [f"{shop.member}.{version}" for version in (first, second, last)]
    assert len({push.id for push in alerts}) == 3
    assert [push.payload["aps"]["alert"]["title"].partition(" ")[0] for push in alerts] == ["10,000", "250", "5"]
    states = [push.payload["aps"]["content-state"] for push in pushes if push.topic == ACTIVITY]
    assert [state["version"] for state in states] == sorted({state["version"] for state in states})
    assert (states[-1]["version"], states[-1]["points"]) == (last, 7_755)
    kinds = {row.kind for row in await rows(shop.services.database) if row.channel == "apns"}
    assert kinds == {"purchase", "adjust"}


async def test_a_token_that_died_is_forgotten_and_the_others_are_not(shop: Shop) -> None:
    await shop.register("apns", "ab" * 32, "en")
    alive = await shop.register("apns", "cd" * 32, "en")
    await shop.register("fcm", "android-1", "en")
    await shop.peers.apns.kill("ab" * 32, shop.clock())
    await shop.peers.http.kill("android-1")
    await shop.does(bought(shop.clock(), 3_560))
    await shop.quiet()
    left = await member_devices.of_member(shop.services.database, shop.member)
    assert [device.id for device in left] == [alive]
    found = [(row.channel, row.state, row.reason) for row in await rows(shop.services.database)]
    assert sorted(found) == [
        ("apns", "dead", "410 Unregistered"),
        ("apns", "delivered", ""),
        ("fcm", "dead", "404 UNREGISTERED"),
    ]
    await shop.does(bought(shop.clock(), 1_000))
    await shop.quiet()
    assert [push.token for push in await shop.peers.apns.pushes() if push.status == 200] == ["cd" * 32] * 2


async def test_whoever_registered_again_after_its_token_died_is_kept(shop: Shop) -> None:
    """Apple says since when; a phone that was set up anew has registered after it."""
    await shop.peers.apns.kill("ab" * 32, shop.clock() - timedelta(minutes=1))
    kept = await shop.register("apns", "ab" * 32, "en")
    await shop.does(bought(shop.clock(), 3_560))
    await shop.quiet()
    assert [device.id for device in await member_devices.of_member(shop.services.database, shop.member)] == [kept]
