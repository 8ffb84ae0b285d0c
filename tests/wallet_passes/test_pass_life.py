"""The life of a pass on a phone, over real sockets: what happens at the till is what the phone shows next."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise

import pytest

from core.programme.validation import default_document
from core.snapshot import Snapshot
from push.bus import tell_programme
from tests.bff.house import until_async
from tests.core.door import publish_programme
from tests.wallet_passes.passkit_device import Held, PassKitDevice
from tests.wallet_passes.stage import KIND, Stage, balance
from wallet_passes.apple import store


def only(phone: PassKitDevice) -> Held:
    (held,) = phone.passes.values()
    return held


def modified(held: Held) -> datetime:
    return parsedate_to_datetime(held.last_modified)


async def test_a_purchase_reaches_the_phone(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    assert balance(only(phone)) == 0
    assert await stage.after(lambda: stage.house.buy(who, total=3560), phone) == [str(who.member)]
    held = only(phone)
    assert balance(held) == 356
    assert held.shows("recent").splitlines()[0].endswith("3 CDs, Harbour Street +356")
    assert held.opened.json["userInfo"] == {"version": 2}
    assert (held.shows("points", "zh-Hans"), held.opened.shown("zh-Hans")["points"].label) == ("356", "积分")
    assert await phone.changed(KIND) is None
    assert not await phone.fetch(held.key), "pulled down by hand, with nothing new"


async def test_an_upgrade_changes_the_face(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    before = only(phone).opened
    await stage.after(lambda: stage.house.buy(who, total=100_000), phone)
    after = only(phone).opened
    assert (before.value("tier"), after.value("tier")) == ("Listener", "Silver Disc")
    assert before.json["backgroundColor"] != after.json["backgroundColor"]
    assert before.files["strip@3x.png"] != after.files["strip@3x.png"]


async def test_two_updates_in_one_second_are_both_seen(stage: Stage) -> None:
    """The clock stands still, and an HTTP date can say whole seconds only."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    seen = []
    for _ in range(3):
        await stage.after(lambda: stage.house.adjust(who, 10), phone)
        seen.append((balance(only(phone)), modified(only(phone))))
    start = seen[0][1]
    assert seen == [(10 * n, start + timedelta(seconds=n - 1)) for n in (1, 2, 3)]


async def test_a_burst_is_one_update(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    for _ in range(5):
        await stage.house.adjust(who, 10)
    await stage.caught_up()
    assert await phone.update(KIND) == [str(who.member)]
    assert balance(only(phone)) == 50
    assert await phone.changed(KIND) is None
    pushes = await stage.pushes(phone.push_token)
    assert {push.collapse_id for push in pushes} == {"pass"}
    assert 1 <= len(pushes) <= 5


async def test_a_new_push_token_takes_the_old_ones_place(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    await stage.after(lambda: stage.house.adjust(who, 10), phone)
    old = phone.push_token
    before = len(await stage.pushes(old))
    await phone.set_up_again()
    assert await stage.devices(who) == {phone.push_token}
    await stage.caught_up()
    await phone.update(KIND)
    assert await stage.after(lambda: stage.house.adjust(who, 10), phone) == [str(who.member)]
    assert balance(only(phone)) == 20
    await stage.caught_up()
    assert len(await stage.pushes(old)) == before


async def test_what_went_to_the_old_push_token_is_told_to_the_new(stage: Stage) -> None:
    """The phone was set up again between the push and its arrival."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    old = phone.push_token
    await stage.house.adjust(who, 10)
    await stage.pushed(old)
    await stage.caught_up()
    await phone.set_up_again()
    await stage.pushed(phone.push_token)
    assert await phone.update(KIND) == [str(who.member)]
    assert balance(only(phone)) == 10
    await phone.register(only(phone), known=True)  # the same token again: nothing is new to it
    await stage.caught_up()
    assert len(await stage.pushes(phone.push_token)) == 1


async def test_after_a_reboot_all_is_asked_again(stage: Stage) -> None:
    ada, bob = await stage.house.enrol(), await stage.house.enrol()
    phone = await stage.with_pass(ada, bob)
    await stage.house.adjust(ada, 10)
    await stage.caught_up()
    assert await phone.reboot() == [str(ada.member)], "of Bob's it is said that the phone has the newest"
    assert phone.tags.keys() == {KIND}
    assert sorted(balance(held) for held in phone.passes.values()) == [0, 10]
    assert await phone.changed(KIND) is None
    # A tag of another lineage of the database counts as none, and so does what never was one.
    for tag in ("0-1", "99-0", "garbage"):
        phone.tags[KIND] = tag
        assert sorted(await phone.changed(KIND) or []) == sorted([str(ada.member), str(bob.member)]), tag


async def test_two_passes_changed_at_different_times_are_both_listed(stage: Stage) -> None:
    ada, bob, eve = [await stage.house.enrol() for _ in range(3)]
    phone = await stage.with_pass(ada, bob, eve)
    await stage.house.adjust(ada, 10)
    await stage.caught_up()
    await stage.forward(minutes=7)
    await stage.house.adjust(bob, 20)
    await stage.caught_up()
    assert sorted(await phone.update(KIND)) == sorted([str(ada.member), str(bob.member)])
    assert sorted(balance(held) for held in phone.passes.values()) == [0, 10, 20]
    # And from then on the later one alone.
    await stage.after(lambda: stage.house.adjust(eve, 30), phone)
    assert sorted(balance(held) for held in phone.passes.values()) == [10, 20, 30]


async def test_a_deleted_pass_is_pushed_no_more(stage: Stage) -> None:
    who, other = await stage.house.enrol(), await stage.house.enrol()
    phone = await stage.with_pass(who, other)
    await stage.after(lambda: stage.house.adjust(who, 10), phone)
    held = phone.passes[KIND, str(who.member)]
    await phone.remove(held)
    assert await stage.devices(who) == set()
    before = len(await stage.pushes(phone.push_token))
    await stage.house.adjust(who, 10)
    await stage.caught_up()
    assert len(await stage.pushes(phone.push_token)) == before
    assert await stage.after(lambda: stage.house.adjust(other, 5), phone) == [str(other.member)]
    # Deleted twice, it is still deleted; added again, it is new.
    phone.passes[held.key] = held
    await phone.remove(held)
    await phone.register(phone.add(await stage.download(who)))
    assert balance(phone.passes[held.key]) == 20


async def test_what_changed_before_the_registration_is_told_at_once(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = stage.phone()
    phone.add(await stage.download(who))
    await stage.house.adjust(who, 10)
    await stage.caught_up()
    await phone.register(only(phone))
    await stage.pushed(phone.push_token)
    assert await phone.update(KIND) == [str(who.member)]
    assert balance(only(phone)) == 10


async def test_a_copy_from_another_device_is_told_at_once(stage: Stage) -> None:
    """The second device has the first one's old copy, and the newest pass was given out already."""
    who = await stage.house.enrol()
    data = await stage.download(who)
    first, second = stage.phone(), stage.phone()
    await first.register(first.add(data))
    await stage.after(lambda: stage.house.adjust(who, 10), first)
    await second.register(second.add(data))
    await stage.pushed(second.push_token)
    assert await second.update(KIND) == [str(who.member)]
    assert balance(only(second)) == 10


async def test_a_device_that_has_the_newest_is_left_in_peace(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    await stage.caught_up()
    assert await stage.pushes(phone.push_token) == []


async def test_a_change_at_the_very_moment_of_the_registration_is_told(stage: Stage) -> None:
    """Whoever marks the pass has looked for devices already, and has not committed yet."""
    who = await stage.house.enrol()
    phone = stage.phone()
    held = phone.add(await stage.download(who))
    async with stage.connection() as marking:
        change = marking.transaction()
        await change.start()
        assert await store.mark(marking, [(who.member, 7, 1)], stage.clock()) == [who.member]
        assert await store.devices_of(marking, [who.member], KIND) == []
        registering = asyncio.create_task(phone.register(held))

        async def there() -> bool:
            return registering.done() or await stage.waiting()

        await until_async(there, "the registration waits, or is done")
        await change.commit()
    await registering
    await stage.pushed(phone.push_token)
    assert await phone.update(KIND) == [str(who.member)]


async def test_a_change_while_the_pass_is_made_is_not_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the change must not leave with a date after it: that would be taken for the newest."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    service = stage.house.services.outside.apple
    reading, late = service._snapshot, [10]

    async def slowly(member: int) -> Snapshot:
        found = await reading(member)
        if late:
            await stage.house.adjust(who, late.pop())
            await stage.caught_up()
        return found

    await stage.house.adjust(who, 5)
    await stage.caught_up()
    monkeypatch.setattr(service, "_snapshot", slowly)
    assert await phone.update(KIND) == [str(who.member)]
    assert (balance(only(phone)), late) == (5, [])
    assert await phone.update(KIND) == [str(who.member)]
    assert balance(only(phone)) == 15


async def test_the_date_moves_strictly_forward_whatever_the_clock_does(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    dates = [modified(only(phone))]
    now = stage.clock()
    for seconds in (0, 0, 0.4, 5, 0, -60, 0):
        now += timedelta(seconds=seconds)
        async with stage.connection() as connection, connection.transaction():
            await store.mark_again(connection, who.member, now)
        assert await phone.update(KIND) == [str(who.member)]
        dates.append(modified(only(phone)))
    steps = [(later - earlier).total_seconds() for earlier, later in pairwise(dates)]
    assert min(steps) >= 1
    assert dates[4] - dates[0] == timedelta(seconds=5), "where the clock is ahead, it is the clock's"
    assert steps[5:] == [1, 1], "the clock was set back"


async def test_a_phone_may_complain(stage: Stage) -> None:
    phone = await stage.with_pass(await stage.house.enrol())
    await phone.complain("Unable to update", "the pass")
    rows = await stage.query("SELECT message FROM pass_log ORDER BY id DESC LIMIT 2")
    assert [message for (message,) in rows] == ["the pass", "Unable to update"]


# -- what no command did: from here on, every pass of the house is fetched again -----------------------------------------


async def test_a_new_year_alone_has_the_pass_fetched_again(stage: Stage) -> None:
    """Nobody bought anything, and nothing lapsed: the year that is counted is another."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    await stage.after(lambda: stage.house.buy(who, total=3560), phone)
    assert only(phone).shows("this_year") == "356"
    next_year = datetime.fromisoformat("2027-01-01T00:00:00+08:00")  # in the programme's zone
    assert await stage.after(
        lambda: stage.forward(seconds=(next_year - stage.clock()).total_seconds()), phone
    ) == [str(who.member)]  # fmt: skip
    assert (only(phone).shows("this_year"), balance(only(phone))) == ("0", 356)
    assert only(phone).opened.json["userInfo"] == {"version": 2}


async def test_a_new_programme_has_the_pass_fetched_again(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    source = default_document().replace('en = "Harbour Records"', 'en = "Pier Records"')

    async def publish() -> None:
        await publish_programme(stage.house.database.owner_url, source, stage.clock())
        settings = stage.house.services.settings
        await tell_programme(settings.nats_url or "", settings.nats_token)

    assert await stage.after(publish, phone) == [str(who.member)]
    assert only(phone).opened.json["organizationName"] == "Pier Records"
