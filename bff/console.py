"""What a command says while it works: a bar on a terminal, a plain line now and then elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from core.verify import Report

PLAIN_EVERY_SECONDS = 5.0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def in_words(report: Report) -> str:
    """What `chorus verify` found, for a person: a line for each finding, then the sum."""
    findings = [f"member {one.member}: {one.kind}: {one.detail}" for one in report.findings]
    if report.found > len(findings):
        findings.append(f"and {report.found - len(findings)} more")
    verdict = "everything holds" if report.clean else f"{report.found} things do not hold"
    counted = f"{report.members} members, {report.versions} versions, {report.entries} entries, {report.lots} lots"
    return "\n".join([*findings, f"{verdict}: {counted}, replayed in {report.seconds:.1f} s"])


class Progress:
    """Use as a context manager; `to(done, total)` as often as you like."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._console = Console(stderr=True)
        self._bar: Bar | None = None
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
            )
        self._tasks: dict[str, object] = {}
        self._said = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def to(self, done: int, total: int) -> None:
        self.step(self._what, done, total)

    def step(self, what: str, done: int, total: int) -> None:
        """Progress of one of several kinds of work."""
        if self._bar is not None:
            task = self._tasks.get(what)
            if task is None:
                task = self._tasks[what] = self._bar.add_task(what, total=total)
            self._bar.update(task, completed=done, total=total)  # type: ignore[arg-type]
            return
        now = time.monotonic()
        if done >= total or now - self._said >= PLAIN_EVERY_SECONDS:
            self._said = now
            say(f"{what}: {done} of {total}")
