"""The hub: every socket ends at the newest state, each newer than the one before, whatever is lost, late or twice."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from core import read
from core.clock import rfc3339
from core.database import connected
from core.devices import KioskSession
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.submission import Committed
from core.members.decide import LinkIdentifier
from core.members.identifiers import Identifier
from core.metrics import CONNECTIONS
from core.programme.validation import default_document
from push.hub import MAX_READS
from push.session import BEAT_SECONDS, Close, Have, Refused
from push.socket import Socket
from tests.bff.house import until
from tests.conftest import START, Database
from tests.core.door import publish_programme, send
from tests.push.stage import RECEIPT_DAYS, Stage, shown, turn
from tests.push.wire import Wire

CLEARS = START + timedelta(seconds=45)


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
    stage.hub.hear(strange, one.account, stage.clock())
    await until(lambda: wire.versions == [1, 2], "what is there is shown")
    assert stage.reader.reads <= MAX_READS + 1
    stage.tell(await stage.adjust(member))
    await turn()
    assert wire.versions == [1, 2, 3]


# -- coming, going ------------------------------------------------------------------------------------------------------


async def test_who_does_not_exist_is_not_shown(stage: Stage) -> None:
    socket, wire = stage.screen(999)
    with pytest.raises(Refused) as refused:
        await stage.hub.attach(socket)
    assert (refused.value.code, refused.value.error) == (Close.NOT_ALLOWED, "unknown_member")
    assert (wire.sent, stage.hub.members()) == ([], {})


async def test_nothing_is_left_of_a_socket_that_went(stage: Stage) -> None:
    """However it went: after its state, twice, or while its first read was under way."""
    member = await stage.enrol()
    count = CONNECTIONS.labels("app")._value
    before = count.get()
    first, _ = await stage.attached(member)
    second, wire = stage.screen(member)
    await stage.hub.attach(second)
    assert count.get() == before + 2
    for socket in (first, second, second):
        stage.hub.detach(socket)
    assert (count.get(), stage.hub.members(), stage.hub.wants(member)) == (before, {}, False)
    stage.reader.road.clear()
    third, wire = stage.screen(member)
    attaching = asyncio.create_task(stage.hub.attach(third))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.hub.detach(third)
    stage.reader.road.set()
    await attaching
    assert (wire.sent, count.get(), stage.hub.members()) == ([], before, {})


async def test_a_storm_of_one_member_costs_one_read(stage: Stage) -> None:
    member = await stage.enrol()
    screens = [stage.screen(member) for _ in range(200)]
    await asyncio.gather(*(stage.hub.attach(socket) for socket, _ in screens))
    assert {len(wire.states) for _, wire in screens} == {1}
    assert stage.reader.reads <= 2


async def test_at_the_end_everybody_is_sent_away_and_nobody_let_in(stage: Stage) -> None:
    member = await stage.enrol()
    _, app = await stage.attached(member)
    idle, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(idle)
    stage.hub.close(Refused(Close.DRAINING, "stopping", error="draining", wait=4))
    for wire in (app, kiosk):
        assert wire.closed == (4503, "4")
        assert wire.frames[-1]["code"] == "draining"
    late, wire = stage.screen(member)
    with pytest.raises(Refused) as refused:
        await stage.hub.attach(late)
    assert refused.value.code == Close.DRAINING
    stage.tell(await stage.adjust(member))
    await turn()
    assert app.versions == [1]


async def test_a_silent_socket_is_given_a_beat_and_a_busy_or_parked_one_none(stage: Stage) -> None:
    member = await stage.enrol()
    silent, beaten = await stage.attached(member)
    _, busy = await stage.attached(member)
    parked, blocked = await stage.attached(member)
    blocked.hold()
    parked.write("{}", 0.0)
    idle, kiosk = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(idle)
    for socket in (silent, parked, idle):
        socket.last_sent -= BEAT_SECONDS + 1
    stage.hub.tick()
    stage.hub.tick()
    assert [frame["type"] for frame in beaten.frames] == ["state", "beat"]
    assert [frame["type"] for frame in kiosk.frames] == ["state", "beat"]
    assert [frame["type"] for frame in busy.frames] == ["state"]
    blocked.release()
    await until(lambda: parked.parked is None, "it reads again")
    assert BEAT_SECONDS + 1 + 1 < 25, "a beat's own timer turns once a second"


async def test_a_first_frame_is_the_state_however_long_its_read_takes(stage: Stage) -> None:
    member = await stage.enrol()
    stage.reader.road.clear()
    socket, wire = stage.screen(member)
    attaching = asyncio.create_task(stage.hub.attach(socket))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.hub.tick()
    stage.reader.road.set()
    await attaching
    assert [frame["type"] for frame in wire.frames] == ["state"]


# -- receipts, the clock, the programme ---------------------------------------------------------------------------------


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
    until_then = datetime.fromisoformat(wire.states[0]["view"]["expiring"]["at"])
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


# -- kiosks --------------------------------------------------------------------------------------------------------------


async def test_a_newer_session_wins_and_an_older_word_of_it_is_ignored(stage: Stage) -> None:
    ada, bob = await stage.enrol(), await stage.enrol()
    await stage.adjust(bob, 9)
    socket, wire = stage.kiosk(KioskSession("k", 1, ada, CLEARS))
    await stage.hub.attach(socket)
    await stage.hub.rebind(KioskSession("k", 3, bob, CLEARS))
    await stage.hub.rebind(KioskSession("k", 2, None, None))
    assert (socket.member, wire.states[-1]["view"]["session"]) == (bob, 3)
    assert stage.hub.kiosks() == {"k": KioskSession("k", 3, bob, CLEARS)}
    assert wire.states[-1]["view"]["member"]["balance"]["points"] == 9
    assert (stage.hub.wants(ada), stage.hub.wants(bob)) == (False, True)
    await stage.hub.rebind(KioskSession("k", 4, None, None))
    assert wire.states[-1]["view"]["member"] is None
    assert (wire.states[-1]["version"], wire.states[-1]["causes"]) == (0, [])
    assert stage.hub.members() == {}
    assert stage.hub.kiosks() == {"k": KioskSession("k", 4, None, None)}


async def test_a_session_that_ends_while_its_member_is_read_never_shows_the_member(stage: Stage) -> None:
    ada = await stage.enrol()
    socket, wire = stage.kiosk(KioskSession("k"))
    await stage.hub.attach(socket)
    stage.reader.road.clear()
    binding = asyncio.create_task(stage.hub.rebind(KioskSession("k", 1, ada, CLEARS)))
    await until(lambda: stage.reader.waiting == 1, "the member is being read")
    await stage.hub.rebind(KioskSession("k", 2, None, None))
    stage.reader.road.set()
    await binding
    assert [state["view"]["session"] for state in wire.states] == [0, 2]
    assert all(state["view"]["member"] is None for state in wire.states)
    assert stage.hub.members() == {}


async def test_a_touch_moves_the_end_of_the_session_it_belongs_to(stage: Stage) -> None:
    ada = await stage.enrol()
    socket, wire = stage.kiosk(KioskSession("k", 1, ada, CLEARS))
    await stage.hub.attach(socket)
    later = CLEARS + timedelta(seconds=20)
    await stage.hub.rebind(KioskSession("k", 1, ada, later))
    assert stage.hub.kiosks()["k"].clears_at == later
    stage.tell(await stage.adjust(ada))
    await turn()
    assert wire.states[-1]["view"]["clears_at"] == rfc3339(later)


async def test_of_two_screens_of_a_kiosk_the_one_behind_is_the_one_compared(stage: Stage) -> None:
    """A screen that attached with a session read just before a bind is found by the repair lane."""
    ada = await stage.enrol()
    for late in range(6):
        name = f"k{late}"
        before, now = KioskSession(name, 1, None, None), KioskSession(name, 2, ada, CLEARS)
        wires = []
        for session in (*[now] * late, before, *[now] * (5 - late)):
            socket, wire = stage.kiosk(session)
            await stage.hub.attach(socket)
            wires.append(wire)
        assert stage.hub.kiosks()[name] == before
        await stage.hub.rebind(now)
        assert {wire.states[-1]["view"]["session"] for wire in wires} == {2}
        assert [len(wire.states) for wire in wires] == [1] * late + [2] + [1] * (5 - late)


async def test_two_screens_of_a_kiosk_are_each_drawn_with_their_own_session(stage: Stage) -> None:
    """The same member bound anew while one screen still shows the former session: neither is given the other's frame."""
    ada = await stage.enrol()
    wires = {}
    for number in (1, 2):
        socket, wires[number] = stage.kiosk(KioskSession("k", number, ada, CLEARS))
        await stage.hub.attach(socket)
    stage.tell(await stage.adjust(ada))
    await turn()
    assert {number: wire.states[-1]["view"]["session"] for number, wire in wires.items()} == {1: 1, 2: 2}


async def test_a_revoked_device_is_sent_away_and_only_it(stage: Stage) -> None:
    ada = await stage.enrol()
    one, wire = stage.kiosk(KioskSession("k1", 1, ada, CLEARS))
    two, other = stage.kiosk(KioskSession("k2", 1, ada, CLEARS))
    await stage.hub.attach(one)
    await stage.hub.attach(two)
    stage.hub.cut({"k1", "k9"}, Refused(Close.NOT_ALLOWED, "revoked", error="device_revoked"))
    assert (wire.closed, other.closed) == ((4403, "device_revoked"), None)
