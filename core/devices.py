"""Devices of a store: tills and kiosks, and which member a kiosk shows.

A kiosk's session is not a member's state: it is a screen's. It still has one writer rule: the session number grows with
every bind and unbind, under the device's row, so every process agrees which is newest.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import InvalidInput, NotAllowed, NotFound

DeviceKind = Literal["kiosk", "till"]


class Device(msgspec.Struct, frozen=True):
    id: str
    kind: DeviceKind
    store: str
    name: str
    revoked: bool = False


class KioskSession(msgspec.Struct, frozen=True):
    """`member` None: nobody's session runs."""

    device: str
    session: int = 0
    member: int | None = None
    clears_at: datetime | None = None


async def add(engine: AsyncEngine, device: Device, now: datetime) -> None:
    """Raises `InvalidInput` when the id is taken by a device that is another kind or stands in another store."""
    async with engine.begin() as connection:
        row = (
            await connection.execute(
                _ADD, {"id": device.id, "kind": device.kind, "store": device.store, "name": device.name, "now": now}
            )
        ).first()
    if row is None:
        raise InvalidInput.at("/id", "another device has this id", "device_exists")


async def revoke(engine: AsyncEngine, device: str, now: datetime) -> None:
    async with engine.begin() as connection:
        if not (await connection.execute(_REVOKE, {"id": device, "now": now})).rowcount:
            raise NotFound("no such device", code="unknown_device")


async def all_devices(engine: AsyncEngine) -> list[Device]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT id, kind, store, name, revoked_at IS NOT NULL FROM device ORDER BY id")
        )
        return [Device(*row) for row in rows]


async def revoked(engine: AsyncEngine) -> frozenset[str]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT id FROM device WHERE revoked_at IS NOT NULL"))
        return frozenset(device for (device,) in rows)


async def session_of(engine: AsyncEngine, device: str) -> KioskSession:
    async with engine.connect() as connection:
        row = (await connection.execute(_SESSION, {"id": device})).first()
    return KioskSession(device, *row) if row else KioskSession(device)


async def sessions_of(engine: AsyncEngine, wanted: Collection[str]) -> dict[str, KioskSession]:
    """The sessions of several devices, in one statement."""
    async with engine.connect() as connection:
        rows = await connection.execute(_SESSIONS, {"ids": list(wanted)})
        found = {device: KioskSession(device, *session) for device, *session in rows}
    return {device: found.get(device) or KioskSession(device) for device in wanted}


async def bind(engine: AsyncEngine, device: str, member: int, clears_at: datetime) -> KioskSession:
    """Show `member` on the kiosk until `clears_at`, or a touch extends it."""
    return await _set(engine, device, member, clears_at)


async def unbind(engine: AsyncEngine, device: str) -> KioskSession:
    return await _set(engine, device, None, None)


async def touch(engine: AsyncEngine, device: str, session: int, clears_at: datetime) -> KioskSession:
    """Extend the running session; returns the session as it is, which may have ended."""
    async with engine.begin() as connection:
        await connection.execute(_TOUCH, {"id": device, "session": session, "clears_at": clears_at})
    return await session_of(engine, device)


async def clear(engine: AsyncEngine, device: str, session: int, now: datetime) -> KioskSession:
    """End the session if it is still this one and its time has passed; returns the session as it is."""
    async with engine.begin() as connection:
        await connection.execute(_CLEAR, {"id": device, "session": session, "now": now})
    return await session_of(engine, device)


async def _set(engine: AsyncEngine, device: str, member: int | None, clears_at: datetime | None) -> KioskSession:
    async with engine.begin() as connection:
        session = await connection.scalar(_BIND, {"id": device, "member": member, "clears_at": clears_at})
    if session is None:
        raise NotAllowed("this device is not registered: chorus device add", code="unknown_device")
    return KioskSession(device, int(session), member, clears_at)


_ADD = text(
    """INSERT INTO device (id, kind, store, name, created_at) VALUES (:id, :kind, :store, :name, :now)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, revoked_at = NULL
           WHERE device.kind = excluded.kind AND device.store = excluded.store
       RETURNING id"""
)
_REVOKE = text("UPDATE device SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL")
_SESSION = text("SELECT session, member_id, clears_at FROM device_session WHERE device_id = :id")
_SESSIONS = text(
    """SELECT device_id, session, member_id, clears_at FROM device_session
        WHERE device_id = ANY(CAST(:ids AS text[]))"""
)
_BIND = text(
    """INSERT INTO device_session (device_id, session, member_id, clears_at)
       SELECT id, 1, CAST(:member AS bigint), CAST(:clears_at AS timestamptz) FROM device
        WHERE id = :id AND revoked_at IS NULL
       ON CONFLICT (device_id) DO UPDATE SET session = device_session.session + 1,
           member_id = excluded.member_id, clears_at = excluded.clears_at
       RETURNING session"""
)
_TOUCH = text(
    """UPDATE device_session SET clears_at = :clears_at
        WHERE device_id = :id AND session = :session AND member_id IS NOT NULL"""
)
_CLEAR = text(
    """UPDATE device_session SET session = session + 1, member_id = NULL, clears_at = NULL
        WHERE device_id = :id AND session = :session AND clears_at <= :now"""
)
