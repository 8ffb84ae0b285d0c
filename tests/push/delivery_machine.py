"""Random lives of deliveries: planned in any order and again, taken by two workers, answered, lost, replayed, while time
passes. The naive model knows only what may be sent at a moment and what may become of it; it predicts no turn.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database import connected, transaction
from core.delivery import store
from core.delivery.carrier import Delivery, Planned
from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead, Unknown
from core.delivery.store import DEAD_LETTERS, KEPT, LEASE, Row
from push.dispatch import Dispatcher
from tests.conftest import START, SettableClock
from tests.push.carriers import ALL_STATES, EPOCH, crash

KINDS = {"alert": (False, True), "letter": (False, False), "state": (True, True), "wall": (True, False)}
"""(only the newest counts, repeats are hidden)"""
TARGETS = (1, 2)
OUTCOMES: list[Outcome | None] = [
    Delivered(),
    TokenDead("410"),
    Retry("503"),
    Retry("429", timedelta(minutes=2)),
    Unknown("reset"),
    Rejected("413"),
    None,
]
"""None: an exception."""

_numbers = itertools.count(1)


@dataclass(eq=False)
class Life:
    """One delivery, as the model knows it."""

    channel: str
    target: int
    version: int
    order: int
    """Of everything that happened, when it was planned."""
    ended: str = ""
    due: datetime = START
    last: str = "never"
    """What became of the last send: never, under way, retry, unknown, crashed."""
    begun: bool = False
    holder: Send | None = None
    """Who has the last word."""
    reference: Any = None

    @property
    def newest_only(self) -> bool:
        return KINDS[self.channel][0]

    @property
    def hides_repeats(self) -> bool:
        return KINDS[self.channel][1]

    @property
    def place(self) -> tuple[str, int]:
        return self.channel, self.target


@dataclass(eq=False)
class Send:
    life: Life
    worker: int
    until: datetime
    answer: asyncio.Future[Outcome | None]

    @property
    def goes_on(self) -> bool:
        """By a worker that is not taken for dead."""
        return self.life.holder is self and self.life.last == "under way" and not self.life.ended


class Provider:
    """A carrier that asks the model whether it may send, and waits for its answer."""

    at_once = 4

    def __init__(self, machine: DeliveryMachine, kind: str, worker: int) -> None:
        self.channel = machine.name(kind)
        self.newest_only, self.hides_repeats = KINDS[kind]
        self._machine, self._worker = machine, worker

    async def prepare(self, deliveries: Sequence[Delivery]) -> Mapping[int, Any]:
        return {one.id: one for one in deliveries}

    async def send(self, message: Delivery) -> Outcome:
        try:
            send = self._machine.sent(self._worker, message)
        except AssertionError as error:
            self._machine.wrong.append(error)
            raise
        outcome = await send.answer
        if outcome is None:
            raise LookupError("a fault of our own")
        return outcome

    async def forget(self, delivery: Delivery, dead: TokenDead) -> None:
        pass

    async def close(self) -> None:
        pass


class DeliveryMachine(RuleBasedStateMachine):
    runner: asyncio.Runner
    pool: AsyncEngine

    def __init__(self) -> None:
        super().__init__()
        self.example = next(_numbers)
        self.clock = SettableClock()
        self.order = itertools.count(1)
        self.facts: list[list[Planned]] = []
        self.lives: dict[str, Life] = {}
        self.versions = dict.fromkeys(TARGETS, 1)
        self.late: list[tuple[int, int]] = []
        self.under_way: list[Send] = []
        self.last_sends: dict[tuple[str, int], int] = {}
        self.wrong: list[AssertionError] = []
        self.workers = [self._worker(0), self._worker(1)]

    def name(self, kind: str) -> str:
        """Each example has channels of its own in the one table."""
        return f"{kind}-{self.example}"

    @property
    def newest(self) -> list[str]:
        return [self.name(kind) for kind, (newest, _) in KINDS.items() if newest]

    def _worker(self, number: int) -> Dispatcher:
        carriers = [Provider(self, kind, number) for kind in KINDS]
        return Dispatcher(self.pool, carriers, self.clock, lambda: 0.5)

    # -- what happens ---------------------------------------------------------------------------------------------

    @rule(device=st.sampled_from(TARGETS), ahead=st.sampled_from([0, 0, 0, 1, 2]))
    def plan(self, device: int, ahead: int) -> None:
        """A new version; `ahead` of some before it, that come late."""
        for _ in range(ahead):
            self.versions[device] += 1
            self.late.append((device, self.versions[device]))
        self.versions[device] += 1
        self._plan(device, self.versions[device], KINDS)

    @precondition(lambda self: self.late)
    @rule()
    def plan_late(self) -> None:
        self._plan(*self.late.pop(), KINDS)

    @rule(device=st.sampled_from(TARGETS))
    def plan_a_change_of_the_clock(self, device: int) -> None:
        self._plan(device, 0, ["state"])

    def _plan(self, target: int, version: int, kinds: Sequence[str] | Mapping[str, Any]) -> None:
        fact = next(_numbers)
        wishes = [Planned(fact, 1000 + target, version, f"{kind}-{fact}", self.name(kind), target) for kind in kinds]
        for kind in kinds:
            self.lives[f"{kind}-{fact}"] = Life(kind, target, version, next(self.order), due=self.clock())
        self.facts.append(wishes)
        assert self.runner.run(self._add(wishes)) == len(wishes)

    @precondition(lambda self: self.facts)
    @rule(data=st.data())
    def plan_again(self, data: st.DataObject) -> None:
        """The stream repeats a fact."""
        wishes = self.facts[data.draw(st.integers(0, len(self.facts) - 1))]
        assert self.runner.run(self._add(wishes)) == 0

    @rule(worker=st.sampled_from([0, 1]))
    def turn(self, worker: int) -> None:
        self.runner.run(self._turn(self.workers[worker]))

    @rule(worker=st.sampled_from([0, 1]), outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8))
    def turn_and_be_answered(self, worker: int, outcomes: list[Outcome | None]) -> None:
        self.turn(worker)
        self.the_table_is_as_the_model_allows()  # a letter that was taken over has its end before its answer comes
        self.under_way.sort(key=lambda send: (send.life.order, send.worker))
        for outcome in outcomes:
            if self.under_way:
                self._finish(self.under_way.pop(0), outcome)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def finish(self, data: st.DataObject, outcome: Outcome | None) -> None:
        self.under_way.sort(key=lambda send: (send.life.order, send.worker))
        send = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self._finish(send, outcome)

    def _finish(self, send: Send, outcome: Outcome | None) -> None:
        life = send.life
        if life.holder is send and not life.ended:
            match outcome:
                case Delivered():
                    life.ended = "delivered"
                case TokenDead():
                    life.ended = "dead"
                case Rejected():
                    life.ended = "rejected"
                case Retry():
                    life.last, life.due = "retry", self.clock() + (outcome.after or timedelta())
                case _ if life.hides_repeats:
                    life.last = "unknown"
                case _:
                    life.ended = "unknown"
        send.answer.set_result(outcome)
        self.runner.run(self._at_rest(self.workers[send.worker]))

    @rule(worker=st.sampled_from([0, 1]))
    def crash(self, worker: int) -> None:
        """With all that it has under way; another process takes its place."""
        for send in [send for send in self.under_way if send.worker == worker]:
            self.under_way.remove(send)
            if send.life.holder is send:
                send.life.last = "crashed"
        self.runner.run(crash(self.workers[worker]))
        self.workers[worker] = self._worker(worker)

    @rule(kind=st.sampled_from(list(KINDS)))
    def crash_before_sending(self, kind: str) -> None:
        for taken in self.runner.run(self._take(self.name(kind))):
            life = self.lives[taken.delivery.kind]
            assert self.clock() >= life.due
            life.last, life.holder = "crashed", None

    @rule(worker=st.sampled_from([0, 1]))
    def stay_alive(self, worker: int) -> None:
        """What was taken over meanwhile stays so."""
        self.runner.run(self.workers[worker].extend())
        for send in self.under_way:
            if send.worker == worker and send.life.holder is send and not send.life.ended:
                send.until, send.life.last = self.clock() + LEASE, "under way"

    @rule(seconds=st.sampled_from([1, 5, LEASE.total_seconds() - 1, LEASE.total_seconds(), 1200]))
    def time_passes(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)
        for send in self.under_way:
            if send.until <= self.clock() and send.life.holder is send:
                send.life.last = "crashed"  # its worker hangs; others may take it for dead

    @rule()
    def replay(self) -> None:
        """All dead letters, but what a worker that hangs holds still."""
        held = [send.life for send in self.under_way]
        dead = {row.id: self.lives[row.kind] for row in self.rows() if row.state in DEAD_LETTERS}
        wanted = [id for id, life in dead.items() if life not in held]
        assert self.runner.run(self._replay(wanted)) == len(wanted)
        for id in wanted:
            dead[id].ended, dead[id].last, dead[id].due, dead[id].holder = "", "never", self.clock(), None

    # -- what must hold -------------------------------------------------------------------------------------------

    def sent(self, worker: int, delivery: Delivery) -> Send:
        """Called at the moment of a send."""
        life = self.lives[delivery.kind]
        assert (delivery.version, delivery.target) == (life.version, life.target)
        assert life.reference in (None, delivery.reference)
        assert not life.ended, f"{delivery} was {life.ended}"
        assert self.clock() >= life.due, "too soon"
        repeatable = ("never", "retry", "unknown", "crashed") if life.hides_repeats else ("never", "retry")
        assert life.last in repeatable, f"{delivery} is {life.last}"
        if life.newest_only:
            rivals = [one for one in self.under_way if one.life.place == life.place and one.goes_on]
            assert not rivals, "two to one target at once"
            before = [one.version for one in self.lives.values() if one.place == life.place and one.begun]
            assert life.version == 0 or life.version >= max(before, default=0), "older after newer"
        send = Send(life, worker, self.clock() + LEASE, asyncio.get_running_loop().create_future())
        life.reference, life.last, life.holder, life.begun = delivery.reference, "under way", send, True
        self.under_way.append(send)
        self.last_sends[life.place] = next(self.order)
        return send

    @invariant()
    def the_table_is_as_the_model_allows(self) -> None:
        for error in self.wrong:
            raise error
        rows = self.rows()
        assert sorted(row.kind for row in rows) == sorted(self.lives), "each is there once"
        for row in rows:
            life = self.lives[row.kind]
            if row.state == (life.ended or "pending"):
                continue
            assert not life.ended, f"{row} had ended as {life.ended}"
            assert self._may_have_become(row, life), f"{row} after {life.last}"
            life.ended = row.state

    def _may_have_become(self, row: Row, life: Life) -> bool:
        """What a worker decides by itself."""
        match row.state:
            case "collapsed":
                rivals = [one for one in self.lives.values() if one.place == life.place and one is not life]
                newer = [(one.version, one.order) > (life.version, life.order) for one in rivals]
                return life.newest_only and any(newer)
            case "unknown":
                return not life.hides_repeats and life.last == "crashed"
            case "failed":
                return row.attempts >= MAX_ATTEMPTS and life.last in ("retry", "unknown")
        return False

    def teardown(self) -> None:
        """In the end everything has its end, and each screen shows the newest; what then comes late changes nothing."""
        self._to_the_end()
        for target, version in self.late:
            self._plan(target, version, KINDS)
        self._to_the_end()
        self.replay()
        self._to_the_end()
        for life in self.lives.values():
            if life.ended in ("delivered", "dead", "rejected"):
                assert life.begun
            if life.channel == "state":
                self._is_shown(life)
        self.runner.run(self._forget())

    def _to_the_end(self) -> None:
        for _ in range(60):
            self._answer_all()
            self.the_table_is_as_the_model_allows()
            if all(life.ended for life in self.lives.values()):
                return
            self.clock.forward(hours=2)
            for worker in self.workers:
                self.runner.run(self._turn(worker))
        raise AssertionError("some have no end")

    def _answer_all(self) -> None:
        while self.under_way:
            self._finish(self.under_way.pop(), Delivered())

    def _is_shown(self, life: Life) -> None:
        """A later or a newer send told what this one was for."""
        told = [one for one in self.lives.values() if one.place == life.place and one.begun]
        newer = any(one.version >= life.version > 0 for one in told)
        assert newer or self.last_sends.get(life.place, 0) > life.order, f"{life} was never shown"

    # -- by the table ----------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        return self.runner.run(self._rows())

    async def _rows(self) -> list[Row]:
        async with connected(self.pool) as connection:
            found = []
            for kind in KINDS:
                found += await store.listed(
                    connection, states=ALL_STATES, member=None, channel=self.name(kind), limit=10_000
                )
        return found

    async def _add(self, wishes: Sequence[Planned]) -> int:
        async with transaction(self.pool) as connection:
            return await store.add(connection, EPOCH, wishes, self.newest, self.clock())

    async def _take(self, channel: str) -> list[store.Taken]:
        async with transaction(self.pool) as connection:
            return await store.take(connection, {channel: 2}, self.newest, "ghost", self.clock())

    async def _replay(self, ids: list[int]) -> int:
        async with connected(self.pool) as connection:
            return await store.replay(connection, ids, self.clock())

    async def _forget(self) -> None:
        async with connected(self.pool) as connection:
            await store.forget_old(connection, self.clock() + 4 * KEPT)

    async def _turn(self, worker: Dispatcher) -> None:
        await worker.turn()
        await self._at_rest(worker)

    async def _at_rest(self, worker: Dispatcher) -> None:
        """Until all that the worker does is to wait for answers."""
        number = self.workers.index(worker)
        async with asyncio.timeout(10):
            while len(worker._tasks) > sum(send.worker == number for send in self.under_way):  # noqa: ASYNC110
                await asyncio.sleep(0)


MAX_ATTEMPTS = 4
