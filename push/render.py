"""From a member's snapshot to the bytes of a view: the one place that knows every surface's function."""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.devices import KioskSession
from core.programme.book import InForce
from core.programme.document import Published
from core.snapshot import Purchase, Snapshot
from core.validity import Validity, validity
from surfaces import app, kiosk, pos, receipt, wallet, web
from surfaces.etag import Stamp
from surfaces.views import Locale, Surface, View

_ENCODER = msgspec.json.Encoder()


class ReceiptSubject(msgspec.Struct, frozen=True):
    """What a receipt's socket shows; `live_until` ends its live balance. `purchase` was read when the member shown was at
    version `as_of` at least; 0 where that is not known, None where it has to be read again before it is shown."""

    purchase: Purchase
    link: str
    live_until: datetime
    printed: Published
    as_of: int | None = 0


class KioskSubject(msgspec.Struct, frozen=True):
    store: str
    session: KioskSession


class TillSubject(msgspec.Struct, frozen=True):
    """Which till follows a member it looked up."""

    device: str


Subject = ReceiptSubject | KioskSubject | TillSubject | None


def view(
    snapshot: Snapshot | None, published: Published, now: datetime, surface: Surface, locale: Locale, subject: Subject
) -> View:
    """The view of one surface. Only a kiosk may have no snapshot."""
    if isinstance(subject, KioskSubject):
        session = subject.session
        return kiosk.view(
            snapshot,
            published,
            now,
            locale,
            store=subject.store,
            session=session.session,
            clears_at=session.clears_at,
        )
    assert snapshot is not None
    if isinstance(subject, ReceiptSubject):
        return receipt.view(
            snapshot,
            published,
            now,
            locale,
            purchase=subject.purchase,
            link=subject.link,
            live=now < subject.live_until,
            printed=subject.printed,
        )
    match surface:
        case "app":
            return app.view(snapshot, published, now, locale)
        case "web":
            return web.view(snapshot, published, now, locale)
        case "wallet":
            return wallet.view(snapshot, published, now, locale)
        case "pos":
            return pos.view(snapshot, published, now, locale)
    raise AssertionError(f"{surface} needs a subject")


def encode(rendered: View) -> bytes:
    return _ENCODER.encode(rendered)


def validity_of(snapshot: Snapshot, published: Published, now: datetime) -> Validity:
    """Between which instants the clock alone changes nothing of this member; the same for every surface."""
    return validity(snapshot, now, published.programme)


def stamp_of(
    snapshot: Snapshot | None,
    published: InForce,
    epoch: int,
    now: datetime,
    subject: Subject,
    valid: Validity | None = None,
) -> tuple[Stamp, datetime | None]:
    """The stamp of a view and the instant until which it holds, at most until another programme comes into force. A
    kiosk without a member has version 0.

    `valid` is `validity_of` the same snapshot, where the caller has it.
    """
    if snapshot is None:
        return Stamp(epoch, 0, published.revision, _EPOCH), published.until
    valid = valid or validity_of(snapshot, published, now)
    valid_from, valid_until = valid.valid_from, valid.valid_until
    if isinstance(subject, ReceiptSubject):
        if now >= subject.live_until:
            valid_from = max(valid_from, subject.live_until)
        else:
            valid_until = min(subject.live_until, valid_until)
    if published.until is not None:
        valid_until = min(published.until, valid_until)
    return Stamp(epoch, snapshot.version, published.revision, valid_from), valid_until


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
