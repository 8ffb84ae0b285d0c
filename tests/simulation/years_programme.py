"""The programme of the two years: everything a programme may have, in a city whose clocks change, with points so
short-lived that most of them are seen to lapse. `SECOND` comes into force in the middle.
"""

from __future__ import annotations

from datetime import date

ZONE = "America/New_York"
FIRST_DAY, LAST_DAY = date(2024, 1, 31), date(2026, 3, 2)
REVISED_ON = date(2025, 2, 1)

STORES = ("soho", "harlem", "queens")
CHANNELS = ("store", "web", "app")
SEGMENTS = ("sleeping", "staff")
CATALOGUE = (
    ("novel", "books", 1_400), ("atlas", "books", 6_500), ("comic", "books", 700),
    ("record", "music", 2_400), ("ticket", "music", 5_200),
    ("mug", "gifts", 900), ("card", "gift-card", 2_500), ("lamp", "gifts", 8_900),
)  # fmt: skip
"""(sku, category, minor units of one piece)."""
HELD = {"tote": 0, "lamp": 500, "print": 0}
"""Rewards that are held, and the money each costs beside its points."""
COLLECTED = ("print",)
CLAIMED = ("five-off", "coffee", "trees", "star-coffee")
DRAW = "summer-draw"

_COMMON = """
schema = 2
name = "two-years"
zone = "America/New_York"
money = "USD"
brand = { name = { en = "Two Years" } }
points = { currency = "points", one = { en = "point" }, other = { en = "points" } }

[[currencies]]
code = "stars"
one = { en = "star" }
other = { en = "stars" }
points_per_unit = "0.1"
expiry = { mode = "activity", months = 3, grace_days = 5 }

[earn.channels]
store = {}
web = { coefficient = "1.5", vest_days = 14 }
app = { vest_days = 3 }

[[earn.rules]]
id = "gift-cards"
name = { en = "Gift cards" }
category = "gift-card"
points_per_unit = "0"

[[earn.rules]]
id = "comics"
name = { en = "Comics" }
sku = "comic"
points_per_unit = "3.3"

[earn.actions]
check_in = { points = 3, limits = { per_member_day = 1 } }
review = { points = 7, limits = { per_member_day = 2, per_member = 20 } }
share = { points = 2, limits = { per_member_day = 1, per_day = 4 } }

[worth]
points = 5
amount = 5
cap = "0.4"

[qualification]
months = 3
starts = 2
landing = "one"

[[tiers]]
key = "paper"
name = { en = "Paper" }
threshold = 0

[[tiers]]
key = "cloth"
name = { en = "Cloth" }
threshold = 90
earn_bonus = "0.1"

[[tiers]]
key = "leather"
name = { en = "Leather" }
threshold = 260
earn_bonus = "0.25"
lifetime = 4_000

[[rewards]]
id = "tote"
name = { en = "Tote" }
stub = { en = "T" }
points = 60

[[rewards]]
id = "lamp"
name = { en = "Lamp" }
stub = { en = "L" }
points = 90
money = 500
stock = 150
per_member = 2

[[rewards]]
id = "print"
name = { en = "Print" }
stub = { en = "P" }
points = 40
collect_days = 5
tiers = ["cloth", "leather"]

[[rewards]]
id = "five-off"
name = { en = "Five off" }
stub = { en = "$5" }
kind = "voucher"
points = 120
value = 100
valid_days = 45
stock = 800

[[rewards]]
id = "coffee"
name = { en = "Coffees" }
stub = { en = "C" }
kind = "voucher"
points = 30
uses = 2
valid_days = 30

[[rewards]]
id = "star-coffee"
name = { en = "A coffee for stars" }
stub = { en = "C" }
kind = "voucher"
currency = "stars"
points = 6
per_member = 9

[[rewards]]
id = "trees"
name = { en = "Trees" }
stub = { en = "t" }
kind = "charity"
points = 25

[[rewards]]
id = "summer-draw"
name = { en = "Summer draw" }
stub = { en = "?" }
kind = "draw"
points = 10
closes = 2025-08-31T20:00:00
prizes = [{ points = 500 }, { reward = "coffee", count = 5 }]

[[member_prices]]
sku = "novel"
amount = 1_300

[[segments]]
id = "sleeping"
name = { en = "Sleeping" }

[[segments]]
id = "staff"
name = { en = "Staff" }

[[stores]]
id = "soho"
name = { en = "SoHo" }

[[stores]]
id = "harlem"
name = { en = "Harlem" }

[[stores]]
id = "queens"
name = { en = "Queens" }

[[campaigns]]
id = "welcome"
name = { en = "Welcome" }
bonus = 25
first_purchase = true

[[campaigns]]
id = "birthday"
name = { en = "Birthday" }
multiplier = "2"
birthday = "week"
limits = { per_member_day = 1 }

[[campaigns]]
id = "night"
name = { en = "Nights" }
multiplier = "1.5"
hours = [{ start = 22:00:00, end = 00:00:00 }, { start = 00:00:00, end = 03:00:00 }]
qualifies = true

[[campaigns]]
id = "sunday-books"
name = { en = "Books on Sundays" }
multiplier = "2"
weekdays = ["sun"]
categories = ["books"]
channels = ["store", "app"]

[[campaigns]]
id = "records"
name = { en = "Records" }
bonus = 8
skus = ["record", "ticket"]
min_spend = 2_400
limits = { per_day = 6 }

[[campaigns]]
id = "uptown"
name = { en = "Uptown" }
multiplier = "1.25"
stores = ["harlem", "queens"]
tiers = ["cloth", "leather"]

[[campaigns]]
id = "wake-up"
name = { en = "Good to see you" }
bonus = 15
segments = ["sleeping"]
min_spend = 1_000
limits = { per_member = 3, in_all = 1_500 }

[[campaigns]]
id = "stars"
name = { en = "Stars at weekends" }
bonus = 2
currency = "stars"
weekdays = ["sat", "sun"]
min_spend = 2_000

[[campaigns]]
id = "leap-day"
name = { en = "Leap day" }
multiplier = "4"
first_day = 2024-02-29
last_day = 2024-02-29
alone = true

[[campaigns]]
id = "autumn"
name = { en = "The hour that comes twice" }
bonus = 4
hours = [{ start = 01:00:00, end = 02:00:00 }]
limits = { per_member_day = 2 }
"""

FIRST = (
    _COMMON
    + """
[expiry]
months = 6
grace_days = 10

[earn]
points_per_unit = "1"
rounding = "half_even"
"""
)

SECOND = (
    _COMMON.replace("alone = true\n", "").replace('earn_bonus = "0.1"', 'earn_bonus = "0.15"')
    + """
[expiry]
mode = "fixed"
months = 4
on = "02-29"
grace_days = 20

[returns]
negative = "floor"

[earn]
points_per_unit = "1.1"
rounding = "down"
stacking = "best"

[[campaigns]]
id = "second-year"
name = { en = "The second year" }
multiplier = "1.1"
first_day = 2025-02-01
"""
)
