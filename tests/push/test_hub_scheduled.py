"""A scheduled programme comes into force by the clock alone: on every screen, at its instant, once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.clock import rfc3339
from core.database import connected
from core.devices import KioskSession
from core.programme.book import publish
from core.programme.validation import default_document
from push import render
from push.render import Subject
from tests.conftest import START
from tests.push.stage import Stage, shown, turn

THEN = START + timedelta(hours=6)
RENAMED = default_document().replace("Listener", "Hearer").replace('"Harbour Records"', '"Pier Records"')


async def schedule(stage: Stage, source: str, at: datetime | None) -> None:
    """Publish as another process does, and hear of it."""
    async with stage.database.begin() as connection:
        await publish(connection, source, by="test", now=stage.clock(), at=at)
    async with connected(stage.database) as driver:
        assert await stage.book.load(driver)
    stage.hub.rerender()
    await turn()


async def ticked(stage: Stage, at: datetime) -> None:
    stage.clock.now = at
    stage.hub.tick()
    await turn()


async def test_every_screen_is_drawn_again_at_its_instant_and_not_before(stage: Stage) -> None:
    member = await stage.enrol()
    await stage.buy(member)
    _, app = await stage.attached(member)
    empty, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(empty)
    await schedule(stage, RENAMED, THEN)
    await ticked(stage, THEN - timedelta(microseconds=1))
    assert [len(wire.states) for wire in (app, kiosk)] == [1, 1], "to be published is nothing to be seen"
    await ticked(stage, THEN)
    for wire in (app, kiosk):
        assert [state["programme"] for state in wire.states] == [1, 2]
        assert wire.states[-1]["causes"] == []
        assert "committed_at" not in wire.states[-1]
    assert (app.versions, app.states[-1]["view"]["tier"]["name"]) == ([2, 2], "Hearer")
    assert kiosk.states[-1]["view"]["brand"] == "Pier Records"
    assert shown(app) == await stage.truth(member)
    await ticked(stage, THEN + timedelta(seconds=1))
    assert [len(wire.states) for wire in (app, kiosk)] == [2, 2]


async def test_a_frame_holds_no_longer_than_its_programme(stage: Stage) -> None:
    member = await stage.enrol()
    sold = await stage.buy(member)
    await schedule(stage, RENAMED, THEN)
    receipt = await stage.receipt(member, sold.change.version)
    wires = [(await stage.attached(member))[1], (await stage.attached(member, "receipt", receipt))[1]]
    empty, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(empty)
    assert {wire.states[-1]["valid_until"] for wire in (*wires, kiosk)} == {rfc3339(THEN)}
    await ticked(stage, THEN)
    assert {wire.states[-1]["programme"] for wire in (*wires, kiosk)} == {2}
    assert {wire.states[-1]["valid_until"] for wire in wires}.isdisjoint({rfc3339(THEN)})
    assert kiosk.states[-1]["valid_until"] is None


@pytest.mark.parametrize("nobody", [False, True])
async def test_the_stamp_grows_with_the_clock_alone(stage: Stage, nobody: bool) -> None:
    member = await stage.enrol()
    await schedule(stage, RENAMED, THEN)
    snapshot = None if nobody else await stage.reader.get(member)
    subject: Subject = None

    def stamp(at: datetime) -> tuple[object, datetime | None]:
        return render.stamp_of(snapshot, stage.book.at(at), stage.hub.epoch, at, subject)

    (before, until), (after, _) = stamp(THEN - timedelta(microseconds=1)), stamp(THEN)
    assert until == THEN
    assert after > before  # type: ignore[operator]


async def test_one_that_was_withdrawn_never_shows(stage: Stage) -> None:
    member = await stage.enrol()
    _, app = await stage.attached(member)
    await schedule(stage, RENAMED, THEN)
    await schedule(stage, default_document().replace("Listener", "Friend"), None)
    assert app.states[-1]["view"]["tier"]["name"] == "Friend"
    await ticked(stage, THEN)
    assert [(state["programme"], state["view"]["tier"]["name"]) for state in app.states] == [
        (1, "Listener"),
        (3, "Friend"),
    ]


async def test_what_was_drawn_ahead_under_the_former_is_not_shown(stage: Stage) -> None:
    """The commit is heard of after the instant; nothing ticked meanwhile."""
    member = await stage.enrol()
    _, app = await stage.attached(member)
    await schedule(stage, RENAMED, THEN)
    change = await stage.adjust(member)
    stage.clock.now = THEN - timedelta(microseconds=1)
    stage.hub.foresee([change])
    stage.clock.now = THEN
    stage.tell(change)
    await turn()
    assert (app.states[-1]["programme"], app.states[-1]["view"]["tier"]["name"]) == (2, "Hearer")
    assert shown(app) == await stage.truth(member)
