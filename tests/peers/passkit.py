"""What a strict reader that nobody here wrote says of a pass.json."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.peers.install import node
from tests.peers.node import FOLDER, PATIENCE_SECONDS


async def check_pass(content: dict[str, Any] | str | bytes) -> list[str]:
    """Everything that is wrong with one pass.json; empty when it is good."""
    (errors,) = await check_passes([content])
    return errors


async def check_passes(contents: Sequence[dict[str, Any] | str | bytes]) -> list[list[str]]:
    """As `check_pass`, of many in one go: starting the reader takes most of the time."""
    process = await asyncio.create_subprocess_exec(
        node(), "passkit.mjs", cwd=FOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    lines = b"".join(_line(content) + b"\n" for content in contents)
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, _ = await process.communicate(lines)
    verdicts = [json.loads(line) for line in out.splitlines()]
    if process.returncode or len(verdicts) != len(contents):
        raise RuntimeError(f"passkit.mjs ended with {process.returncode}")
    return [verdict.get("errors", []) for verdict in verdicts]


def _line(content: dict[str, Any] | str | bytes) -> bytes:
    if isinstance(content, dict):
        return json.dumps(content).encode()
    text = content if isinstance(content, bytes) else content.encode()
    # Line ends are blanks between JSON's tokens, and stand nowhere else in it.
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
