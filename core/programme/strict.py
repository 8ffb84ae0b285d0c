"""What every part of the document is made of: strict structs, wording by locale, exact fractions."""

from __future__ import annotations

from fractions import Fraction

import msgspec

Text = dict[str, str]
"""Wording by locale: `en` always, `zh-Hans` and `zh-Hant` where given; see `document.text_in`."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A misspelt key is an error, not a setting that silently keeps its default."""


def fraction(text: str) -> Fraction:
    """A decimal string of the document, exactly."""
    return Fraction(text)
