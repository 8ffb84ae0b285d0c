"""The hub: every socket ends at the newest state, each newer than the one before, whatever is lost, late or twice."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from core import read
from core.clock import rfc3339
from core.earning.returns import ReturnPurchase
from core.engine.submission import Committed
from core.members.decide import LinkIdentifier
from core.members.identifiers import Identifier
from push.hub import MAX_READS
from push.socket import Socket
from tests.bff.house import until
from tests.conftest import START
from tests.core.door import send
from tests.push.stage import Stage, shown, turn
from tests.push.wire import Wire


async def behind(stage: Stage, member: int) -> int:
    """A turn of the repair lane for one member."""
    return stage.hub.behind(await read.versions(stage.database, [member]))


async def test_a_first_state_is_the_truth_and_has_no_causes(stage: Stage) -> None:
    member = await stage.enrol()
    await stage.buy(member)
    _, wire = await stage.attached(member)
    assert shown(wire) == await stage.truth(member)
    assert wire.states[0]["causes"] == []
    assert "committed_at" not in wire.states[0]


async def test_in_order_changes_need_no_read(stage: Stage) -> None:
    """The node that committed draws from what it committed; only what touches the profile is read again."""
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    reads = stage.reader.reads
    for _ in range(10):
        stage.tell(await stage.adjust(member))
        await turn()
    assert wire.versions == list(range(1, 12))
    assert stage.reader.reads == reads
    assert wire.states[-1]["committed_at"] == rfc3339(START)
    linked = await stage.done(send(stage.engine, LinkIdentifier(Identifier("card", "LINK1")), member))
    stage.tell(linked)
    await until(lambda: wire.versions[-1] == 12, "the link is shown")
    assert stage.reader.reads == reads + 1
    assert shown(wire) == await stage.truth(member)


@pytest.mark.parametrize("told", [[0], [0, 1], [1, 0], [1], [0, 0, 1, 1], [2, 1, 0], [2], [0, 2]], ids=str)
async def test_what_is_heard_during_the_first_read_is_not_lost(stage: Stage, told: list[int]) -> None:
    """Subscribe, buffer, snapshot, merge: three commits fall between the read and its answer; of these some are heard, in
    any order. What is shown then is at least what was heard of."""
    member = await stage.enrol()
    stage.reader.road.clear()
    socket, wire = stage.screen(member)
    attaching = asyncio.create_task(stage.hub.attach(socket))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    changes = [await stage.adjust(member) for _ in range(3)]
    stage.tell(*(changes[i] for i in told))
    stage.reader.road.set()
    await attaching
    assert wire.versions == [4]
    assert shown(wire) == await stage.truth(member)


async def test_an_attach_that_missed_nothing_reads_once(stage: Stage) -> None:
    member = await stage.enrol()
    last = await stage.adjust(member)
    stage.reader.road.clear()
    socket, wire = stage.screen(member)
    attaching = asyncio.create_task(stage.hub.attach(socket))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.tell(last)
    stage.reader.road.set()
    await attaching
    assert (wire.versions, stage.reader.reads) == ([2], 1)


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_loss_any_repeat_ends_at_the_truth(stage: Stage, seed: int) -> None:
    """Sixty commits of three members, told shuffled, some twice, some never, between sockets that come and go."""
    chance = random.Random(seed)
    members = [await stage.enrol() for _ in range(3)]
    wires: list[tuple[int, Socket, Wire]] = [(member, *await stage.attached(member)) for member in members]
    told: list[Committed] = []
    for _ in range(60):
        member = chance.choice(members)
        told.append(await (stage.buy(member, 100) if chance.random() < 0.5 else stage.adjust(member)))
    told = [one for one in told if chance.random() < 0.8] + chance.sample(told, 15)
    chance.shuffle(told)
    for one in told:
        stage.tell(one)
        if chance.random() < 0.4:
            await asyncio.sleep(0)
        if chance.random() < 0.1:
            member = chance.choice(members)
            wires.append((member, *await stage.attached(member)))
        if len(wires) > 3 and chance.random() < 0.05:
            stage.hub.detach(wires.pop()[1])
    for member in members:
        await behind(stage, member)
    for member, _, wire in wires:
        truth = await stage.truth(member)
        await until(lambda wire=wire, truth=truth: shown(wire) == truth, f"seed {seed}")  # type: ignore[misc]
        assert wire.versions == sorted(set(wire.versions)), f"seed {seed}: each newer than the one before"


async def test_a_gap_is_read_not_guessed(stage: Stage) -> None:
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    lost, heard = await stage.adjust(member, 5), await stage.adjust(member, 7)
    stage.tell(heard)
    await until(lambda: len(wire.states) == 2, "the gap is read")
    assert wire.versions == [1, 3]
    assert [cause["version"] for cause in wire.states[-1]["causes"]] == [2, 3]
    assert shown(wire) == await stage.truth(member)
    stage.tell(lost, heard)
    await turn()
    assert wire.versions == [1, 3]


async def test_a_fact_without_its_account_is_read(stage: Stage) -> None:
    """A COMMIT whose fate was learnt later is told without the account."""
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    one = await stage.adjust(member, 5)
    stage.hub.hear(one.change, None, stage.clock())
    await until(lambda: wire.versions == [1, 2], "it is read")


async def test_the_repair_lane_reads_only_who_is_behind(stage: Stage) -> None:
    late, right = await stage.enrol(), await stage.enrol()
    _, wire = await stage.attached(late)
    _, other = await stage.attached(right)
    await stage.adjust(late)
    reads = stage.reader.reads
    versions = await read.versions(stage.database, stage.hub.members())
    assert stage.hub.behind(versions) == 1
    await until(lambda: wire.versions == [1, 2], "it is healed")
    assert stage.reader.reads == reads + 1
    assert stage.hub.behind(versions) == 0
    assert other.versions == [1]


async def test_a_version_found_by_reading_is_not_dated_by_the_commit_before_it(stage: Stage) -> None:
    """A screen measures its lag by `committed_at`: the repair lane may be quicker than the word of a commit."""
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    stage.tell(await stage.adjust(member))
    await until(lambda: wire.versions == [1, 2], "the first is shown")
    assert wire.states[-1]["committed_at"] == rfc3339(stage.clock())
    stage.clock.forward(seconds=10)
    told_late = await stage.adjust(member)
    assert stage.hub.behind(await read.versions(stage.database, [member])) == 1
    await until(lambda: wire.versions == [1, 2, 3], "the second is found")
    assert "committed_at" not in wire.states[-1]
    stage.tell(told_late)
    await turn()
    assert wire.versions == [1, 2, 3]


async def test_many_changes_of_one_turn_are_one_frame_with_all_their_causes(stage: Stage) -> None:
    member = await stage.enrol()
    _, app = await stage.attached(member)
    _, web = await stage.attached(member, "web")
    stage.tell(*[await stage.adjust(member) for _ in range(8)])
    await turn()
    for wire in (app, web):
        assert wire.versions == [1, 9]
        assert [cause["version"] for cause in wire.states[-1]["causes"]] == list(range(2, 10))


async def test_a_slow_client_keeps_nobody_waiting_and_ends_at_the_newest(stage: Stage) -> None:
    """Hundred commits while it is blocked: one old frame gets through, then the newest, with the causes between."""
    member = await stage.enrol()
    _, quick = await stage.attached(member)
    slow, wire = await stage.attached(member)
    wire.hold()
    for _ in range(100):
        stage.tell(await stage.adjust(member))
        await turn()
    assert quick.versions == list(range(1, 102))
    assert (wire.versions, wire.blocked) == ([1], 1)
    wire.release()
    await until(lambda: wire.versions[-1] == 101, "it catches up")
    assert wire.versions == [1, 2, 101]
    assert len(wire.states[-1]["causes"]) == 10
    assert shown(wire) == await stage.truth(member)
    assert slow.parked is None


async def test_one_member_that_cannot_be_drawn_leaves_the_others_theirs(stage: Stage) -> None:
    poisoned, well = await stage.enrol(), await stage.enrol()
    _, wire = await stage.attached(well)
    _, sick = await stage.attached(poisoned)
    broken, _ = await stage.attached(poisoned, "wallet")
    broken.session.surface = "receipt"  # without its purchase it cannot be drawn
    stage.tell(await stage.adjust(poisoned), await stage.adjust(well))
    await turn()
    assert wire.versions == [1, 2]
    stage.hub.detach(broken)
    stage.tell(await stage.adjust(poisoned))
    await turn()
    assert sick.versions[-1] == 3


@pytest.mark.parametrize("heard", [True, False])
async def test_a_read_that_fails_is_made_again_by_the_repair_lane(stage: Stage, heard: bool) -> None:
    """A return is heard while the database is away: the receipt's purchase cannot be read, and nobody is left behind."""
    member = await stage.enrol()
    sold = await stage.buy(member)
    _, app = await stage.attached(member)
    _, wire = await stage.attached(member, "receipt", await stage.receipt(member, sold.change.version))
    returned = await stage.done(send(stage.engine, ReturnPurchase(2), member))
    stage.reader.broken = 1
    if heard:
        stage.tell(returned)
    else:
        await behind(stage, member)
    await until(lambda: stage.reader.broken == 0, "the read failed")
    await turn()
    assert (app.versions, wire.versions) == ([2, 3] if heard else [2], [2])
    assert await behind(stage, member) == 1
    await until(lambda: app.versions == wire.versions == [2, 3], "both are healed")
    assert shown(app) == await stage.truth(member)
    assert "356" in wire.states[-1]["view"]["returned_note"]


async def test_a_bus_of_another_database_does_not_keep_us_reading(stage: Stage) -> None:
    member = await stage.enrol()
    _, wire = await stage.attached(member)
    one = await stage.adjust(member)
    strange = msgspec.structs.replace(one.change, version=999)
    stage.hub.hear(strange, one.holdings, stage.clock())
    await until(lambda: wire.versions == [1, 2], "what is there is shown")
    assert stage.reader.reads <= MAX_READS + 1
    stage.tell(await stage.adjust(member))
    await turn()
    assert wire.versions == [1, 2, 3]
