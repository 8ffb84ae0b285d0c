"""What a locked screen, a letter or a short message says of one change.

It may be read by whoever stands beside the member, so it names no code and no full name; it may arrive late, so it says
what happened then, and the balance after it.
"""

from __future__ import annotations

from core.programme.document import Published, text_in
from core.snapshot import Change
from surfaces.activity import causes
from surfaces.views import View

TOLD = frozenset({"purchase", "return", "adjust", "capture", "expire", "merge"})
"""Changes that are told of. What a member does itself on a screen, it sees there."""


class Notification(View, frozen=True, kw_only=True):
    title: str
    body: str


def notification(change: Change, published: Published, locale: str) -> Notification:
    """`change` is one of those `TOLD`."""
    cause = causes([change], published, locale)[0]
    return Notification(title=cause.text, body=cause.what or text_in(published.programme.brand.name, locale))
