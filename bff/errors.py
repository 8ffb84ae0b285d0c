"""Every refusal as RFC 9457 `application/problem+json`: one table from the domain's errors to HTTP.

`code` is stable and snake_case, `retryable` says whether the same request may succeed later, `errors` points at the
fields. Whatever is not foreseen is a 500 that names only its request id; the log has the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from bff import assets
from bff.html import SECURITY
from bff.requests import Malformed, NotJson, WrongBody
from bff.services import locale_of
from core.database import may_pass
from core.errors import (
    ChorusError,
    FieldError,
    IdempotencyConflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    Rejected,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from surfaces import pages

PROBLEM_JSON = "application/problem+json"

STATUS: Mapping[type[ChorusError], int] = {
    Malformed: 400,
    NotJson: 415,
    InvalidInput: 422,
    Unauthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    Rejected: 409,
    IdempotencyConflict: 409,
    TooMany: 429,
    Unavailable: 503,
}

_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "30"},
    503: {"Retry-After": "1"},
}
_TITLES = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Refused",
    413: "The request is too large",
    415: "Send JSON",
    422: "The request has wrong fields",
    429: "Too many requests",
    500: "Something broke here",
    503: "Come back shortly",
}

_log = structlog.get_logger("bff")


class Field(msgspec.Struct):
    """One thing wrong with one field; `pointer` is a JSON pointer into the body as sent."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool
    request_id: str
    errors: list[Field] = []


def problem(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    *,
    retryable: bool = False,
    errors: tuple[FieldError, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    if _is_page(request):
        return _error_page(request, status)
    body = _problem(request, status, code, detail, retryable, errors)
    return Response(msgspec.json.encode(body), status_code=status, media_type=PROBLEM_JSON, headers=headers)


def _problem(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    retryable: bool,
    errors: tuple[FieldError, ...] = (),
) -> Problem:
    return Problem(
        type="about:blank",
        title=_TITLES.get(status, "Refused"),
        status=status,
        code=code,
        detail=detail,
        retryable=retryable,
        request_id=request.scope.get("state", {}).get("request_id", ""),
        errors=[Field(error.pointer, error.detail) for error in errors],
    )


_PAGES = ("/card", "/card/pass.pkpass", "/card/google", "/phone", "/kiosk", "/wall", "/r/", "/u/")


def _is_page(request: Request[Any, Any, Any]) -> bool:
    """Whether a person in a browser asked, for whom a problem document is no answer."""
    path = request.url.path
    page = path == "/" or any(path == known or (known[-1] == "/" and path.startswith(known)) for known in _PAGES)
    return page and request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _error_page(request: Request[Any, Any, Any], status: int) -> Response[bytes]:
    reference = request.scope.get("state", {}).get("request_id", "") if status >= 500 else ""
    page = pages.Page(locale=locale_of(request), static=assets.prefix())
    text = pages.signed_out(page) if status == 401 else pages.error(status, page, request_id=reference)
    return Response(text.encode(), status_code=status, media_type="text/html; charset=utf-8", headers=SECURITY)


def on_refusal(request: Request[Any, Any, Any], error: ChorusError) -> Response[bytes]:
    status = _status(error)
    headers = _HEADERS.get(status)
    return problem(
        request, status, error.code, error.detail, retryable=error.retryable, errors=error.errors, headers=headers
    )


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """Litestar's own checks of bodies and parameters, in our words."""
    extra = error.extra if isinstance(error.extra, list) else []
    fields = tuple(_field(item) for item in extra if isinstance(item, dict))
    if not fields and (named := _MISSING.search(str(error.detail))):
        fields = (FieldError(f"/{named[1]}", "is required"),)
    return problem(request, 422, "invalid_input", "the request has wrong fields", errors=fields)


def on_wrong_body(request: Request[Any, Any, Any], error: WrongBody) -> Response[bytes]:
    """A body that is JSON, but not the JSON its handler declares."""
    message, _, path = str(error).partition(" - at `$")
    item = {"message": message, "key": path.rstrip("`").lstrip("."), "source": "body"}
    return problem(request, 422, "invalid_input", "the request has wrong fields", errors=(_field(item),))


_MISSING = re.compile(r"Missing required (?:query |path )?parameter '([^']+)'")
_NAMED = re.compile(r"(missing required|contains unknown) field `([^`]+)`")


def _field(item: dict[str, Any]) -> FieldError:
    message, key = str(item.get("message", "")), str(item.get("key", ""))
    path = "" if item.get("source") == "body" and key == "data" else key
    pointer = "".join("/" + part for part in re.split(r"[.\[\]]+", path) if part)
    if named := _NAMED.search(message):
        kind, field = named.groups()
        detail = "is required" if kind == "missing required" else "is not a field of this request"
        return FieldError(f"{pointer}/{field}", detail)
    if message == "'data'":
        return FieldError("", "a JSON body is required")
    return FieldError(pointer, message)


_CODES = {400: "bad_request", 401: "unauthenticated", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = error.status_code
    return problem(
        request, status, _CODES.get(status, "http_error"), str(error.detail), headers=dict(error.headers or {})
    )


def on_unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if may_pass(error):
        return on_refusal(request, _away())
    _log.error("unforeseen", path=request.url.path, exc_info=error)
    return problem(request, HTTP_500_INTERNAL_SERVER_ERROR, "internal", _UNFORESEEN, retryable=True)


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Problem:
    """What went wrong, for an answer that has begun already."""
    refusal = error if isinstance(error, ChorusError) else _away() if may_pass(error) else None
    if refusal is None:
        _log.error("unforeseen", path=request.url.path, exc_info=error)
        return _problem(request, HTTP_500_INTERNAL_SERVER_ERROR, "internal", _UNFORESEEN, True)
    return _problem(request, _status(refusal), refusal.code, refusal.detail, refusal.retryable, refusal.errors)


_UNFORESEEN = "an unforeseen error; the log has it under this request id"


def _away() -> Unavailable:
    return Unavailable("the database does not answer; send it again", code="database_away")


def _status(error: ChorusError) -> int:
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


HANDLERS: dict[Any, Any] = {
    WrongBody: on_wrong_body,
    ChorusError: on_refusal,
    ValidationException: on_validation,
    HTTPException: on_http,
    Exception: on_unforeseen,
}


def refusals(*codes: tuple[int, str, str]) -> dict[int, ResponseSpec]:
    """OpenAPI responses for (status, code, detail), each with an example. Those everyone can get are added."""
    common = (
        (400, "malformed_json", "the body is not JSON: JSON is malformed: invalid character (byte 7)"),
        (401, "unauthenticated", "send the token as Authorization: Bearer ..."),
        (403, "wrong_surface", "this token is not for pos"),
        (413, "too_large", "Request Entity Too Large"),
        (415, "not_json", "send the body as application/json"),
        (422, "invalid_input", "the request has wrong fields"),
        (503, "database_away", "the database does not answer; send it again"),
    )
    by_status: dict[int, list[tuple[str, str]]] = {}
    for status, code, detail in (*codes, *common):
        by_status.setdefault(status, []).append((code, detail))
    return {
        status: ResponseSpec(
            data_container=Problem,
            media_type=PROBLEM_JSON,
            description=", ".join(code for code, _ in listed),
            generate_examples=False,
            examples=[
                Example(
                    summary=code,
                    value={
                        "type": "about:blank",
                        "title": _TITLES[status],
                        "status": status,
                        "code": code,
                        "detail": detail,
                        "retryable": status == 503,
                        "request_id": "7d3f1a9c2b40",
                    },
                )
                for code, detail in listed
            ],
        )
        for status, listed in by_status.items()
    }
