"""What can go wrong with the embedded servers, said in a line for the operator."""

from __future__ import annotations

from core.settings import OperatorError


class ServersError(OperatorError):
    """PostgreSQL or NATS could not be started, found or reached."""


class FolderInUse(ServersError):
    """Another process holds the data folder; the text names its pid."""
