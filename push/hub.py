"""The hub: which sockets show which member, and what each is sent.

Guarantees, for every socket attached: it is sent the state of its member at attach (or `current`, when it has it
already), then a state for every later version it has not overtaken, each newer than the one before; what it shows last
is the newest this process has heard of. A topic is subscribed before its snapshot is read, and what is heard during the
read is compared with it after, so nothing falls between. Where a read finds that the member was merged into another, its
sockets are that one's from then on.

The fan-out never waits: rendering is done once for each (surface, locale, subject), and a socket that blocks parks
itself. Changes heard during one turn of the loop are shown once, with the newest state (conflation is lossless). What is
about to be committed here may be drawn ahead (`foresee`), so that after the commit it only has to be sent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Hashable
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.clock import Clock
from core.devices import KioskSession
from core.engine.submission import Committed
from core.holdings import Holdings
from core.metrics import COMMIT_TO_SCREEN, CONNECTIONS
from core.programme.book import ProgrammeBook
from core.snapshot import Change, Snapshot, advance
from push import drawing, render, session
from push.drawing import Drawn, kiosk_session
from push.reader import Reader
from push.render import KioskSubject, TillSubject
from push.session import Close, Refused
from push.socket import Socket
from push.topic import Frame, Topic, Turn

_log = structlog.get_logger("push.hub")

MAX_READS = 20
"""A version is told of only once it is durable, so a second read finds it, unless more came meanwhile. One that is still
not there belongs to another database on the same bus, and must not keep this one reading for ever."""


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
        self._drawn_by = 0  # the revision that screens were last drawn by; none yet

    # -- sockets come and go --------------------------------------------------------------------------------------

    async def attach(self, socket: Socket) -> None:
        """Show the socket its member, from now on. Raises `Refused` when the member does not exist or we are closing."""
        if self._closing:
            raise self._closing
        socket.attached = True
        # Its first frame is its state, however long the read takes: no beat before.
        socket.last_sent = asyncio.get_running_loop().time()
        self._drawn_by = self._drawn_by or self._book.current.revision
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
            self._show(socket, None, self._turn(first=True))
            return
        topic, had = self._topic(socket.member), socket.session.stamp
        topic.sockets.add(socket)
        while topic.snapshot is None and socket in topic.sockets:
            if not await self._refresh(topic):
                raise Refused(Close.NOT_ALLOWED, "there is no such member", error="unknown_member")
            topic = topic.heir or topic
        if topic.outdated(socket.session.subject):
            await topic.reprint(self._reader)
        if not socket.closed and socket in topic.sockets:
            # Another may have read meanwhile, and shown it to everybody: that was its first.
            self._show(socket, topic, self._turn(first=socket.session.stamp is had))

    def _topic(self, member: int) -> Topic:
        topic = self._topics.get(member)
        if topic is None:
            topic = self._topics[member] = Topic(member)
        return topic

    def _follow(self, topic: Topic, found: Snapshot) -> None:
        """The topic's member is merged into the one `found` is of: its sockets go on there, and are shown its state."""
        if not topic.sockets:
            return
        del self._topics[topic.member]
        heir = self._topic(found.member)
        topic.leave_to(heir, found)
        heir.heard = max(heir.heard, found.version)
        if heir.snapshot is not None and heir.snapshot.version < found.version:
            heir.snapshot = found
        self._later(heir)

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

    def hear(self, change: Change, holdings: Holdings | None, committed_at: datetime) -> None:
        """A version was committed, here or elsewhere. In any order, any number of times."""
        topic = self._topics.get(change.member)
        if topic is None or change.version <= topic.heard:
            return
        topic.heard = change.version
        topic.told(change.version, committed_at)
        if topic.snapshot is None:
            return
        ahead = topic.ahead
        if ahead is not None and ahead.change is change and ahead.follows(topic.snapshot):
            after: Snapshot | None = ahead.snapshot
        else:
            after = advance(topic.snapshot, change, holdings) if holdings is not None else None
        if after is None:
            self._later(topic)
            return
        topic.snapshot = after
        self._mark(topic)
        if change.kind == "return" and topic.receipts():
            self._later(topic)

    def foresee(self, written: list[Committed]) -> None:
        """Draw what these changes will show, if the commit under way succeeds. Shows nothing."""
        after: dict[int, tuple[Change, Snapshot]] = {}
        for one in written:
            topic = self._topics.get(one.change.member)
            if topic is None or topic.snapshot is None or one.holdings is None:
                continue
            _, before = after.get(topic.member, (None, topic.snapshot))
            snapshot = advance(before, one.change, one.holdings)
            if snapshot is not None:
                after[topic.member] = (one.change, snapshot)
            else:
                after.pop(topic.member, None)
        for member, (change, snapshot) in after.items():
            topic = self._topics[member]
            clients = [socket.session for socket in topic.sockets if socket.parked is None and not socket.closed]
            try:
                at = self._clock()
                topic.ahead = drawing.ahead(clients, change, snapshot, self._book.at(at), self.epoch, at)
            except Exception as error:
                _log.error("not_drawn_ahead", member=member, exc_info=error)

    def _later(self, topic: Topic) -> None:
        """Show the topic after a read: a version was missed, its profile changed, or a receipt is outdated."""
        task = asyncio.create_task(self._heal(topic))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heal(self, topic: Topic) -> None:
        try:
            known = topic.snapshot is not None and topic.snapshot.version >= topic.heard
            if known or await self._refresh(topic):
                await topic.reprint(self._reader)
                self._mark(topic)
        except (DBAPIError, OSError, PoolTimeout, TimeoutError) as error:
            _log.warning("read_failed", member=topic.member, error=(str(error) or type(error).__name__).splitlines()[0])
            # What was heard is not shown: known for nothing, so that the repair lane finds the topic behind.
            topic.snapshot = None

    async def _refresh(self, topic: Topic) -> bool:
        """Read the snapshot until it is at least what was heard, or has another show it. False if there is no such
        member."""
        for _ in range(MAX_READS):
            found = await self._reader.get(topic.member)
            if found is None:
                return False
            if found.member != topic.member:
                self._follow(topic, found)
                return True
            if topic.snapshot is None or found.version > topic.snapshot.version:
                topic.snapshot = found
            if topic.snapshot.version >= topic.heard:
                break
        else:
            _log.warning("heard_of_what_is_not_there", member=topic.member, heard=topic.heard)
        assert topic.snapshot is not None
        topic.heard = topic.snapshot.version
        return True

    # -- fan-out --------------------------------------------------------------------------------------------------

    def _mark(self, topic: Topic) -> None:
        self._dirty[topic.member] = topic
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Show now what was heard in this turn of the loop, instead of at the next."""
        self._flushing = False
        dirty, self._dirty = self._dirty, {}
        for topic in dirty.values():
            try:
                self._fan_out(topic)
            except Exception as error:
                # One member that cannot be drawn must not keep the others of this turn from their screens.
                _log.error("not_drawn", member=topic.member, exc_info=error)
        if dirty:
            # Whoever was sent a frame on this machine (the proxy in front of us) goes first. The system likes to wake it
            # on this very core, where it would wait for the rest of our turn: the bus, the answers, the next request.
            os.sched_yield()

    def _fan_out(self, topic: Topic) -> None:
        topic.valid_until = None
        turn = self._turn()
        for socket in tuple(topic.sockets):
            self._show(socket, topic, turn)
        if topic.ahead is not None and topic.ahead.snapshot is topic.snapshot:
            topic.ahead = None  # shown; five views a member are much to keep for the next reader
        if (committed_at := topic.committed_at) is not None and turn.shown:
            lag = max(0.0, (self._clock() - committed_at).total_seconds())
            for surface in turn.shown:
                COMMIT_TO_SCREEN.labels(surface).observe(lag)

    def _show(self, socket: Socket, topic: Topic | None, turn: Turn) -> None:
        """Send the socket the newest state, unless it has it; a parked one only learns that there is news."""
        if socket.closed:
            return
        if socket.parked is not None:
            socket.news = True
            return
        if topic is not None and (topic.snapshot is None or topic.outdated(socket.session.subject)):
            return
        client = socket.session
        kiosk = kiosk_session(client)
        key = drawing.key_of(client)
        frame = turn.frames.get(key)
        if frame is None:
            frame = turn.frames[key] = self._frame(client, topic, key, turn)
        if not client.needs(frame.stamp, kiosk):
            if turn.first:
                client.sent(frame.stamp, kiosk)
                socket.write(session.current(frame.stamp, turn.at), turn.loop_now)
            return
        client.sent(frame.stamp, kiosk)
        socket.write(frame.text, turn.loop_now)
        turn.shown.add(client.surface)

    def _frame(self, client: session.Session, topic: Topic | None, key: Hashable, turn: Turn) -> Frame:
        """The frame for everybody who shows what `client` shows."""
        drawn = self._drawn(client, topic, key, turn)
        if topic is not None and drawn.valid_until is not None:
            # A receipt's live time may end before anything else of its member changes.
            topic.valid_until = min(drawn.valid_until, topic.valid_until or drawn.valid_until)
        if not drawn.view:
            return Frame(drawn.stamp, "")
        committed_at = topic.committed_at if topic and not turn.first else None
        many = topic is not None and topic.crowded
        text = session.state(
            drawn.stamp, drawn.valid_until, turn.at, drawn.causes, drawn.view, committed_at, for_many=many
        )
        return Frame(drawn.stamp, text)

    def _drawn(self, client: session.Session, topic: Topic | None, key: Hashable, turn: Turn) -> Drawn:
        published, snapshot = self._book.at(turn.at), topic.snapshot if topic else None
        if topic is not None and (ahead := topic.ahead) is not None:
            drawn = ahead.drawn.get(key)
            if drawn is not None and ahead.holds(snapshot, published, drawn, turn.at):
                return drawn
        if snapshot is not None and turn.valid is None:
            turn.valid = render.validity_of(snapshot, published, turn.at)
        return drawing.draw(client, snapshot, published, self.epoch, turn.at, turn.valid)

    def _turn(self, *, first: bool = False) -> Turn:
        return Turn(self._clock(), asyncio.get_running_loop().time(), first=first)

    def free(self, socket: Socket) -> None:
        """A parked socket reads again and there was news meanwhile."""
        topic = self._topics.get(socket.member) if socket.member is not None else None
        if socket.member is None or topic is not None:
            self._show(socket, topic, self._turn())

    # -- kiosks ---------------------------------------------------------------------------------------------------

    def kiosks(self) -> dict[str, KioskSession]:
        """The session that each kiosk here shows; of several screens of one kiosk, what the one behind shows."""
        shown: dict[str, KioskSession] = {}
        for device, sockets in self._devices.items():
            for socket in sockets:
                subject = socket.session.subject
                assert isinstance(subject, KioskSubject)
                known = shown.setdefault(device, subject.session)
                if subject.session.session < known.session:
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
        """Render again what the clock alone has changed, all of it where it brought another programme into force; keep
        silent sockets alive with a beat."""
        at, now = self._clock(), asyncio.get_running_loop().time()
        if self._drawn_by and self._book.at(at).revision != self._drawn_by:
            self.rerender()
        else:
            for topic in tuple(self._topics.values()):
                if topic.due(at):
                    topic.forget_commit()
                    self._mark(topic)
        for socket in self._sockets():
            if now - socket.last_sent > session.BEAT_SECONDS and socket.parked is None and not socket.closed:
                socket.write(session.beat(at), now)

    def rerender(self) -> None:
        """The programme changed: every screen is drawn again, a slice a turn so that nobody waits long."""
        waiting, self._drawn_by = list(self._topics.values()), self._book.current.revision
        for socket in self._idle():
            self._show(socket, None, self._turn())

        def some() -> None:
            for topic in waiting[-200:]:
                if topic.snapshot is not None:
                    topic.forget_commit()
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

    def cut(self, devices: Collection[str], refused: Refused) -> None:
        """Send a device's sockets away (revoked)."""
        for device in devices:
            for socket in tuple(self._devices.get(device, ())):
                socket.close(refused)
        for socket in self._sockets():
            if isinstance(socket.session.subject, TillSubject) and socket.session.subject.device in devices:
                socket.close(refused)

    def _sockets(self) -> list[Socket]:
        return [socket for topic in self._topics.values() for socket in topic.sockets] + self._idle()

    def _idle(self) -> list[Socket]:
        """Sockets of kiosks that show nobody."""
        return [socket for sockets in self._devices.values() for socket in sockets if socket.member is None]
