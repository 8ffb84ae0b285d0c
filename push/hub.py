"""The hub: which sockets show which member, and what each is sent.

Guarantees, for every socket attached: it is sent the state of its member at attach (or `current`, when it has it
already), then a state for every later version it has not overtaken, each newer than the one before; what it shows last
is the newest this process has heard of. A topic is subscribed before its snapshot is read, and what is heard during the
read is compared with it after, so nothing falls between.

The fan-out never waits: rendering is done once for each (surface, locale, subject), and a socket that blocks parks
itself. Changes heard during one turn of the loop are shown once, with the newest state (conflation is lossless).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError

from core.clock import Clock
from core.devices import KioskSession
from core.ledger.account import Account
from core.metrics import COMMIT_TO_SCREEN, CONNECTIONS
from core.programme.book import ProgrammeBook
from core.snapshot import Change, Snapshot, advance
from push import render, session
from push.reader import Reader
from push.render import KioskSubject, ReceiptSubject, Subject
from push.session import Close, Refused
from push.socket import Socket
from surfaces.activity import causes
from surfaces.etag import Stamp
from surfaces.views import Cause

_log = structlog.get_logger("push.hub")

_PUBLIC = frozenset({"kiosk", "receipt"})
"""Surfaces that others than the member may see: their causes say neither where nor what."""


class Topic:
    """One member with its sockets. `snapshot` None while the first read is under way."""

    __slots__ = ("committed_at", "heard", "member", "snapshot", "sockets", "valid_until")

    def __init__(self, member: int) -> None:
        self.member = member
        self.sockets: set[Socket] = set()
        self.snapshot: Snapshot | None = None
        self.heard = 0
        self.valid_until: datetime | None = None
        self.committed_at: datetime | None = None

    def receipts(self) -> list[Socket]:
        return [socket for socket in self.sockets if isinstance(socket.session.subject, ReceiptSubject)]


class Hub:
    def __init__(self, reader: Reader, book: ProgrammeBook, clock: Clock) -> None:
        self._reader = reader
        self._book = book
        self._clock = clock
        self.epoch = 0
        self._topics: dict[int, Topic] = {}
        self._devices: dict[str, set[Socket]] = {}
        self._dirty: dict[int, Topic] = {}
        self._flushing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: Refused | None = None

    # -- sockets come and go --------------------------------------------------------------------------------------

    async def attach(self, socket: Socket) -> None:
        """Show the socket its member, from now on. Raises `Refused` when the member does not exist or we are closing."""
        if self._closing:
            raise self._closing
        socket.attached = True
        CONNECTIONS.labels(socket.session.surface).inc()
        if isinstance(socket.session.subject, KioskSubject):
            self._devices.setdefault(socket.session.subject.session.device, set()).add(socket)
        try:
            await self._enter(socket)
        except BaseException:
            self.detach(socket)
            raise

    async def _enter(self, socket: Socket) -> None:
        if socket.member is None:
            self._show(socket, None, None)
            return
        topic = self._topics.get(socket.member)
        if topic is None:
            topic = self._topics[socket.member] = Topic(socket.member)
        topic.sockets.add(socket)
        if topic.snapshot is None and not await self._refresh(topic):
            raise Refused(Close.NOT_ALLOWED, "there is no such member", error="unknown_member")
        if not socket.closed and socket in topic.sockets:
            self._show(socket, topic, None)

    def detach(self, socket: Socket) -> None:
        """Forget the socket. Safe to call twice."""
        socket.closed = True
        if not socket.attached:
            return
        socket.attached = False
        CONNECTIONS.labels(socket.session.surface).dec()
        self._leave(socket)
        subject = socket.session.subject
        if isinstance(subject, KioskSubject) and (sockets := self._devices.get(subject.session.device)):
            sockets.discard(socket)
            if not sockets:
                del self._devices[subject.session.device]

    def _leave(self, socket: Socket) -> None:
        if socket.member is not None and (topic := self._topics.get(socket.member)):
            topic.sockets.discard(socket)
            if not topic.sockets:
                del self._topics[socket.member]

    # -- what is heard --------------------------------------------------------------------------------------------

    def wants(self, member: int) -> bool:
        return member in self._topics

    def hear(self, change: Change, account: Account | None, committed_at: datetime) -> None:
        """A version was committed, here or elsewhere. In any order, any number of times."""
        topic = self._topics.get(change.member)
        if topic is None or change.version <= topic.heard:
            return
        topic.heard = change.version
        topic.committed_at = committed_at
        if topic.snapshot is None:
            return
        after = advance(topic.snapshot, change, account) if account is not None else None
        if after is None:
            self._later(topic)
            return
        topic.snapshot = after
        if change.kind == "return" and topic.receipts():
            self._later(topic)
        else:
            self._mark(topic)

    def _later(self, topic: Topic) -> None:
        """Show the topic after a read: a version was missed, its profile changed, or a receipt's note did."""
        task = asyncio.create_task(self._heal(topic))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heal(self, topic: Topic) -> None:
        try:
            known = topic.snapshot is not None and topic.snapshot.version >= topic.heard
            if known or await self._refresh(topic):
                await self._reprint(topic)
                self._mark(topic)
        except (DBAPIError, OSError, TimeoutError) as error:
            _log.warning("read_failed", member=topic.member, error=str(error).splitlines()[0])

    async def _refresh(self, topic: Topic) -> bool:
        """Read the snapshot until it is at least what was heard. False if there is no such member."""
        while True:
            found = await self._reader.get(topic.member)
            if found is None:
                return False
            if topic.snapshot is None or found.version > topic.snapshot.version:
                topic.snapshot = found
            if topic.snapshot.version >= topic.heard:
                topic.heard = topic.snapshot.version
                return True

    async def _reprint(self, topic: Topic) -> None:
        """Read the purchases of the receipts shown again: what was returned of them is part of them."""
        for socket in topic.receipts():
            subject = socket.session.subject
            assert isinstance(subject, ReceiptSubject)
            purchase = await self._reader.purchase(topic.member, subject.purchase.version)
            if purchase is not None:
                socket.session.subject = msgspec.structs.replace(subject, purchase=purchase)

    # -- fan-out --------------------------------------------------------------------------------------------------

    def _mark(self, topic: Topic) -> None:
        self._dirty[topic.member] = topic
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        dirty, self._dirty = self._dirty, {}
        for topic in dirty.values():
            self._fan_out(topic)

    def _fan_out(self, topic: Topic) -> None:
        cache: dict[Any, tuple[str, Stamp]] = {}
        for socket in tuple(topic.sockets):
            self._show(socket, topic, cache)

    def _show(self, socket: Socket, topic: Topic | None, cache: dict[Any, tuple[str, Stamp]] | None) -> None:
        """Send the socket the newest state, unless it has it; a parked one only learns that there is news."""
        if socket.closed:
            return
        if socket.parked is not None:
            socket.news = True
            return
        at, loop_now = self._clock(), asyncio.get_running_loop().time()
        client = socket.session
        subject = client.subject
        kiosk = subject.session.session if isinstance(subject, KioskSubject) else 0
        snapshot = topic.snapshot if topic else None
        if topic is not None and snapshot is None:
            return
        key = (client.surface, client.locale, _subject_key(subject), client.stamp)
        known = cache.get(key) if cache is not None else None
        if known is None:
            published = self._book.current
            stamp, valid_until = render.stamp_of(snapshot, published, self.epoch, at, subject)
            if topic is not None and snapshot is not None:
                topic.valid_until = valid_until
            if not client.needs(stamp, kiosk):
                if cache is None:
                    client.sent(stamp, kiosk)
                    socket.write(session.current(stamp, at), loop_now)
                return
            view = render.encode(render.view(snapshot, published, at, client.surface, client.locale, subject))
            committed_at = topic.committed_at if topic and cache is not None else None
            text = session.state(stamp, valid_until, at, self._causes(client, snapshot, kiosk), view, committed_at)
            known = (text, stamp)
            if cache is not None:
                cache[key] = known
        text, stamp = known
        if not client.needs(stamp, kiosk):
            return
        client.sent(stamp, kiosk)
        socket.write(text, loop_now)
        if cache is not None and topic is not None and topic.committed_at is not None:
            COMMIT_TO_SCREEN.labels(client.surface).observe(max(0.0, (at - topic.committed_at).total_seconds()))

    def _causes(self, client: session.Session, snapshot: Snapshot | None, kiosk: int) -> tuple[Cause, ...]:
        """What happened since the version the client shows; nothing on a first state or for another member's."""
        if snapshot is None or client.stamp is None or client.stamp.epoch != self.epoch:
            return ()
        if kiosk != client.kiosk_session:
            return ()
        newer = [change for change in snapshot.recent if change.version > client.stamp.version]
        return causes(newer, self._book.current, client.locale, public=client.surface in _PUBLIC)

    def free(self, socket: Socket) -> None:
        """A parked socket reads again and there was news meanwhile."""
        topic = self._topics.get(socket.member) if socket.member is not None else None
        if socket.member is None or topic is not None:
            self._show(socket, topic, {})

    # -- kiosks ---------------------------------------------------------------------------------------------------

    def kiosks(self) -> dict[str, KioskSession]:
        """The sessions that this process's kiosks show."""
        shown = {}
        for device, sockets in self._devices.items():
            for socket in sockets:
                subject = socket.session.subject
                assert isinstance(subject, KioskSubject)
                shown[device] = subject.session
        return shown

    async def rebind(self, current: KioskSession) -> None:
        """A kiosk shows another member, or none: move its sockets, unless they show a newer session already."""
        for socket in tuple(self._devices.get(current.device, ())):
            subject = socket.session.subject
            assert isinstance(subject, KioskSubject)
            if current.session < subject.session.session:
                continue
            socket.session.subject = KioskSubject(subject.store, current)
            if current.session > subject.session.session:
                self._leave(socket)
                socket.member = current.member
                await self._enter(socket)

    # -- the clock, the programme, the end -------------------------------------------------------------------------

    def members(self) -> dict[int, int]:
        """Members with sockets here, with the version this process has heard of."""
        return {member: topic.heard for member, topic in self._topics.items()}

    def behind(self, versions: dict[int, int]) -> int:
        """Compare with the database's versions; read again whoever is behind. Returns how many."""
        late = [
            topic
            for member, version in versions.items()
            if (topic := self._topics.get(member)) and version > (topic.snapshot.version if topic.snapshot else 0)
        ]
        for topic in late:
            topic.heard = max(topic.heard, versions[topic.member])
            self._later(topic)
        return len(late)

    def tick(self) -> None:
        """Render again what the clock alone has changed; keep silent sockets alive with a beat."""
        at, now = self._clock(), asyncio.get_running_loop().time()
        for topic in tuple(self._topics.values()):
            if topic.valid_until is not None and topic.valid_until <= at and topic.snapshot is not None:
                topic.committed_at = None
                self._mark(topic)
        for socket in self._sockets():
            if now - socket.last_sent > session.BEAT_SECONDS and socket.parked is None and not socket.closed:
                socket.write(session.beat(at), now)

    def rerender(self) -> None:
        """The programme changed: every screen is drawn again, a slice a turn so that nobody waits long."""
        waiting = list(self._topics.values())

        def some() -> None:
            for topic in waiting[-200:]:
                if topic.snapshot is not None:
                    topic.committed_at = None
                    self._mark(topic)
            del waiting[-200:]
            if waiting:
                asyncio.get_running_loop().call_soon(some)

        some()

    def close(self, refused: Refused) -> None:
        """Send everybody away and let nobody in."""
        self._closing = refused
        for socket in self._sockets():
            socket.close(refused)

    def cut(self, devices: Iterable[str], refused: Refused) -> None:
        """Send a device's sockets away (revoked)."""
        for device in devices:
            for socket in tuple(self._devices.get(device, ())):
                socket.close(refused)

    def _sockets(self) -> list[Socket]:
        members = [socket for topic in self._topics.values() for socket in topic.sockets]
        idle = [socket for sockets in self._devices.values() for socket in sockets if socket.member is None]
        return members + idle


def _subject_key(subject: Subject) -> object:
    """What tells two subjects apart among one member's sockets."""
    if isinstance(subject, ReceiptSubject):
        return subject.purchase.version
    return subject.session.device if isinstance(subject, KioskSubject) else None
