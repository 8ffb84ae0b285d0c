"""The command line's errors: one line that says what is wrong, on standard error, and a status that is not zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from bff import cli
from core.programme.validation import default_document

WRONG = [
    ("an unknown command", ["bogus"], 2, "chorus: No such command 'bogus'. (chorus --help)"),
    ("an unknown option", ["verify", "--fast"], 2, "chorus: No such option '--fast'. (chorus verify --help)"),
    ("out of range", ["serve", "--workers", "0"], 2, "0 is not in the range 1<=x<=64. (chorus serve --help)"),
    ("no argument", ["programme", "check"], 2, "chorus: Missing argument 'FILE'. (chorus programme check --help)"),
    ("no such file", ["programme", "check", "missing.toml"], 2, "'missing.toml' does not exist."),
    ("not TOML", ["programme", "check", "text.toml"], 1, "chorus: /: not TOML: "),
    ("a wrong field", ["programme", "check", "wrong.toml"], 1, "chorus: /earn: Object contains unknown field"),
    ("which deliveries", ["deliveries", "replay"], 1, "chorus: name the deliveries to send again, or give --all"),
    ("no such state", ["deliveries", "list", "--state", "lost"], 2, "'lost' is not one of 'pending', 'delivered',"),
    ("a token for nobody", ["token", "app"], 1, "chorus: --member CODE is needed for app"),
    ("a person without a name", ["token", "admin"], 1, "chorus: --name NAME is needed for admin"),
    (
        "a day",
        ["programme", "publish", "good.toml", "--at", "soon"],
        1,
        "chorus: --at soon: write it as 2026-12-01T00:00",
    ),
    ("brackets", ["programme", "check", "brackets.toml"], 1, "chorus: /: not a programme: nested too deep"),
    ("not text", ["programme", "check", "bytes.toml"], 1, "chorus: /: bytes.toml is not UTF-8"),
]


@pytest.mark.parametrize(("arguments", "status", "line"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_an_error_is_one_line(
    arguments: list[str],
    status: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHORUS_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "good.toml").write_text(default_document())
    (tmp_path / "brackets.toml").write_text("a = " + "[" * 100_000)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "text.toml").write_text("a loyalty programme")
    (tmp_path / "wrong.toml").write_text(default_document().replace("points_per", "points_prr", 1))
    monkeypatch.setattr("sys.argv", ["chorus", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    # `sys.exit` with a text: the interpreter writes it to standard error and ends with 1.
    written = told.err + (ended.value.code if isinstance(ended.value.code, str) else "")
    assert (1 if isinstance(ended.value.code, str) else ended.value.code) == status
    assert len(written.strip().splitlines()) == 1
    assert line in written
    assert not told.out


def test_no_command_shows_what_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["chorus"])
    with pytest.raises(SystemExit):
        cli.main()
    told = capsys.readouterr()
    for command in (
        "serve",
        "work",
        "demo",
        "migrate",
        "verify",
        "token",
        "device",
        "programme",
        "deliveries",
        "passes",
    ):
        assert f"  {command} " in told.out + told.err
