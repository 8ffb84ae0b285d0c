"""Apple's web service for passes, without HTTP: what each of its five requests does.

The token in a pass is the key to it: it is made once, with the pass, and never changes. Whoever does not have it is told
the same whether the pass exists or not. A device that asks what changed names the last tag it was told; it is given every
pass with a later one, and one it has never seen before, or from another lineage of the database, counts as none.

A pass goes by the member it was made for. Once that member was merged into another, the pass is asked for by the same
serial with the same token as ever, and shows the one that lives on.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core import read
from core.allowance import Allowance
from core.clock import Clock
from core.database import Driver, connected, transaction
from core.delivery import store as deliveries
from core.delivery.carrier import Planned
from core.errors import InvalidInput, NotFound, TooMany, Unauthenticated
from core.programme.book import ProgrammeBook
from core.programme.document import Published
from core.snapshot import Snapshot
from wallet_passes.apple import store
from wallet_passes.apple.factory import PassFactory
from wallet_passes.apple.updates import CHANNEL

MAX_MESSAGES = 20
MAX_MESSAGE = 500
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PUSH_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){16,100}")
_SERIAL = re.compile(r"[1-9][0-9]{0,17}")


class Given(msgspec.Struct, frozen=True):
    """A pass as it leaves; `modified_at` is a whole second."""

    data: bytes
    modified_at: datetime


class AppleService:
    """`monotonic` times the allowances."""

    def __init__(
        self,
        database: AsyncEngine,
        book: ProgrammeBook,
        factory: PassFactory,
        epoch: Callable[[], int],
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._database, self._book, self._factory, self._epoch, self._clock = database, book, factory, epoch, clock
        self._registering = Allowance(0.5, 30, monotonic)
        self._logging = Allowance(1, 60, monotonic)

    @property
    def pass_type(self) -> str:
        return self._factory.signer.pass_type

    async def issue(self, member: int) -> Given:
        """The member's pass, to be added to a phone; made on first use. A member that was merged into another is given
        the pass it has, which its phone may hold, and else the other's. Raises `NotFound`, `Unavailable`."""
        snapshot, published = await self._snapshot(member), self._book.current
        token, now = secrets.token_urlsafe(24), self._clock()
        async with transaction(self._database) as connection:
            if member != snapshot.member and await store.find(connection, member) is None:
                member = snapshot.member
            row = await store.make(connection, member, token, snapshot.version, published.revision, now)
        return await self._give(member, row)

    async def register(self, device: str, pass_type: str, serial: str, token: str | None, push_token: str) -> bool:
        """Whether the registration is new; a known one gets the new push token. Raises `Unauthenticated`,
        `InvalidInput`, `TooMany`."""
        member, _ = await self._open(pass_type, serial, token)
        _checked("deviceLibraryIdentifier", device, _DEVICE)
        _checked("pushToken", push_token, _PUSH_TOKEN)
        if not self._registering.take(member):
            raise TooMany("too many registrations of this pass; come back in a minute")
        now = self._clock()
        async with transaction(self._database) as connection:
            id, new, behind = await store.register(connection, device, pass_type, member, push_token, now)
            if behind:
                await self._tell_again(connection, member, id, now)
        return new

    async def unregister(self, device: str, pass_type: str, serial: str, token: str | None) -> None:
        """Raises `Unauthenticated`. A registration that is not there is as good as removed."""
        member, _ = await self._open(pass_type, serial, token)
        if _DEVICE.fullmatch(device) is None:
            return
        async with connected(self._database) as connection:
            await store.unregister(connection, device, pass_type, member)

    async def changed(self, device: str, pass_type: str, since: str) -> tuple[list[str], str] | None:
        """(serials, tag) of the passes on a device that changed after the tag `since`; None where none did."""
        if pass_type != self.pass_type or _DEVICE.fullmatch(device) is None:
            return None
        async with connected(self._database) as connection:
            found = await store.changed_since(connection, device, pass_type, self._read_tag(since))
        if not found:
            return None
        return [str(member) for member, _ in found], f"{self._epoch()}-{max(tag for _, tag in found)}"

    async def fetch(self, pass_type: str, serial: str, token: str | None, since: datetime | None) -> Given | None:
        """The pass as it is now; None where `since` is the very date it was given with. Raises `Unauthenticated`,
        `Unavailable`."""
        member, row = await self._open(pass_type, serial, token)
        if since == row.modified_at:  # a later one is of a lineage that was given up, or of nobody
            return None
        return await self._give(member, row)

    async def log(self, messages: Sequence[str]) -> None:
        """Keep what a device complains of, in moderation."""
        kept = ["".join(c if c.isprintable() else " " for c in text[:MAX_MESSAGE]) for text in messages[:MAX_MESSAGES]]
        kept = [text for text in kept if text.strip() and self._logging.take()]
        if kept:
            async with connected(self._database) as connection:
                await store.log(connection, kept, self._clock())

    async def _open(self, pass_type: str, serial: str, token: str | None) -> tuple[int, store.PassRow]:
        row = None
        if pass_type == self.pass_type and _SERIAL.fullmatch(serial):
            async with connected(self._database) as connection:
                row = await store.find(connection, int(serial))
        # Compared even where there is no pass: how long it takes tells nothing.
        right = hmac.compare_digest((row.token if row else "-" * 32).encode(), (token or "").encode())
        if row is None or not right:
            raise Unauthenticated("this is not the pass's token", code="wrong_pass_token")
        return int(serial), row

    async def _give(self, member: int, row: store.PassRow) -> Given:
        # The row was read before the snapshot and the programme: what is given is as new as its date says, or newer.
        if row.programme > self._book.revision:
            async with connected(self._database) as connection:
                await self._book.load(connection)
        snapshot, now = await self._snapshot(member), self._clock()
        published: Published = self._book.at(now)
        if published.revision < row.programme <= self._book.revision:  # who marked it has a clock that is ahead of ours
            published = self._book.published(row.programme)
        built = await asyncio.to_thread(self._factory.build, snapshot, published, row.token, now, serial=member)
        async with connected(self._database) as connection:
            await store.given(connection, member, row.tag, built.valid_until)
        return Given(built.data, row.modified_at)

    async def _snapshot(self, member: int) -> Snapshot:
        """What the pass of `member` shows."""
        found = (await read.snapshots(self._database, [member])).get(member)
        if found is None:
            raise NotFound("there is no such member", code="unknown_member")
        return found

    async def _tell_again(self, connection: Driver, member: int, registration: int, now: datetime) -> None:
        """The device may hold an older pass than this."""
        await store.mark_again(connection, member, now)
        planned = Planned(await deliveries.own_fact(connection), member, 0, "changed", CHANNEL, registration)
        await deliveries.add(connection, self._epoch(), [planned], {CHANNEL}, now)

    def _read_tag(self, since: str) -> int:
        epoch, _, tag = since.partition("-")
        known = epoch == str(self._epoch()) and tag.isascii() and tag.isdigit() and len(tag) < 19
        return int(tag) if known else -1


def _checked(name: str, value: str, form: re.Pattern[str]) -> None:
    if form.fullmatch(value) is None:
        raise InvalidInput.at(f"/{name}", "is not what a device sends")
