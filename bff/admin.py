"""The owner's API: what is in force and what is to come, trying a draft out, publishing it.

Reading and trying need a token of the surface; publishing needs its scope `programme` and an `Idempotency-Key`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, RawBody
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncConnection

from bff.admin_bodies import (
    CheckAnswer,
    DiffAnswer,
    DiffBody,
    Failure,
    ProgrammeAnswer,
    PublishAnswer,
    PublishBody,
    RevisionAnswer,
    RollbackBody,
    SimulateBody,
    SourceBody,
)
from bff.answers import HIT, Reply, parse_number
from bff.auth import Principal
from bff.errors import Field, problem_of, refusals
from bff.services import Given, Services, check_key, idempotency_key
from core.engine.submission import input_hash
from core.errors import InvalidInput, NotAllowed, NotFound
from core.programme import keys
from core.programme.book import publish, records, require_following, source_of
from core.programme.diff import between
from core.programme.document import Programme
from core.programme.simulation import MAX_DAYS, Progress, Report, simulate
from core.programme.timeline import Listed, listed
from core.programme.validation import parse

MAX_PAGE = 100
NDJSON = "application/x-ndjson"

_Request = Request[Any, Any, Any]
_INVALID = (422, "programme_invalid", "/tiers/2/threshold: must be above the tier before it (40000)")
_UNKNOWN = (404, "unknown_revision", "there is no revision 9")
_MAY_NOT = (403, "scope_missing", "this token may not publish")
_RACED = (409, "raced", "another revision was published at the same moment; look at it and try again")
_CONFLICT = (409, "idempotency_conflict", "the key 'a' was used for another request")
_KEYLESS = (422, "key_required", "send an Idempotency-Key header: any text of your own, new for each intent")

_Line = Progress | Report | Failure


class AdminController(Controller):
    path = "/admin/v1/programme"
    tags = ("admin",)

    @get("/", summary="The revision in force, those scheduled, and all there ever were", responses=refusals())
    async def overview(
        self, request: _Request, services: Given, cursor: FromQuery[str | None] = None, limit: FromQuery[int] = 20
    ) -> ProgrammeAnswer:
        """Pages of the history stay the same while more is published."""
        services.principal(request, "admin")
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput.at("/limit", f"must be 1 to {MAX_PAGE}")
        before = _open_cursor(cursor) if cursor else None
        everything = await _listed(services)
        older = [one for one in reversed(everything) if before is None or one.revision < before]
        page = older[:limit]
        return ProgrammeAnswer(
            in_force=next(one for one in everything if one.state == "in_force"),
            scheduled=[one for one in everything if one.state == "scheduled"],
            history=page,
            next=_cursor(page[-1].revision) if len(older) > limit else None,
        )

    @get("/revisions/{revision:str}", summary="One revision, as it was published", responses=refusals(_UNKNOWN))
    async def revision(self, request: _Request, services: Given, revision: FromPath[str]) -> RevisionAnswer:
        services.principal(request, "admin")
        number = parse_number(revision, "/revision", "revision")
        async with services.database.connect() as connection:
            source = await source_of(connection, number)
        one = (await _listed(services))[number - 1]
        return RevisionAnswer(**msgspec.structs.asdict(one), source=source)

    @post("/check", summary="What is wrong with a document", status_code=200, responses=refusals())
    async def check(self, request: _Request, services: Given, data: JSONBody[SourceBody]) -> CheckAnswer:
        """An invalid document is no refusal of the request. Nor is one that cannot follow the one in force."""
        services.principal(request, "admin")
        try:
            await _draft(services, data.source)
        except InvalidInput as refusal:
            return CheckAnswer(valid=False, errors=[Field(one.pointer, one.detail) for one in refusal.errors])
        return CheckAnswer(valid=True, errors=[])

    @post("/diff", summary="What a document changes", status_code=200, responses=refusals(_UNKNOWN, _INVALID))
    async def diff(self, request: _Request, services: Given, data: JSONBody[DiffBody]) -> DiffAnswer:
        """Of `source` and `revision` just one is given."""
        services.principal(request, "admin")
        against = data.against if data.against is not None else services.book.current.revision
        before = await _programme(services, against)
        if data.source is not None and data.revision is None:
            after = parse(data.source)
        elif data.revision is not None and data.source is None:
            after = await _programme(services, data.revision)
        else:
            raise InvalidInput.at("/source", "give a source, or else a revision")
        return DiffAnswer(against=against, differences=between(before, after))

    @post(
        "/simulate",
        summary="What a document would have given",
        status_code=200,
        media_type=NDJSON,
        responses=refusals(_INVALID)
        | {200: ResponseSpec(_Line, generate_examples=False, description="JSON lines", media_type=NDJSON)},
    )
    async def simulate(self, request: _Request, services: Given, data: JSONBody[SimulateBody]) -> Stream:
        """Lines of JSON while it counts: `progress`, at last the `report`, or an `error` if it comes to no end. A process
        simulates one document at a time; another waits. What could not be published now is refused."""
        services.principal(request, "admin")
        if not 1 <= data.days <= MAX_DAYS:
            raise InvalidInput.at("/days", f"must be 1 to {MAX_DAYS}")
        draft = await _draft(services, data.source)

        async def counted() -> AsyncGenerator[Progress | Report, None]:
            async with services.simulating:
                now = services.clock()
                published = services.book.at(now)
                items = simulate(services.database, published, draft, days=data.days, now=now)
                async with aclosing(items):
                    async for item in items:
                        yield item

        return Stream(_lines(request, counted()), media_type=NDJSON)

    @post("/publish", summary="Publish a document", responses=refusals(_MAY_NOT, _RACED, _CONFLICT, _INVALID, _KEYLESS))
    async def publish(
        self, request: _Request, services: Given, data: JSONBody[PublishBody], body: RawBody
    ) -> Response[PublishAnswer]:
        """Needs an `Idempotency-Key`. It withdraws whatever is scheduled for later."""
        principal = _publisher(services, request)

        async def source(_: AsyncConnection) -> str:
            return data.source

        return await _publish(services, request, principal, "publish", msgspec.json.decode(body), source, data.at)

    @post(
        "/rollback",
        summary="Publish an earlier revision's document again",
        responses=refusals(_MAY_NOT, _RACED, _CONFLICT, _UNKNOWN, _KEYLESS),
    )
    async def rollback(
        self, request: _Request, services: Given, data: JSONBody[RollbackBody], body: RawBody
    ) -> Response[PublishAnswer]:
        """Needs an `Idempotency-Key`. Revisions are never edited: this makes a new one."""
        principal = _publisher(services, request)

        async def source(connection: AsyncConnection) -> str:
            return await source_of(connection, data.revision)

        return await _publish(services, request, principal, "rollback", msgspec.json.decode(body), source, data.at)


def _publisher(services: Services, request: _Request) -> Principal:
    principal = services.principal(request, "admin")
    if not principal.may("programme"):
        raise NotAllowed("this token may not publish", code="scope_missing")
    return principal


async def _publish(
    services: Services,
    request: _Request,
    principal: Principal,
    kind: str,
    sent: Any,
    source: Callable[[AsyncConnection], Awaitable[str]],
    at: datetime | None,
) -> Reply:
    key, claimant = idempotency_key(request), f"{principal.source}:{kind}"
    check_key(key)
    now = services.clock()
    async with services.database.begin() as connection:
        used = await keys.claim(connection, claimant, key, input_hash(sent), now)
        revision = used
        if revision is None:
            document = await source(connection)
            revision = await publish(connection, document, by=principal.source, now=now, at=at)
            await keys.settle(connection, claimant, key, revision)
        made = (await records(connection))[revision - 1]
    services.bus.tell_programme()
    await services.reload()
    answer = PublishAnswer(revision=revision, in_force=made.in_force, published_by=made.published_by)
    encoded = msgspec.json.encode(answer)
    return Reply(encoded, 201) if used is None else Reply(encoded, 200, HIT)


async def _draft(services: Services, source: str) -> Programme:
    """Raises `InvalidInput` where it could not be published now."""
    draft, now = parse(source), services.clock()
    async with services.database.connect() as connection:
        await require_following(connection, draft, now, now)
    return draft


async def _listed(services: Services) -> list[Listed]:
    """Everything that was published, from revision 1 on."""
    async with services.database.connect() as connection:
        return listed(await records(connection), services.clock())


async def _programme(services: Services, revision: int) -> Programme:
    """A published one, of this very moment too. Raises `NotFound`."""
    if revision > services.book.revision:
        await services.reload()
    if not 0 < revision <= services.book.revision:
        raise NotFound(f"there is no revision {revision}", code="unknown_revision")
    return services.book.by_revision(revision)


async def _lines(request: _Request, items: AsyncGenerator[Progress | Report, None]) -> AsyncGenerator[bytes, None]:
    """Each as a line of JSON; what goes wrong on the way is the last one."""
    try:
        async with aclosing(items):
            async for item in items:
                yield msgspec.json.encode(item) + b"\n"
    except Exception as error:
        yield msgspec.json.encode(Failure(problem_of(request, error))) + b"\n"


def _cursor(revision: int) -> str:
    return urlsafe_b64encode(str(revision).encode()).decode()


def _open_cursor(cursor: str) -> int:
    try:
        before = int(urlsafe_b64decode(cursor.encode("ascii")).decode("ascii"))
    except ValueError:
        before = 0
    if not 0 < before < 2**31:
        raise InvalidInput.at("/cursor", "is not one of ours")
    return before
