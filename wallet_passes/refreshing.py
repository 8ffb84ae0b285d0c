"""What no fact tells of: passes that a date or a new programme changed, and those of a time when nobody listened."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from core.database import may_pass

EVERY_SECONDS = 1.0
CATCH_UP_EVERY = 600
"""Turns between two looks at every pass there is."""

_log = structlog.get_logger("wallet_passes")


class Refresher(Protocol):
    async def turn(self) -> int:
        """Plan what a date or a programme changed; returns how many passes."""
        ...

    async def catch_up(self) -> int:
        """Plan what is behind the ledger; returns how many passes."""
        ...


async def refresh(refresher: Refresher) -> None:
    """Turn for ever, catching up at the start and now and then; a turn that fails is followed by the next."""
    turn = 0
    while True:
        try:
            await refresher.turn()
            if turn % CATCH_UP_EVERY == 0:
                await refresher.catch_up()
        except Exception as error:
            if may_pass(error):
                _log.warning("refresh_failed", error=(str(error) or type(error).__name__).splitlines()[0])
            else:
                _log.error("refresh_failed", exc_info=error)
        turn += 1
        await asyncio.sleep(EVERY_SECONDS)
