"""The checks that every part of the document shares: ids, numbers, fractions, references, wording.

No detail repeats a number of the document that may be out of range: one of ten thousand digits cannot be written out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime

import msgspec

from core.errors import FieldError
from core.programme.shape import child, fields_of
from core.programme.strict import Text, fraction

MAX_COEFFICIENT = 1_000_000
"""A points-per-unit or coefficient above this is a slip of the keyboard, not a programme."""

MAX_COUNT = 10**9
"""Of uses, pieces, winners."""
MAX_ID = 64
MAX_NAME = 200
"""Of a sku or a category: as much as a till may send."""
MAX_WORDING = 2000
YEARS = range(1970, 3000)
"""Days and instants beyond are slips too, and near the calendar's ends arithmetic with zones overflows."""

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?")
_LOCALE = re.compile("[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def within(pointer: str, value: int, least: int, most: int, why: str = "") -> Iterator[FieldError]:
    if not least <= value <= most:
        yield FieldError(pointer, f"must be {least} to {most}" + (f": {why}" if why else ""))


def fraction_faults(pointer: str, text: str) -> Iterator[FieldError]:
    """Decimals only: "1e9" would be worked out to its last digit, and "1/3" is not what an owner reads on a slip."""
    if not _DECIMAL.fullmatch(text):
        yield FieldError(pointer, 'must be a decimal number in quotes, such as "1.5"')
    elif fraction(text) > MAX_COEFFICIENT:
        yield FieldError(pointer, f"must be between 0 and {MAX_COEFFICIENT}")


def id_faults(pointer: str, value: str) -> Iterator[FieldError]:
    """Ids become parts of keys, whose parts a `/` divides."""
    if not value:
        yield FieldError(pointer, "must not be empty")
    elif len(value) > MAX_ID or not value.isprintable() or "/" in value or value != value.strip():
        yield FieldError(pointer, f"must be at most {MAX_ID} printable characters, without / and spaces at its ends")


def name_faults(pointer: str, value: str) -> Iterator[FieldError]:
    """A sku or a category: whatever a till may send."""
    if not value.strip():
        yield FieldError(pointer, "must not be empty")
    elif len(value) > MAX_NAME or not value.isprintable():
        yield FieldError(pointer, f"must be at most {MAX_NAME} printable characters")


def unique_ids(pointer: str, key: str, values: Sequence[str]) -> Iterator[FieldError]:
    """`values` are the `key`s of the items at `pointer`."""
    for i, value in enumerate(values):
        yield from id_faults(f"{pointer}/{i}/{key}", value)
    yield from twice([f"{pointer}/{i}/{key}" for i in range(len(values))], values)


def twice(pointers: Sequence[str], values: Sequence[object]) -> Iterator[FieldError]:
    """Those of `values` that stand in the list before, unless empty."""
    for i, (pointer, value) in enumerate(zip(pointers, values, strict=True)):
        if value and value in values[:i]:
            yield FieldError(pointer, f"{value!r} is given twice")


def listed(
    pointer: str, values: Sequence[str], known: Collection[str] | None = None, what: str = ""
) -> Iterator[FieldError]:
    """A list of conditions: each once, and each `what` one that the programme has."""
    pointers = [f"{pointer}/{i}" for i in range(len(values))]
    yield from twice(pointers, values)
    for place, value in zip(pointers, values, strict=True):
        if known is None:
            yield from name_faults(place, value)
        else:
            yield from reference(place, value, known, what)


def reference(pointer: str, value: str, known: Collection[str], what: str) -> Iterator[FieldError]:
    if value not in known:
        some = f": it has {', '.join(known)}" if 0 < len(known) <= 12 else ""
        yield FieldError(pointer, f"the programme has no {what} {value[:MAX_ID]!r}{some}")


def year_faults(pointer: str, day: date | datetime | None) -> Iterator[FieldError]:
    if day is not None and day.year not in YEARS:
        yield FieldError(pointer, f"must lie in the years {YEARS.start} to {YEARS.stop - 1}")


def wording_faults(value: msgspec.Struct, pointer: str = "") -> Iterator[FieldError]:
    """Of every `Text` below `value`, whatever field it is in."""
    for field in fields_of(type(value)).values():
        place, part = f"{pointer}/{field.name}", getattr(value, field.name)
        if field.type == Text:
            yield from _text_faults(place, part, needed=field.required)
        elif isinstance(part, msgspec.Struct):
            yield from wording_faults(part, place)
        elif isinstance(part, dict | tuple):
            for key, one in part.items() if isinstance(part, dict) else enumerate(part):
                if isinstance(one, msgspec.Struct):
                    yield from wording_faults(one, child(place, key))
                elif isinstance(one, dict):
                    yield from _text_faults(child(place, key), one, needed=True)


def _text_faults(pointer: str, text: Text, *, needed: bool) -> Iterator[FieldError]:
    if (needed or text) and not text.get("en", "").strip():
        yield FieldError(pointer, "needs its English wording (en)")
    for locale, wording in text.items():
        place = child(pointer, locale)
        if not _LOCALE.fullmatch(locale):
            yield FieldError(place, "must be under a locale such as en or zh-Hant")
        elif len(wording) > MAX_WORDING or not wording.replace("\n", "").isprintable():
            yield FieldError(place, f"must be at most {MAX_WORDING} characters that can be shown")
