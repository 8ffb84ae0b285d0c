"""What is refused of `[earn]`: its channels, rules and actions, and the limits that campaigns have too."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from core.errors import FieldError
from core.points import MAX_POINTS
from core.programme.checks import MAX_COUNT, fraction_faults, id_faults, name_faults, twice, unique_ids, within
from core.programme.document import Programme
from core.programme.earn import Earn, Rule, UseLimits
from core.programme.shape import child

MAX_VEST_DAYS = 366

_NARROWER = (
    ("per_member_day", "per_member"),
    ("per_member_day", "per_day"),
    ("per_member_day", "in_all"),
    ("per_member", "in_all"),
    ("per_day", "in_all"),
)


def faults(programme: Programme) -> Iterator[FieldError]:
    earn = programme.earn
    yield from fraction_faults("/earn/points_per_unit", earn.points_per_unit)
    yield from _channel_faults(earn)
    yield from _rule_faults(earn.rules)
    for kind, action in earn.actions.items():
        pointer = f"/earn/actions/{kind}"
        yield from within(f"{pointer}/points", action.points, 1, MAX_POINTS)
        yield from use_limit_faults(f"{pointer}/limits", action.limits)
        if action.limits.per_member is None and action.limits.per_member_day is None:
            yield FieldError(
                f"{pointer}/limits", "gives points without end: needs per_member_day (or per_member) in its limits"
            )


def _channel_faults(earn: Earn) -> Iterator[FieldError]:
    if not earn.channels:
        yield FieldError("/earn/channels", "needs at least one channel")
    for name, channel in earn.channels.items():
        pointer = child("/earn/channels", name)
        yield from id_faults(pointer, name)
        yield from fraction_faults(f"{pointer}/coefficient", channel.coefficient)
        yield from within(f"{pointer}/vest_days", channel.vest_days, 0, MAX_VEST_DAYS)


def _rule_faults(rules: tuple[Rule, ...]) -> Iterator[FieldError]:
    yield from unique_ids("/earn/rules", "id", [rule.id for rule in rules])
    for i, rule in enumerate(rules):
        pointer = f"/earn/rules/{i}"
        if bool(rule.sku) == bool(rule.category):
            yield FieldError(pointer, "needs either sku or category: a rule is for one product or one category")
        for key in ("sku", "category"):
            if getattr(rule, key):
                yield from name_faults(f"{pointer}/{key}", getattr(rule, key))
        yield from fraction_faults(f"{pointer}/points_per_unit", rule.points_per_unit)
    for key in ("sku", "category"):
        pointers = [f"/earn/rules/{i}/{key}" for i in range(len(rules))]
        yield from twice(pointers, [getattr(rule, key) for rule in rules])


def use_limit_faults(pointer: str, limits: UseLimits) -> Iterator[FieldError]:
    """Each at least 1, and none that a wider one makes unreachable."""
    given: dict[str, int] = {name: n for name, n in msgspec.structs.asdict(limits).items() if n is not None}
    for name, value in given.items():
        yield from within(f"{pointer}/{name}", value, 1, MAX_COUNT, "leave it out where there is no limit")
    for narrow, wide in _NARROWER:
        if 0 < given.get(wide, 0) < given.get(narrow, 0) <= MAX_COUNT:
            yield FieldError(
                f"{pointer}/{narrow}", f"must be at most {wide} ({given[wide]}), which is reached before it"
            )
