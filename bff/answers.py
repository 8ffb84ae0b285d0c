"""From the door's answer to a body: the tier in words, the stamp, the purchase's public id."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Response

from bff.bodies import TierAnswer
from bff.services import Services
from core.engine.submission import Answer
from core.errors import InvalidInput, NotFound
from core.programme.document import text_in
from core.snapshot import Change

HIT = (b"idempotency-hit", b"true")

MAX_DIGITS = 18
"""What a column surely holds. What came with a merged member has a number that begins with that member's."""

_PURCHASE_ID = re.compile(r"p(\d{1,12})-(\d{1,9})")


def purchase_id(member: int, version: int) -> str:
    """The id a till names a purchase by: `p1042-17`."""
    return f"p{member}-{version}"


def parse_purchase_id(text: str) -> tuple[int, int]:
    """(member, version). Raises `NotFound`."""
    if not (found := _PURCHASE_ID.fullmatch(text)):
        raise NotFound("there is no such purchase", code="unknown_purchase")
    return int(found[1]), int(found[2])


def parse_number(text: str, pointer: str, what: str) -> int:
    """A path parameter that is a decimal id. Raises `InvalidInput` at `pointer`."""
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise InvalidInput.at(pointer, f"is not a {what}")
    return int(text)


def tier_answer(services: Services, change: Change, locale: str) -> TierAnswer:
    """The tier after `change`, as the programme that decided it names it."""
    programme = services.book.by_revision(change.programme)
    keys = [tier.key for tier in programme.tiers]
    rank = keys.index(change.tier)
    upper = programme.tiers[rank + 1] if rank + 1 < len(keys) else None
    return TierAnswer(
        key=change.tier,
        name=text_in(programme.tiers[rank].name, locale),
        qualifying=change.qualifying,
        to_next=upper.threshold - change.qualifying if upper else None,
        next_name=text_in(upper.name, locale) if upper else None,
    )


class Reply(Response[Any]):
    """JSON that is encoded already, sent without what Litestar offers for cookies, background tasks and encoders: it is
    the answer of every command."""

    def __init__(self, encoded: bytes, status: int, *more: tuple[bytes, bytes]) -> None:
        self._encoded, self._status, self._more = encoded, status, more

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        return self._send

    async def _send(self, scope: Any, receive: Any, send: Any) -> None:
        length = str(len(self._encoded)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length), *self._more]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._encoded, "more_body": False})


def reply(answer: Answer, body: msgspec.Struct, *, created: bool = True) -> Reply:
    """201 for the first answer, 200 with `Idempotency-Hit` for a replay."""
    encoded = msgspec.json.encode(body)
    if answer.replay:
        return Reply(encoded, 200, HIT)
    return Reply(encoded, 201 if created else 200)


def changed(answer: Answer) -> Change:
    """The change of an answer whose command always makes one."""
    assert answer.change is not None
    return answer.change
