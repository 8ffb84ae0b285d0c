"""Why somebody did something by hand, as the journal keeps it."""

from __future__ import annotations

from core.errors import InvalidInput

MAX_REASON = 500


def reason_of(text: str) -> str:
    """Raises `InvalidInput`."""
    if len(text) > MAX_REASON or "\0" in text:
        raise InvalidInput.at("/reason", f"must be at most {MAX_REASON} characters of text")
    return text
