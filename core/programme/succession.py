"""What the next revision must leave as it was, since members already have something by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from core.errors import FieldError
from core.programme.document import Programme
from core.programme.spend import Reward
from core.programme.validation import refuse


def publishable(before: Programme, after: Programme) -> list[FieldError]:
    """Why `after` cannot follow `before`; empty where it can. Pointers are into `after`."""
    return list(_faults(before, after))


def require_publishable(before: Programme, after: Programme) -> None:
    """Raises `InvalidInput` as `validation.parse` does."""
    refuse(_faults(before, after))


def _faults(before: Programme, after: Programme) -> Iterator[FieldError]:
    if after.money != before.money:
        yield FieldError("/money", f"must stay {before.money}: purchases are recorded in it")
    for name, why in (
        ("measure", "what members have towards a tier is counted in it"),
        ("months", "what members have towards a tier is kept by period"),
        ("starts", "what members have towards a tier is kept by period"),
    ):
        was = getattr(before.qualification, name)
        if getattr(after.qualification, name) != was:
            yield FieldError(f"/qualification/{name}", f"must stay {was}: {why}")
    for code in before.currency_codes:
        if code not in after.currency_codes:
            detail = f"must keep {code!r}, since members have some: set its points_per_unit to 0 and end its campaigns"
            yield FieldError("/currencies", detail)
    for reward in before.rewards:
        if reward.kind in ("voucher", "draw"):
            yield from _reward_faults(reward, before, after)


def _reward_faults(was: Reward, before: Programme, after: Programme) -> Iterator[FieldError]:
    """A voucher or a ticket that a member has is read by its reward, and a draw's commitment stands on its prizes."""
    place = next((i for i, reward in enumerate(after.rewards) if reward.id == was.id), None)
    if place is None:
        yield FieldError("/rewards", f"must keep {was.id!r}, since members may have it: set closes to end its sale")
        return
    now, pointer = after.rewards[place], f"/rewards/{place}"
    if now.kind != was.kind:
        yield FieldError(
            f"{pointer}/kind", f"must stay {was.kind}, since members may have it: give a new reward its own id"
        )
    elif was.kind == "voucher" and now.value != was.value:
        yield FieldError(
            f"{pointer}/value", f"must stay {was.value}, since members may have it: give a new one its own id"
        )
    elif was.kind == "draw":
        if _closes(now, after) != _closes(was, before):
            yield FieldError(
                f"{pointer}/closes", f"must stay {_closes(was, before)}, by which tickets were sold (a new zone moves a "
                "local time: give it an offset)"
            )  # fmt: skip
        if now.prizes != was.prizes:
            yield FieldError(f"{pointer}/prizes", "must stay as they were published: tickets were sold by them")


def _closes(reward: Reward, programme: Programme) -> datetime:
    assert reward.closes is not None, "a draw has it"
    local = reward.closes if reward.closes.tzinfo else reward.closes.replace(tzinfo=programme.tzinfo)
    return local.astimezone(UTC)
