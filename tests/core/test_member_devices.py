"""A token leads to one device, so it belongs to one member: whoever registered it last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import member_devices
from core.database import connect, connected
from core.errors import NotFound
from core.member_devices import MAX_DEVICES, MemberDevice
from tests.conftest import SettableClock
from tests.databases import Database

ADA, BOB = 1000, 1001


class Devices:
    def __init__(self, pool: AsyncEngine, clock: SettableClock) -> None:
        self.pool, self.clock = pool, clock

    async def register(self, member: int, token: str, **more: Any) -> tuple[int, bool]:
        now = self.clock()
        known: dict[str, Any] = {"app": "app", "channel": "fcm", "registered_at": now, "refreshed_at": now}
        device = MemberDevice(member=member, token=token, **{**known, **more})
        kept, new = await member_devices.register(self.pool, device)
        assert kept.token == token
        return kept.id, new

    async def of(self, member: int) -> list[MemberDevice]:
        return await member_devices.of_member(self.pool, member)

    async def tokens(self, member: int) -> list[str]:
        """The last refreshed first."""
        return [device.token for device in await self.of(member)]

    async def targets(self, *members: int) -> set[tuple[int, int, str]]:
        async with connected(self.pool) as connection:
            return set(await member_devices.targets(connection, members))


@pytest.fixture
async def devices(database: Database, clock: SettableClock) -> AsyncIterator[Devices]:
    pool = connect(database.url, pool_size=10)
    yield Devices(pool, clock)
    await pool.dispose()


async def test_a_device_is_registered_once_and_refreshed_after(devices: Devices, clock: SettableClock) -> None:
    registered_at = clock()
    id, new = await devices.register(ADA, "t1", keys={"auth": "x"}, locale="zh-Hant")
    refreshed_at = clock.forward(days=1)
    until = refreshed_at + timedelta(hours=1)
    assert new
    assert await devices.register(ADA, "t1", keys={"auth": "y"}, locale="en", until=until) == (id, False)
    assert await devices.of(ADA) == [
        MemberDevice(
            id=id,
            member=ADA,
            app="app",
            channel="fcm",
            token="t1",
            keys={"auth": "y"},
            locale="en",
            registered_at=registered_at,
            refreshed_at=refreshed_at,
            until=until,
        )
    ]
    clock.forward(days=-1)
    await devices.register(ADA, "t1")
    assert [device.refreshed_at for device in await devices.of(ADA)] == [refreshed_at]


async def test_one_token_is_another_by_another_app_or_channel(devices: Devices) -> None:
    made = [
        await devices.register(ADA, "t1"),
        await devices.register(ADA, "t1", app="other"),
        await devices.register(ADA, "t1", channel="apns"),
        await devices.register(BOB, "t1", channel="liveactivity"),
    ]
    assert len({id for id, _ in made}) == 4
    assert all(new for _, new in made)
    assert len(await devices.of(ADA)) == 3


async def test_a_token_that_moves_to_another_member_leaves_the_first(devices: Devices) -> None:
    """Under a new id: what was planned for the first names the old one, and reaches nobody."""
    first, _ = await devices.register(ADA, "t1")
    second, new = await devices.register(BOB, "t1")
    assert new
    assert second != first
    assert (await devices.of(ADA), await devices.tokens(BOB)) == ([], ["t1"])
    assert await member_devices.by_id(devices.pool, [first, second]) == {second: (await devices.of(BOB))[0]}
    assert await devices.targets(ADA, BOB) == {(BOB, second, "fcm")}
    back, new = await devices.register(ADA, "t1")
    assert new
    assert back not in (first, second)


@pytest.mark.parametrize("turn", range(5))
async def test_twenty_registrations_of_one_token_at_once_end_with_one_owner(devices: Devices, turn: int) -> None:
    answers = await asyncio.gather(*(devices.register((ADA, BOB)[n % 2], "t1") for n in range(20)))
    owned = [device for member in (ADA, BOB) for device in await devices.of(member)]
    assert len(owned) == 1
    assert owned[0].id == max(id for id, _ in answers)
    # Whoever was told that it is new made it; nobody else did.
    made = [id for id, new in answers if new]
    assert len(made) == len(set(made)) == len({id for id, _ in answers})


async def test_a_member_has_so_many_devices_and_the_longest_unheard_of_is_put_out(
    devices: Devices, clock: SettableClock
) -> None:
    for n in range(MAX_DEVICES):
        await devices.register(ADA, f"t{n}")
        clock.forward(seconds=1)
    await devices.register(ADA, "t0")
    await devices.register(BOB, "b")
    clock.forward(seconds=1)
    await devices.register(ADA, "one more")
    tokens = await devices.tokens(ADA)
    assert len(tokens) == MAX_DEVICES
    assert tokens[:2] == ["one more", "t0"]
    assert "t1" not in tokens
    assert await devices.tokens(BOB) == ["b"]


async def test_a_visit_that_is_over_makes_room_first_and_an_address_last(
    devices: Devices, clock: SettableClock
) -> None:
    """No app refreshes an address at each start."""
    await devices.register(ADA, "ada@example.com", channel="email", app="email")
    for n in range(MAX_DEVICES - 2):
        clock.forward(seconds=1)
        await devices.register(ADA, f"t{n}")
    await devices.register(ADA, "visit", channel="liveactivity", until=clock() + timedelta(hours=1))
    clock.forward(hours=1)
    await devices.register(ADA, "next")
    assert "visit" not in await devices.tokens(ADA)
    await devices.register(ADA, "one more")
    assert {"ada@example.com", "t1", "next", "one more"} <= set(await devices.tokens(ADA))
    assert "t0" not in await devices.tokens(ADA)


async def test_a_storm_of_registrations_at_once_stays_within_the_bound(devices: Devices) -> None:
    await asyncio.gather(*(devices.register(ADA, f"t{n}") for n in range(3 * MAX_DEVICES)))
    assert len(await devices.of(ADA)) == MAX_DEVICES


async def test_only_its_own_member_revokes_a_device(devices: Devices) -> None:
    id, _ = await devices.register(ADA, "t1")
    for member, wrong in ((BOB, id), (ADA, id + 1), (ADA, 0)):
        with pytest.raises(NotFound):
            await member_devices.revoke(devices.pool, member, wrong)
    await member_devices.revoke(devices.pool, ADA, id)
    assert await devices.of(ADA) == []
    with pytest.raises(NotFound):
        await member_devices.revoke(devices.pool, ADA, id)


@pytest.mark.parametrize(
    ("since", "left"),
    [(None, 0), (timedelta(), 0), (timedelta(seconds=1), 0), (-timedelta(microseconds=1), 1)],
    ids=["no instant", "that instant", "after it", "before it"],
)
async def test_a_dead_token_is_forgotten_unless_it_was_refreshed_since(
    devices: Devices, clock: SettableClock, since: timedelta | None, left: int
) -> None:
    id, _ = await devices.register(ADA, "t1")
    await devices.register(ADA, "t2")
    await member_devices.forget(devices.pool, id, None if since is None else clock() + since)
    assert len(await devices.of(ADA)) == 1 + left


async def test_the_targets_of_many_members_are_found_at_once(devices: Devices) -> None:
    ids = {member: (await devices.register(member, f"t{member}"))[0] for member in range(1, 40)}
    assert await devices.targets(*range(1, 30)) == {(member, ids[member], "fcm") for member in range(1, 30)}
    assert await devices.targets() == set()
    assert await member_devices.by_id(devices.pool, []) == {}
