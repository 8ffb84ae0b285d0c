"""The pass of a member that was merged into another: it lives on in its phone under its own name, and shows the other."""

from __future__ import annotations

from typing import Any

from core.delivery.carrier import Fact
from core.snapshot import Change, Kind
from tests.bff.house import Shopper
from tests.wallet_passes.merging import merge
from tests.wallet_passes.opening import opened
from tests.wallet_passes.passkit_device import Held, PassKitDevice
from tests.wallet_passes.stage import KIND, Stage, balance
from wallet_passes.apple.updates import ApplePlanner, AppleRefresher


async def couple(stage: Stage) -> tuple[Shopper, Shopper]:
    """One with a purchase, and one with a longer history and a tier."""
    gone, into = await stage.house.enrol("Ada L."), await stage.house.enrol("Ada Lovelace")
    await stage.house.buy(gone, total=1_000)
    await stage.house.buy(into, total=50_000)
    await stage.house.buy(into, total=50_000)
    return gone, into


def held_by(phone: PassKitDevice, who: Shopper) -> Held:
    return phone.passes[KIND, str(who.member)]


def shown(held: Held) -> dict[str, Any]:
    """All that a pass says but whose it is."""
    return {
        name: value for name, value in held.opened.json.items() if name not in ("serialNumber", "authenticationToken")
    }


async def test_a_pass_lives_on_and_shows_whom_its_member_was_merged_into(stage: Stage) -> None:
    gone, into = await couple(stage)
    phone, other = await stage.with_pass(gone), await stage.with_pass(into)
    assert (balance(held_by(phone, gone)), held_by(phone, gone).shows("tier")) == (100, "Listener")

    assert await stage.after(lambda: merge(stage.house, gone, into), phone) == [str(gone.member)]
    await stage.caught_up()
    assert await other.update(KIND) == [str(into.member)]
    held = held_by(phone, gone)
    assert (balance(held), held.shows("tier")) == (10_100, "Silver Disc")
    assert held.opened.json["barcodes"][0]["message"] == into.code
    assert shown(held) == shown(held_by(other, into))

    for who in (into, gone):  # either code leads to the same member
        assert await stage.after(lambda who=who: stage.house.buy(who), phone) == [str(gone.member)]
        await stage.caught_up()
        await other.update(KIND)
        assert shown(held_by(phone, gone)) == shown(held_by(other, into))
    assert await phone.changed(KIND) is None
    assert not await phone.fetch(held.key), "pulled down by hand, with nothing new"

    await phone.set_up_again()
    await stage.caught_up()
    await phone.update(KIND)
    assert await stage.after(lambda: stage.house.buy(into), phone) == [str(gone.member)]
    await phone.remove(held_by(phone, gone))
    assert (await stage.devices(gone), await stage.devices(into)) == (set(), {other.push_token})


async def test_a_phone_with_the_passes_of_both_has_both_kept_true(stage: Stage) -> None:
    """And that of one who had been merged into the first before."""
    first = await stage.house.enrol()
    gone, into = await couple(stage)
    await stage.house.buy(into)
    phone = await stage.with_pass(first, gone, into)
    await merge(stage.house, first, gone)
    await merge(stage.house, gone, into)
    await stage.caught_up()
    serials = sorted(str(who.member) for who in (first, gone, into))
    assert sorted(await phone.update(KIND)) == serials
    sale = await stage.house.buy(first)
    await stage.caught_up()
    assert sorted(await phone.update(KIND)) == serials
    assert {balance(held) for held in phone.passes.values()} == {sale["balance"]}
    assert await phone.changed(KIND) is None


async def test_of_two_with_as_long_a_history_the_next_version_is_newer_to_both_passes(stage: Stage) -> None:
    into, gone = await stage.house.enrol(), await stage.house.enrol()
    phone = await stage.with_pass(into, gone)
    change = await merge(stage.house, gone, into)
    assert change.version == 2
    await stage.caught_up()
    assert sorted(await phone.update(KIND)) == sorted([str(into.member), str(gone.member)])
    assert {held.opened.json["userInfo"]["version"] for held in phone.passes.values()} == {2}


async def test_who_still_asks_in_the_old_name_is_given_the_pass_it_has_and_else_the_others(stage: Stage) -> None:
    gone, into = await couple(stage)
    without = await stage.house.enrol()
    had = opened(await stage.download(gone)).json
    await merge(stage.house, gone, into)
    await merge(stage.house, without, into)
    again, lent, own = [opened(await stage.download(who)).json for who in (gone, without, into)]
    assert [one["serialNumber"] for one in (again, lent, own)] == [
        str(gone.member), str(into.member), str(into.member)
    ]  # fmt: skip
    assert again["authenticationToken"] == had["authenticationToken"]
    assert lent["authenticationToken"] == own["authenticationToken"] != had["authenticationToken"]
    assert again["barcodes"] == lent["barcodes"] == own["barcodes"]
    assert await stage.query("SELECT count(*) FROM wallet_pass WHERE member_id = $1", without.member) == [(0,)]


async def test_facts_of_both_in_one_message_wake_a_phone_once_for_whom_its_pass_shows(stage: Stage) -> None:
    gone, into = await couple(stage)
    phone = await stage.with_pass(gone)
    await stage.after(lambda: merge(stage.house, gone, into), phone)
    await stage.caught_up()
    facts = [
        fact(stage, 11, gone, 71, "purchase"),
        fact(stage, 12, gone, 72, "merged"),
        fact(stage, 13, into, 70, "merge"),
    ]
    planner = ApplePlanner(KIND, stage.clock)
    async with stage.connection() as connection:
        assert await planner.plan(connection, 1, facts[:2]) == []
        (planned,) = await planner.plan(connection, 1, facts)
    assert (planned.fact, planned.member, planned.version) == (13, gone.member, 70)
    assert await phone.update(KIND) == [str(gone.member)]


def fact(stage: Stage, number: int, who: Shopper, version: int, kind: Kind) -> Fact:
    at = stage.clock()
    change = Change(
        member=who.member, version=version, kind=kind, programme=1, recorded_at=at, occurred_at=at, available=1
    )
    return Fact(number, kind, change)


async def test_a_pass_whose_facts_were_lost_is_caught_up_with_whom_it_shows(stage: Stage) -> None:
    gone, into = await couple(stage)
    phone = await stage.with_pass(gone)
    await stage.after(lambda: merge(stage.house, gone, into), phone)
    await stage.caught_up()
    # The last version of its own member: as if nobody had heard what came after.
    await stage.query(
        "UPDATE wallet_pass p SET version = m.version FROM member m WHERE m.id = p.member_id AND m.id = $1", gone.member
    )
    services = stage.house.services
    refresher = AppleRefresher(services.database, services.book, KIND, lambda: services.engine.epoch, stage.clock)
    before = len(await stage.pushes(phone.push_token))
    assert await refresher.catch_up() == 1
    assert await refresher.catch_up() == 0
    await stage.pushed(phone.push_token, before + 1)
    assert await phone.update(KIND) == [str(gone.member)]
