"""The peer of rows 5, 6 and 7: a bare `websockets` server without deflate, in a process of its own.

A socket says its member in its first frame and is sent one state. A trigger, a line with a member on a second, plain TCP
port, sends a new state of the same size as ours to all sockets of that member by `websockets.broadcast`; `committed_at`
is stamped where ours is, in the serving process when it learns that there is something to show. It knows no token,
renders nothing, and remembers one number a member. `argv`: the frame's bytes. Prints the two ports.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from datetime import UTC, datetime

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from push.session import SUBPROTOCOL


class Hello(msgspec.Struct):
    member: int


class State:
    def __init__(self, size: int) -> None:
        self._size = size
        self.sockets: dict[int, set[ServerConnection]] = defaultdict(set)
        self.versions: dict[int, int] = defaultdict(lambda: 1)

    def frame(self, member: int) -> str:
        now = datetime.now(UTC).isoformat()
        head = f'{{"type":"state","epoch":1,"version":{self.versions[member]},"committed_at":"{now}","view":{{"x":"'
        return head + "x" * max(0, self._size - len(head) - 3) + '"}}'

    async def socket(self, connection: ServerConnection) -> None:
        member = msgspec.json.decode(await connection.recv(), type=Hello).member
        mine = self.sockets[member]
        mine.add(connection)
        try:
            await connection.send(self.frame(member))
            await connection.wait_closed()
        finally:
            mine.discard(connection)


class Trigger(asyncio.Protocol):
    def __init__(self, state: State) -> None:
        self._state = state
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            member = int(line)
            self._state.versions[member] += 1
            broadcast(self._state.sockets[member], self._state.frame(member))


async def run(size: int) -> None:
    state = State(size)
    triggers = await asyncio.get_running_loop().create_server(lambda: Trigger(state), "127.0.0.1", 0)
    # Keepalive as in bff.worker: a peer that never asks whether its clients live would be cheaper, and no server.
    async with serve(
        state.socket,
        "127.0.0.1",
        0,
        compression=None,
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
        ping_interval=30,
        ping_timeout=30,
        backlog=2048,
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], triggers.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1])))
