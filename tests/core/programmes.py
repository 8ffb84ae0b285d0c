"""Small programmes with round numbers, so that a case's arithmetic can be done by eye."""

from __future__ import annotations

import json
from collections.abc import Iterator

from core.programme.document import Programme, Published
from core.programme.validation import parse
from tests.core.naive.rules import Campaign, Caps, Dates, Reward, Rules

PLAIN = """
schema = 1
name = "plain"
zone = "{zone}"
money = "{money}"
brand = {{ name = {{ en = "Plain" }} }}
points = {{ currency = "points", one = {{ en = "point" }}, other = {{ en = "points" }} }}
earn = {{ points_per_unit = "{rate}", rounding = "{rounding}", channels = {{ store = {{}}, market = {{ coefficient = "0.8" }} }} }}
expiry = {{ months = {months}, grace_days = {grace} }}
limits = {{ hold_minutes = 15, replay_window_days = 30, clock_skew_seconds = 300 }}

[[tiers]]
key = "base"
name = {{ en = "Base" }}
threshold = 0

[[tiers]]
key = "silver"
name = {{ en = "Silver" }}
threshold = 100
earn_bonus = "0.25"

[[tiers]]
key = "gold"
name = {{ en = "Gold" }}
threshold = 300
earn_bonus = "0.5"

[[rewards]]
id = "small"
name = {{ en = "Small" }}
stub = {{ en = "S" }}
points = 10

[[rewards]]
id = "large"
name = {{ en = "Large" }}
stub = {{ en = "L" }}
points = 100
"""  # noqa: E501 - TOML's inline tables stay on a line


def document(
    *,
    zone: str = "UTC",
    money: str = "USD",
    rate: str = "1",
    rounding: str = "down",
    months: int = 24,
    grace: int = 30,
) -> str:
    """The TOML of a programme: tiers at 100 and 300, rewards for 10 and 100 points, channels store and market (0.8)."""
    return PLAIN.format(zone=zone, money=money, rate=rate, rounding=rounding, months=months, grace=grace)


def programme(
    *,
    zone: str = "UTC",
    money: str = "USD",
    rate: str = "1",
    rounding: str = "down",
    months: int = 24,
    grace: int = 30,
) -> Programme:
    return parse(document(zone=zone, money=money, rate=rate, rounding=rounding, months=months, grace=grace))


def published(rules: Programme) -> Published:
    return Published(2, rules)


def written(rules: Rules) -> str:
    """The naive ledger's rules as an owner would write them: the TOML of a whole programme."""
    return "\n".join(_document(rules))


def _document(rules: Rules) -> Iterator[str]:
    yield f'schema = 2\nname = "written"\nzone = "{rules.zone}"\nmoney = "USD"'
    yield 'brand = { name = { en = "Written" } }'
    yield 'points = { currency = "points", one = { en = "point" }, other = { en = "points" } }'
    yield f"expiry = {_dates(rules.dates)}"
    yield f'returns = {{ negative = "{rules.negative}" }}'
    yield (
        f'qualification = {{ measure = "{rules.measure}", months = {rules.months}, starts = {rules.starts}, '
        f'landing = "{rules.landing}", min_visit = {rules.min_visit} }}'
    )
    yield f"limits = {{ hold_minutes = {rules.hold_minutes}, replay_window_days = {rules.replay_days} }}"
    if rules.worth:
        yield f'worth = {{ points = {rules.worth.points}, amount = {rules.worth.amount}, cap = "{rules.worth.cap}" }}'
    channels = {
        name: {"coefficient": one.coefficient, "vest_days": one.vest_days} for name, one in rules.channels.items()
    }
    actions = {kind: {"points": points, "limits": _caps(caps)} for kind, (points, caps) in rules.actions.items()}
    yield f'[earn]\npoints_per_unit = "{rules.rate}"\nrounding = "{rules.rounding}"\nstacking = "{rules.stacking}"'
    yield f"on_points_part = {_inline(rules.on_points_part)}\nchannels = {_inline(channels)}"
    yield f"actions = {_inline(actions)}"
    for rate in rules.rates:
        named = {key: value for key, value in (("sku", rate.sku), ("category", rate.category)) if value}
        yield from _table("earn.rules", {"id": rate.id, "name": _text(rate.id), "points_per_unit": rate.rate, **named})
    for code, (rate, dates) in rules.others.items():
        table = {"code": code, "one": _text(code), "other": _text(code), "points_per_unit": rate}
        yield from _table("currencies", table)
        yield f"expiry = {_dates(dates)}"
    for tier in rules.tiers:
        table = {"key": tier.key, "name": _text(tier.key), "threshold": tier.threshold, "earn_bonus": tier.bonus}
        yield from _table("tiers", {**table, "lifetime": tier.lifetime})
    for store in rules.stores:
        yield from _table("stores", {"id": store, "name": _text(store)})
    for segment in rules.segments:
        yield from _table("segments", {"id": segment, "name": _text(segment)})
    for campaign in rules.campaigns:
        yield from _campaign(campaign)
    for reward in rules.rewards:
        yield from _reward(reward)


def _campaign(campaign: Campaign) -> Iterator[str]:
    given = {key: value for key, value in vars(campaign).items() if value and key not in ("caps", "hours")}
    days = {key: given.pop(key) for key in ("first_day", "last_day") if key in given}
    yield from _table("campaigns", {**given, "name": _text(campaign.id), "limits": _caps(campaign.caps)})
    yield from (f"{key} = {day}" for key, day in days.items())
    if campaign.hours:
        yield f"hours = [{', '.join(f'{{ start = {start}, end = {end} }}' for start, end in campaign.hours)}]"


def _reward(reward: Reward) -> Iterator[str]:
    """What only some kinds may have is left out where it is as it would be."""
    usual = vars(Reward("", 0))
    given = {key: value for key, value in vars(reward).items() if value != usual[key] or key in ("id", "points")}
    times = {key: given.pop(key) for key in ("opens", "closes") if key in given}
    yield from _table("rewards", {**given, "name": _text(reward.id), "stub": _text("S")})
    yield from (f"{key} = {at}" for key, at in times.items())
    if reward.kind == "draw":
        yield "prizes = [{ points = 10 }]"


def _table(name: str, values: dict[str, object]) -> Iterator[str]:
    yield f"[[{name}]]"
    yield from (f"{key} = {_inline(value)}" for key, value in values.items())


def _dates(dates: Dates) -> str:
    values = {key: value for key, value in vars(dates).items() if key != "on" or dates.mode == "fixed"}
    return _inline(values)


def _caps(caps: Caps) -> dict[str, object]:
    return {key: value for key, value in vars(caps).items() if value is not None}


def _text(words: str) -> dict[str, object]:
    return {"en": words}


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
