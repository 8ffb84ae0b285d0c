"""Whether a decoded document has the shape of the structs: every misfit of it, each by the pointer of its key.

msgspec stops at the first one and names no key of a table; an owner who mends a document wants all of them at once. What
has no misfit here is converted without one.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from core.errors import FieldError

_EXPECTED: dict[Any, str] = {
    str: "must be text in quotes",
    int: "must be a whole number",
    bool: "must be true or false",
    dt.date: "must be a day such as 2026-11-22",
    dt.time: "must be a time of day such as 10:00:00",
    dt.datetime: "must be a day and a time such as 2026-11-22T10:00:00",
}


@cache
def fields_of(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """By name, their types resolved; worked out once."""
    return {field.name: field for field in msgspec.structs.fields(kind)}


def child(pointer: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of a key below `pointer`."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def misfits(raw: object, kind: Any, pointer: str = "") -> Iterator[FieldError]:
    """Where `raw` (tables, lists and scalars) is not a `kind`."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if raw is not None:
            yield from misfits(raw, next(one for one in args if one is not type(None)), pointer)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(raw, dict):
        yield from _of_table(raw, kind, pointer)
    elif origin is tuple and isinstance(raw, list):
        for i, item in enumerate(raw):
            yield from misfits(item, args[0], child(pointer, i))
    elif origin is dict and isinstance(raw, dict):
        for key, value in raw.items():
            yield from misfits(key, args[0], child(pointer, key))
            yield from misfits(value, args[1], child(pointer, key))
    else:
        try:
            msgspec.convert(raw, kind)
        except (msgspec.ValidationError, ValueError):  # ValueError: a number too long to be told what is wrong with it
            yield FieldError(pointer, _wanted(kind))


def _of_table(raw: dict[Any, Any], kind: type[msgspec.Struct], pointer: str) -> Iterator[FieldError]:
    fields = fields_of(kind)
    missing = [name for name, field in fields.items() if field.required and name not in raw]
    for key in raw:
        if key in fields:
            yield from misfits(raw[key], fields[key].type, child(pointer, key))
            continue
        near = difflib.get_close_matches(str(key)[:64], [name for name in fields if name not in raw], 1)
        hint = f": did you mean `{near[0]}`?" if near else f": it may have {', '.join(fields)}"
        missing = [name for name in missing if name not in near]
        yield FieldError(pointer, f"Object contains unknown field `{str(key)[:64]}`{hint}")
    for name in missing:
        yield FieldError(pointer, f"needs `{name}`")


def _wanted(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "must be one of " + ", ".join(str(one) or '""' for one in get_args(kind))
    if get_origin(kind) is tuple:
        return "must be a list"
    return _EXPECTED.get(kind, "must be a table")
