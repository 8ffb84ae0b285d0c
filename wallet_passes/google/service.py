"""A member's pass at Google: made when it is to be saved, kept true after, forgotten when it was removed.

The object is inserted by REST, and the link only names it: a link that carried the whole object would be too long for a
browser. It goes by the member it was made for; once that one was merged into another, it shows the other under the name
it has.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core.allowance import Allowance
from core.clock import Clock
from core.database import Driver, connected, transaction
from core.delivery import store as deliveries
from core.delivery.carrier import Planned
from core.delivery.outcome import Delivered, Outcome, Retry, Unknown
from core.errors import NotFound, TooMany, Unauthenticated, Unavailable
from core.programme.book import ProgrammeBook
from core.programme.document import Published
from core.snapshot import Snapshot
from core.validity import validity
from surfaces import wallet
from surfaces.views import LOCALES, Locale, WalletView
from wallet_passes.google import objects, store
from wallet_passes.google.callbacks import CallbackVerifier, Called
from wallet_passes.google.client import ClassGone, GoogleClient, QuotaExceeded

CHANNEL = "googlepass"
DEAF_SECONDS = 1.0
"""After one forged callback too many none is read for so long, Google's neither: each costs some signatures to try, and
anybody can post them."""


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
    """`monotonic` times the allowances."""

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
        monotonic: Callable[[], float],
    ) -> None:
        self._database, self._book, self.client, self._account = database, book, client, account
        self._addresses, self._verifier, self._epoch, self._clock = addresses, verifier, epoch, clock
        self._monotonic, self._deaf_until = monotonic, 0.0
        self._forged = Allowance(1, 60, monotonic)
        self._links = Allowance(0.2, 10, monotonic)
        self._class_of = 0
        self._making_class: asyncio.Task[Outcome | QuotaExceeded | ClassGone] | None = None

    async def save_link(self, member: int) -> str:
        """Where a browser saves the member's pass. A member that was merged into another is given the pass that is in its
        wallet, and else the other's. Raises `NotFound`, `TooMany`, `Unavailable`."""
        if not self._links.take(member):
            raise TooMany("too many links to this pass; come back in a minute")
        before, now = await self._snapshot(member), self._clock()
        async with connected(self._database) as connection:
            if member != before.member and not await store.members(connection, [member]):
                member = before.member
            await store.made(connection, member, before.version, self._book.at(now).revision, now)
        # Read after the row is there: what happens from then on is planned for it.
        snapshot, published = await self._snapshot(member), self._book.current
        outcome = await self.send(member, snapshot, published, notify=False)
        if isinstance(outcome, Unknown) or (await self._snapshot(member)).version > snapshot.version:
            # It may land, or have landed, after a newer one that was delivered meanwhile, and take its place.
            async with transaction(self._database) as connection:
                await self._plan(connection, member)
        if not isinstance(outcome, Delivered):
            raise Unavailable("Google Wallet does not answer; try again shortly", code="google_away")
        return f"{self._addresses.save}/{self._jwt(member)}"

    async def send(
        self, member: int, snapshot: Snapshot, published: Published, *, notify: bool
    ) -> Outcome | QuotaExceeded:
        """Bring the object of `member` up to `snapshot`; the class first, once for each programme. An `Outcome`, or
        `QuotaExceeded` where `notify` was one too many."""
        views = {locale: wallet.view(snapshot, published, self._clock(), locale) for locale in LOCALES}
        own: Locale = next((locale for locale in LOCALES if locale == snapshot.profile.locale), "en")
        hero = self._addresses.hero(views[own])
        body = objects.loyalty_object(self._account.issuer, member, views, own, hero)
        if notify:
            body["notifyPreference"] = "notifyOnUpdate"
        outcome = await self._with_class(published, views["en"])
        if isinstance(outcome, Delivered):
            outcome = await self.client.upsert("loyaltyObject", body)
        if isinstance(outcome, ClassGone):
            self._class_of = 0  # the next send makes it
            return Retry(outcome.reason)
        if isinstance(outcome, Delivered):
            await self._sent(member, snapshot, published)
        return outcome

    async def _with_class(self, published: Published, view: WalletView) -> Outcome | QuotaExceeded | ClassGone:
        """`Delivered` once Google has the programme's class; who comes while it is made has the same outcome."""
        while self._class_of < published.revision:
            if self._making_class is None or self._making_class.done():
                self._making_class = asyncio.create_task(self._make_class(published, view))
            outcome = await asyncio.shield(self._making_class)
            if not isinstance(outcome, Delivered):
                return outcome
        return Delivered()

    async def _make_class(self, published: Published, view: WalletView) -> Outcome | QuotaExceeded | ClassGone:
        outcome = await self.client.upsert("loyaltyClass", self._class(published, view))
        if isinstance(outcome, Delivered):
            self._class_of = published.revision
        return outcome

    async def called_back(self, body: bytes) -> bool:
        """Take Google's word. False where it told that before, or of a pass that is not ours. Raises `Unauthenticated`,
        `TooMany`, `Unavailable`."""
        if self._monotonic() < self._deaf_until:
            raise TooMany("too many callbacks were not Google's; come back shortly")
        try:
            called = await self._verifier.open(body)
        except Unauthenticated:
            if not self._forged.take():
                self._deaf_until = self._monotonic() + DEAF_SECONDS
            raise
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
                await self._plan(connection, member)
        return new

    async def _plan(self, connection: Driver, member: int) -> None:
        """Have the pass sent whatever was sent before: version 0 gives way to nothing that is done."""
        planned = Planned(await deliveries.own_fact(connection), member, 0, "changed", CHANNEL, member)
        await deliveries.add(connection, self._epoch(), [planned], {CHANNEL}, self._clock())

    async def _sent(self, member: int, snapshot: Snapshot, published: Published) -> None:
        now = self._clock()
        valid = validity(snapshot, now, published.programme).valid_until
        async with connected(self._database) as connection:
            await store.sent(connection, member, snapshot.version, published.revision, valid, now)

    async def _snapshot(self, member: int) -> Snapshot:
        """What the object of `member` shows."""
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
