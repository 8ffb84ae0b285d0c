"""uvicorn's WebSocket connection, with writes that leave at once.

uvloop keeps what is written until the loop's turn is over, so a frame would wait for whatever else that turn brings:
another purchase, four more drawings. With no room in the transport's own buffer a write goes to the kernel on the
caller's stack, and a client that does not read is felt with the first frame the kernel does not take.
"""

from __future__ import annotations

from asyncio import BaseTransport, Transport
from typing import cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class PromptWebSocket(WebSocketsSansIOProtocol):
    def connection_made(self, transport: BaseTransport) -> None:
        cast(Transport, transport).set_write_buffer_limits(high=0)
        super().connection_made(transport)
