"""The letters a page may come to need beside those it shows at first, for a machine that has none of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from core.programme.document import Programme, ProgrammeKey, text_in
from surfaces.wording import words

_FIRST = "\u2010"
"""What lies below every machine has; quotation marks and dashes have a form of their own in Chinese."""


def letters(programme: Programme, locale: str) -> str:
    """Each letter of the wording and of the programme's texts in `locale` once, in order; none but for Chinese."""
    return _letters(programme.key, locale) if locale.startswith("zh") else ""


@lru_cache(maxsize=64)
def _letters(key: ProgrammeKey, locale: str) -> str:
    told = words(locale).letters().union(*_texts(msgspec.to_builtins(key.programme), locale))
    return "".join(sorted(letter for letter in told if letter >= _FIRST))


def _texts(value: Any, locale: str) -> Iterator[str]:
    if isinstance(value, dict) and "en" in value:
        yield text_in(value, locale)
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part, locale)
