"""Documents made of a whole small programme and a fragment of TOML that changes it."""

from __future__ import annotations

import tomllib
from typing import Any

from core.programme.document import Programme
from core.programme.validation import from_builtins

WHOLE = """
schema = 2
name = "whole"
zone = "Europe/Berlin"
money = "EUR"

[brand]
name = { en = "Whole" }

[points]
currency = "points"
one = { en = "point" }
other = { en = "points" }

[earn]
points_per_unit = "1"
channels = { store = {}, web = {}, market = { coefficient = "0.8" }, dead = { coefficient = "0" } }

[expiry]
months = 24

[[tiers]]
key = "base"
name = { en = "Base" }
threshold = 0

[[tiers]]
key = "gold"
name = { en = "Gold" }
threshold = 1000
earn_bonus = "0.5"

[[currencies]]
code = "stars"
one = { en = "star" }
other = { en = "stars" }
points_per_unit = "0.1"
expiry = { months = 12 }

[[currencies]]
code = "badges"
one = { en = "badge" }
other = { en = "badges" }
expiry = { months = 0 }

[[rewards]]
id = "five"
name = { en = "5 off" }
stub = { en = "5" }
points = 500
kind = "voucher"
value = 500

[[rewards]]
id = "mug"
name = { en = "A mug" }
stub = { en = "Mug" }
points = 300

[[stores]]
id = "mitte"
name = { en = "Mitte" }

[[stores]]
id = "online"
name = { en = "Online" }

[[segments]]
id = "sleeping"
name = { en = "Sleeping" }
"""

EVERYTHING = """
[brand]
website = "whole.example"
terms = { en = "Terms", zh-Hant = "條款" }

[earn]
rounding = "down"
stacking = "add"
on_points_part = true
channels = { store = { coefficient = "1.5", vest_days = 14 } }

[[earn.rules]]
id = "vinyl"
name = { en = "Vinyl" }
category = "vinyl"
points_per_unit = "2.5"

[[earn.rules]]
id = "gift"
name = { en = "Gift cards" }
sku = "GIFT"
points_per_unit = "0"

[earn.actions.review]
points = 20
limits = { per_member = 50, per_member_day = 1, per_day = 100, in_all = 1000 }

[[campaigns]]
id = "advent"
name = { en = "Advent" }
multiplier = "2"
first_day = 2026-11-27
last_day = 2026-12-24
weekdays = ["mon", "sat"]
hours = [{ start = 08:00:00, end = 12:00:00 }, { start = 20:00:00, end = 00:00:00 }]
stores = ["mitte"]
channels = ["store"]
segments = ["sleeping"]
tiers = ["gold"]
categories = ["vinyl"]
skus = ["CD"]
birthday = "month"
min_spend = 1000
qualifies = true
limits = { per_member_day = 1 }

[[campaigns]]
id = "hello"
name = { en = "Hello" }
bonus = 3
currency = "badges"
first_purchase = true
alone = true

[expiry]
mode = "fixed"
on = "02-29"
grace_days = 10
warn_days = 60
again_days = 7

[worth]
points = 100
amount = 50
cap = "0.5"

[qualification]
measure = "points"
months = 3
starts = 2
landing = "one"
notice_days = 30

[returns]
negative = "floor"

[[tiers]]
key = "base"
name = { en = "Base" }
threshold = 0

[[tiers]]
key = "gold"
name = { en = "Gold" }
threshold = 1000
earn_bonus = "0.5"
lifetime = 5000
benefits = [{ en = "Tea" }]
card = { background = "#052430", foreground = "#ffffff", label = "#c0e0f0" }

[[rewards]]
id = "five"
name = { en = "5 off" }
stub = { en = "5" }
terms = { en = "Once" }
points = 500
kind = "voucher"
value = 250
uses = 2
valid_days = 30
tiers = ["gold"]

[[rewards]]
id = "mug"
name = { en = "A mug" }
stub = { en = "Mug" }
points = 3
currency = "stars"
money = 200
stock = 30
per_member = 2
opens = 2026-11-23T10:00:00
closes = 2026-11-24T10:00:00+01:00
collect_days = 7

[[rewards]]
id = "draw"
name = { en = "A draw" }
stub = { en = "!" }
points = 5
kind = "draw"
closes = 2026-12-24T18:00:00
stock = 1000
prizes = [{ reward = "five", count = 3 }, { points = 100 }]

[[member_prices]]
sku = "CD"
amount = 900
tiers = ["gold"]

[[stores]]
id = "mitte"
name = { en = "Mitte" }

[[stores]]
id = "online"
name = { en = "Online" }
collects = false

[[products]]
sku = "CD"
one = { en = "CD" }
other = { en = "CDs" }

[limits]
hold_minutes = 20
replay_window_days = 20
receipt_live_days = 20
clock_skew_seconds = 20
kiosk_clears_seconds = 20
"""
"""A value for every setting that there is."""


def whole(fragment: str = "") -> dict[str, Any]:
    """`WHOLE` with a fragment laid over it: tables are joined key by key, lists and values take the place of others."""
    raw = tomllib.loads(WHOLE)
    lay(raw, tomllib.loads(fragment))
    return raw


def read(fragment: str = "") -> Programme:
    return from_builtins(whole(fragment))


def lay(under: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            lay(under[key], value)
        else:
            under[key] = value


# Pieces that fragments are put together of: each is whole but for what a case adds.
CAMPAIGN = '[[campaigns]]\nid = "c"\nname = { en = "C" }\n'
DOUBLE = CAMPAIGN + 'multiplier = "2"\n'
REWARD = '[[rewards]]\nid = "r"\nname = { en = "R" }\nstub = { en = "R" }\n'
GOODS = REWARD + "points = 10\n"
VOUCHER = GOODS + 'kind = "voucher"\n'
DRAW = GOODS + 'kind = "draw"\ncloses = 2026-12-24T18:00:00\nprizes = [{ points = 100 }]\n'
ONE = '[[rewards]]\nid = "v"\nname = { en = "V" }\nstub = { en = "V" }\npoints = 9\nkind = "voucher"\n'
TIERS = '[[tiers]]\nkey = "a"\nname = { en = "A" }\nthreshold = 0\n'
SILVER = TIERS + '[[tiers]]\nkey = "b"\nname = { en = "B" }\nthreshold = 10\n'
RULE = '[[earn.rules]]\nid = "r"\nname = { en = "R" }\npoints_per_unit = "2"\n'
STAR = '[[currencies]]\none = { en = "s" }\nother = { en = "ss" }\nexpiry = { months = 0 }\n'
HUGE = "0x" + "f" * 6000
"""More digits than Python writes out."""


def ladder(lower: str, upper: str) -> str:
    """Three tiers, at 0, 10 and 20, with a setting more for each of the upper two."""
    return SILVER + lower + "\n" + SILVER[len(TIERS) :].replace('"b"', '"c"').replace("10", "20") + upper


SALE = DOUBLE + "first_day = 2026-11-23\nlast_day = 2026-11-25\n"  # Monday to Wednesday
ALONE = DOUBLE + "alone = true\n"
ALSO = ALONE.replace('"c"', '"d"').replace('"2"', '"3"')


def hours(*spans: str) -> str:
    """Each from a full hour to another, as `10-11`."""
    ends = [span.split("-") for span in spans]
    return f"hours = [{', '.join(f'{{ start = {start}:00:00, end = {end}:00:00 }}' for start, end in ends)}]\n"


WORTH = "[worth]\npoints = 100\namount = 100\n"
PRICE = '[[member_prices]]\nsku = "x"\namount = 5\n'


def twice(one: str, other: str, stacking: str = "add") -> str:
    """Two campaigns that each double: either gives back three quarters of what points pay, both together 105 of 100."""
    earn = f'[earn]\non_points_part = true\npoints_per_unit = "30"\nstacking = "{stacking}"\n'
    return earn + DOUBLE + one + "\n" + DOUBLE.replace('"c"', '"d"') + other
