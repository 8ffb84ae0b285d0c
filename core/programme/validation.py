"""From TOML text to a valid `Programme`, or to errors that point into the document.

A document is refused whole: `parse` raises `InvalidInput` with one `FieldError` for each thing wrong, its pointer being
the path of the key (`/tiers/1/threshold`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from core.errors import FieldError, InvalidInput
from core.money import MINOR_DIGITS
from core.points import MAX_POINTS
from core.programme.colours import contrast, rgb
from core.programme.document import SCHEMA, Card, Programme, Text

MAX_COEFFICIENT = 1_000_000
"""A points-per-unit or coefficient above this is a slip of the keyboard, not a programme."""

MIN_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3."""
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


def default_document() -> str:
    """The sample programme's TOML, which a new database publishes as revision 1."""
    return (files("core.programme") / "harbour.toml").read_text(encoding="utf-8")


def parse(toml: str) -> Programme:
    """The programme in `toml`. Raises `InvalidInput` that names every faulty key."""
    try:
        raw = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput.at("", f"not TOML: {error}", "programme_invalid") from None
    return from_builtins(raw)


def from_builtins(raw: object) -> Programme:
    """The programme in a decoded document (TOML or stored JSON). Raises as `parse` does."""
    try:
        programme = msgspec.convert(raw, Programme)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `")
        raise InvalidInput.at(_pointer(path), detail, "programme_invalid") from None
    errors = tuple(_faults(programme))
    if errors:
        raise InvalidInput(
            "the programme has " + ("an error" if len(errors) == 1 else f"{len(errors)} errors"),
            code="programme_invalid",
            errors=errors,
        )
    return programme


def _pointer(path: str) -> str:
    return path.rstrip("`").removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")


def _faults(programme: Programme) -> Iterator[FieldError]:
    if programme.schema != SCHEMA:
        yield FieldError("/schema", f"this build reads schema {SCHEMA}")
    try:
        ZoneInfo(programme.zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield FieldError("/zone", f"{programme.zone!r} is not an IANA time zone")
    if programme.money not in MINOR_DIGITS:
        yield FieldError("/money", f"{programme.money!r} is not an ISO 4217 code")
    if not programme.points.currency:
        yield FieldError("/points/currency", "must not be empty")
    yield from _earn_faults(programme)
    if programme.expiry.months < 0 or programme.expiry.months > 1200:
        yield FieldError("/expiry/months", "must be 0 (never) to 1200")
    if programme.expiry.grace_days < 1:
        yield FieldError("/expiry/grace_days", "must be at least 1")
    yield from _tier_faults(programme)
    yield from _unique("/rewards", "id", [reward.id for reward in programme.rewards])
    yield from _unique("/stores", "id", [store.id for store in programme.stores])
    yield from _unique("/products", "sku", [product.sku for product in programme.products])
    for i, reward in enumerate(programme.rewards):
        if not 0 < reward.points <= MAX_POINTS:
            yield FieldError(f"/rewards/{i}/points", "must be a positive number of points")
        if reward.value < 0:
            yield FieldError(f"/rewards/{i}/value", "must not be negative")
    for name in ("hold_minutes", "replay_window_days", "receipt_live_days", "kiosk_clears_seconds"):
        if getattr(programme.limits, name) < 1:
            yield FieldError(f"/limits/{name}", "must be at least 1")
    if programme.limits.clock_skew_seconds < 0:
        yield FieldError("/limits/clock_skew_seconds", "must not be negative")
    yield from _text_faults(programme)


def _earn_faults(programme: Programme) -> Iterator[FieldError]:
    yield from _fraction_faults("/earn/points_per_unit", programme.earn.points_per_unit)
    if not programme.earn.channels:
        yield FieldError("/earn/channels", "needs at least one channel")
    for name, channel in programme.earn.channels.items():
        yield from _fraction_faults(f"/earn/channels/{name}/coefficient", channel.coefficient)


def _tier_faults(programme: Programme) -> Iterator[FieldError]:
    if not programme.tiers:
        yield FieldError("/tiers", "needs at least one tier")
        return
    if programme.tiers[0].threshold != 0:
        yield FieldError("/tiers/0/threshold", "the first tier starts at 0")
    for i, (lower, upper) in enumerate(zip(programme.tiers, programme.tiers[1:], strict=False), start=1):
        if upper.threshold <= lower.threshold:
            yield FieldError(f"/tiers/{i}/threshold", f"must be above the tier before it ({lower.threshold})")
    for i, tier in enumerate(programme.tiers):
        yield from _fraction_faults(f"/tiers/{i}/earn_bonus", tier.earn_bonus)
        if tier.threshold > MAX_POINTS:
            yield FieldError(f"/tiers/{i}/threshold", f"must be at most {MAX_POINTS}")
        if tier.card is not None:
            yield from _card_faults(f"/tiers/{i}/card", tier.card)
    yield from _unique("/tiers", "key", [tier.key for tier in programme.tiers])


def _card_faults(pointer: str, card: Card) -> Iterator[FieldError]:
    wrong = [name for name in ("background", "foreground", "label") if not _COLOUR.fullmatch(getattr(card, name))]
    for name in wrong:
        yield FieldError(f"{pointer}/{name}", "must be a colour such as #052430")
    for name in () if wrong else ("foreground", "label"):
        ratio = contrast(rgb(getattr(card, name)), rgb(card.background))
        if ratio < MIN_CONTRAST:
            yield FieldError(
                f"{pointer}/{name}", f"cannot be read on the background: {ratio:.1f}:1, not {MIN_CONTRAST}:1"
            )


def _fraction_faults(pointer: str, text: str) -> Iterator[FieldError]:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        yield FieldError(pointer, f"{text!r} is not a decimal number")
        return
    if not 0 <= value <= MAX_COEFFICIENT:
        yield FieldError(pointer, f"must be between 0 and {MAX_COEFFICIENT}")


def _unique(pointer: str, key: str, values: list[str]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, value in enumerate(values):
        if not value:
            yield FieldError(f"{pointer}/{i}/{key}", "must not be empty")
        if value in seen:
            yield FieldError(f"{pointer}/{i}/{key}", f"{value!r} is given twice")
        seen.add(value)


def _text_faults(programme: Programme) -> Iterator[FieldError]:
    texts: list[tuple[str, Text]] = [
        ("/brand/name", programme.brand.name),
        ("/points/one", programme.points.one),
        ("/points/other", programme.points.other),
        *((f"/tiers/{i}/name", tier.name) for i, tier in enumerate(programme.tiers)),
        *((f"/rewards/{i}/name", reward.name) for i, reward in enumerate(programme.rewards)),
        *((f"/rewards/{i}/stub", reward.stub) for i, reward in enumerate(programme.rewards)),
        *((f"/stores/{i}/name", store.name) for i, store in enumerate(programme.stores)),
        *((f"/products/{i}/one", product.one) for i, product in enumerate(programme.products)),
        *((f"/products/{i}/other", product.other) for i, product in enumerate(programme.products)),
    ]
    for pointer, text in texts:
        if not text.get("en"):
            yield FieldError(pointer, "needs its English wording (en)")
