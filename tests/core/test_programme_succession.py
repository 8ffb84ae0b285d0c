"""What a revision may not take from members who have something by the one before."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from core.programme.succession import publishable, require_publishable
from core.programme.validation import default_document, parse
from tests.core.fragments import EVERYTHING, read, whole

DRAW = """
[[rewards]]
id = "draw"
name = { en = "A draw" }
stub = { en = "!" }
points = 5
kind = "draw"
closes = 2026-12-24T18:00:00
prizes = [{ points = 100 }]
"""
VOUCHER = """
[[rewards]]
id = "five"
name = { en = "5 off" }
stub = { en = "5" }
points = 500
kind = "voucher"
value = 500
"""
MUG = '[[rewards]]\nid = "mug"\nname = { en = "Mug" }\nstub = { en = "M" }\npoints = 300\n'
STARS = '[[currencies]]\ncode = "stars"\none = { en = "s" }\nother = { en = "s" }\nexpiry = { months = 1 }\n'

# What was published, what is to follow it, and the place that must stay.
KEPT = [
    ("", 'money = "USD"', "/money", "must stay EUR"),
    ("", '[qualification]\nmeasure = "visits"', "/qualification/measure", "must stay points"),
    ("", "[qualification]\nmonths = 6", "/qualification/months", "must stay 12"),
    ("", "[qualification]\nstarts = 4", "/qualification/starts", "must stay 1"),
    ("", STARS, "/currencies", "must keep 'badges'"),
    ("", MUG, "/rewards", "must keep 'five'"),
    (DRAW, MUG, "/rewards", "must keep 'draw'"),
    (VOUCHER, MUG + VOUCHER.replace("value = 500", "value = 400"), "/rewards/1/value", "must stay 500"),
    (VOUCHER, MUG + VOUCHER.replace("500\nkind", '500\nkind = "charity"\n#'), "/rewards/1/kind", "must stay voucher"),
    (DRAW, MUG + DRAW.replace("18:00", "17:00"), "/rewards/1/closes", "by which tickets were sold"),
    (DRAW, DRAW.replace("points = 100", "points = 10"), "/rewards/0/prizes", "tickets were sold by them"),
    (DRAW, 'zone = "Asia/Tokyo"\n' + DRAW, "/rewards/0/closes", "must stay 2026-12-24 17:00:00+00:00"),
]

FREE = [
    ("", 'zone = "Asia/Tokyo"'),
    ("", '[qualification]\nlanding = "one"\nnotice_days = 5'),
    ("", STARS + STARS.replace("stars", "badges") + STARS.replace("stars", "more")),
    ("", VOUCHER.replace("points = 500", "points = 900") + "closes = 2026-01-01T00:00:00"),
    (MUG, DRAW + VOUCHER),
    (DRAW, 'zone = "Asia/Tokyo"\n' + DRAW.replace("18:00:00", "18:00:00+01:00")),
    (DRAW, VOUCHER + DRAW.replace("A draw", "The draw") + "stock = 100"),
    (EVERYTHING, EVERYTHING.replace("threshold = 1000", "threshold = 2000")),
]


@pytest.mark.parametrize(("before", "after", "pointer", "sentence"), KEPT, ids=range(len(KEPT)))
def test_what_members_have_something_by_stays(before: str, after: str, pointer: str, sentence: str) -> None:
    faults = publishable(read(before), read(after))
    assert [fault.pointer for fault in faults] == [pointer]
    assert sentence in faults[0].detail
    with pytest.raises(InvalidInput) as refused:
        require_publishable(read(before), read(after))
    assert refused.value.code == "programme_invalid"
    assert refused.value.errors == tuple(faults)


@pytest.mark.parametrize(("before", "after"), FREE, ids=range(len(FREE)))
def test_the_rest_may_change(before: str, after: str) -> None:
    assert publishable(read(before), read(after)) == []
    require_publishable(read(before), read(after))


def test_a_document_may_follow_itself() -> None:
    assert whole() != whole(EVERYTHING)
    for programme in (parse(default_document()), read(), read(EVERYTHING)):
        assert publishable(programme, programme) == []
