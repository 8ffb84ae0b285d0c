"""How much is measured: the sizes and times of one run, whole or quick, kept in its JSON."""

from __future__ import annotations

import msgspec

SURFACES = ("app", "web", "kiosk", "receipt", "wallet")
"""The live surfaces: the sockets of the crowd are all of these for each watched member."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are the whole benchmark; `QUICK` is for trying whether it works, and its figures mean little."""

    quick: bool = False
    repeats: int = 3
    warm_seconds: float = 2.0
    members: int = 10_000
    """Members that purchases are spread over, uniformly; pgbench has as many."""

    engine_seconds: float = 6.0
    in_flight: int = 512
    """Callers that wait for an answer at once, in all processes together."""
    lanes: int = 2
    """The product's default (`CHORUS_LANES`)."""
    pgbench_clients: int = 8
    pgbench_threads: int = 2

    http_seconds: float = 8.0
    http_connections: int = 256

    watched: int = 1_000
    """Members of the crowd; each has a socket of every surface, so 5,000 sockets in all."""
    rate: float = 200.0
    """Purchases a second under the crowd's eyes, at scheduled instants."""
    pace_seconds: float = 15.0
    pace_connections: int = 32
    idle_seconds: float = 3.0
    """Between the last hello and the second look at the memory."""

    hot_sockets: int = 2_000
    hot_seconds: float = 6.0

    pass_seconds: float = 3.0

    due_lots: int = 1_000_000
    """Past their date when row 13's sweep begins, ten a member."""

    crash_members: int = 40
    crash_rate: float = 150.0
    crash_seconds: float = 12.0

    @property
    def sockets(self) -> int:
        return self.watched * len(SURFACES)


QUICK = Plan(
    quick=True,
    repeats=1,
    warm_seconds=1.0,
    members=2_000,
    engine_seconds=2.0,
    http_seconds=2.0,
    watched=200,
    pace_seconds=4.0,
    idle_seconds=1.0,
    hot_sockets=500,
    hot_seconds=2.0,
    pass_seconds=1.0,
    due_lots=20_000,
    crash_members=10,
    crash_rate=100.0,
    crash_seconds=6.0,
)
