"""What campaigns cost the decider alone: the very purchases of row 12 decided in memory, with them and without."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from time import perf_counter

from core.clock import system_clock
from core.decision import Context, Decision, State
from core.earning.slip import RecordPurchase
from core.engine.commands import decide, shared
from core.holdings import Holdings, Progress
from core.programme.document import Programme, Published
from core.programme.validation import parse
from core.snapshot import Line
from tests.bench import campaigns
from tests.bench.shop import CATALOGUE, STORE, amount

PURCHASES = 1_000
REPEATS = 7


def deciding(programme: str) -> dict[str, float]:
    """Microseconds a purchase without campaigns and with those of `programme`, what must be locked for it looked up
    too; and their ratio, as a rate's."""
    sales = [(amount(), *CATALOGUE[n % len(CATALOGUE)]) for n in range(PURCHASES)]
    programmes = [parse(campaigns.without()), parse(programme)]
    times: list[list[float]] = [[], []]
    for _ in range(REPEATS):
        for one, taken in zip(programmes, times, strict=True):
            started = perf_counter()
            for _ in _decisions(one, sales):
                pass
            taken.append((perf_counter() - started) / PURCHASES * 1e6)
    none, hundred = (median(taken) for taken in times)
    return {
        "decide_us_none": round(none, 1),
        "decide_us_hundred": round(hundred, 1),
        "decide_ratio": round(none / hundred, 3),
    }


def _decisions(programme: Programme, sales: list[tuple[int, str, str]]) -> Iterator[Decision]:
    published, now = Published(2, programme), system_clock()
    state = State(1, 5, Holdings(progress=Progress(first_purchase=2)))
    for total, sku, category in sales:
        line = Line(sku, 1 + total // 1_200, total, "Compact disc", category)
        command = RecordPurchase("x", now, "store", "USD", total, (line,))
        keys = shared(command, programme, STORE, state, now)
        context = Context(now, published, "bench", place=STORE, till="1", tallies=dict.fromkeys(keys, 0))
        decision = decide(state, command, context)
        assert isinstance(decision, Decision)
        yield decision
