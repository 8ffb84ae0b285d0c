"""What is refused of a programme document, subject by subject: a fragment laid over a whole one, the one place that is
named, and what it says. What is next to a refusal and is read stands in `test_programme_sound`."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from core.programme.validation import from_builtins, parse, stored
from tests.core.fragments import (
    ALONE,
    ALSO,
    CAMPAIGN,
    DOUBLE,
    DRAW,
    GOODS,
    HUGE,
    ONE,
    PRICE,
    REWARD,
    RULE,
    SALE,
    SILVER,
    STAR,
    TIERS,
    VOUCHER,
    WHOLE,
    WORTH,
    hours,
    ladder,
    read,
    twice,
    whole,
)

Case = tuple[str, str, str]

SHAPE: list[Case] = [
    ("money = 1", "/money", "must be text in quotes"),
    ("[earn]\npoints_per_unit = 1", "/earn/points_per_unit", "in quotes"),
    ("[expiry]\nmonths = 1.5", "/expiry/months", "a whole number"),
    ("[expiry]\nmonths = true", "/expiry/months", "a whole number"),
    ('[expiry]\nmode = "never"', "/expiry/mode", "one of rolling, fixed, activity"),
    ("[earn]\non_points_part = 1", "/earn/on_points_part", "true or false"),
    ("[earn]\nchannels = { store = 1 }", "/earn/channels/store", "a table"),
    ('[earn]\nchannels = { "a/b~c" = 1 }', "/earn/channels/a~1b~0c", "a table"),
    ("tiers = 3", "/tiers", "a list"),
    ("brand = 3", "/brand", "a table"),
    ("[earn.actions]\nsleep = { points = 1, limits = { per_member = 1 } }", "/earn/actions/sleep", "check_in"),
    ("[earn.actions.review]\nlimits = { per_member = 1 }", "/earn/actions/review", "needs `points`"),
    (DOUBLE + 'weekdays = ["mon", "tues"]', "/campaigns/0/weekdays/1", "one of mon, tue"),
    (DOUBLE + "first_day = 2026-01-01T00:00:00", "/campaigns/0/first_day", "a day such as"),
    (DOUBLE + "hours = [{ start = 9, end = 10:00:00 }]", "/campaigns/0/hours/0/start", "a time of day"),
    (GOODS + "opens = 2026-01-01", "/rewards/0/opens", "a day and a time"),
    (GOODS + "stock = 1.0", "/rewards/0/stock", "a whole number"),
    (GOODS + "pionts = 1", "/rewards/0", "unknown field `pionts`: it may have id,"),
    (GOODS + "colect_days = 1", "/rewards/0", "did you mean `collect_days`?"),
    (REWARD + "pionts = 1", "/rewards/0", "did you mean `points`?"),
    ("[brand]\nname = { en = 1 }", "/brand/name/en", "text in quotes"),
    ("[qualification]\nmonths = 5", "/qualification/months", "one of 1, 2, 3, 4, 6, 12"),
    ('[returns]\nnegative = "no"', "/returns/negative", "one of debt, floor"),
]

HEAD: list[Case] = [
    ("schema = 0", "/schema", "reads schema 1 and 2"),
    (f"schema = {HUGE}", "/schema", "reads schema 1 and 2"),
    ('name = ""', "/name", "must not be empty"),
    ('name = "a/b"', "/name", "without /"),
    ('zone = "Europe"', "/zone", "such as Asia/Hong_Kong"),
    (f'zone = "{"a" * 999}"', "/zone", "IANA"),
    ('zone = "a\\u0000"', "/zone", "IANA"),
    ('money = "points"', "/money", "such as USD"),
    ('[points]\ncurrency = "a/b"', "/points/currency", "without /"),
    ('[brand]\nwebsite = "x\\u0000y"', "/brand/website", "printable"),
    ('[brand]\nname = { en = " " }', "/brand/name", "English wording"),
    ('[brand]\nterms = { zh-Hant = "x" }', "/brand/terms", "English wording"),
    ('[brand]\nterms = { en = "x", zh_Hant = "y" }', "/brand/terms/zh_Hant", "locale such as en or zh-Hant"),
    ('[brand]\nname = { en = "x\\u0000" }', "/brand/name/en", "can be shown"),
    (f'[brand]\nname = {{ en = "{"x" * 2001}" }}', "/brand/name/en", "at most 2000"),
    ("[points]\none = { }\n[points.other]\nen = ''", "/points/other", "English wording"),
    (STAR + 'code = "points"', "/currencies/0/code", "choose another"),
    (STAR + 'code = ""', "/currencies/0/code", "must not be empty"),
    (STAR + 'code = "s"\n' + STAR + 'code = "s"', "/currencies/1/code", "given twice"),
    (STAR + 'code = "s"\npoints_per_unit = "-1"', "/currencies/0/points_per_unit", "a decimal number"),
    (STAR.replace("months = 0", "months = -1") + 'code = "s"', "/currencies/0/expiry/months", "0 (never) to 1200"),
    ("[[stores]]\nid = 'a'\nname = { }", "/stores/0/name", "English wording"),
    ("[[stores]]\nid = ' a'\nname = { en = 'A' }", "/stores/0/id", "spaces at its ends"),
    ("[[segments]]\nid = 'a\\b/'\nname = { en = 'A' }", "/segments/0/id", "without /"),
    ("[[segments]]\nid = 'a'\nname = { en = 'A' }\n" * 2, "/segments/1/id", "given twice"),
    (f"[[products]]\nsku = '{'x' * 201}'\none = {{ en = 'a' }}\nother = {{ en = 'b' }}", "/products/0/sku", "200"),
    ("[[products]]\nsku = 'x'\none = { en = 'a' }\nother = { en = 'b' }\n" * 2, "/products/1/sku", "given twice"),
    ("[limits]\nhold_minutes = 600_000", "/limits/hold_minutes", "1 to"),
    (f"[limits]\nreplay_window_days = {HUGE}", "/limits/replay_window_days", "1 to 3660"),
]

EXPIRY: list[Case] = [
    ('[expiry]\nmode = "fixed"\nmonths = 0', "/expiry/months", 'at least 1 where mode is "fixed"'),
    ('[expiry]\nmode = "activity"\nmonths = 0', "/expiry/months", "0 is never"),
    ('[expiry]\nmode = "fixed"\non = "02-30"', "/expiry/on", "a month and a day"),
    ('[expiry]\nmode = "fixed"\non = "13-01"', "/expiry/on", "a month and a day"),
    ('[expiry]\nmode = "fixed"\non = "2-3"', "/expiry/on", "a month and a day"),
    ('[expiry]\nmode = "fixed"\non = "nan"', "/expiry/on", "a month and a day"),
    ('[expiry]\non = "06-30"', "/expiry/on", 'unless mode is "fixed"'),
    ("[expiry]\nwarn_days = 7", "/expiry/again_days", "at most warn_days (7)"),
    ("[expiry]\nwarn_days = -1", "/expiry/warn_days", "0 to"),
    ("[expiry]\nagain_days = -1", "/expiry/again_days", "0 to"),
    (f"[expiry]\nwarn_days = {HUGE}", "/expiry/warn_days", "0 to"),
    (f"[expiry]\ngrace_days = {HUGE}", "/expiry/grace_days", "1 to"),
]

TIER: list[Case] = [
    ("[qualification]\nstarts = 0", "/qualification/starts", "1 to 12: it is a month"),
    ("[qualification]\nstarts = 13", "/qualification/starts", "1 to 12"),
    ("[qualification]\nnotice_days = -1", "/qualification/notice_days", "0 to 366"),
    ('[qualification]\nmeasure = "visits"\nmin_visit = 0', "/qualification/min_visit", "1 to"),
    ("[qualification]\nmin_visit = 500", "/qualification/min_visit", 'unless measure is "visits"'),
    (TIERS + "lifetime = 5", "/tiers/0/lifetime", "must be left out"),
    (ladder("lifetime = 90", "lifetime = 90"), "/tiers/2/lifetime", "above the lifetime of a tier below it (90)"),
    (ladder("lifetime = 90", "lifetime = -1"), "/tiers/2/lifetime", "0 to"),
    (ladder("", "lifetime = 19"), "/tiers/2/lifetime", "at least the tier's threshold (20)"),
    (SILVER.replace("10", HUGE), "/tiers/1/threshold", "at most"),
    (SILVER.replace("10", "-10"), "/tiers/1/threshold", "at most"),
    (SILVER + "benefits = [{ en = 'x' }, { }]", "/tiers/1/benefits/1", "English wording"),
    (SILVER + 'earn_bonus = "1e3"', "/tiers/1/earn_bonus", "a decimal number"),
    (SILVER + 'card = { background = "red", foreground = "#ffffff", label = "#ffffff" }', "/tiers/1/card/background",
     "such as #052430"),
    (SILVER + 'card = { background = "#000000", foreground = "#111111", label = "#ffffff" }', "/tiers/1/card/foreground",
     "cannot be read"),
    (SILVER.replace('"b"', '"a"'), "/tiers/1/key", "given twice"),
    (SILVER.replace('"b"', '"a/b"'), "/tiers/1/key", "without /"),
]  # fmt: skip

EARN: list[Case] = [
    ('[earn]\npoints_per_unit = "1/3"', "/earn/points_per_unit", "a decimal number"),
    ('[earn]\npoints_per_unit = "1e999999999"', "/earn/points_per_unit", "a decimal number"),
    ('[earn]\npoints_per_unit = "NaN"', "/earn/points_per_unit", "a decimal number"),
    ('[earn]\npoints_per_unit = "٣"', "/earn/points_per_unit", "a decimal number"),
    ("[earn.channels.web]\nvest_days = 367", "/earn/channels/web/vest_days", "0 to 366"),
    ("[earn.channels.web]\nvest_days = -1", "/earn/channels/web/vest_days", "0 to 366"),
    ('[earn.channels."a/b"]', "/earn/channels/a~1b", "without /"),
    ('[earn.channels.""]', "/earn/channels/", "must not be empty"),
    (RULE, "/earn/rules/0", "either sku or category"),
    (RULE + 'sku = "a"\ncategory = "b"', "/earn/rules/0", "either sku or category"),
    (RULE + 'sku = "a"\n' + RULE.replace('"r"', '"s"') + 'sku = "a"', "/earn/rules/1/sku", "given twice"),
    (RULE + 'category = "a"\n' + RULE.replace('"r"', '"s"') + 'category = "a"', "/earn/rules/1/category", "twice"),
    (RULE + 'sku = "a"\n' + RULE + 'sku = "b"', "/earn/rules/1/id", "given twice"),
    (RULE.replace('"r"', '""') + 'sku = "a"', "/earn/rules/0/id", "must not be empty"),
    (RULE.replace('"2"', '"two"') + 'sku = "a"', "/earn/rules/0/points_per_unit", "a decimal number"),
    (RULE + 'category = " "', "/earn/rules/0/category", "must not be empty"),
    ("[earn.actions.review]\npoints = 5", "/earn/actions/review/limits", "without end: needs per_member_day"),
    ("[earn.actions.review]\npoints = 5\nlimits = { in_all = 5 }", "/earn/actions/review/limits", "per_member_day"),
    ("[earn.actions.review]\npoints = 0\nlimits = { per_member = 5 }", "/earn/actions/review/points", "1 to"),
    ("[earn.actions.share]\npoints = 5\nlimits = { per_member = 0 }", "/earn/actions/share/limits/per_member",
     "leave it out"),
]  # fmt: skip

CAMPAIGNS: list[Case] = [
    (CAMPAIGN, "/campaigns/0", "either a multiplier or a bonus"),
    (DOUBLE + "bonus = 5", "/campaigns/0", "either a multiplier or a bonus"),
    (CAMPAIGN + 'multiplier = "1"', "/campaigns/0/multiplier", "must be above 1"),
    (CAMPAIGN + 'multiplier = "0.5"', "/campaigns/0/multiplier", "must be above 1"),
    (CAMPAIGN + 'multiplier = "x2"', "/campaigns/0/multiplier", "a decimal number"),
    (CAMPAIGN + "bonus = -5\nmin_spend = 5", "/campaigns/0/bonus", "1 to"),
    (CAMPAIGN + "bonus = 5", "/campaigns/0/limits", "without end, on slips of nothing too"),
    (CAMPAIGN + "bonus = 5\nlimits = { in_all = 5 }", "/campaigns/0/limits", "or min_spend"),
    (CAMPAIGN + "bonus = 5\nlimits = { per_day = 5 }", "/campaigns/0/limits", "needs per_member_day"),
    (DOUBLE + 'currency = "moons"', "/campaigns/0/currency", "no currency 'moons': it has points, stars, badges"),
    (DOUBLE + 'currency = "badges"', "/campaigns/0/multiplier", "multiplies what earns nothing"),
    (DOUBLE + 'channels = ["dead"]', "/campaigns/0/multiplier", "multiplies what earns nothing"),
    (RULE.replace('"2"', '"0"') + 'category = "gift"\n' + DOUBLE + 'categories = ["gift"]', "/campaigns/0/multiplier",
     "earns nothing"),
    (RULE.replace('"2"', '"0"') + 'sku = "gift"\n' + DOUBLE + 'skus = ["gift"]', "/campaigns/0/multiplier",
     "earns nothing"),
    ('[earn]\npoints_per_unit = "0"\n' + DOUBLE, "/campaigns/0/multiplier", "earns nothing"),
    (DOUBLE + 'currency = "stars"\nqualifies = true', "/campaigns/0/qualifies", "says nothing"),
    ('[qualification]\nmeasure = "spend"\n' + DOUBLE + "qualifies = true", "/campaigns/0/qualifies", "says nothing"),
    (SALE.replace("-25", "-22"), "/campaigns/0/last_day", "must not be before first_day (2026-11-23)"),
    (SALE + 'weekdays = ["thu", "sun"]', "/campaigns/0/weekdays", "it never holds"),
    (SALE + 'weekdays = ["mon", "mon"]', "/campaigns/0/weekdays/1", "given twice"),
    (DOUBLE + "first_day = 0001-01-01", "/campaigns/0/first_day", "in the years 1970 to 2999"),
    (DOUBLE + "last_day = 9999-12-31", "/campaigns/0/last_day", "in the years"),
    (DOUBLE + "hours = [{ start = 10:00:00, end = 10:00:00 }]", "/campaigns/0/hours/0/end", "give two"),
    (DOUBLE + "hours = [{ start = 22:00:00, end = 02:00:00 }]", "/campaigns/0/hours/0/end", "through midnight give two"),
    (DOUBLE + "hours = [{ start = 10:00:00, end = 12:00:00 }, { start = 11:59:59, end = 13:00:00 }]",
     "/campaigns/0/hours/1", "overlaps"),
    (DOUBLE + "hours = [{ start = 20:00:00, end = 00:00:00 }, { start = 22:00:00, end = 23:00:00 }]",
     "/campaigns/0/hours/1", "overlaps"),
    (DOUBLE + 'hours = [{ start = "10:00:00Z", end = "12:00:00" }]', "/campaigns/0/hours/0/start", "without an offset"),
    (DOUBLE + 'stores = ["mitte", "moon"]', "/campaigns/0/stores/1", "no store 'moon': it has mitte, online"),
    (DOUBLE + 'stores = ["mitte", "mitte"]', "/campaigns/0/stores/1", "given twice"),
    (DOUBLE + 'channels = ["fax"]', "/campaigns/0/channels/0", "no channel 'fax'"),
    (DOUBLE + 'segments = ["rich"]', "/campaigns/0/segments/0", "no segment 'rich'"),
    (DOUBLE + 'tiers = ["base", "gold", "base"]', "/campaigns/0/tiers/2", "given twice"),
    (DOUBLE + 'tiers = ["silver"]', "/campaigns/0/tiers/0", "no tier 'silver': it has base, gold"),
    (DOUBLE + 'categories = ["a", "a"]', "/campaigns/0/categories/1", "given twice"),
    (DOUBLE + 'categories = [""]', "/campaigns/0/categories/0", "must not be empty"),
    (DOUBLE + 'skus = ["a", "a"]', "/campaigns/0/skus/1", "given twice"),
    (DOUBLE + "min_spend = -1", "/campaigns/0/min_spend", "0 to"),
    (DOUBLE + "min_spend = 1_000_000_000_001", "/campaigns/0/min_spend", "0 to"),
    (DOUBLE + "limits = { per_member = 0 }", "/campaigns/0/limits/per_member", "leave it out"),
    (DOUBLE + f"limits = {{ in_all = {HUGE} }}", "/campaigns/0/limits/in_all", "1 to"),
    (DOUBLE + "limits = { per_member = 2, per_member_day = 3 }", "/campaigns/0/limits/per_member_day",
     "at most per_member (2)"),
    (DOUBLE + "limits = { per_member = 3, in_all = 2 }", "/campaigns/0/limits/per_member", "at most in_all (2)"),
    (DOUBLE + "limits = { per_day = 3, in_all = 2 }", "/campaigns/0/limits/per_day", "at most in_all (2)"),
    (DOUBLE + "limits = { per_member_day = 3, per_day = 2 }", "/campaigns/0/limits/per_member_day",
     "at most per_day (2)"),
    (DOUBLE + DOUBLE, "/campaigns/1/id", "given twice"),
    (DOUBLE.replace('"c"', '"a/b"'), "/campaigns/0/id", "without /"),
    (DOUBLE.replace('en = "C"', ""), "/campaigns/0/name", "English wording"),
    ('[earn]\nstacking = "best"\n' + ALONE, "/campaigns/0/alone", 'where stacking is "best"'),
    (ALONE + ALSO, "/campaigns/1/alone", "same conditions as 'c'"),
    (ALONE + 'tiers = ["base", "gold"]\nlast_day = 2026-11-25\n' + ALSO
     + 'tiers = ["gold", "base"]\nfirst_day = 2026-11-25', "/campaigns/1/alone", "part their days"),
    (ALONE + hours("10-11", "12-13") + ALSO + hours("12-13", "10-11"), "/campaigns/1/alone", "same conditions as 'c'"),
]  # fmt: skip

REWARDS: list[Case] = [
    (GOODS + GOODS, "/rewards/1/id", "given twice"),
    (GOODS.replace('"r"', '"a/b"'), "/rewards/0/id", "without /"),
    (GOODS.replace('stub = { en = "R" }', 'stub = { en = "Reward" }'), "/rewards/0/stub", "at most 4 characters"),
    (REWARD + "points = -1", "/rewards/0/points", "0 to"),
    (REWARD + f"points = {HUGE}", "/rewards/0/points", "0 to"),
    (REWARD + 'points = 0\nkind = "voucher"', "/rewards/0/points", "unless per_member limits it"),
    (REWARD + 'points = 0\nkind = "charity"\nper_member = 1', "/rewards/0/points", "nothing to give"),
    (GOODS + f"value = {HUGE}", "/rewards/0/value", "0 to"),
    (GOODS + 'currency = "moons"', "/rewards/0/currency", "no currency 'moons'"),
    (GOODS + "money = -1", "/rewards/0/money", "0 to"),
    (VOUCHER + "money = 100", "/rewards/0/money", "must be left out: it is for goods and experience"),
    (GOODS + 'kind = "charity"\nmoney = 100', "/rewards/0/money", "must be left out"),
    (GOODS + 'kind = "charity"\nstock = 100', "/rewards/0/stock", "must be left out"),
    (GOODS + "stock = 0", "/rewards/0/stock", "leave it out"),
    (GOODS + "per_member = 0", "/rewards/0/per_member", "leave it out"),
    (GOODS + "stock = 2\nper_member = 3", "/rewards/0/per_member", "at most stock (2)"),
    (GOODS + "opens = 2026-11-23T10:00:00\ncloses = 2026-11-23T10:00:00", "/rewards/0/closes", "after opens"),
    (GOODS + "opens = 2026-11-23T10:00:00\ncloses = 2026-11-23T10:30:00+02:00", "/rewards/0/closes", "after opens"),
    (GOODS + "opens = 0001-01-01T00:00:00", "/rewards/0/opens", "in the years"),
    (GOODS + "closes = 9999-12-31T23:59:59-12:00", "/rewards/0/closes", "in the years"),
    (GOODS + 'tiers = ["silver"]', "/rewards/0/tiers/0", "no tier 'silver'"),
    (GOODS + 'tiers = ["gold", "gold"]', "/rewards/0/tiers/1", "given twice"),
    (GOODS + "uses = 2", "/rewards/0/uses", "it is for voucher"),
    (VOUCHER + "uses = 0", "/rewards/0/uses", "1 to"),
    (GOODS + "valid_days = 30", "/rewards/0/valid_days", "it is for voucher"),
    (VOUCHER + "valid_days = -1", "/rewards/0/valid_days", "0 to"),
    (VOUCHER + "collect_days = 3", "/rewards/0/collect_days", "it is for goods and experience"),
    (GOODS + "collect_days = 367", "/rewards/0/collect_days", "0 to 366"),
    (GOODS + "prizes = [{ points = 5 }]", "/rewards/0/prizes", "it is for draw"),
    (GOODS + 'kind = "draw"\ncloses = 2026-12-24T18:00:00', "/rewards/0/prizes", "at least one prize"),
    (GOODS + 'kind = "draw"\nprizes = [{ points = 5 }]', "/rewards/0/closes", "the winners are drawn then"),
    (DRAW.replace("points = 100", ""), "/rewards/0/prizes/0", "either a reward or points"),
    (DRAW.replace("points = 100", 'points = 100, reward = "r"'), "/rewards/0/prizes/0", "either a reward or points"),
    (DRAW.replace("points = 100", "points = -5"), "/rewards/0/prizes/0/points", "1 to"),
    (DRAW.replace("points = 100", 'reward = "moon"'), "/rewards/0/prizes/0/reward", "no reward 'moon'"),
    (
        DRAW.replace("points = 100", 'reward = "r"'),
        "/rewards/0/prizes/0/reward",
        "must be a voucher, and 'r' is of kind",
    ),
    (DRAW.replace("points = 100", "points = 100, count = 0"), "/rewards/0/prizes/0/count", "1 to"),
    (DRAW.replace("}]", ", count = 9_000 }, { points = 1, count = 9_000 }]"), "/rewards/0/prizes", "10000 winners"),
    (DRAW.replace("}]", ", count = 9 }]") + "stock = 8", "/rewards/0/stock", "at least the 9 prizes"),
]

SPEND: list[Case] = [
    ("[worth]\npoints = 0\namount = 10", "/worth/points", "1 to"),
    ("[worth]\npoints = 10\namount = 0", "/worth/amount", "1 to"),
    (f"[worth]\npoints = 10\namount = {HUGE}", "/worth/amount", "1 to"),
    (WORTH + 'cap = "0"', "/worth/cap", "above 0 and at most 1"),
    (WORTH + 'cap = "1.01"', "/worth/cap", "above 0 and at most 1"),
    (WORTH + 'cap = "30 %"', "/worth/cap", "a decimal number"),
    (PRICE.replace("5", "0"), "/member_prices/0/amount", "1 to"),
    (PRICE.replace('"x"', '""'), "/member_prices/0/sku", "must not be empty"),
    (PRICE + 'tiers = ["silver"]', "/member_prices/0/tiers/0", "no tier 'silver'"),
    (PRICE + PRICE, "/member_prices/1/tiers", "no tier in two"),
    (PRICE + 'tiers = ["gold"]\n' + PRICE, "/member_prices/1/tiers", "another price"),
    (PRICE + 'tiers = ["gold", "base"]\n' + PRICE + 'tiers = ["gold"]', "/member_prices/1/tiers", "another price"),
]

BACK = '[earn]\non_points_part = true\npoints_per_unit = "{}"\n[worth]\npoints = 10\namount = {}\n'


LOOPS: list[Case] = [
    (twice("", ""), "/earn/on_points_part", "worth 105 (channel store, tier gold, campaign c, campaign d)"),
    (twice('weekdays = ["mon", "tue"]', 'weekdays = ["tue"]'), "/earn/on_points_part", "worth 105"),
    (twice('skus = ["x"]', 'categories = ["y"]'), "/earn/on_points_part", "sku x, category y"),
    (twice("last_day = 2026-11-25", "first_day = 2026-11-25"), "/earn/on_points_part", "worth 105"),
    # 20 points a unit, a gold member half as many more, a point worth 10 cents: 100 comes back as 300.
    (BACK.format("20", 100), "/earn/on_points_part", "pay for 100 earn points worth 300"),
    (BACK.format("20", 100), "/earn/on_points_part", "channel store, tier gold"),
    # By the voucher of 500 for 500 points: 1.5 times the rate.
    ('[earn]\non_points_part = true\npoints_per_unit = "66.7"', "/earn/on_points_part", "worth 100.05"),
    ('[earn]\non_points_part = true\npoints_per_unit = "34"\n' + DOUBLE.replace("2", "2.5"), "/earn/on_points_part",
     "campaign c"),
    ('[earn]\non_points_part = true\npoints_per_unit = "34"\n' + DOUBLE.replace("2", "2.5")
     + "limits = { per_member_day = 1 }", "/earn/on_points_part", "campaign c"),
    ('[earn]\non_points_part = true\n[earn.channels.tv]\ncoefficient = "70"', "/earn/on_points_part", "channel tv"),
    ("[earn]\non_points_part = true\n" + RULE.replace('"2"', '"70"') + 'sku = "vinyl"', "/earn/on_points_part",
     "sku vinyl"),
    # Two currencies, neither of which comes back by itself: 0.6 and 0.6.
    ('[earn]\non_points_part = true\npoints_per_unit = "40"\n' + VOUCHER.replace("10", "100") + 'value = 100\n'
     + ONE.replace("points = 9", 'points = 100\ncurrency = "stars"\nvalue = 60_000'), "/earn/on_points_part", "120"),
    # Half a cent is a point, which is a cent.
    ('[earn]\nrounding = "up"', "/earn/rounding", "a basket of 1 minor units earns points worth 1"),
    ('[earn]\nrounding = "half_up"\npoints_per_unit = "34"', "/earn/rounding", "a basket of 2 minor units"),
    (CAMPAIGN + "bonus = 500\nmin_spend = 500", "/campaigns/0/min_spend", "splitting baskets pays without end"),
    (CAMPAIGN + "bonus = 500\nmin_spend = 501", "/campaigns/0/min_spend", "a basket of 501 minor units"),
    (CAMPAIGN + "bonus = 1\nmin_spend = 1", "/campaigns/0/min_spend", "limit the campaign per member"),
    (CAMPAIGN + "bonus = 300\nmin_spend = 600\n" + CAMPAIGN.replace('"c"', '"d"') + "bonus = 300\nmin_spend = 500",
     "/campaigns/0/min_spend", "campaign c, campaign d"),
]  # fmt: skip

SUBJECTS = {
    "shape": SHAPE, "head": HEAD, "expiry": EXPIRY, "tiers": TIER, "earn": EARN, "campaigns": CAMPAIGNS,
    "rewards": REWARDS, "spend": SPEND, "loops": LOOPS,
}  # fmt: skip
CASES = [pytest.param(*case, id=f"{name}-{i}") for name, cases in SUBJECTS.items() for i, case in enumerate(cases)]


@pytest.mark.parametrize(("fragment", "pointer", "sentence"), CASES)
def test_a_fault_is_named_by_its_place_and_says_what_to_do(fragment: str, pointer: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(fragment)
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert sentence in refused.value.errors[0].detail
    assert refused.value.code == "programme_invalid"


def test_every_fault_of_a_document_is_told_at_once() -> None:
    fragment = 'name = ""\n[expiry]\nmonths = -1\n[earn]\nrounding = "up"\n' + CAMPAIGN + 'stores = ["moon"]'
    with pytest.raises(InvalidInput) as refused:
        read(fragment)
    told = [error.pointer for error in refused.value.errors]
    assert told == ["/name", "/campaigns/0", "/campaigns/0/stores/0", "/expiry/months"]
    assert refused.value.detail == "the programme has 4 errors"


def test_every_misfit_of_a_document_is_told_at_once() -> None:
    raw = whole("money = 1\ntiers = [1, { key = 2 }]")
    del raw["brand"]
    with pytest.raises(InvalidInput) as refused:
        from_builtins(raw)
    assert [(error.pointer, error.detail) for error in refused.value.errors] == [
        ("/money", "must be text in quotes"),
        ("/tiers/0", "must be a table"),
        ("/tiers/1/key", "must be text in quotes"),
        ("/tiers/1", "needs `name`"),
        ("/tiers/1", "needs `threshold`"),
        ("", "needs `brand`"),
    ]


def test_a_revision_of_a_build_that_refused_less_is_read() -> None:
    raw = whole('[earn]\npoints_per_unit = "1/3"\n' + GOODS.replace('stub = { en = "R" }', 'stub = { en = "Reward" }'))
    with pytest.raises(InvalidInput):
        from_builtins(raw)
    assert stored(raw).earn.rate * 3 == 1
    with pytest.raises(InvalidInput) as refused:
        stored(raw | {"surprise": 1})
    assert refused.value.errors[0].pointer == ""


@pytest.mark.parametrize(
    "source",
    ["a = " + "[" * 5000, "a = " + "9" * 5000, "=", "a = 2026-02-30", "x." * 2000 + "x = 1", "x = 1\n" + WHOLE],
    ids=["deep", "long number", "no key", "no day", "deep key", "unknown"],
)
def test_what_is_no_programme_is_refused_at_its_root(source: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(source)
    assert refused.value.errors[0].pointer == ""
