"""A provider gone mad: real sockets that answer with whatever bytes a test has, or close in the middle."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from tests.peers.authority import Authority

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve `talk`, which is given each connection; the origin."""

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(kept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Http1:
    """Reads a request whole, writes `answer` as it is, and closes. `head` is that of the last request."""

    answer = b""
    head = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in self.head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(self.answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


class Http2:
    """Answers every request of a connection alike. `head` are the fields of the last request."""

    status, body = 200, b""
    head: Sequence[tuple[bytes, bytes]] = ()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        while True:
            writer.write(connection.data_to_send())
            await writer.drain()
            if not (data := await reader.read(65536)):
                return
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.head = [(bytes(name), bytes(value)) for name, value in event.headers or []]
                if isinstance(event, StreamEnded):
                    connection.send_headers(event.stream_id, [(":status", str(self.status))])
                    connection.send_data(event.stream_id, self.body, end_stream=True)


def closing(after: int) -> Talk:
    """Takes `after` bytes and closes, with no word, while the other side may be writing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after:
            await reader.readexactly(after)
        writer.close()
        await writer.wait_closed()

    return talk


@asynccontextmanager
async def tls_of(*protocols: str) -> AsyncIterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    """A server's context, and one of a client that trusts it."""
    with TemporaryDirectory() as folder:
        authority = Authority(Path(folder), "rough")
        pem = Path(folder) / "server.pem"
        pem.write_text("".join(authority.server().values()))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pem)
        server.set_alpn_protocols(list(protocols))
        yield server, ssl.create_default_context(cafile=authority.file)
