"""What is next to a fault and is none: the sound neighbours of the refusals in `test_programme_faults`."""

from __future__ import annotations

import pytest

from tests.core.fragments import (
    ALONE,
    ALSO,
    CAMPAIGN,
    DOUBLE,
    DRAW,
    GOODS,
    ONE,
    PRICE,
    REWARD,
    RULE,
    SALE,
    VOUCHER,
    WORTH,
    ladder,
    read,
    twice,
)

SOUND = [
    "",
    "schema = 1",
    '[brand]\nterms = { en = "Two\\nlines", fr = "" }',
    '[expiry]\nmode = "fixed"\non = "02-29"',
    "[expiry]\nwarn_days = 0\nagain_days = 0",
    ladder("lifetime = 10", "lifetime = 20"),
    ladder("lifetime = 10", ""),
    '[qualification]\nmeasure = "visits"\nmin_visit = 500',
    RULE + 'sku = "a/b"\n' + RULE.replace('"r"', '"s"') + 'category = "a/b"',
    "[earn.channels.web]\nvest_days = 366",
    "[earn.actions.review]\npoints = 5\nlimits = { per_member_day = 1 }",
    DOUBLE + 'first_purchase = true\ncategories = ["a"]\nskus = ["b"]',
    DOUBLE + 'birthday = "day"\nweekdays = ["mon"]',
    SALE + 'weekdays = ["tue", "sun"]',
    DOUBLE + "hours = [{ start = 22:00:00, end = 00:00:00 }, { start = 00:00:00, end = 02:00:00 }]",
    DOUBLE + "hours = [{ start = 10:00:00, end = 12:00:00 }, { start = 12:00:00, end = 13:00:00 }]",
    DOUBLE + "limits = { per_member = 1, per_member_day = 1, per_day = 1, in_all = 1 }",
    CAMPAIGN + "bonus = 5\nlimits = { per_member_day = 1 }",
    CAMPAIGN + "bonus = 5\nfirst_purchase = true",
    CAMPAIGN + 'bonus = 5\ncurrency = "badges"\nmin_spend = 1',
    # A category that earns nothing, and a sku of it that does.
    RULE.replace('"2"', '"0"') + 'category = "gift"\n' + RULE.replace('"r"', '"s"') + 'sku = "card"\n' + DOUBLE
    + 'categories = ["gift"]',
    ALONE + "last_day = 2026-11-25\n" + ALSO + "first_day = 2026-11-26",
    ALONE + 'tiers = ["gold"]\n' + ALSO,
    ALONE + "limits = { in_all = 100 }\n" + ALSO,
    ALONE + 'currency = "stars"\n' + ALSO,
    REWARD + 'points = 0\nkind = "voucher"\nper_member = 1\nvalue = 500',
    VOUCHER + "value = 0\nvalid_days = 0\nuses = 5",
    GOODS + "money = 100\ncollect_days = 7\nstock = 3\nper_member = 3",
    GOODS + "opens = 2026-11-23T10:00:00\ncloses = 2026-11-23T10:30:00+01:00",
    GOODS + 'kind = "charity"\nper_member = 1',
    DRAW.replace("points = 100", 'reward = "v", count = 9') + "stock = 9\n" + ONE,
    REWARD + 'points = 0\nper_member = 1\nkind = "draw"\ncloses = 2026-12-24T18:00:00\nprizes = [{ points = 100 }]',
    WORTH + 'cap = "1"',
    PRICE + 'tiers = ["gold"]\n' + PRICE + 'tiers = ["base"]',
    # Just below a loop, and what would be one if it did not end.
    '[earn]\non_points_part = true\npoints_per_unit = "66.6"',
    '[earn]\non_points_part = true\npoints_per_unit = "34"\n' + DOUBLE.replace("2", "2.5")
    + "limits = { per_member = 9 }",
    '[earn]\non_points_part = true\npoints_per_unit = "34"\n' + DOUBLE.replace("2", "2.5")
    + "limits = { in_all = 9 }",
    '[earn]\non_points_part = true\npoints_per_unit = "34"\n' + DOUBLE.replace("2", "2.5") + "first_purchase = true",
    # Two that double, and never the same purchase.
    twice('weekdays = ["mon"]', 'weekdays = ["tue"]'),
    twice('stores = ["mitte"]', 'stores = ["online"]'),
    twice('tiers = ["base"]', 'tiers = ["gold"]'),
    twice('channels = ["store"]', 'channels = ["web"]'),
    twice("last_day = 2026-11-25", "first_day = 2026-11-26"),
    twice("hours = [{ start = 09:00:00, end = 10:00:00 }]", "hours = [{ start = 10:00:00, end = 00:00:00 }]"),
    twice("alone = true", 'skus = ["x"]'),
    twice("", "", "best"),
    '[earn]\npoints_per_unit = "1000"',  # more than everything back, but points that pay do not earn
    '[earn]\nrounding = "half_up"\npoints_per_unit = "10"',
    CAMPAIGN + "bonus = 500\nmin_spend = 510",
    CAMPAIGN + "bonus = 500\nmin_spend = 1\nlimits = { per_member_day = 1 }",
]  # fmt: skip


@pytest.mark.parametrize("fragment", SOUND, ids=range(len(SOUND)))
def test_what_is_next_to_a_fault_is_read(fragment: str) -> None:
    read(fragment)
