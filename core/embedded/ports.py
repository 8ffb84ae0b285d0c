"""The port of an embedded server: chosen once, then kept, so that whoever holds the URL finds it after a restart.

It is chosen below the range from which the kernel takes ports for outgoing connections. Inside that range, a
client that keeps trying to reconnect while the server is down is sooner or later given the very port as its own
side of the connection (tried: after 36,715 attempts on an idle machine). It then talks to itself, and the server
finds its port taken.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from core.embedded.errors import ServersError
from core.files import write_private

ADDRESS = "127.0.0.1"

# Linux hands out 32768-60999 by default, other systems 49152-65535; below 20000 well-known services crowd.
_LOWEST, _COUNT = 20_000, 12_000
_ATTEMPTS = 100


def kept_port(path: Path) -> int | None:
    """The port noted in the file `path`, or None where none is noted."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else None


def choose_port(path: Path) -> int:
    """The kept port if it is free, else a new free one, noted in `path`. Raises `ServersError` if none is
    free.
    """
    port = kept_port(path)
    if port is not None and is_free(port):
        return port
    for _ in range(_ATTEMPTS):
        port = _LOWEST + secrets.randbelow(_COUNT)
        if is_free(port):
            write_private(path, f"{port}\n")
            return port
    raise ServersError(f"no free port on {ADDRESS} from {_LOWEST} to {_LOWEST + _COUNT - 1}: end what uses them")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of this machine now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: what an ended connection left in TIME_WAIT does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
        return True
