"""Everything that speaks to the outside: wallets, push services, mail, put together from the settings.

What is not set up is not there: no channel, no planner for it, no button on a page. `serve` needs the two wallets'
services; `work` runs what plans and sends.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.auth import Tokens
from core.allowance import Allowance
from core.clock import Clock
from core.delivery.carrier import Carrier, Planner
from core.delivery.outcome import Outcome, Rejected
from core.metrics import CERTIFICATE_EXPIRES
from core.programme.book import ProgrammeBook
from core.programme.document import text_in
from core.settings import OperatorError, Settings
from push.bus import Bus
from push.channels.apns import Apns, ApnsClient, LiveActivity, ProviderToken, wake_pass
from push.channels.contract import Channel
from push.channels.email import Email
from push.channels.fcm import SCOPE as FCM_SCOPE
from push.channels.fcm import Fcm
from push.channels.google_token import GoogleToken, NoToken
from push.channels.http import CREDENTIALS_PAUSE
from push.channels.sms import Sms
from push.channels.webpush import VapidKey, WebPush
from push.dispatch import Dispatcher
from push.fanout import Fanout
from push.notify import DeviceCarrier, DevicePlanner
from surfaces.views import WalletView
from wallet_passes.apple.certificates import WARN_BEFORE, Signer, load_signer
from wallet_passes.apple.factory import PassFactory
from wallet_passes.apple.pass_json import WEB_SERVICE
from wallet_passes.apple.service import AppleService
from wallet_passes.apple.updates import AppleCarrier, ApplePlanner, AppleRefresher, Wake, Waker
from wallet_passes.google.callbacks import CallbackVerifier
from wallet_passes.google.client import GoogleClient, NotAuthorized
from wallet_passes.google.service import Account, Addresses, GoogleService
from wallet_passes.google.updates import GoogleCarrier, GooglePlanner, GoogleRefresher
from wallet_passes.refreshing import Refresher, refresh

WALLET_SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
GOOGLE_CALLBACK = "/google/v1/callbacks"
PICTURES = "/passes"


class Outside:
    """`google` is None where Google Wallet is not set up."""

    def __init__(
        self,
        signer: Signer,
        apple: AppleService,
        google: GoogleService | None,
        vapid: VapidKey,
        webpush_hosts: str,
        dispatcher: Dispatcher,
        fanout: Fanout,
        refreshers: Sequence[Refresher],
    ) -> None:
        self.signer, self.apple, self.google = signer, apple, google
        self.vapid, self.webpush_hosts = vapid, webpush_hosts
        self.dispatcher, self.fanout, self.refreshers = dispatcher, fanout, refreshers

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What a working process runs for ever."""
        dispatcher = self.dispatcher
        return [self.fanout.run(), dispatcher.run(), dispatcher.keep(), *(refresh(one) for one in self.refreshers)]

    async def close(self) -> None:
        """Let what is being sent be settled."""
        await self.dispatcher.close()
        if self.google is not None:
            await self.google.client.close()

    def warnings(self, settings: Settings, clock: Clock) -> list[str]:
        """What an operator should see to, a line each."""
        found = []
        left = self.signer.expires_at - clock()
        if left <= timedelta():
            found.append(
                "the pass certificate has expired: no pass is signed until CHORUS_APPLE_PASS_CERTIFICATE is new"
            )
        elif left <= WARN_BEFORE:
            found.append(f"the pass certificate expires in {left.days} days: renew CHORUS_APPLE_PASS_CERTIFICATE")
        if self.signer.development and settings.public_url.startswith("https://"):
            found.append("passes are signed by a development certificate: no phone takes them")
        return found


def outside(
    settings: Settings,
    database: AsyncEngine,
    book: ProgrammeBook,
    bus: Bus,
    tokens: Tokens,
    epoch: Callable[[], int],
    clock: Clock,
) -> Outside:
    """Raises `OperatorError` where a key or a certificate cannot be used."""
    providers = settings.providers
    signer = load_signer(providers, settings.data_dir, clock())
    CERTIFICATE_EXPIRES.labels("apple_pass").set(signer.expires_at.timestamp())
    factory = PassFactory(signer, f"{settings.public_url}{WEB_SERVICE}")
    apple = AppleService(database, book, factory, epoch, clock, time.monotonic)
    vapid = VapidKey.of(providers.webpush_key, settings.data_dir, providers.webpush_contact or _contact(settings))
    google = _google(settings, database, book, epoch, clock)
    apns = _apns(settings, clock)

    channels: list[Channel] = [WebPush(vapid, providers.webpush_hosts, clock)]
    if apns is not None:
        channels += [Apns(apns), LiveActivity(apns)]
    if providers.fcm_credentials:
        token = GoogleToken(providers.fcm_credentials, "CHORUS_FCM_CREDENTIALS", FCM_SCOPE, clock)
        channels.append(Fcm(providers.fcm_url, token, clock))
    if providers.smtp_url:
        brand = lambda locale: text_in(book.current.programme.brand.name, locale)  # noqa: E731
        unsubscribe = lambda device: f"{settings.public_url}/u/{tokens.device_token(device)}"  # noqa: E731
        channels.append(Email(providers.smtp_url, providers.mail_from, unsubscribe, brand))
    if providers.sms_url:
        channels.append(Sms(providers.sms_url, providers.sms_body, providers.sms_header, clock))

    link = lambda: f"{settings.public_url}/card"  # noqa: E731
    carriers: list[Carrier] = [DeviceCarrier(channel, database, book, link, clock) for channel in channels]
    carriers.append(AppleCarrier(database, _waker(settings, signer, apns, clock)))
    names = frozenset(channel.name for channel in channels)
    planners: list[Planner] = [DevicePlanner(names, clock), ApplePlanner(signer.pass_type, clock)]
    refreshers: list[Refresher] = [AppleRefresher(database, book, signer.pass_type, epoch, clock)]
    if google is not None:
        carriers.append(GoogleCarrier(database, book, google, clock))
        planners.append(GooglePlanner())
        refreshers.append(GoogleRefresher(database, book, epoch, clock))
    dispatcher = Dispatcher(database, carriers, clock)
    fanout = Fanout(database, bus, planners, dispatcher.newest_only, epoch, clock, dispatcher.wake)
    return Outside(
        signer=signer,
        apple=apple,
        google=google,
        vapid=vapid,
        webpush_hosts=providers.webpush_hosts,
        dispatcher=dispatcher,
        fanout=fanout,
        refreshers=refreshers,
    )


class _Waker:
    """Wakes devices for their passes. `own`: nobody else closes the client."""

    def __init__(self, client: ApnsClient, clock: Clock, *, own: bool) -> None:
        self._client, self._clock, self._own = client, clock, own

    async def wake(self, wake: Wake) -> Outcome:
        return await wake_pass(self._client, wake.token, wake.topic, str(wake.reference), self._clock())

    async def close(self) -> None:
        if self._own:
            await self._client.close()


class _NoWaker:
    async def wake(self, wake: Wake) -> Outcome:
        return Rejected("nobody can wake phones: set CHORUS_APNS_KEY, or CHORUS_APPLE_PASS_CERTIFICATE")

    async def close(self) -> None:
        pass


def _waker(settings: Settings, signer: Signer, apns: ApnsClient | None, clock: Clock) -> Waker:
    """A team's key pushes its own team's passes; another team's pass type needs its certificate. Without Apple's
    certificate, and without a key, nobody is woken: no phone has such a pass."""
    providers = settings.providers
    if apns is not None and (signer.development or providers.apns_team_id == signer.team):
        return _Waker(apns, clock, own=False)
    if signer.development:
        return _NoWaker()
    context = _context(providers.apns_ca)
    pem = serialization.Encoding.PEM
    key = signer.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The standard library takes a certificate from a file only: in a folder that no other user can open.
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pass.pem"
        file.write_bytes(key + signer.certificate.public_bytes(pem) + signer.intermediate.public_bytes(pem))
        context.load_cert_chain(file)
    return _Waker(ApnsClient(providers.apns_url, clock, token=None, context=context), clock, own=True)


def _apns(settings: Settings, clock: Clock) -> ApnsClient | None:
    providers = settings.providers
    if not providers.apns_key:
        return None
    token = ProviderToken(Path(providers.apns_key).read_bytes(), providers.apns_key_id, providers.apns_team_id, clock)
    return ApnsClient(providers.apns_url, clock, token=token, context=_context(providers.apns_ca))


def _context(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except ssl.SSLError as error:
        raise OperatorError(f"CHORUS_APNS_CA cannot be read: {error}") from None


def _google(
    settings: Settings, database: AsyncEngine, book: ProgrammeBook, epoch: Callable[[], int], clock: Clock
) -> GoogleService | None:
    providers = settings.providers
    if not providers.google_wallet_credentials:
        return None
    token = GoogleToken(providers.google_wallet_credentials, "CHORUS_GOOGLE_WALLET_CREDENTIALS", WALLET_SCOPE, clock)

    async def authorized() -> str:
        try:
            return await token()
        except NoToken as error:
            raise NotAuthorized(str(error), None if error.again else CREDENTIALS_PAUSE) from None

    # The quota is the issuer's; each worker has its share.
    share = int(providers.google_wallet_per_second) / settings.workers
    allowance = Allowance(share, max(1, int(share)), time.monotonic)
    client = GoogleClient(providers.google_wallet_url, authorized, token.refused, allowance)
    pictures = f"{settings.public_url}{PICTURES}"
    return GoogleService(
        database,
        book,
        client,
        Account(providers.google_wallet_issuer, token.email, token.sign),
        Addresses(
            save=providers.google_wallet_save_url,
            origin=settings.public_url,
            callback=f"{settings.public_url}{GOOGLE_CALLBACK}",
            logo=lambda view: f"{pictures}/logo.png?{_colours(view)}",
            hero=lambda view: f"{pictures}/{quote(view.tier_key, safe='')}/hero.png?{_colours(view)}",
        ),
        CallbackVerifier(providers.google_wallet_keys_url, providers.google_wallet_issuer, clock),
        epoch,
        clock,
        time.monotonic,
    )


def _colours(view: WalletView) -> str:
    """Changes the address when the picture changes, for Google keeps what it fetched."""
    return quote(f"{view.background}{view.foreground}".replace("rgb", ""), safe="")


def _contact(settings: Settings) -> str:
    """A push service wants to know whom to turn to."""
    return settings.public_url if settings.public_url.startswith("https://") else "mailto:operator@localhost"
