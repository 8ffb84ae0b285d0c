"""States drawn while their commit is under way: never shown before it, never shown instead of the truth."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from core.database import connected
from core.devices import KioskSession
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.submission import Committed
from core.points import POINTS
from core.programme.book import publish
from core.programme.validation import default_document
from push import render
from tests.bff.house import until
from tests.conftest import START
from tests.core.door import send
from tests.push.stage import Stage, shown, turn


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The surface of every view drawn, by the real function."""
    drawn: list[str] = []
    view = render.view

    def counted(*given: Any) -> Any:
        drawn.append(given[3])
        return view(*given)

    monkeypatch.setattr(render, "view", counted)
    return drawn


async def test_it_is_shown_once_committed_and_drawn_once(stage: Stage, drawings: list[str]) -> None:
    member = await stage.enrol()
    screens = [await stage.attached(member, surface) for surface in ("app", "web", "app")]
    for _ in range(3):
        drawings.clear()
        change = await stage.buy(member)
        stage.hub.foresee([change])
        await turn()
        assert sorted(drawings) == ["app", "web"]
        assert screens[0][1].versions[-1] == change.change.version - 1, "not before the commit"
        stage.clock.now += timedelta(seconds=2)
        stage.tell(change)
        await turn()
        assert sorted(drawings) == ["app", "web"], "what was drawn ahead is shown"
        for (_, wire), surface in zip(screens, ("app", "web", "app"), strict=True):
            assert shown(wire) == await stage.truth(member, surface)  # type: ignore[arg-type]
            assert wire.states[-1]["as_of"] == wire.states[-1]["committed_at"]
            assert [cause["version"] for cause in wire.states[-1]["causes"]] == [change.change.version]


async def test_two_changes_of_a_member_in_one_batch_are_drawn_as_one(stage: Stage, drawings: list[str]) -> None:
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    changes = [await stage.adjust(member, 5), await stage.adjust(member, 7)]
    drawings.clear()
    stage.hub.foresee(changes)
    stage.tell(*changes)
    await turn()
    assert drawings == ["app"]
    assert wire.versions == [1, 3]
    assert shown(wire) == await stage.truth(member)
    assert [cause["version"] for cause in wire.states[-1]["causes"]] == [2, 3]


async def test_a_commit_that_failed_leaves_no_trace(stage: Stage) -> None:
    """The batch was rolled back, and another took its version."""
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    true = await stage.adjust(member, 5)
    assert true.holdings is not None
    lot = msgspec.structs.replace(true.holdings.account.lots[0], amount=900, remaining=900)
    false = Committed(
        msgspec.structs.replace(true.change, points=900, available=900),
        true.holdings.with_account(POINTS, msgspec.structs.replace(true.holdings.account, lots=(lot,))),
    )
    stage.hub.foresee([false])
    await turn()
    assert wire.versions == [1]
    stage.tell(true)
    await turn()
    assert shown(wire) == await stage.truth(member)


async def test_a_programme_published_meanwhile_is_the_one_shown(stage: Stage) -> None:
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    change = await stage.adjust(member)
    stage.hub.foresee([change])
    async with stage.database.connect() as connection:
        renamed = default_document().replace("Listener", "Hearer")
        await publish(connection, renamed, by="test", now=stage.clock())
        await connection.commit()
    async with connected(stage.database) as driver:
        assert await stage.book.load(driver)
    stage.tell(change)
    await turn()
    assert "Hearer" in str(shown(wire))
    assert shown(wire) == await stage.truth(member)


async def test_what_the_clock_changed_meanwhile_is_shown(stage: Stage) -> None:
    """The points lapse between the drawing and the word of the commit."""
    member = await stage.enrol()
    await stage.buy(member)
    _, wire = await stage.attached(member)
    change = await stage.adjust(member)
    stage.hub.foresee([change])
    stage.clock.now += timedelta(days=1200)
    stage.tell(change)
    await turn()
    assert shown(wire) == await stage.truth(member)
    assert wire.states[-1]["view"]["balance"]["points"] == 0


async def test_who_comes_or_changes_meanwhile_is_drawn_anew(stage: Stage) -> None:
    """A screen that opens, and a kiosk whose session is moved on, between the drawing and the commit."""
    member = await stage.enrol()
    running = KioskSession("kiosk-1", 1, member, START + timedelta(seconds=45))
    kiosk, kiosk_wire = stage.kiosk(running)
    await stage.hub.attach(kiosk)
    change = await stage.adjust(member)
    stage.hub.foresee([change])
    _, late = await stage.attached(member)
    touched = msgspec.structs.replace(running, clears_at=START + timedelta(seconds=90))
    await stage.hub.rebind(touched)
    stage.tell(change)
    await turn()
    assert shown(late) == await stage.truth(member)
    subject = render.KioskSubject("harbour-street", touched)
    assert shown(kiosk_wire) == await stage.truth(member, "kiosk", subject)


async def test_a_returned_line_is_on_the_receipts_whoever_drew_ahead(stage: Stage) -> None:
    """Two receipts of a purchase are read again after a return, one after the other; a later change was drawn ahead by
    what they showed, and is committed between the two reads. Other screens wait for neither."""
    member = await stage.enrol()
    sold = await stage.buy(member)
    receipts = [
        (await stage.attached(member, "receipt", await stage.receipt(member, sold.change.version)))[1] for _ in range(2)
    ]
    _, app = await stage.attached(member)
    returned = await stage.done(send(stage.engine, ReturnPurchase(2, (ReturnLine("CD", 1, 1_780),)), member))
    stage.reader.road.clear()
    stage.hub.foresee([returned])
    stage.tell(returned)
    await until(lambda: stage.reader.waiting == 1, "a receipt is being read")
    assert app.versions[-1] == 3
    later = await stage.adjust(member)
    stage.hub.foresee([later])
    stage.reader.road.set()
    stage.reader.road.clear()
    await until(lambda: stage.reader.purchases == 2, "the other is being read")
    stage.tell(later)
    stage.hub.flush()
    stage.reader.road.set()
    truth = await stage.truth(member, "receipt", await stage.receipt(member, 2))
    assert "178" in truth[1]["returned_note"]
    await until(lambda: [shown(wire) for wire in receipts] == [truth, truth], "both show it")


async def test_a_return_between_the_receipt_and_its_member_is_on_it(stage: Stage) -> None:
    """The purchase was read to open the receipt; the return comes before its member is read."""
    member = await stage.enrol()
    sold = await stage.buy(member)
    subject = await stage.receipt(member, sold.change.version)
    await stage.done(send(stage.engine, ReturnPurchase(2, (ReturnLine("CD", 1, 1_780),)), member))
    _, wire = await stage.attached(member, "receipt", subject)
    assert wire.versions == [3]
    assert shown(wire) == await stage.truth(member, "receipt", await stage.receipt(member, 2))


@pytest.mark.parametrize("seed", range(6))
async def test_any_foresight_ends_at_the_truth(stage: Stage, seed: int) -> None:
    """Commits of two members, each foreseen or not, told in any order, some twice, some never, some foreseen wrongly."""
    chance = random.Random(seed)
    members = [await stage.enrol() for _ in range(2)]
    screens = [
        (member, surface, await stage.attached(member, surface))  # type: ignore[arg-type]
        for member in members
        for surface in ("app", "wallet")
    ]
    waiting: list[Committed] = []
    for _ in range(50):
        member = chance.choice(members)
        change = await (stage.buy(member, 100) if chance.random() < 0.5 else stage.adjust(member))
        if chance.random() < 0.2:
            wrong = msgspec.structs.replace(change.change, points=1, available=1)
            stage.hub.foresee([Committed(wrong, change.holdings)])
        waiting.append(change)
        if chance.random() < 0.7:
            stage.hub.foresee(waiting[-2:])
        if chance.random() < 0.6:
            told = chance.sample(waiting, chance.randint(1, len(waiting)))
            stage.tell(*told)
            waiting = [one for one in waiting if one not in told or chance.random() < 0.1]
        if chance.random() < 0.5:
            await turn()
    stage.tell(*waiting)
    for member, surface, (_, wire) in screens:
        truth = await stage.truth(member, surface)  # type: ignore[arg-type]
        await until(lambda wire=wire, truth=truth: shown(wire) == truth, f"seed {seed}")  # type: ignore[misc]
        assert wire.versions == sorted(set(wire.versions)), f"seed {seed}"
