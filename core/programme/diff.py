"""What differs between two documents: one line a difference, each by its place.

A place is a JSON pointer in which a thing of a list is named by its own key (`/rewards/off5/points`), so that inserting
a reward is one addition and moves nothing else. Documents are compared with their defaults filled in: one that is
written out and one that is not are the same. It reads any decoded JSON or TOML, and two documents differ in nothing
just when they are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from core.programme.document import Programme

KEYS = ("id", "key", "sku", "code")
"""By which a thing of a list is known, the first that all of both lists have, each its own."""


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """`before` is not set for what was added, `after` not for what was removed."""

    kind: Literal["added", "removed", "changed"]
    pointer: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET

    def __str__(self) -> str:
        shown = " -> ".join(_text(value) for value in (self.before, self.after) if value is not msgspec.UNSET)
        return f"{self.kind} {self.pointer or '/'}: {shown}"


def between(before: Programme, after: Programme) -> list[Difference]:
    """What changes where `after` takes the place of `before`."""
    return list(differences(msgspec.to_builtins(before), msgspec.to_builtins(after)))


def differences(before: object, after: object, pointer: str = "") -> Iterator[Difference]:
    """In the order of the documents; what was added comes where it stands in `after`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _members(before, after, pointer)
    elif _is_list(before) and _is_list(after):
        yield from _lists(before, after, pointer)  # type: ignore[arg-type]
    elif not _same(before, after):
        yield Difference("changed", pointer, before, after)


def _members(before: Mapping[Any, object], after: Mapping[Any, object], pointer: str) -> Iterator[Difference]:
    for name, value in before.items():
        place = f"{pointer}/{_escaped(name)}"
        if name in after:
            yield from differences(value, after[name], place)
        else:
            yield Difference("removed", place, before=value)
    for name, value in after.items():
        if name not in before:
            yield Difference("added", f"{pointer}/{_escaped(name)}", after=value)


def _lists(before: Sequence[object], after: Sequence[object], pointer: str) -> Iterator[Difference]:
    for key in KEYS:
        old, new = _by(key, before), _by(key, after)
        if old is not None and new is not None:
            yield from _members(old, new, pointer)
            kept, moved = [name for name in old if name in new], [name for name in new if name in old]
            if kept != moved:
                yield Difference("changed", pointer, kept, moved)
            return
    if not any(isinstance(value, Mapping) or _is_list(value) for value in (*before, *after)):
        if not _same(list(before), list(after)):
            yield Difference("changed", pointer, before, after)
        return
    yield from _members(dict(enumerate(before)), dict(enumerate(after)), pointer)


def _by(key: str, values: Sequence[object]) -> dict[str, object] | None:
    """`values` by their `key`; None where one has none, or not its own."""
    found: dict[str, object] = {}
    for value in values:
        name = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = value
    return found


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _same(before: object, after: object) -> bool:
    """1, 1.0 and true are three values, and "not a number" is itself."""
    return repr(before) == repr(after)


def _escaped(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def _text(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
