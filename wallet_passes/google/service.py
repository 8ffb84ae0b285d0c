"""A member's pass at Google: made when it is to be saved, kept true after, forgotten when it was removed.

The object is inserted by REST, and the link only names it: a link that carried the whole object would be too long for a
browser.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core.clock import Clock
from core.database import connected, transaction
from core.delivery import store as deliveries
from core.delivery.carrier import Planned
from core.delivery.outcome import Delivered, Outcome
from core.errors import NotFound, Unavailable
from core.ledger.settle import validity
from core.programme.book import ProgrammeBook
from core.programme.document import Published
from core.snapshot import Snapshot
from surfaces import wallet
from surfaces.views import LOCALES, Locale, WalletView
from wallet_passes.google import objects, store
from wallet_passes.google.callbacks import CallbackVerifier, Called
from wallet_passes.google.client import GoogleClient, QuotaExceeded

CHANNEL = "googlepass"


class Account(msgspec.Struct, frozen=True):
    """Who we are at Google: the service account's address, and how it signs (RS256)."""

    issuer: str
    email: str
    sign: Callable[[bytes], bytes]


class Addresses(msgspec.Struct, frozen=True):
    """Public addresses that Google and the browser follow. `hero` is a function of a picture's name."""

    save: str
    origin: str
    callback: str
    logo: Callable[[WalletView], str]
    hero: Callable[[WalletView], str]


class GoogleService:
    def __init__(
        self,
        database: AsyncEngine,
        book: ProgrammeBook,
        client: GoogleClient,
        account: Account,
        addresses: Addresses,
        verifier: CallbackVerifier,
        epoch: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._database, self._book, self.client, self._account = database, book, client, account
        self._addresses, self._verifier, self._epoch, self._clock = addresses, verifier, epoch, clock
        self._class_of = 0

    async def save_link(self, member: int) -> str:
        """Where a browser saves the member's pass. Raises `NotFound`, `Unavailable`."""
        before, now = await self._snapshot(member), self._clock()
        async with connected(self._database) as connection:
            await store.made(connection, member, before.version, self._book.revision, now)
        # Read after the row is there: what happens from then on is planned for it.
        snapshot, published = await self._snapshot(member), self._book.current
        outcome = await self.send(snapshot, published, notify=False)
        if not isinstance(outcome, Delivered):
            raise Unavailable("Google Wallet does not answer; try again shortly", code="google_away")
        if (await self._snapshot(member)).version > snapshot.version:
            await self._send_again(member, snapshot.version)
        return f"{self._addresses.save}/{self._jwt(member)}"

    async def send(self, snapshot: Snapshot, published: Published, *, notify: bool) -> Outcome | QuotaExceeded:
        """Bring the member's object up to `snapshot`; the class first, once for each programme. An `Outcome`, or
        `QuotaExceeded` where `notify` was one too many."""
        views = {locale: wallet.view(snapshot, published, self._clock(), locale) for locale in LOCALES}
        if self._class_of < published.revision:
            outcome = await self.client.upsert("loyaltyClass", self._class(published, views["en"]))
            if not isinstance(outcome, Delivered):
                return outcome
            self._class_of = published.revision
        own: Locale = next((locale for locale in LOCALES if locale == snapshot.profile.locale), "en")
        hero = self._addresses.hero(views[own])
        body = objects.loyalty_object(self._account.issuer, snapshot.member, views, own, hero)
        if notify:
            body["notifyPreference"] = "notifyOnUpdate"
        outcome = await self.client.upsert("loyaltyObject", body)
        if isinstance(outcome, Delivered):
            await self._sent(snapshot, published)
        return outcome

    async def called_back(self, body: bytes) -> bool:
        """Take Google's word. False where it told that before, or of a pass that is not ours. Raises `Unauthenticated`,
        `Unavailable`."""
        called = await self._verifier.open(body)
        member = objects.member_of(self._account.issuer, called.object_id)
        if member is None:
            return False
        return await self._called_back(called, member)

    async def _called_back(self, called: Called, member: int) -> bool:
        state, now = ("saved" if called.event_type == "save" else "removed"), self._clock()
        async with transaction(self._database) as connection:
            new = await store.called_back(connection, member, state, called.nonce, now)  # type: ignore[arg-type]
            if new and state == "saved":
                # It may have been removed and saved again: what happened meanwhile was not sent.
                planned = Planned(await deliveries.own_fact(connection), member, 0, "changed", CHANNEL, member)
                await deliveries.add(connection, self._epoch(), [planned], {CHANNEL}, now)
        return new

    async def _send_again(self, member: int, version: int) -> None:
        async with transaction(self._database) as connection:
            planned = Planned(await deliveries.own_fact(connection), member, version, "changed", CHANNEL, member)
            await deliveries.add(connection, self._epoch(), [planned], {CHANNEL}, self._clock())

    async def _sent(self, snapshot: Snapshot, published: Published) -> None:
        now = self._clock()
        valid = validity(snapshot.account, snapshot.recorded_at, now, published.programme).valid_until
        async with connected(self._database) as connection:
            await store.sent(connection, snapshot.member, snapshot.version, published.revision, valid, now)

    async def _snapshot(self, member: int) -> Snapshot:
        found = (await read.snapshots(self._database, [member])).get(member)
        if found is None:
            raise NotFound("there is no such member", code="unknown_member")
        return found

    def _class(self, published: Published, view: WalletView) -> dict[str, object]:
        addresses = self._addresses
        return objects.loyalty_class(
            self._account.issuer, published, view, logo=addresses.logo(view), callback=addresses.callback
        )

    def _jwt(self, member: int) -> str:
        issuer = self._account.issuer
        names = {"id": objects.object_id(issuer, member), "classId": objects.class_id(issuer)}
        claims = {
            "iss": self._account.email,
            "aud": "google",
            "typ": "savetowallet",
            "iat": int(self._clock().timestamp()),
            "origins": [self._addresses.origin],
            "payload": {"loyaltyObjects": [names]},
        }
        signed = b".".join(_base64(msgspec.json.encode(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        return f"{signed.decode()}.{_base64(self._account.sign(signed)).decode()}"


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
