"""A view over HTTP: rendered from the newest snapshot, with its stamp and an ETag.

The ETag is the hash of stamp, surface, locale and view schema, so a client that has it is answered 304 without a body.
It is weak: two bodies of one tag differ in `as_of`.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response

from bff.auth import Principal
from bff.bodies import ShownView
from bff.services import Services, locale_of, stamp_fields
from core.errors import NotFound
from core.snapshot import Snapshot
from push import render
from push.render import Subject
from surfaces.etag import etag
from surfaces.views import SCHEMA, Surface


async def snapshot_of(services: Services, member: int) -> Snapshot:
    """The member's newest snapshot. Raises `NotFound`."""
    snapshot = await services.reader.get(member)
    if snapshot is None:
        raise NotFound("no such member", code="unknown_member")
    return snapshot


async def show(
    services: Services,
    request: Request[Any, Any, Any],
    principal: Principal,
    surface: Surface,
    member: int | None,
    subject: Subject = None,
) -> Response[Any]:
    """200 with the view, or 304. `member` None is a kiosk that nobody uses."""
    snapshot = await snapshot_of(services, member) if member is not None else None
    locale = locale_of(request, snapshot.profile.locale if snapshot and surface != "pos" else "en")
    now, published = services.clock(), services.book.current
    stamp, valid_until = render.stamp_of(snapshot, published, services.engine.epoch, now, subject)
    tag = etag(stamp, surface, locale, SCHEMA)
    headers = {
        "ETag": f"W/{tag}",
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Accept-Language, Cookie",
    }
    if subject is None and tag in request.headers.get("if-none-match", ""):
        return Response(None, status_code=304, headers=headers)
    view = render.view(snapshot, published, now, surface, locale, subject)
    body = ShownView(valid_until=valid_until, as_of=now, view=view, **stamp_fields(stamp))
    return Response(body, headers=headers)
