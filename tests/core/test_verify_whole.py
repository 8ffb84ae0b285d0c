"""`verify` proves a life that used every command, under programmes that differ in what they do with it."""

from __future__ import annotations

import pytest

from core.earning.returns import ReturnLine, ReturnPurchase
from core.earning.slip import RecordPurchase
from core.embedded import Endpoints
from core.snapshot import Line
from tests.conftest import START, OpenEngine
from tests.core.door import enrol, publish_programme, send, verified
from tests.core.naive import Campaign, Caps, Rate, Rules, Tier
from tests.core.programmes import written
from tests.core.verify_life import document, lived
from tests.databases import Database

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


async def test_a_campaign_given_for_lines_of_several_rates_is_used_once(
    database: Database, open_engine: OpenEngine
) -> None:
    rates = [Rate("vinyl", "2", category="vinyl"), Rate("card", "0", sku="CARD")]
    double = Campaign("double", multiplier="2", qualifies=True, caps=Caps(per_member=3, in_all=3))
    await publish_programme(
        database.owner_url, written(Rules(rates=rates, tiers=[Tier("base", 0, "0.5")], campaigns=[double]))
    )
    engine = await open_engine()
    member = await enrol(engine)
    lines = Line("CD", 1, 5_000), Line("LP", 1, 5_000, category="vinyl"), Line("CARD", 1, 9_000)
    bought = await send(engine, RecordPurchase("till-1", START, "store", "USD", 19_000, lines), member)
    assert bought.change is not None
    assert [(award.rule, award.points, award.lines) for award in bought.change.awards] == [
        ("base", 50, (0,)), ("rule", 100, (1,)), ("tier", 25, (0,)), ("tier", 50, (1,)),
        ("campaign", 50, (0,)), ("campaign", 100, (1,)),
    ]  # fmt: skip
    await send(engine, ReturnPurchase(bought.version, (ReturnLine("CD", 1, 5_000),)), member)
    report = await verified(database.url)
    assert report.findings == []
    assert report.clean
