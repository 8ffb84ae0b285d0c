"""The words of every surface, one file a locale.

All that a person reads comes from these files or from the programme document. The files have the same keys and the
same placeholders (a test compares them), so a key that exists in one language exists in all; an unknown key or a
missing value raises, it never shows an empty place.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from surfaces.views import LOCALES, Locale


class Words:
    """The wording of one locale: `words("tier.distance", n="11,404", tier="Gold Disc")`."""

    def __init__(self, locale: Locale, tables: dict[str, dict[str, str]]) -> None:
        self.locale = locale
        self._tables = tables
        self._texts = MappingProxyType(
            {f"{table}.{key}": text for table, texts in tables.items() for key, text in texts.items()}
        )

    def __call__(self, key: str, **values: object) -> str:
        text = self._texts[key]
        return text.format_map(values) if values else text

    def count(self, key: str, n: int, shown: str) -> str:
        """`key_one` or `key_other` with `{n}` as `shown`."""
        return self(f"{key}_{self.form(n)}", n=shown)

    def form(self, n: int) -> str:
        """Chinese has one form, as CLDR's plural rules say."""
        return "one" if n == 1 and self.locale == "en" else "other"

    def table(self, name: str) -> dict[str, str]:
        """A whole table, for the browser."""
        return dict(self._tables[name])

    def letters(self) -> frozenset[str]:
        """Every character of its texts."""
        return frozenset().union(*self._texts.values())

    def keys(self) -> frozenset[str]:
        return frozenset(self._texts)


@cache
def words(locale: str) -> Words:
    """The wording for `locale`; English for one that is not kept."""
    known: Locale = locale if locale in LOCALES else "en"
    text = (files("surfaces.wording") / f"{known}.toml").read_text(encoding="utf-8")
    return Words(known, tomllib.loads(text))
