"""What the hub keeps of one member while somebody shows it, and of one showing of it."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

import msgspec

from core.members.reference import seen_from_afar
from core.snapshot import Snapshot
from core.validity import Validity
from push.drawing import Ahead
from push.reader import Reader
from push.render import ReceiptSubject, Subject
from push.socket import Socket
from surfaces.etag import Stamp

CROWD = 10
"""More sockets than a phone, a page and a till of one member open at once."""


class Topic:
    """One member with its sockets. `snapshot` None while it has to be read; `valid_until` is the soonest instant at which
    the clock alone changes what one of them shows; `ahead` is what a commit under way would show; `heir` has the sockets
    since the member was merged into another."""

    __slots__ = ("_commit", "ahead", "heard", "heir", "member", "snapshot", "sockets", "valid_until")

    def __init__(self, member: int) -> None:
        self.member = member
        self.sockets: set[Socket] = set()
        self.snapshot: Snapshot | None = None
        self.ahead: Ahead | None = None
        self.heir: Topic | None = None
        self.heard = 0
        self.valid_until: datetime | None = None
        self._commit: tuple[int, datetime] | None = None

    @property
    def committed_at(self) -> datetime | None:
        """When the version shown was committed; None where that is not known (a read found it before it was told)."""
        if self._commit is None or self.snapshot is None or self._commit[0] != self.snapshot.version:
            return None
        return self._commit[1]

    @property
    def crowded(self) -> bool:
        return len(self.sockets) > CROWD

    def told(self, version: int, committed_at: datetime) -> None:
        self._commit = (version, committed_at)

    def forget_commit(self) -> None:
        """What is shown next is not shown for a commit's sake."""
        self._commit = None

    def due(self, at: datetime) -> bool:
        """Whether the clock alone has changed what one of them shows."""
        return self.valid_until is not None and self.valid_until <= at and self.snapshot is not None

    def outdated(self, subject: Subject) -> bool:
        """Whether something of a receipt was returned since it was read. It is not shown before it is read again, for
        nothing would show the note later: its stamp would be no newer."""
        if not isinstance(subject, ReceiptSubject) or self.snapshot is None:
            return False
        if (as_of := subject.as_of) is None:
            return True
        purchase = subject.purchase
        no = purchase.version
        if purchase.member != self.member:
            no = seen_from_afar(purchase.member, no)
        return any(
            change.version > as_of
            for change in self.snapshot.recent
            if change.kind == "return" and change.purchase == no
        )

    def receipts(self) -> list[Socket]:
        return [socket for socket in self.sockets if isinstance(socket.session.subject, ReceiptSubject)]

    async def reprint(self, reader: Reader) -> None:
        """Read again the purchases of outdated receipts: what was returned of them is part of them."""
        for socket in self.receipts():
            subject = socket.session.subject
            assert isinstance(subject, ReceiptSubject)
            if self.snapshot is None or not self.outdated(subject):
                continue
            as_of = self.snapshot.version
            purchase = await reader.purchase(subject.purchase.member, subject.purchase.version)
            if purchase is not None and socket in self.sockets:
                socket.session.subject = msgspec.structs.replace(subject, purchase=purchase, as_of=as_of)

    def leave_to(self, heir: Topic, found: Snapshot) -> None:
        """Its member was merged into `heir`'s, `found` says: all its sockets are that one's from now on.

        Their receipts are read again: what was returned until then stands in the history of the member that is no more.
        """
        merges = [change for change in found.recent if change.kind == "merge"]
        joined = next((change for change in merges if change.merged == self.member), merges[0] if merges else None)
        for socket in self.sockets:
            client = socket.session
            if joined is not None:
                client.joined(joined.version)
            if isinstance(client.subject, ReceiptSubject):
                client.subject = msgspec.structs.replace(client.subject, as_of=None)
            socket.member = heir.member
        heir.sockets |= self.sockets
        self.sockets, self.heir = set(), heir


class Frame(msgspec.Struct, frozen=True):
    """`text` is empty where nobody needs it."""

    stamp: Stamp
    text: str


class Turn:
    """One showing of one topic: a single instant, and what was drawn for it so far. `first` is a socket's first state."""

    __slots__ = ("at", "first", "frames", "loop_now", "shown", "valid")

    def __init__(self, at: datetime, loop_now: float, *, first: bool = False) -> None:
        self.at = at
        self.loop_now = loop_now
        self.first = first
        self.frames: dict[Hashable, Frame] = {}
        self.valid: Validity | None = None
        self.shown: set[str] = set()
