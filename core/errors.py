"""The domain's refusals.

A refusal is an answer, not an accident: it has a stable `code`, says whether the same request may succeed later
(`retryable`), and for bad input names each field by a JSON pointer (RFC 6901). Transports map codes to their own
status; nothing here knows HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `pointer` is a JSON pointer into the request as sent."""

    pointer: str
    detail: str


class ChorusError(Exception):
    """Base of every refusal.

    ChorusError
    ├── InvalidInput         the request itself is wrong, whatever the state
    ├── NotFound             what the request names does not exist
    ├── Rejected             the state forbids it; the same key may succeed later
    ├── IdempotencyConflict  the key was used for another request
    ├── NotAllowed           who asks may not
    ├── TooMany              who asks has asked too often
    └── Unavailable          come back later (a server is away, or intake stopped)
    """

    code = "error"
    retryable = False

    def __init__(self, detail: str, *, code: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        if code is not None:
            self.code = code


class InvalidInput(ChorusError):
    """`errors` names at least one field."""

    code = "invalid_input"

    @classmethod
    def at(cls, pointer: str, detail: str, code: str | None = None) -> InvalidInput:
        return cls(detail, code=code, errors=(FieldError(pointer, detail),))


class NotFound(ChorusError):
    code = "not_found"


class Rejected(ChorusError):
    code = "rejected"


class IdempotencyConflict(ChorusError):
    code = "idempotency_conflict"


class NotAllowed(ChorusError):
    code = "not_allowed"


class Unauthenticated(NotAllowed):
    code = "unauthenticated"


class TooMany(ChorusError):
    code = "too_many"
    retryable = True


class Unavailable(ChorusError):
    code = "unavailable"
    retryable = True
