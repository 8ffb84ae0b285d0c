"""Several devices with one pass: a dead one is forgotten, and never keeps the others from being told."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from core.database import connected, transaction
from core.delivery.carrier import Delivery
from core.delivery.outcome import Delivered, Outcome, TokenDead
from tests.peers import troubles
from tests.peers.node import Trouble
from tests.wallet_passes.passkit_device import PassKitDevice
from tests.wallet_passes.stage import KIND, Stage, balance
from wallet_passes.apple import store
from wallet_passes.apple.updates import AT_ONCE, CHANNEL, AppleCarrier, AppleRefresher, Wake


def shown(phone: PassKitDevice) -> int:
    (held,) = phone.passes.values()
    return balance(held)


async def states(stage: Stage, phone: PassKitDevice) -> list[tuple[str, str]]:
    """(state, reason) of the deliveries to a phone that is registered, oldest first."""
    rows = await stage.query(
        """SELECT d.state, d.reason FROM delivery d JOIN pass_device p ON p.id = d.target
            WHERE d.channel = 'applepass' AND p.device = $1 ORDER BY d.id""",
        phone.id,
    )
    return [tuple(row) for row in rows]


async def test_every_device_with_the_pass_is_pushed(stage: Stage) -> None:
    who = await stage.house.enrol()
    phones = [await stage.with_pass(who) for _ in range(3)]
    await stage.house.adjust(who, 10)
    for phone in phones:
        await stage.pushed(phone.push_token)
        assert await phone.update(KIND) == [str(who.member)]
        assert shown(phone) == 10
    await stage.caught_up()
    assert [await states(stage, phone) for phone in phones] == [[("delivered", "")]] * 3
    assert len({(await stage.pushed(phone.push_token)).connection for phone in phones}) == 1


DEAD: dict[str, Trouble] = {
    "BadDeviceToken": troubles.answer(400, "BadDeviceToken"),
    "Unregistered, without a time": troubles.answer(410, "Unregistered"),
    "gone, without a word": troubles.answer(410),
}


@pytest.mark.parametrize("what", DEAD)
async def test_a_dead_token_is_pruned_and_the_other_still_pushed(stage: Stage, what: str) -> None:
    who = await stage.house.enrol()
    dead, alive = await stage.with_pass(who), await stage.with_pass(who)
    await stage.apns.script({**DEAD[what], "to": dead.push_token})
    await stage.house.adjust(who, 10)
    await stage.pushed(dead.push_token)
    await stage.pushed(alive.push_token)
    await stage.caught_up()
    assert await stage.devices(who) == {alive.push_token}
    await alive.update(KIND)
    assert await stage.after(lambda: stage.house.adjust(who, 10), alive) == [str(who.member)]
    await stage.caught_up()
    assert (shown(alive), len(await stage.pushes(dead.push_token))) == (20, 1)


@pytest.mark.parametrize(("since", "pruned"), [(1, True), (0, True), (-1, False)])
async def test_a_token_that_died_before_it_was_registered_again_stays(stage: Stage, since: int, pruned: bool) -> None:
    """Unregistered comes with the time at which it was: one that came back after that is no longer."""
    who = await stage.house.enrol()
    one, other = await stage.with_pass(who), await stage.with_pass(who)
    await stage.forward(minutes=10)
    await one.register(next(iter(one.passes.values())), known=True)
    await stage.apns.kill(one.push_token, stage.clock() + timedelta(minutes=since))
    await stage.house.adjust(who, 10)
    assert (await stage.pushed(one.push_token)).status == 410
    await stage.pushed(other.push_token)
    await stage.caught_up()
    assert await stage.devices(who) == ({other.push_token} if pruned else {one.push_token, other.push_token})
    if not pruned:
        assert await states(stage, one) == [("dead", "410 Unregistered")]
        assert await one.update(KIND) == [str(who.member)], "it asks by itself one day"


TROUBLES: dict[str, Trouble] = {
    "busy": troubles.answer(503, "ServiceUnavailable"),
    "reset": troubles.reset(),
    "goaway": troubles.goaway(),
}


@pytest.mark.parametrize("what", TROUBLES)
async def test_one_failure_never_stops_the_rest(stage: Stage, what: str) -> None:
    """And is made good when its time has come."""
    who = await stage.house.enrol()
    failing, well = await stage.with_pass(who), await stage.with_pass(who)
    trouble = {**TROUBLES[what], "to": failing.push_token}
    await stage.apns.script(trouble)
    await stage.house.adjust(who, 10)
    await stage.pushed(well.push_token)
    await stage.caught_up()
    await stage.forward(seconds=5)
    push = await stage.pushed(failing.push_token, 2)
    assert push.status == 200
    assert push.id == (await stage.pushed(failing.push_token)).id, "the same push, as APNs tells them apart"
    for phone in (failing, well):
        assert await phone.update(KIND) == [str(who.member)]
        assert shown(phone) == 10
    assert await stage.devices(who) == {failing.push_token, well.push_token}


class Waking:
    """A waker that does something while the push is under way."""

    def __init__(self, stage: Stage, phone: PassKitDevice, outcome: Outcome) -> None:
        self.stage, self.phone, self.outcome = stage, phone, outcome
        self.woken: list[Wake] = []

    async def wake(self, wake: Wake) -> Outcome:
        self.woken.append(wake)
        await self.phone.set_up_again()
        return self.outcome

    async def close(self) -> None:
        raise AssertionError("it is the test's")


async def test_a_device_set_up_again_while_its_old_token_dies_stays(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    old = phone.push_token
    waking = Waking(stage, phone, TokenDead("400 BadDeviceToken"))
    carrier = AppleCarrier(stage.house.services.database, waking)
    ((registration,),) = await stage.query("SELECT id FROM pass_device WHERE member_id = $1", who.member)
    delivery = Delivery(1, uuid4(), who.member, 1, "changed", CHANNEL, registration, 1, stage.clock())
    prepared = await carrier.prepare([delivery])
    assert prepared[1] == Wake(old, KIND, delivery.reference)
    outcome = await carrier.send(prepared[1])
    assert isinstance(outcome, TokenDead)
    await carrier.forget(delivery, outcome)
    assert await stage.devices(who) == {phone.push_token}
    # Its new token dies, and nobody comes in between.
    carrier = AppleCarrier(stage.house.services.database, still := Still(outcome))
    await carrier.send((await carrier.prepare([delivery]))[1])
    await carrier.forget(delivery, outcome)
    assert ([wake.token for wake in still.woken], await stage.devices(who)) == ([phone.push_token], set())
    assert await carrier.prepare([delivery]) == {}, "a registration that is gone has no message"


class Still:
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.woken: list[Wake] = []

    async def wake(self, wake: Wake) -> Outcome:
        self.woken.append(wake)
        return self.outcome

    async def close(self) -> None:
        self.outcome = Delivered()


async def test_a_device_that_leaves_before_its_push_is_not_pushed(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone, other = await stage.with_pass(who), await stage.with_pass(who)
    await stage.apns.script(troubles.answer(503, "ServiceUnavailable", to=phone.push_token))
    await stage.house.adjust(who, 10)
    await stage.pushed(phone.push_token)
    await stage.caught_up()
    (held,) = phone.passes.values()
    await phone.remove(held)
    await stage.forward(seconds=5)
    await stage.after(lambda: stage.house.adjust(who, 10), other)
    await stage.caught_up()
    assert len(await stage.pushes(phone.push_token)) == 1
    assert await stage.query("SELECT count(*) FROM delivery WHERE state = 'pending'") == [(0,)]


# -- what nobody told of ------------------------------------------------------------------------------------------------


def refresher(stage: Stage) -> AppleRefresher:
    """As a working process has one, to be turned by hand."""
    services = stage.house.services
    return AppleRefresher(services.database, services.book, KIND, lambda: services.engine.epoch, stage.clock)


async def test_a_pass_behind_the_ledger_is_caught_up(stage: Stage) -> None:
    """As if its facts had been lost: the stream keeps them for a week."""
    who, level = await stage.house.enrol(), await stage.house.enrol()
    phone, other = await stage.with_pass(who), await stage.with_pass(level)
    await stage.after(lambda: stage.house.adjust(who, 10), phone)
    async with connected(stage.house.services.database) as connection:
        await connection.execute("UPDATE wallet_pass SET version = 1 WHERE member_id = $1", who.member)
    before = len(await stage.pushes(phone.push_token))
    assert await refresher(stage).catch_up() == 1
    assert await refresher(stage).catch_up() == 0
    await stage.pushed(phone.push_token, before + 1)
    assert await phone.update(KIND) == [str(who.member)]
    assert await stage.pushes(other.push_token) == []
    assert await other.changed(KIND) is None


async def test_those_behind_are_found_however_many_passes_there_are(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AT_ONCE > 2
    monkeypatch.setattr("wallet_passes.apple.updates.AT_ONCE", 2)
    people = [await stage.house.enrol() for _ in range(5)]
    for who in people:
        await stage.download(who)
    await stage.caught_up()
    members = [who.member for who in people]
    async with transaction(stage.house.services.database) as connection:
        await connection.execute("UPDATE wallet_pass SET version = 0 WHERE member_id = ANY($1)", members)
    assert await refresher(stage).catch_up() == 5
    async with transaction(stage.house.services.database) as connection:
        found, last = await store.behind(connection, 0, 1_000)
    assert (found, last) == ([], 0)
