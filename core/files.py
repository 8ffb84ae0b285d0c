"""Small private files of the data folder: secrets, ports, the runtime file.

Each is readable by its owner only, and is either whole or absent: a crash or a second process in the middle
of a write leaves the old text, never half of the new one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path` with mode 0600, replacing what was there in one step; it is on disk on return."""
    draft = _draft(path, text)
    try:
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_or_create_private(path: Path, make: Callable[[], str]) -> str:
    """The text at `path`; where there is none, `make()` is kept there first.

    Processes that start at once all return the same text: the first one to link its draft wins.
    """
    try:
        return path.read_text()
    except FileNotFoundError:
        draft = _draft(path, make())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    else:
        _sync_folder(path.parent)
    finally:
        draft.unlink()
    return path.read_text()


def _draft(path: Path, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
