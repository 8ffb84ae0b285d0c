"""PostgreSQL and NATS for whoever has none: the same two servers in the demo, the tests and production.

A command takes the lock on the data folder, starts both servers under it, and tells other commands through
the runtime file where they are. The servers survive neither their parent's stop nor its death, and come
back by themselves, on the same ports and with all their data, if they die while it lives.
"""

from __future__ import annotations

from core.embedded.errors import FolderInUse, ServersError
from core.embedded.pair import Embedded, servers
from core.embedded.runtime import Endpoints, find_running

__all__ = ["Embedded", "Endpoints", "FolderInUse", "ServersError", "find_running", "servers"]
