"""`verify` proves a life that used every command, under programmes that differ in what they do with it."""

from __future__ import annotations

import pytest

from core.embedded import Endpoints
from tests.core.door import verified
from tests.core.verify_life import document, lived

PROGRAMMES = {
    "points": document(),
    "spend": document(measure="spend", negative="floor"),
    "visits": document(measure="visits", expiry='mode = "fixed", months = 3, on = "02-29"'),
    "activity": document(negative="floor", expiry='mode = "activity", months = 2'),
}


@pytest.mark.parametrize("source", PROGRAMMES.values(), ids=PROGRAMMES)
async def test_a_life_of_every_command_is_clean(endpoints: Endpoints, template: str, source: str) -> None:
    async with lived(endpoints, template, source) as life:
        report = await verified(life.url)
    assert report.findings == []
    assert report.clean
    assert (report.members, report.tickets) == (2, 2)
    assert min(report.pending, report.vouchers, report.holds, report.purchases) > 2
