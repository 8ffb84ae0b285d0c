"""What changes a screen besides its member's versions: a receipt's notes, the clock, the programme."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.clock import rfc3339
from core.database import connected
from core.devices import KioskSession
from core.earning.returns import ReturnLine, ReturnPurchase
from core.programme.validation import default_document
from push.session import Have
from tests.bff.house import until
from tests.conftest import START
from tests.core.door import publish_programme, send
from tests.databases import Database
from tests.push.stage import RECEIPT_DAYS, Stage, shown, turn


async def test_a_receipt_shows_what_was_returned_of_it_by_the_same_version(stage: Stage) -> None:
    member = await stage.enrol()
    sold = await stage.buy(member)
    other = await stage.buy(member)
    _, app = await stage.attached(member)
    _, mine = await stage.attached(member, "receipt", await stage.receipt(member, sold.change.version))
    _, others = await stage.attached(member, "receipt", await stage.receipt(member, other.change.version))
    assert mine.states[0]["view"]["returned_note"] == ""
    lines = (ReturnLine("CD", 1, 1_780),)
    stage.tell(await stage.done(send(stage.engine, ReturnPurchase(2, lines), member)))
    await until(lambda: all(wire.versions[-1] == 4 for wire in (app, mine, others)), "all are at the return's version")
    assert "178" in mine.states[-1]["view"]["returned_note"]
    assert others.states[-1]["view"]["returned_note"] == ""
    assert mine.versions == [3, 4]
    cause = mine.states[-1]["causes"][0]
    assert (cause["kind"], cause["where"], cause["what"]) == ("return", "", "")
    _, fresh = await stage.attached(member, "receipt", await stage.receipt(member, 2))
    assert shown(fresh) == shown(mine)


async def test_points_lapse_on_the_screen_at_local_midnight(stage: Stage) -> None:
    """Not a second before, without any command, by a newer `valid_from` at the same version; the sweep's later version is
    newer still."""
    member = await stage.enrol()
    await stage.buy(member)
    _, wire = await stage.attached(member)
    until_then = datetime.fromisoformat(wire.states[0]["view"]["expiry_schedule"][0]["at"])
    local = until_then.astimezone(ZoneInfo("Asia/Hong_Kong"))
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    stage.clock.now = until_then - timedelta(microseconds=1)
    stage.hub.tick()
    await turn()
    years = len(wire.states)
    assert wire.states[-1]["view"]["balance"]["points"] == 356
    stage.clock.now = until_then
    stage.hub.tick()
    await turn()
    state = wire.states[-1]
    assert (len(wire.states), state["version"], state["view"]["balance"]["points"]) == (years + 1, 2, 0)
    assert state["valid_from"] == rfc3339(until_then)
    assert (state["causes"], "committed_at" in state) == ([], False)
    stage.hub.tick()
    await turn()
    assert len(wire.states) == years + 1


@pytest.mark.parametrize("receipt_first", [True, False])
async def test_a_receipts_live_time_ends_beside_other_screens(stage: Stage, receipt_first: bool) -> None:
    """The soonest change of any screen of the member is the one that is waited for."""
    member = await stage.enrol()
    sold = await stage.buy(member)
    subject = await stage.receipt(member, sold.change.version)
    order = [("receipt", subject), ("app", None)]
    wires = {}
    for surface, about in order if receipt_first else reversed(order):
        _, wires[surface] = await stage.attached(member, surface, about)  # type: ignore[arg-type]
    stage.tell(await stage.adjust(member))
    await turn()
    stage.clock.now = START + timedelta(days=RECEIPT_DAYS)
    stage.hub.tick()
    await turn()
    state = wires["receipt"].states[-1]
    assert (state["version"], state["view"]["balance"]) == (3, None)
    assert state["valid_from"] == rfc3339(stage.clock())
    assert wires["app"].states[-1]["view"]["balance"]["points"] == 357


async def test_a_published_programme_is_drawn_on_every_screen_an_empty_kiosk_too(
    stage: Stage, database: Database
) -> None:
    members = [await stage.enrol() for _ in range(3)]
    wires = [(await stage.attached(member))[1] for member in members]
    idle, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(idle)
    renamed = default_document().replace("Listener", "Hearer").replace('"Harbour Records"', '"Pier Records"')
    await publish_programme(database.owner_url, renamed, stage.clock())
    async with connected(stage.database) as connection:
        assert await stage.book.load(connection)
    stage.hub.rerender()
    await until(lambda: all(len(wire.states) == 2 for wire in (*wires, kiosk)), "all are drawn again")
    assert {wire.states[-1]["view"]["tier"]["name"] for wire in wires} == {"Hearer"}
    assert kiosk.states[-1]["view"]["brand"] == "Pier Records"
    assert {(wire.states[-1]["version"], wire.states[-1]["programme"]) for wire in wires} == {(1, 2)}
    stage.hub.rerender()
    await turn()
    assert {len(wire.states) for wire in (*wires, kiosk)} == {2}


async def test_a_client_that_has_it_gets_no_view(stage: Stage) -> None:
    member = await stage.enrol()
    socket, wire = stage.screen(member, have=Have(stage.hub.epoch, 1, 1, START))
    await stage.hub.attach(socket)
    assert wire.frames == [{"type": "current", "epoch": 1, "version": 1, "as_of": rfc3339(START)}]
    stage.tell(await stage.adjust(member))
    await turn()
    assert [cause["version"] for cause in wire.states[-1]["causes"]] == [2]
