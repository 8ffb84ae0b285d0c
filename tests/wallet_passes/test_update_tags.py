"""Marks and tags: a device that follows the tag misses nothing, whoever marks at the same time; what is marked is marked
once, and what the clock or a programme alone changed is marked too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.clock import rfc3339
from core.delivery.carrier import Fact
from core.embedded import Endpoints
from core.programme.book import publish
from core.programme.validation import default_document
from core.snapshot import Change
from tests.bff.house import Shopper, until_async
from tests.peers.apns import FakeApns
from tests.wallet_passes.passkit_device import PassKitDevice
from tests.wallet_passes.stage import KIND, Stage, balance, on_stage
from wallet_passes.apple import store
from wallet_passes.apple.updates import ApplePlanner, AppleRefresher

ROUNDS = 25


@pytest.fixture(scope="module")
async def stage(endpoints: Endpoints, template: str, apns: FakeApns) -> AsyncIterator[Stage]:
    """A house in which nothing happens by itself: no relay, no sweep, no refresher."""
    async with on_stage(endpoints, template, apns, roles=frozenset({"serve"})) as stage:
        yield stage


async def row(stage: Stage, who: Shopper, columns: str) -> Any:
    (found,) = await stage.query(f"SELECT {columns} FROM wallet_pass WHERE member_id = $1", who.member)
    return tuple(found) if len(found) > 1 else found[0]


# -- tags become visible in their own order -----------------------------------------------------------------------------


async def test_a_second_that_marks_waits_for_the_first(stage: Stage) -> None:
    ada, bob = await stage.house.enrol(), await stage.house.enrol()
    phone = await stage.with_pass(ada, bob)
    async with stage.connection() as one, stage.connection() as other:
        first = one.transaction()
        await first.start()
        assert await store.mark(one, [(ada.member, 10, 1)], stage.clock()) == [ada.member]
        second = asyncio.create_task(store.mark(other, [(bob.member, 10, 1)], stage.clock()))

        async def there() -> bool:
            return second.done() or await stage.waiting()

        await until_async(there, "the second waits, or is done")
        seen = await phone.update(KIND)  # what a device asks meanwhile must hide nothing of the first from it
        await first.commit()
        assert await second == [bob.member]
    seen += await phone.update(KIND)
    assert sorted(seen) == sorted([str(ada.member), str(bob.member)])


async def test_a_device_that_follows_tags_misses_nothing(stage: Stage) -> None:
    """Two connections mark many members' passes in transactions that lie across each other, while a device asks again and
    again. Whenever a pass is named to it, it looks how far the pass is; in the end it must have seen the last of each."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    people = [await stage.house.enrol() for _ in range(12)]
    phone = await stage.with_pass(*people)
    seen = dict.fromkeys((who.member for who in people), 0)
    versions = dict.fromkeys(seen, 10)
    marking = 2

    async def mark(choice: random.Random) -> None:
        nonlocal marking
        async with stage.connection() as connection:
            for _ in range(ROUNDS):
                async with connection.transaction():
                    members = choice.sample(sorted(seen), choice.randint(1, 5))
                    changed = []
                    for member in members:
                        versions[member] += 1
                        changed.append((member, versions[member], 1))
                    await store.mark(connection, changed, stage.clock())
                    for _ in range(choice.randint(0, 3)):
                        await connection.execute("SELECT 1")  # the transaction stays open a while
        marking -= 1

    async def ask() -> None:
        async with stage.connection() as connection:
            last = False
            while not last:
                last = marking == 0
                members = [int(serial) for serial in await phone.changed(KIND) or []]
                rows = await connection.fetch(
                    "SELECT member_id, version FROM wallet_pass WHERE member_id = ANY($1)", members
                )
                seen.update(dict(rows))

    await asyncio.gather(mark(random.Random(seed)), mark(random.Random(seed + 1)), ask())
    rows = await stage.query("SELECT member_id, version FROM wallet_pass WHERE member_id = ANY($1)", list(seen))
    true = dict(rows)
    assert {member: seen[member] for member in seen if true[member] > 10} == {
        member: version for member, version in true.items() if version > 10
    }, f"seed {seed}"
    ((top,),) = await stage.query("SELECT tag FROM wallet_tag")
    assert phone.tags[KIND] == f"{stage.house.services.engine.epoch}-{top}"


# -- what is marked, and how often --------------------------------------------------------------------------------------


async def test_a_version_is_marked_once_and_never_back(stage: Stage) -> None:
    who, without = await stage.house.enrol(), await stage.house.enrol()
    await stage.download(who)
    async with stage.connection() as connection:
        assert await store.mark(connection, [(without.member, 10, 1)], stage.clock()) == []
        before = await row(stage, who, "tag, modified_at")
        for changed, marked in (
            ([(who.member, 5, 1)], True),
            ([(who.member, 5, 1)], False),
            ([(who.member, 4, 2)], False),
            ([(who.member, 6, 1), (who.member, 8, 1), (who.member, 7, 1), (without.member, 9, 1)], True),
            ([(who.member, 8, 1)], False),
        ):
            assert await store.mark(connection, changed, stage.clock()) == ([who.member] if marked else []), changed
            after = await row(stage, who, "tag, modified_at")
            assert (after > before) is marked, changed
            before = after
    assert await row(stage, who, "version, programme") == (8, 1)
    assert await stage.query("SELECT count(*) FROM wallet_pass WHERE member_id = $1", without.member) == [(0,)]


async def test_facts_that_are_planned_twice_are_planned_once(stage: Stage) -> None:
    """A batch with several facts of a member asks for one push to each of its devices: the newest's."""
    ada, bob = await stage.house.enrol(), await stage.house.enrol()
    await stage.with_pass(ada)
    await stage.with_pass(ada)
    await stage.with_pass(bob)
    planner = ApplePlanner(KIND, stage.clock)
    facts = [fact(stage, 1, ada, 5), fact(stage, 2, bob, 4), fact(stage, 4, ada, 7), fact(stage, 3, ada, 6)]
    async with stage.connection() as connection:
        planned = await planner.plan(connection, 1, facts)
        assert sorted((one.member, one.fact, one.version, one.channel) for one in planned) == sorted(
            [(ada.member, 4, 7, "applepass")] * 2 + [(bob.member, 2, 4, "applepass")]
        )
        assert await planner.plan(connection, 1, facts) == []
        assert await planner.plan(connection, 1, []) == []


def fact(stage: Stage, number: int, who: Shopper, version: int) -> Fact:
    at = stage.clock()
    change = Change(
        member=who.member, version=version, kind="adjust", programme=1, recorded_at=at, occurred_at=at, available=1
    )
    return Fact(number, "adjust", change)


# -- the clock, and a programme -----------------------------------------------------------------------------------------


def refresher(stage: Stage) -> AppleRefresher:
    services = stage.house.services
    return AppleRefresher(services.database, services.book, KIND, lambda: services.engine.epoch, stage.clock)


async def update(stage: Stage, who: Shopper, phone: PassKitDevice) -> int:
    """Have the pass marked as its facts would, fetch it, and say what it shows."""
    ((version,),) = await stage.query("SELECT version FROM member WHERE id = $1", who.member)
    async with stage.connection() as connection:
        await store.mark(connection, [(who.member, version, 1)], stage.clock())
    await phone.update(KIND)
    (held,) = phone.passes.values()
    return balance(held)


async def test_what_lapses_by_the_clock_alone_is_fetched_again(stage: Stage) -> None:
    """Points that were set aside come back after a quarter of an hour, on record or not."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    await stage.house.adjust(who, 3_000)
    await stage.house.hold(who)
    assert await update(stage, who, phone) == 500
    until = await row(stage, who, "valid_until")
    assert until - stage.clock() == timedelta(minutes=15)
    versions = await stage.query("SELECT version FROM member WHERE id = $1", who.member)

    await stage.forward(minutes=14, seconds=59)
    assert await refresher(stage).turn() == 0
    await stage.forward(seconds=1)
    assert await refresher(stage).turn() == 1
    assert await refresher(stage).turn() == 0, "it was told once"
    rows = await stage.query("SELECT kind, state, target FROM delivery WHERE member_id = $1", who.member)
    ((id,),) = await stage.query("SELECT id FROM pass_device WHERE member_id = $1", who.member)
    assert [tuple(one) for one in rows] == [("changed", "pending", id)]
    assert await phone.update(KIND) == [str(who.member)]
    (held,) = phone.passes.values()
    assert balance(held) == 3_000
    assert await stage.query("SELECT version FROM member WHERE id = $1", who.member) == versions
    assert await row(stage, who, "valid_until") > stage.clock()


async def test_points_lapse_on_their_day(stage: Stage) -> None:
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    await stage.house.adjust(who, 30)
    assert await update(stage, who, phone) == 30
    day = (await stage.query("SELECT expires_at FROM lot WHERE member_id = $1", who.member))[0][0]
    # Every new year has the pass fetched on the way.
    years = [datetime.fromisoformat(f"{year}-01-01T00:00:00+08:00") for year in (2027, 2028)]
    warned = [day - timedelta(days=days) for days in (90, 14)]
    expected = [(at, 30) for at in sorted([*years, *warned])]
    for at, shown in (*expected, (day - timedelta(seconds=1), None), (day, 0)):
        await stage.forward(seconds=(at - stage.clock()).total_seconds())
        marked = await refresher(stage).turn()
        assert (await phone.update(KIND) == [str(who.member)]) is (shown is not None), rfc3339(at)
        assert (marked > 0) is (shown is not None), rfc3339(at)
        (held,) = phone.passes.values()
        assert balance(held) == (30 if shown is None else shown), rfc3339(at)


async def test_two_workers_mark_what_is_outdated_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts, for there may be more than one statement should mark."""
    monkeypatch.setattr("wallet_passes.apple.updates.AT_ONCE", 3)
    people = [await stage.house.enrol() for _ in range(8)]
    for who in people:
        await stage.with_pass(who)
    await refresher(stage).turn()
    members = [who.member for who in people]
    async with stage.connection() as connection:
        due = stage.clock()
        await connection.execute("UPDATE wallet_pass SET valid_until = $2 WHERE member_id = ANY($1)", members, due)
    marks = "SELECT member_id, modified_at FROM wallet_pass WHERE member_id = ANY($1)"
    before = dict(await stage.query(marks, members))
    done = await asyncio.gather(refresher(stage).turn(), refresher(stage).turn())
    done.append(await refresher(stage).turn())  # one that found another's work done stops there until its next turn
    assert sum(done) == 8
    after = dict(await stage.query(marks, members))
    assert {member: after[member] - before[member] for member in members} == dict.fromkeys(
        members, timedelta(seconds=1)
    )
    rows = await stage.query("SELECT count(*), count(DISTINCT target) FROM delivery WHERE member_id = ANY($1)", members)
    assert [tuple(one) for one in rows] == [(8, 8)]


async def test_an_older_answer_does_not_say_until_when_the_newer_is_true(stage: Stage) -> None:
    """It was read before a change, and is given out after it."""
    who = await stage.house.enrol()
    await stage.download(who)
    tag, soon = await row(stage, who, "tag"), stage.clock() + timedelta(minutes=1)
    async with stage.connection() as connection:
        await store.given(connection, who.member, tag, soon)
        assert await row(stage, who, "valid_until") == soon
        await store.mark(connection, [(who.member, 9, 1)], stage.clock())
        await store.given(connection, who.member, tag, soon + timedelta(days=1))
        assert await row(stage, who, "valid_until") == soon
        await store.given(connection, who.member, await row(stage, who, "tag"), None)
        assert await row(stage, who, "valid_until") is None


async def test_a_worker_that_has_not_heard_of_the_programme_gives_no_old_pass_under_the_new_date(stage: Stage) -> None:
    """Another has, and marked the pass; the phone asks this one. What it is given, it will never be given again."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    book = stage.house.services.book
    source = default_document().replace('"Harbour Records"', '"Pier Records"')
    assert source != default_document()
    async with stage.house.services.database.begin() as connection:
        revision = await publish(connection, source, by="owner", now=stage.clock())
    async with stage.connection() as connection:
        await store.mark_outdated(connection, revision, stage.clock(), 500)
    assert book.revision < revision, "this worker has heard of it already"
    assert await phone.update(KIND) == [str(who.member)]
    assert phone.passes[KIND, str(who.member)].opened.json["organizationName"] == "Pier Records"


async def test_a_worker_whose_clock_is_behind_gives_no_old_pass_under_the_new_date(stage: Stage) -> None:
    """A scheduled programme is in force by the clock of who marked the pass, and not yet by ours."""
    who = await stage.house.enrol()
    phone = await stage.with_pass(who)
    source = default_document().replace('"Harbour Records"', '"Quay Records"')
    async with stage.house.services.database.begin() as connection:
        at = stage.clock() + timedelta(hours=1)
        revision = await publish(connection, source, by="owner", now=stage.clock(), at=at)
    async with stage.connection() as connection:
        await store.mark_outdated(connection, revision, stage.clock(), 500)
    assert await phone.update(KIND) == [str(who.member)]
    assert stage.house.services.book.current.revision < revision
    assert phone.passes[KIND, str(who.member)].opened.json["organizationName"] == "Quay Records"
