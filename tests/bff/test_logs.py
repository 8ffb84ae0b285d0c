"""What a process logs of a fault: where it happened, and nothing of what its variables held."""

from __future__ import annotations

import pytest

from push import dispatch
from tests.bff.house import House


def test_a_traceback_shows_no_variable(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    def send(password: str) -> None:
        raise LookupError("the provider broke")

    try:
        send("hunter2")
    except LookupError as error:
        dispatch._log.error("send_failed", exc_info=error)
    told = capsys.readouterr().out
    assert "LookupError: the provider broke" in told
    assert "in send" in told
    assert "hunter2" not in told.replace('send("hunter2")', "")
    assert len(told) < 2_000
