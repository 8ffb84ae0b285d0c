"""From a member's snapshot to a signed pass.

The same snapshot, programme and clock-made changes give the same bytes but for the signature, whose time is its own. What
a member's pass adds to its tier's template is kept for the latest passes, so that several devices, or one that asks
again, cost one signature.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from functools import lru_cache

import msgspec

from core.errors import Unavailable
from core.programme.document import Published
from core.snapshot import Snapshot
from core.validity import Validity, validity
from surfaces import wallet
from surfaces.views import LOCALES, Finish, Locale
from wallet_passes.apple.bundle import Entry, Template, bundle, manifest, stored, template, unlisted
from wallet_passes.apple.certificates import Signer
from wallet_passes.apple.pass_json import Identity, pass_json, worded
from wallet_passes.images import apple_images, look

KEPT = 2048
"""Passes kept; each adds some 8 KB to its tier's template."""

MEDIA_TYPE = "application/vnd.apple.pkpass"


class Built(msgspec.Struct, frozen=True):
    """`valid_until`: when the clock alone changes what it shows."""

    data: bytes
    valid_until: datetime | None


class PassFactory:
    def __init__(self, signer: Signer, service: str) -> None:
        self.signer = signer
        self._service = service
        self._kept: OrderedDict[tuple[object, ...], tuple[Template, tuple[Entry, ...]]] = OrderedDict()

    def build(
        self, snapshot: Snapshot, published: Published, token: str, now: datetime, *, serial: int | None = None
    ) -> Built:
        """`serial` is the pass's own number, where that is not its member's: the pass of one that was merged into another
        keeps its name. Takes some tenths of a millisecond, most of it in the signature. Raises `Unavailable` once the
        certificate has expired: no phone would take the pass."""
        if now >= self.signer.expires_at:
            raise Unavailable(
                "the pass certificate has expired: set a new CHORUS_APPLE_PASS_CERTIFICATE",
                code="pass_certificate_expired",
            )
        valid = validity(snapshot, now, published.programme)
        identity = Identity(
            pass_type=self.signer.pass_type,
            serial=str(serial or snapshot.member),
            team=self.signer.team,
            service=self._service,
            token=token,
        )
        key = self._key(snapshot, published, identity, valid)
        known = self._kept.get(key)
        if known is None:
            known = self._kept[key] = self._made(snapshot, published, identity, now)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return Built(bundle(*known), valid.valid_until)

    @staticmethod
    def _key(snapshot: Snapshot, published: Published, identity: Identity, valid: Validity) -> tuple[object, ...]:
        """All that a pass is made of. A profile changes without a version."""
        return (
            snapshot.member,
            snapshot.version,
            snapshot.recorded_at,
            published.revision,
            valid.valid_from,
            snapshot.profile,
            identity.serial,
            identity.token,
        )

    def _made(
        self, snapshot: Snapshot, published: Published, identity: Identity, now: datetime
    ) -> tuple[Template, tuple[Entry, ...]]:
        views = {locale: wallet.view(snapshot, published, now, locale) for locale in LOCALES}
        own = _locale(snapshot.profile.locale)
        shown, tables = worded(views, own)
        shared = _template(shown.finish, shown.background, shown.foreground)
        texts = [
            stored("pass.json", pass_json(shown, identity, snapshot.version)),
            *(stored(f"{name}.lproj/pass.strings", table) for name, table in tables),
        ]
        listed = manifest(shared, tuple(texts))
        signature = self.signer.sign(listed)
        return shared, (*texts, unlisted("manifest.json", listed), unlisted("signature", signature))


@lru_cache(maxsize=64)
def _template(finish: Finish, background: str, foreground: str) -> Template:
    return template(apple_images(look(finish, background, foreground)))


def _locale(wanted: str) -> Locale:
    return next((locale for locale in LOCALES if locale == wanted), "en")
