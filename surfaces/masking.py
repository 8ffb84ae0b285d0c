"""What of a person a shared screen may show: never a whole name, never a whole identifier.

A name is whatever was typed at enrolment, so it is judged by its shape. Anything that may be an address or a number is
not a name and is not shown at all.
"""

from __future__ import annotations

import unicodedata

_HAN = range(0x3400, 0xA000)
_LONGEST = 16
"""A greeting stays one line; a longer first name is cut."""


def clean(text: str) -> str:
    """`text` without control and format characters (a bidi override could reorder a neighbour's words), spaces and line
    ends folded."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join(text.split())


def greeting_name(display_name: str) -> str:
    """What a kiosk may call a member: a first name when more was given, `陳＊＊` for a Han name, else empty."""
    name = _nameable(display_name)
    if not name:
        return ""
    if _is_han(name):
        return _han_masked(name)
    first, _, rest = name.partition(" ")
    return _cut(first) if rest else ""


def short_name(display_name: str) -> str:
    """What a till may show its staff: `Ada L.`, `陳＊＊`, `C…`; empty for what is not a name."""
    name = _nameable(display_name)
    if not name:
        return ""
    if _is_han(name):
        return _han_masked(name)
    first, *rest = name.split(" ")
    return f"{_cut(first)} {rest[-1][0]}." if rest else f"{first[0]}…"


def code_masked(code: str) -> str:
    """`•••• 1174`: the last four, which a member can check and nobody can use."""
    return f"•••• {code[-4:]}" if len(code) > 4 else "••••"


def code_grouped(code: str) -> str:
    """`0714 3298 1174`: in fours, for reading aloud."""
    return " ".join(code[i : i + 4] for i in range(0, len(code), 4))


def _nameable(display_name: str) -> str:
    name = clean(display_name)
    return "" if any(c.isdigit() or c == "@" for c in name) else name


def _is_han(name: str) -> bool:
    return ord(name[0]) in _HAN


def _han_masked(name: str) -> str:
    rest = len(name.replace(" ", "")) - 1
    return name[0] + "＊" * max(1, min(rest, 2))


def _cut(first: str) -> str:
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 1]}…"
