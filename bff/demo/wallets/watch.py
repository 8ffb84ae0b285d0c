"""Passes in the once-over demo: some members have one in a phone and one at Google, judged at the end like every screen.

The lag of a pass is the instant its new face is there less the instant its version was recorded, which is shortly before
the commit: what is measured is a little more than what passed. A version that was overtaken by the next is never shown,
and is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import token_hex

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from bff.auth import Principal, Tokens
from bff.demo.wallets.desk import pass_file
from bff.demo.wallets.google import ISSUER
from bff.demo.wallets.phone import Phone
from bff.demo.wallets.rig import Rig
from core import read
from core.snapshot import Change, Snapshot

HISTORY = 10_000
"""Versions of one member; more than any has in the log."""


class WatchedPasses:
    def __init__(self, rig: Rig, client: httpx.AsyncClient, tokens: Tokens, lifetime: timedelta) -> None:
        self._rig, self._client, self._tokens, self._lifetime = rig, client, tokens, lifetime
        self._phones: dict[int, Phone] = {}

    @property
    def count(self) -> int:
        return len(self._phones)

    async def open(self, member: int) -> None:
        """Give the member a phone with its pass, and save the pass at Google."""
        self._phones[member] = await self._rig.add(await pass_file(self._client, self._tokens, member))
        token = self._tokens.issue(Principal("app", member=member), self._lifetime)
        headers = {"Authorization": f"Bearer {token}"}
        link = (await self._client.get("/app/v1/passes/google", headers=headers)).raise_for_status().json()["url"]
        async with httpx.AsyncClient(timeout=30) as browser:
            (await browser.get(link)).raise_for_status()
        told = self._rig.google.callback(_object(member), "save", nonce=token_hex(8))
        (await self._client.post("/google/v1/callbacks", content=told)).raise_for_status()

    def wrong(self, truth: Mapping[int, Snapshot]) -> dict[str, int]:
        """How many passes do not show the truth, by channel."""
        return {
            "applepass": sum(self._phone_shows(member) != truth[member].version for member in self._phones),
            "googlepass": sum(self._google_shows(member) != truth[member].account.available for member in self._phones),
        }

    async def lags(self, database: AsyncEngine) -> dict[str, list[float]]:
        """Milliseconds from record to pass, of every version a pass showed after it was opened."""
        found: dict[str, list[float]] = {"applepass": [], "googlepass": []}
        for member, phone in self._phones.items():
            changes, _ = await read.activity(database, member, before=None, limit=HISTORY)
            recorded = {change.version: change.recorded_at for change in changes}
            first, *later = phone.shown
            seen = {first[0]}
            for version, at in later:
                if version not in seen:
                    seen.add(version)
                    found["applepass"].append(_ms(recorded[version], at))
            found["googlepass"] += self._google_lags(member, first[1], changes)
        return found

    def faults(self) -> list[str]:
        return [fault for phone in self._phones.values() for fault in phone.faults]

    def _google_lags(self, member: int, since: datetime, changes: list[Change]) -> list[float]:
        """An object says points, not versions: an update is of the newest version with those points before it."""
        lags, shown = [], 0
        for update in self._rig.google.updates:
            if update.id != _object(member):
                continue
            fitting = [c for c in changes if c.available == update.points and c.recorded_at <= update.at]
            if fitting and fitting[0].version > shown:
                if fitting[0].recorded_at > since:
                    lags.append(_ms(fitting[0].recorded_at, update.at))
                shown = fitting[0].version
        return lags

    def _phone_shows(self, member: int) -> int:
        return self._phones[member].passes[str(member)].version

    def _google_shows(self, member: int) -> int | None:
        kept = self._rig.google.kept["loyaltyObject"].get(_object(member))
        return int(kept["loyaltyPoints"]["balance"]["int"]) if kept else None


def _object(member: int) -> str:
    return f"{ISSUER}.member-{member}"


def _ms(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() * 1000
