"""From TOML text to a valid `Programme`, or to errors that point into the document.

A document is refused whole: `parse` raises `InvalidInput` with one `FieldError` for each thing wrong, its pointer being
the path of the key (`/tiers/1/threshold`), or of the table that lacks it. It looks in three rounds, each of which needs
the one before: the shape of the document (`shape`), its values and how they go together (here and in the `*_faults`), and
what follows from all of it (`campaign_faults.idle`, `loops`). Settings that say nothing are refused like those that
contradict: whoever wrote them expects something of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from core.errors import FieldError, InvalidInput
from core.money import MINOR_DIGITS
from core.points import POINTS
from core.programme import campaign_faults, earn_faults, loops, spend_faults, tier_faults
from core.programme.checks import fraction_faults, id_faults, name_faults, twice, unique_ids, within, wording_faults
from core.programme.document import SCHEMAS, Expiry, Limits, Programme
from core.programme.shape import misfits

MAX_MONTHS = 1200
MAX_DAYS = 3660

_LIMITS = {
    "hold_minutes": (1, 60 * 24 * 366),
    "replay_window_days": (1, MAX_DAYS),
    "receipt_live_days": (1, MAX_DAYS),
    "clock_skew_seconds": (0, 86_400),
    "kiosk_clears_seconds": (1, 86_400),
}


def default_document() -> str:
    """The sample programme's TOML, which a new database publishes as revision 1."""
    return (files("core.programme") / "harbour.toml").read_text(encoding="utf-8")


def parse(toml: str) -> Programme:
    """The programme in `toml`. Raises `InvalidInput` that names every faulty key."""
    try:
        raw = tomllib.loads(toml)
    except RecursionError:
        raise InvalidInput.at("", "not a programme: nested too deep", "programme_invalid") from None
    except ValueError as error:  # TOMLDecodeError is one; a number of more digits than Python reads is another
        raise InvalidInput.at("", f"not TOML: {error}", "programme_invalid") from None
    return from_builtins(raw)


def from_builtins(raw: object) -> Programme:
    """The programme in a decoded document. Raises as `parse` does."""
    programme = stored(raw)
    refuse(_faults(programme))
    refuse(_consequences(programme))
    return programme


def stored(raw: object) -> Programme:
    """A revision as it was published. Only its shape is looked at: what a later build refuses besides was not refused
    then, and the house goes on under what is in force. Raises as `parse` does."""
    refuse(misfits(raw, Programme))
    return msgspec.convert(raw, Programme)


def refuse(faults: Iterator[FieldError]) -> None:
    """Raises `InvalidInput` if there are any."""
    errors = tuple(faults)
    if errors:
        detail = "the programme has " + ("an error" if len(errors) == 1 else f"{len(errors)} errors")
        raise InvalidInput(detail, code="programme_invalid", errors=errors)


def _faults(programme: Programme) -> Iterator[FieldError]:
    zone = _zone(programme.zone)
    if programme.schema not in SCHEMAS:
        yield FieldError("/schema", f"this build reads schema {' and '.join(map(str, SCHEMAS))}")
    yield from id_faults("/name", programme.name)
    if zone is None:
        yield FieldError("/zone", "is not an IANA time zone, such as Asia/Hong_Kong")
    if programme.money not in MINOR_DIGITS:
        yield FieldError("/money", "is not an ISO 4217 code, such as USD")
    if programme.brand.website:
        yield from name_faults("/brand/website", programme.brand.website)
    yield from _currency_faults(programme)
    yield from earn_faults.faults(programme)
    yield from campaign_faults.faults(programme)
    yield from _expiry_faults("/expiry", programme.expiry)
    yield from tier_faults.faults(programme)
    yield from spend_faults.faults(programme, zone)
    yield from unique_ids("/segments", "id", [segment.id for segment in programme.segments])
    yield from unique_ids("/stores", "id", [store.id for store in programme.stores])
    yield from _product_faults(programme)
    yield from _limit_faults(programme.limits)
    yield from wording_faults(programme)


def _consequences(programme: Programme) -> Iterator[FieldError]:
    yield from campaign_faults.idle(programme)
    yield from loops.faults(programme)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        ValueError,
        OSError,
    ):  # OSError: the name of a folder of zones, or of a mile's length
        return None


def _currency_faults(programme: Programme) -> Iterator[FieldError]:
    yield from id_faults("/points/currency", programme.points.currency)
    yield from unique_ids("/currencies", "code", [one.code for one in programme.currencies])
    for i, one in enumerate(programme.currencies):
        pointer = f"/currencies/{i}"
        if one.code in (POINTS, programme.points.currency):
            yield FieldError(f"{pointer}/code", "is the code of the points themselves: choose another")
        yield from fraction_faults(f"{pointer}/points_per_unit", one.points_per_unit)
        yield from _expiry_faults(f"{pointer}/expiry", one.expiry)


def _expiry_faults(pointer: str, expiry: Expiry) -> Iterator[FieldError]:
    if not 0 <= expiry.months <= MAX_MONTHS:
        yield FieldError(f"{pointer}/months", f"must be 0 (never) to {MAX_MONTHS}")
    elif expiry.mode != "rolling" and expiry.months == 0:
        yield FieldError(f"{pointer}/months", f'must be at least 1 where mode is "{expiry.mode}": 0 is never')
    if not _is_day_of_year(expiry.on):
        yield FieldError(f"{pointer}/on", 'must be a month and a day such as "12-31"')
    elif expiry.mode != "fixed" and expiry.on != "12-31":
        yield FieldError(f"{pointer}/on", 'says nothing unless mode is "fixed"')
    yield from within(f"{pointer}/grace_days", expiry.grace_days, 1, MAX_DAYS)
    yield from within(f"{pointer}/warn_days", expiry.warn_days, 0, MAX_DAYS)
    if 0 <= expiry.warn_days < expiry.again_days <= MAX_DAYS:
        yield FieldError(f"{pointer}/again_days", f"must be at most warn_days ({expiry.warn_days}): it is the second")
    else:
        yield from within(f"{pointer}/again_days", expiry.again_days, 0, MAX_DAYS)


def _is_day_of_year(text: str) -> bool:
    if len(text) != 5:
        return False
    try:
        return date.fromisoformat(f"2024-{text}").strftime("%m-%d") == text  # a leap year
    except ValueError:
        return False


def _product_faults(programme: Programme) -> Iterator[FieldError]:
    skus = [product.sku for product in programme.products]
    pointers = [f"/products/{i}/sku" for i in range(len(skus))]
    for pointer, sku in zip(pointers, skus, strict=True):
        yield from name_faults(pointer, sku)
    yield from twice(pointers, skus)


def _limit_faults(limits: Limits) -> Iterator[FieldError]:
    for name, (least, most) in _LIMITS.items():
        yield from within(f"/limits/{name}", getattr(limits, name), least, most)
