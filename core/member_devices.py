"""A member's own devices: where it wants to be told, by app and channel.

A token leads to one device, whoever is signed in there. So it belongs to the member who registered it last: registering
it again refreshes it, and registering it for another member takes it from the first, under a new id. What was planned for
the first member names the old id and reaches nobody.

A member that was merged into another has no devices of its own any more: they went along, ids and all, and whoever still
comes in its name (an app that has not signed in again) means the other's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import Driver, connected, transaction
from core.errors import NotFound

DeviceChannel = Literal["apns", "liveactivity", "fcm", "webpush", "email", "sms"]

MAX_DEVICES = 20
"""Of one member. One more puts out a Live Activity that is over, else the device that was refreshed longest ago; an
address or a number, which no app refreshes, goes last."""
MAX_TOKEN = 1500
"""What a row of the index holds; the longest real ones, Web Push endpoints, have some 500 characters."""


class MemberDevice(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is the channel's own address: a device token, an endpoint, an e-mail address, a number. `keys` are Web
    Push's. `until` ends a Live Activity."""

    id: int = 0
    member: int
    app: str
    channel: DeviceChannel
    token: str
    keys: dict[str, str] = {}
    locale: str = "en"
    registered_at: datetime
    refreshed_at: datetime
    until: datetime | None = None


async def register(engine: AsyncEngine, device: MemberDevice) -> tuple[MemberDevice, bool]:
    """Returns the device as it is kept now, and whether it is new for this member."""
    async with transaction(engine) as connection:
        # A member's registrations one after the other, so that each sees how many there are; and none while the member is
        # merged into another: a merge moves the devices that it sees.
        await connection.execute(_ONE_AT_A_TIME, device.member)
        into = await connection.fetchval(_MERGED_INTO, device.member)
        if into is None:
            return await _register(connection, device)
    return await register(engine, msgspec.structs.replace(device, member=into))


async def _register(connection: Driver, device: MemberDevice) -> tuple[MemberDevice, bool]:
    keys = msgspec.json.encode(device.keys).decode()
    address = (device.channel, device.app, device.token)
    details = (keys, device.locale, device.refreshed_at, device.until)
    rows: list[tuple[Any, ...]] = []
    while not rows:  # again only where another member registered the same token at this moment
        await connection.execute(_LEAVE_ANOTHER, *address, device.member)
        rows = await connection.fetch(_REGISTER, *address, device.member, *details)
    *kept, new = rows[0]
    if new:
        await connection.execute(_PUT_OUT, device.member, MAX_DEVICES, device.refreshed_at)
    return _device(kept), new


async def of_member(engine: AsyncEngine, member: int) -> list[MemberDevice]:
    """A member's devices, the last refreshed first."""
    async with connected(engine) as connection:
        return [_device(row) for row in await connection.fetch(_OF_MEMBER, member)]


async def revoke(engine: AsyncEngine, member: int, id: int) -> None:
    """Raises `NotFound` for a device that is not this member's."""
    async with connected(engine) as connection:
        if await connection.execute(_REVOKE, member, id) == "DELETE 0":
            raise NotFound("this member has no such device", code="unknown_device")


async def targets(connection: Driver, members: Collection[int]) -> list[tuple[int, int, DeviceChannel]]:
    """(member, device, channel) of all devices of `members`; for one that was merged into another, of that one's: what it
    did last may be planned after."""
    return [(member, id, channel) for member, id, channel in await connection.fetch(_TARGETS, list(members))]


async def by_id(engine: AsyncEngine, ids: Collection[int]) -> dict[int, MemberDevice]:
    async with connected(engine) as connection:
        return {row[0]: _device(row) for row in await connection.fetch(_BY_ID, list(ids))}


async def forget(engine: AsyncEngine, id: int, since: datetime | None) -> None:
    """The provider says the token is dead; with `since`, only if it was not refreshed after that."""
    async with connected(engine) as connection:
        await connection.execute(_FORGET, id, since)


def _device(row: Sequence[object]) -> MemberDevice:
    id, member, app, channel, token, keys, locale, registered_at, refreshed_at, until = row
    return msgspec.convert(
        {
            "id": id,
            "member": member,
            "app": app,
            "channel": channel,
            "token": token,
            "keys": msgspec.json.decode(str(keys)),
            "locale": locale,
            "registered_at": registered_at,
            "refreshed_at": refreshed_at,
            "until": until,
        },
        MemberDevice,
    )


_COLUMNS = "id, member_id, app, channel, token, CAST(keys AS text), locale, registered_at, refreshed_at, until"
_DEVICES = f"SELECT {_COLUMNS} FROM member_device"  # noqa: S608 - our own column names

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('member_device', $1))"

_MERGED_INTO = "SELECT merged_into FROM member WHERE id = $1 FOR SHARE"

_LEAVE_ANOTHER = "DELETE FROM member_device WHERE channel = $1 AND app = $2 AND token = $3 AND member_id <> $4"

_REGISTER = f"""INSERT INTO member_device
              (channel, app, token, member_id, keys, locale, registered_at, refreshed_at, until)
       VALUES ($1, $2, $3, $4, CAST($5 AS jsonb), $6, $7, $7, $8)
       ON CONFLICT (channel, app, token) DO UPDATE
          SET keys = excluded.keys, locale = excluded.locale, until = excluded.until,
              refreshed_at = greatest(member_device.refreshed_at, excluded.refreshed_at)
        WHERE member_device.member_id = excluded.member_id
    RETURNING {_COLUMNS}, xmax = 0"""  # noqa: S608 - our own column names

_PUT_OUT = """DELETE FROM member_device
        WHERE id IN (SELECT id FROM member_device WHERE member_id = $1
                      ORDER BY coalesce(until <= $3, false), channel IN ('email', 'sms') DESC, refreshed_at DESC, id DESC
                     OFFSET $2)"""

_OWNER = "coalesce((SELECT merged_into FROM member WHERE id = $1), $1)"

_OF_MEMBER = f"{_DEVICES} WHERE member_id = {_OWNER} ORDER BY refreshed_at DESC, id DESC"

_REVOKE = f"DELETE FROM member_device WHERE member_id = {_OWNER} AND id = $2"  # noqa: S608 - our own words

# One member after the other (OFFSET 0): no plan, made while there were few devices, turns this into a scan of them all.
_TARGETS = """SELECT wanted.id, d.id, d.channel
         FROM unnest(CAST($1 AS bigint[])) AS wanted (id) LEFT JOIN member m ON m.id = wanted.id
        CROSS JOIN LATERAL (SELECT id, channel FROM member_device
                             WHERE member_id = coalesce(m.merged_into, wanted.id) OFFSET 0) d"""

_BY_ID = f"{_DEVICES} WHERE id = ANY(CAST($1 AS bigint[]))"

_FORGET = "DELETE FROM member_device WHERE id = $1 AND (CAST($2 AS timestamptz) IS NULL OR refreshed_at <= $2)"
