"""One state as it is drawn, apart from the instants at which it is sent; and states drawn ahead of their commit.

While the database makes a batch durable, the process that sent it has nothing to do and knows already what every screen
will show if it succeeds. `ahead` draws that. What is drawn ahead is shown only when that very change is heard as
committed, to a client that still shows what it showed then, under the same programme and before the clock changed
anything; otherwise it is dropped and drawn again. So it can be wasted, never wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime

import msgspec

from core.programme.book import InForce
from core.snapshot import Change, Snapshot
from core.validity import Validity
from push import render
from push.render import KioskSubject, ReceiptSubject
from push.session import Session
from surfaces.activity import causes
from surfaces.etag import Stamp
from surfaces.views import Cause

_PUBLIC = frozenset({"kiosk", "receipt"})
"""Surfaces that others than the member may see: their causes say neither where nor what."""

_ENCODER = msgspec.json.Encoder()


class Drawn(msgspec.Struct, frozen=True):
    """`causes` and `view` are JSON; `view` is empty where the client has it already. True until `valid_until`."""

    stamp: Stamp
    valid_until: datetime | None
    causes: bytes
    view: bytes


class Ahead(msgspec.Struct, frozen=True):
    """What a member's screens will show once `change` is durable, by `key_of` the client."""

    change: Change
    snapshot: Snapshot
    published: InForce
    drawn: dict[Hashable, Drawn]

    def follows(self, snapshot: Snapshot) -> bool:
        """Whether `change`, which is this one's, comes next after `snapshot` of the same reading of the profile."""
        return snapshot.version + 1 == self.change.version and snapshot.profile is self.snapshot.profile

    def holds(self, snapshot: Snapshot | None, published: InForce, drawn: Drawn, now: datetime) -> bool:
        """Whether `drawn` is what `snapshot` shows `now`."""
        if snapshot is not self.snapshot or published is not self.published:
            return False
        return drawn.valid_until is None or now < drawn.valid_until


def key_of(client: Session) -> Hashable:
    """Clients of one member with the same key are shown the same frame."""
    subject = client.subject
    if isinstance(subject, ReceiptSubject):
        shown: Hashable = (subject.purchase.member, subject.purchase.version, subject.as_of)
    else:
        shown = subject.session if isinstance(subject, KioskSubject) else None
    return client.surface, client.locale, shown, client.stamp, client.kiosk_session


def kiosk_session(client: Session) -> int:
    return client.subject.session.session if isinstance(client.subject, KioskSubject) else 0


def draw(
    client: Session,
    snapshot: Snapshot | None,
    published: InForce,
    epoch: int,
    at: datetime,
    valid: Validity | None,
) -> Drawn:
    """The state for everybody who shows what `client` shows. `valid` is `render.validity_of` the snapshot, if there is
    one."""
    stamp, valid_until = render.stamp_of(snapshot, published, epoch, at, client.subject, valid)
    if not client.needs(stamp, kiosk_session(client)):
        return Drawn(stamp, valid_until, b"", b"")
    view = render.view(snapshot, published, at, client.surface, client.locale, client.subject)
    told = _causes(client, snapshot, published, epoch)
    return Drawn(stamp, valid_until, _ENCODER.encode(told), render.encode(view))


def ahead(
    clients: Iterable[Session], change: Change, snapshot: Snapshot, published: InForce, epoch: int, at: datetime
) -> Ahead:
    """Draw `snapshot`, which `change` makes, for all `clients` of its member."""
    valid = render.validity_of(snapshot, published, at)
    drawn: dict[Hashable, Drawn] = {}
    for client in clients:
        key = key_of(client)
        if key not in drawn:
            drawn[key] = draw(client, snapshot, published, epoch, at, valid)
    return Ahead(change, snapshot, published, drawn)


def _causes(client: Session, snapshot: Snapshot | None, published: InForce, epoch: int) -> tuple[Cause, ...]:
    """What happened since the version the client shows; nothing on a first state or for another member's."""
    if snapshot is None or client.stamp is None or client.stamp.epoch != epoch:
        return ()
    if kiosk_session(client) != client.kiosk_session:
        return ()
    newer = [change for change in snapshot.recent if change.version > client.stamp.version]
    return causes(newer, published, client.locale, public=client.surface in _PUBLIC)
