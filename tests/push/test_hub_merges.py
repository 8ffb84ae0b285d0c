"""Members that become one while they are shown: every screen of either goes on with the one that lives on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from core import read
from core.devices import KioskSession
from core.earning.returns import ReturnLine, ReturnPurchase
from core.engine.submission import Committed
from core.members.merge import MergeMembers
from core.snapshot import Purchase
from push.session import Have
from push.socket import Socket
from tests.bff.house import until
from tests.conftest import START
from tests.core.door import send
from tests.push.stage import Stage, shown, turn
from tests.push.wire import Wire

CLEARS = START + timedelta(seconds=45)


async def merged(stage: Stage, keeps: int, other: int) -> list[Committed]:
    """What the door told: of the one that lives on, then of the one that is no more."""
    answer = await send(stage.engine, MergeMembers(other, "the same person"), keeps)
    assert answer.change is not None
    return stage.committed[-2:]


async def pair(stage: Stage) -> tuple[int, int]:
    """A member with 356 points, and one with a longer history and 1,068."""
    short, long = await stage.enrol(), await stage.enrol()
    await stage.buy(short)
    for _ in range(3):
        await stage.buy(long)
    return short, long


async def repaired(stage: Stage) -> None:
    """A turn of the repair lane."""
    stage.hub.behind(await read.versions(stage.database, stage.hub.members()))


@pytest.mark.parametrize("told", [[0, 1], [1, 0], [1], [0], [], [1, 1, 0, 0]], ids=str)
async def test_screens_of_both_show_the_one_and_go_on_with_it(stage: Stage, told: Sequence[int]) -> None:
    """Heard in any order, half or not at all: the repair lane finds the member that is no more by its own version."""
    absorbed, survivor = await pair(stage)
    _, phone = await stage.attached(absorbed)
    _, other = await stage.attached(survivor)
    both = await merged(stage, absorbed, survivor)
    assert both[0].change.member == survivor
    stage.tell(*(both[i] for i in told))
    await turn()
    await repaired(stage)
    truth = await stage.truth(survivor)
    assert truth[1]["balance"]["points"] == 4 * 356
    for wire in (phone, other):
        await until(lambda wire=wire: shown(wire) == truth, "it is shown")  # type: ignore[misc]
        assert [cause["kind"] for cause in wire.states[-1]["causes"]] == ["merge"]
    assert (phone.versions, other.versions) == ([2, 5], [4, 5])
    assert stage.hub.members() == {survivor: 5}
    reads = stage.reader.reads
    stage.tell(await stage.buy(absorbed))
    await turn()
    assert (phone.versions, other.versions) == ([2, 5, 6], [4, 5, 6])
    assert shown(phone) == shown(other) == await stage.truth(survivor)
    assert stage.reader.reads == reads, "it is a screen like any other again"


async def test_a_merge_heard_during_the_first_read_is_not_lost(stage: Stage) -> None:
    absorbed, survivor = await pair(stage)
    stage.reader.road.clear()
    socket, wire = stage.screen(absorbed)
    attaching = asyncio.create_task(stage.hub.attach(socket))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.tell(*await merged(stage, survivor, absorbed))
    stage.reader.road.set()
    await attaching
    assert (wire.versions, wire.states[0]["causes"]) == ([5], [])
    assert shown(wire) == await stage.truth(survivor)
    await turn()
    assert [frame["type"] for frame in wire.frames] == ["state"]


async def test_a_token_of_the_one_that_is_no_more_opens_the_other(stage: Stage) -> None:
    """Whether or not anybody shows that one; and a client that has its state already is told so, not left waiting."""
    absorbed, survivor = await pair(stage)
    await merged(stage, survivor, absorbed)
    for _ in range(2):
        socket, wire = await stage.attached(absorbed)
        assert (socket.member, shown(wire)) == (survivor, await stage.truth(survivor))
    stamp = wire.states[-1]
    have = Have(stamp["epoch"], stamp["version"], stamp["programme"], stage.clock())
    again, back = stage.screen(absorbed, have=have)
    await stage.hub.attach(again)
    assert [frame["type"] for frame in back.frames] == ["current"]
    await stage.buy(survivor)
    behind, missed = stage.screen(absorbed, have=have)
    await repaired(stage)
    await stage.hub.attach(behind)
    await until(lambda: [cause["kind"] for cause in missed.states[-1]["causes"]] == ["purchase"], "what it missed")


@pytest.mark.parametrize("when", ["the read of the one", "the read of the other"])
async def test_nothing_is_left_of_a_socket_that_went_meanwhile(stage: Stage, when: str) -> None:
    absorbed, survivor = await pair(stage)
    gone, silent = await stage.attached(absorbed)
    stays, wire = await stage.attached(absorbed, "web")
    stage.reader.road.clear()
    stage.tell(*(await merged(stage, survivor, absorbed))[1:])
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    if when == "the read of the other":
        stage.reader.road.set()
        await turn()
        stage.reader.road.clear()
        await until(lambda: stays.member == survivor and stage.reader.waiting == 1, "it is the other's")
    stage.hub.detach(gone)
    stage.reader.road.set()
    await until(lambda: wire.versions == [2, 5], "the one that stayed is shown it")
    assert silent.versions == [2]
    assert stage.hub.members() == {survivor: 5}
    stage.hub.detach(stays)
    await turn()
    assert stage.hub.members() == {}


async def test_the_last_socket_went_and_nobody_is_shown(stage: Stage) -> None:
    absorbed, survivor = await pair(stage)
    gone, _ = await stage.attached(absorbed)
    stage.reader.road.clear()
    stage.tell(*await merged(stage, survivor, absorbed))
    await until(lambda: stage.reader.waiting == 1, "the read is under way")
    stage.hub.detach(gone)
    stage.reader.road.set()
    await until(lambda: stage.reader.waiting == 0, "the read is over")
    await turn()
    assert stage.hub.members() == {}


async def test_one_that_was_merged_twice_over_is_followed_to_the_end(stage: Stage) -> None:
    first, second = await pair(stage)
    third = await stage.enrol()
    for _ in range(8):
        await stage.adjust(third)
    _, phone = await stage.attached(first)
    await merged(stage, first, second)
    _, page = await stage.attached(first, "web")
    await merged(stage, second, third)
    await repaired(stage)
    for wire in (phone, page):
        await until(lambda wire=wire: wire.versions[-1] == 10, "it is shown")  # type: ignore[misc]
        assert [cause["kind"] for cause in wire.states[-1]["causes"]] == ["merge"]
    assert shown(phone) == await stage.truth(third)
    assert list(stage.hub.members()) == [third]


async def test_a_parked_socket_is_given_the_ones_state_when_it_reads_again(stage: Stage) -> None:
    absorbed, survivor = await pair(stage)
    slow, wire = await stage.attached(absorbed)
    wire.hold()
    stage.tell(await stage.adjust(absorbed))
    await turn()
    stage.tell(*await merged(stage, survivor, absorbed))
    await until(lambda: slow.news and slow.member == survivor, "there is news for it")
    wire.release()
    await until(lambda: wire.versions == [2, 3, 5], "it catches up")
    assert shown(wire) == await stage.truth(survivor)


def returned(amount: int = 0) -> ReturnPurchase:
    """Of a member's second version; all of it, or so much."""
    return ReturnPurchase(2, (ReturnLine("CD", 1, amount),) if amount else None)


async def test_receipts_stay_with_their_own_purchase(stage: Stage) -> None:
    """Each member's second version is a purchase. What was returned of the one's, unheard of before the merge or after,
    is told on its receipt and on no other."""
    absorbed, survivor = await pair(stage)
    _, ours = await stage.attached(absorbed, "receipt", await stage.receipt(absorbed, 2))
    _, theirs = await stage.attached(survivor, "receipt", await stage.receipt(survivor, 2))
    await send(stage.engine, returned(1_000), absorbed)
    stage.tell(*await merged(stage, survivor, absorbed))
    await until(lambda: ours.states[-1]["version"] == theirs.states[-1]["version"] == 5, "both show the one balance")
    notes = [wire.states[-1]["view"]["returned_note"] for wire in (ours, theirs)]
    assert notes == ["Returned since. 100 points taken back.", ""]
    assert {wire.states[-1]["view"]["balance"]["points"] for wire in (ours, theirs)} == {4 * 356 - 100}
    both = [await stage.done(send(stage.engine, *of)) for of in ((returned(), absorbed), (returned(2_000), survivor))]
    stage.tell(*both)
    await until(lambda: ours.versions[-1] == theirs.versions[-1] == 7, "the returns are shown")
    notes = [wire.states[-1]["view"]["returned_note"] for wire in (ours, theirs)]
    assert notes == ["Returned since. 356 points taken back.", "Returned since. 200 points taken back."]
    late, wire = stage.screen(absorbed, "receipt", await stage.receipt(absorbed, 2))
    await stage.hub.attach(late)
    assert shown(wire) == shown(ours)


async def test_a_purchase_read_for_the_one_that_is_no_more_is_read_too_late(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read that a return asked for ends when the receipt shows more already: it changes nothing any more."""
    absorbed, survivor = await pair(stage)
    await stage.adjust(survivor)
    _, wire = await stage.attached(absorbed, "receipt", await stage.receipt(absorbed, 2))
    gate, reading, reads = asyncio.Event(), stage.reader.purchase, list[int]()

    async def slow(member: int, version: int) -> Purchase | None:
        found = await reading(member, version)
        reads.append(member)
        if len(reads) == 1:
            await gate.wait()
        return found

    monkeypatch.setattr(stage.reader, "purchase", slow)
    stage.tell(await stage.done(send(stage.engine, returned(1_000), absorbed)))
    await until(lambda: reads == [absorbed], "the purchase is being read")
    await send(stage.engine, returned(), absorbed)
    stage.tell(*await merged(stage, survivor, absorbed))
    await until(lambda: wire.versions[-1] == 6, "it shows the other's balance")
    gate.set()
    await turn()
    stage.tell(await stage.adjust(survivor))
    await until(lambda: wire.versions[-1] == 7, "and what comes then")
    assert wire.states[-1]["view"]["returned_note"] == "Returned since. 356 points taken back."


async def test_a_kiosks_session_goes_on_with_the_one(stage: Stage) -> None:
    """Its number is the same, and so is who may end it; the next member is bound to it as ever."""
    absorbed, survivor = await pair(stage)
    session = KioskSession("k", 4, absorbed, CLEARS)
    socket, wire = stage.kiosk(session)
    await stage.hub.attach(socket)
    stage.tell(*await merged(stage, survivor, absorbed))
    await until(lambda: wire.versions == [2, 5], "it is shown")
    assert wire.states[-1]["view"]["session"] == 4
    assert wire.states[-1]["view"]["member"]["balance"]["points"] == 4 * 356
    await stage.hub.rebind(session)
    assert (socket.member, stage.hub.kiosks()) == (survivor, {"k": session})
    for number, member in ((5, None), (6, absorbed), (7, await stage.enrol())):
        await stage.hub.rebind(KioskSession("k", number, member, CLEARS if member else None))
        assert wire.states[-1]["view"]["session"] == number
        assert wire.states[-1]["causes"] == []
        expected = {absorbed: [survivor], None: []}.get(member, [member])
        assert list(stage.hub.members()) == expected
    stage.hub.detach(socket)
    assert (stage.hub.members(), stage.hub.kiosks()) == ({}, {})


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_loss_any_merge_ends_at_the_truth(stage: Stage, seed: int) -> None:
    """Five members of which four merges make one, told shuffled and in part, between sockets that come and go."""
    chance = random.Random(seed)
    members = [await stage.enrol() for _ in range(5)]
    wires: list[tuple[int, Socket, Wire]] = [(member, *await stage.attached(member)) for member in members]
    apart = list(members)
    waiting: list[Committed] = []
    for step in range(40):
        if step % 10 == 9:
            other = apart.pop(chance.randrange(len(apart)))
            waiting += await merged(stage, chance.choice(apart), other)
        else:
            waiting.append(await stage.adjust(chance.choice(members)))
        if chance.random() < 0.3:
            chance.shuffle(waiting)
            stage.tell(*(one for one in waiting if chance.random() < 0.7))
            waiting.clear()
        if chance.random() < 0.2:
            wires.append((member := chance.choice(members), *await stage.attached(member)))
        if chance.random() < 0.1:
            stage.hub.detach(wires.pop(chance.randrange(len(wires)))[1])
        if chance.random() < 0.2:
            await repaired(stage)
    for _ in range(2):  # those who moved are compared by the version of the one they went to
        await repaired(stage)
        await until(lambda: not stage.hub._tasks, "what is behind is read")
    await turn()
    truth = await stage.truth(members[0])
    for member, socket, wire in wires:
        assert shown(wire) == truth, f"seed {seed}: {member}"
        assert wire.versions == sorted(set(wire.versions)), f"seed {seed}: each newer than the one before"
        stage.hub.detach(socket)
    assert stage.hub.members() == {}
