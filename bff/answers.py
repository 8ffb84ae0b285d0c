"""From the door's answer to a body: the tier in words, the stamp, the purchase's public id."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import MediaType, Response

from bff.bodies import TierAnswer
from bff.services import Services
from core.engine.submission import Answer
from core.errors import InvalidInput, NotFound
from core.programme.document import text_in
from core.snapshot import Change

HIT = {"Idempotency-Hit": "true"}

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
    if not text.isascii() or not text.isdigit() or len(text) > 15:
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


def reply(answer: Answer, body: msgspec.Struct, *, created: bool = True) -> Response[Any]:
    """201 for the first answer, 200 with `Idempotency-Hit` for a replay."""
    encoded = msgspec.json.encode(body)
    if answer.replay:
        return Response(encoded, status_code=200, headers=HIT, media_type=MediaType.JSON)
    return Response(encoded, status_code=201 if created else 200, media_type=MediaType.JSON)


def changed(answer: Answer) -> Change:
    """The change of an answer whose command always makes one."""
    assert answer.change is not None
    return answer.change
