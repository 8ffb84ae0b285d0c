"""What is refused of tiers and of what they stand on: thresholds out of order, cards that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.errors import FieldError
from core.money import MAX_AMOUNT
from core.points import MAX_POINTS
from core.programme.checks import fraction_faults, unique_ids, within
from core.programme.colours import contrast, rgb
from core.programme.document import Card, Programme, Tier

MIN_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3."""
_COLOUR = re.compile("#[0-9a-fA-F]{6}")

MAX_NOTICE_DAYS = 366


def faults(programme: Programme) -> Iterator[FieldError]:
    yield from _qualification_faults(programme)
    tiers = programme.tiers
    if not tiers:
        yield FieldError("/tiers", "needs at least one tier")
        return
    yield from unique_ids("/tiers", "key", [tier.key for tier in tiers])
    yield from _threshold_faults(tiers)
    yield from _lifetime_faults(tiers)
    for i, tier in enumerate(tiers):
        yield from fraction_faults(f"/tiers/{i}/earn_bonus", tier.earn_bonus)
        if tier.card is not None:
            yield from _card_faults(f"/tiers/{i}/card", tier.card)


def _qualification_faults(programme: Programme) -> Iterator[FieldError]:
    rules = programme.qualification
    yield from within("/qualification/starts", rules.starts, 1, 12, "it is a month")
    yield from within("/qualification/notice_days", rules.notice_days, 0, MAX_NOTICE_DAYS)
    yield from within("/qualification/min_visit", rules.min_visit, 1, MAX_AMOUNT)
    if rules.measure != "visits" and rules.min_visit > 1:
        yield FieldError("/qualification/min_visit", 'says nothing unless measure is "visits"')


def _threshold_faults(tiers: tuple[Tier, ...]) -> Iterator[FieldError]:
    if tiers[0].threshold != 0:
        yield FieldError("/tiers/0/threshold", "the first tier starts at 0")
    for i, tier in enumerate(tiers[1:], start=1):
        lower = tiers[i - 1].threshold
        if not 0 <= tier.threshold <= MAX_POINTS:
            yield FieldError(f"/tiers/{i}/threshold", f"must be at most {MAX_POINTS}")
        elif 0 <= lower <= MAX_POINTS and tier.threshold <= lower:
            yield FieldError(f"/tiers/{i}/threshold", f"must be above the tier before it ({lower})")


def _lifetime_faults(tiers: tuple[Tier, ...]) -> Iterator[FieldError]:
    if tiers[0].lifetime:
        yield FieldError("/tiers/0/lifetime", "must be left out: everybody has the first tier for ever")
    lower = 0
    for i, tier in enumerate(tiers[1:], start=1):
        if not tier.lifetime:
            continue
        pointer, wrong = f"/tiers/{i}/lifetime", not 0 <= tier.lifetime <= MAX_POINTS
        if wrong:
            yield FieldError(pointer, f"must be 0 to {MAX_POINTS}")
        elif tier.lifetime <= lower:
            yield FieldError(pointer, f"must be above the lifetime of a tier below it ({lower})")
        elif tier.lifetime < tier.threshold <= MAX_POINTS:
            yield FieldError(
                pointer, f"must be at least the tier's threshold ({tier.threshold}), which could not be reached before"
            )
        lower = lower if wrong else tier.lifetime


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
