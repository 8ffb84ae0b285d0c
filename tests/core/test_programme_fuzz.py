"""Whatever is done to a document, it is read or refused: never another error, and never a place that is not there."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.programme.document import Programme
from core.programme.shape import child
from core.programme.validation import from_builtins, parse
from tests.core.fragments import EVERYTHING, WHOLE, read, whole

FULL = whole(EVERYTHING)
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

ODD = [
    None, True, False, "", " ", "nan", "NaN", "inf", "-0", "1e9", "1/3", "1_0", "0x1", "\0", "a/b", "~", "é" * 70,
    "02-30", "2026-13-01", "25:00:00", "10:00:00Z", "0001-01-01", "9999-12-31T23:59:59+14:00", "points", "0", "2",
    float("nan"), float("inf"), -0.0, 0, -1, 1, 2**31, 2**63, -(2**64), 10**400, -(16**6000), [], {}, [[]], [{}],
    {"en": ""}, {"en": 1}, {"": "x"}, {"a/b~c": {}}, DEEP, dt.date.min, dt.date.max, dt.time(0),
    dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, tzinfo=dt.timezone(dt.timedelta(hours=-23))),  # noqa: DTZ001
    dt.time(23, 59, 59, 999_999, tzinfo=dt.UTC),
]  # fmt: skip
VALUES = st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.datetimes()


def _places(raw: Any) -> list[tuple[Any, Any]]:
    """Every key of every table and list in a document, as (container, key)."""
    keys: list[Any] = list(raw) if isinstance(raw, dict) else list(range(len(raw))) if isinstance(raw, list) else []
    return [(raw, key) for key in keys] + [place for key in keys for place in _places(raw[key])]


def _is_in(raw: Any, pointer: str) -> bool:
    """Whether the pointer leads to a place of the document, or to a key that a table of it lacks."""
    if not pointer:
        return True
    *path, last = pointer.split("/")[1:]
    for token in path:
        keys = {child("", key)[1:]: key for key in (raw if isinstance(raw, dict) else range(len(raw)))}
        if token not in keys:
            return False
        raw = raw[keys[token]]
    return isinstance(raw, dict) or int(last) < len(raw)


def _read(raw: Any) -> None:
    """What can be read can be stored, and is read back the same; what cannot is refused by places of the document."""
    try:
        programme = from_builtins(raw)
    except InvalidInput as refused:
        stray = [error for error in refused.errors if not _is_in(raw, error.pointer) or not error.detail]
        assert refused.errors and not stray  # noqa: PT017, PT018 - either outcome is right, each has its check
        return
    stored = msgspec.json.encode(programme)
    assert b"\\u0000" not in stored, "PostgreSQL keeps no such text"
    assert from_builtins(msgspec.json.decode(stored)) == programme


@settings(deadline=None, database=None, max_examples=400)
@given(st.data())
def test_an_edited_document_is_read_or_refused(data: st.DataObject) -> None:
    raw = copy.deepcopy(FULL)
    for _ in range(data.draw(st.integers(1, 4))):
        places = _places(raw)
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        match data.draw(st.sampled_from(["set", "set", "delete", "copy", "add"])):
            case "set":
                container[key] = copy.deepcopy(data.draw(VALUES))
            case "delete":
                del container[key]
            case "copy":
                other, its = places[data.draw(st.integers(0, len(places) - 1))]
                container[key] = copy.deepcopy(other[its]) if its in _keys(other) else 0
            case "add" if isinstance(container, dict):
                container[data.draw(st.text(max_size=5))] = copy.deepcopy(data.draw(VALUES))
            case _:
                container.append(copy.deepcopy(container[key]))
        if not raw:
            break
    _read(raw)


def _keys(container: Any) -> list[Any]:
    return list(container) if isinstance(container, dict) else list(range(len(container)))


def test_every_single_setting_may_be_any_odd_value() -> None:
    raw = copy.deepcopy(FULL)
    for container, key in _places(raw):
        good = container[key]
        for value in ODD:
            container[key] = value
            _read(raw)
        container[key] = good


@settings(deadline=None, database=None, max_examples=300)
@given(
    st.integers(0, len(WHOLE) - 1),
    st.integers(0, 12),
    st.text(max_size=6) | st.sampled_from(['"', "[[", "0x" + "f" * 9]),
)
def test_a_document_written_over_is_read_or_refused(at: int, length: int, text: str) -> None:
    source = WHOLE[:at] + text + WHOLE[at + length :]
    with contextlib.suppress(InvalidInput):
        parse(source)


def test_the_edited_document_sets_everything_that_there_is() -> None:
    left = {"Earn.rounding", "Earn.stacking", "Qualification.measure", "Qualification.min_visit"}
    assert _unset(read(EVERYTHING)) == left, "each of these forbids another"


def _unset(programme: Programme) -> set[str]:
    """Settings that no struct of the document gives a value of its own."""
    seen: dict[str, bool] = {}
    todo: list[object] = [programme]
    while todo:
        part = todo.pop()
        if isinstance(part, dict | tuple):
            todo += part.values() if isinstance(part, dict) else part
        if not isinstance(part, msgspec.Struct):
            continue
        for field in msgspec.structs.fields(part):
            value, name = getattr(part, field.name), f"{type(part).__name__}.{field.name}"
            seen[name] = seen.get(name, False) or field.required or value != _default(field)
            todo.append(value)
    return {name for name, given in seen.items() if not given}


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
