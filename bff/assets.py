"""The static files of the pages, under an address that names their content.

`/static/<version>/...` may be kept for ever by any cache, because a changed file changes the version and so the
address of them all; a deploy never mixes an old module with a new page.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

FOLDER = Path(__file__).resolve().parent.parent / "surfaces" / "static"
_YEAR = 365 * 24 * 3600


@cache
def prefix() -> str:
    """Where the pages find their files: `/static/3f9c01d2ab44`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        digest.update(path.relative_to(FOLDER).as_posix().encode())
        digest.update(path.read_bytes())
    return f"/static/{digest.hexdigest()[:12]}"


def router() -> Router:
    forever = CacheControlHeader(public=True, max_age=_YEAR, immutable=True)
    return create_static_files_router(prefix(), directories=[FOLDER], html_mode=False, cache_control=forever)
