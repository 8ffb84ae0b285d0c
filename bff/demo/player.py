"""The replay at a pace one can watch, with the wall's buttons.

Time in the log runs `speed` days a second; every sale whose moment has come is rung up at its till. Going on to a date
rings up everything before it at once; a ledger has no way back, so neither has the replay.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from bff.demo.control import CONTROL, STATUS, Control, Status
from bff.demo.log import Sale
from bff.demo.till import TillError, Tills

DAYS_A_SECOND = 1.0
"""At speed 1: the whole log in nine minutes, a dozen sales a second, one of the wall's member every ten seconds."""
LEAD_DAYS = 3
"""The replay opens so long before the shown member's first purchase; what was before is rung up at once."""
TICK_SECONDS = 0.05
STATUS_SECONDS = 0.5
AT_ONCE = 32


class Player:
    def __init__(self, tills: Tills, sales: list[Sale], bus: Client, on_progress: Callable[[int, int], None]) -> None:
        self._tills = tills
        self._sales = sales
        self._bus = bus
        self._on_progress = on_progress
        self._posted = 0
        self._playing = True
        self._speed = 1.0
        self._rung = 0
        weeks = Counter(card for card, _ in {(sale.card, sale.day // 7) for sale in sales})
        self._card = max(sorted(weeks), key=lambda card: weeks[card])
        self._member = 0
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._first = self._sales[0].occurred_at.date()
        story = next(sale.day for sale in sales if sale.card == self._card)
        self._days = max(0.0, story - LEAD_DAYS)

    @property
    def card(self) -> str:
        """The card of the member the wall shows: who came in the most weeks of the log."""
        return self._card

    async def enrol(self, on_progress: Callable[[int, int], None]) -> None:
        """Make every customer of the log a member."""
        cards = sorted({sale.card for sale in self._sales})
        done = 0

        async def one(card: str) -> None:
            nonlocal done
            async with self._gate:
                answer = await self._tills.enrol(card, "")
            if card == self._card:
                self._member = int(answer["member"])
            done += 1
            on_progress(done, len(cards))

        async with asyncio.TaskGroup() as group:
            for card in cards:
                group.create_task(one(card))

    async def play(self) -> None:
        """Replay to the end, then stay for the buttons. Ends only when cancelled."""
        await self._bus.subscribe(CONTROL, cb=self._told)
        telling = asyncio.create_task(self._tell())
        try:
            before = asyncio.get_running_loop().time()
            while True:
                await asyncio.sleep(TICK_SECONDS)
                now = asyncio.get_running_loop().time()
                if self._playing:
                    self._days += (now - before) * self._speed * DAYS_A_SECOND
                before = now
                await self._ring_due()
        finally:
            telling.cancel()

    async def _ring_due(self) -> None:
        due: list[Sale] = []
        while self._posted + len(due) < len(self._sales):
            sale = self._sales[self._posted + len(due)]
            if sale.day + _part_of_day(sale) > self._days:
                break
            due.append(sale)
        for start in range(0, len(due), AT_ONCE * 4):
            batch = due[start : start + AT_ONCE * 4]
            await asyncio.gather(*(self._ring(sale) for sale in batch))
            self._posted += len(batch)
            self._on_progress(self._posted, len(self._sales))

    async def _ring(self, sale: Sale) -> None:
        async with self._gate:
            await self._tills.ring(sale)

    async def _told(self, message: Msg) -> None:
        control = msgspec.json.decode(message.data, type=Control)
        if control.playing is not None:
            self._playing = control.playing
        if control.speed is not None:
            self._speed = control.speed
        if control.seek is not None:
            with contextlib.suppress(ValueError):
                wanted = (date.fromisoformat(control.seek) - self._first).days
                self._days = max(self._days, min(wanted, self._sales[-1].day + 1))
        if control.sale is not None:
            with contextlib.suppress(TillError):
                await self._tills.ring(self._extra(control.sale))
        await message.respond(msgspec.json.encode(self.status()))

    def _extra(self, key: str) -> Sale:
        """One more sale for the member shown: what somebody in the log really bought, sold now."""
        pattern = self._sales[self._rung * 97 % len(self._sales)]
        self._rung += 1
        return Sale(
            key=f"ring-{key}",
            card=self._card,
            day=0,
            occurred_at=datetime.now(UTC).replace(microsecond=0),
            store=pattern.store,
            till=pattern.till,
            quantity=pattern.quantity,
            cents=max(pattern.cents, 100),
        )

    def status(self) -> Status:
        reached = self._first + timedelta(days=min(int(self._days), self._sales[-1].day))
        return Status(
            member=self._member,
            playing=self._playing and self._posted < len(self._sales),
            date=reached.isoformat(),
            first=self._first.isoformat(),
            last=self._sales[-1].occurred_at.date().isoformat(),
            speed=self._speed,
            posted=self._posted,
            total=len(self._sales),
        )

    async def _tell(self) -> None:
        while True:
            if self._bus.is_connected:
                await self._bus.publish(STATUS, msgspec.json.encode(self.status()))
            await asyncio.sleep(STATUS_SECONDS)


def _part_of_day(sale: Sale) -> float:
    return (sale.occurred_at.hour * 3600 + sale.occurred_at.minute * 60 + sale.occurred_at.second) / 86400
