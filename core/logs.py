"""What a process logs: a line for an event, and for a fault its traceback without the values of its variables.

Tokens, passwords and members' addresses pass through those; a traceback that shows them would put them where they stay.
"""

from __future__ import annotations

import sys

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback


def configure() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain_traceback),
        ]
    )
