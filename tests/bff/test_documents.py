"""The documents are true: their examples run as they stand, and what they say of the code is so."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

from core.clock import rfc3339
from push.session import read_hello
from tests.bff.house import House

ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("bff", "core", "surfaces", "push", "wallet_passes")
_SQL = re.compile(r"\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bUPDATE \w+ SET\b|\bDELETE FROM\b", re.DOTALL)


def examples(document: str) -> list[str]:
    """The indented blocks of a page."""
    text = (ROOT / "docs" / document).read_text()
    return [block for block in re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE) if block.strip()]


async def test_the_tills_examples_run(own_house: House) -> None:
    """Each `curl` as it is written, but for the server's address: 201, and 200 with the same body when sent again."""
    own_house.clock.now = datetime(2026, 11, 22, 8, 5, tzinfo=UTC)
    shell = {"$TOKEN": own_house.token("pos", device="S12-T3"), "$NOW": rfc3339(own_house.clock())}
    sent = 0
    for command in re.split(r"\n(?=\s*curl )", "\n".join(examples("integrate.md"))):
        if not command.strip().startswith("curl "):
            continue
        for name, value in shell.items():
            command = command.replace(name, value)
        words = shlex.split(command.replace("\\\n", " "))
        url = next(word for word in words if word.startswith("http://"))
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        path, body = "/" + url.split("/", 3)[3], words[words.index("-d") + 1].encode()
        first = await own_house.http.post(path, content=body, headers=headers)
        again = await own_house.http.post(path, content=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 200), (first.text, again.text)
        assert again.json() == first.json()
        sent += 1
    assert sent == 2


def test_the_hello_of_the_live_protocol_is_one() -> None:
    hello = next(example for example in examples("live-protocol.md") if '"hello"' in example)
    assert read_hello(hello).have is not None


def test_sql_stands_where_the_architecture_says_and_nowhere_else() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    sentence = re.search(r"SQL stands in (.+?), and nowhere else", page, re.DOTALL)
    assert sentence is not None
    said = {f"{name}.py" for name in re.findall(r"`([^`]+)`", sentence[1])}
    holding = {
        path.relative_to(ROOT).as_posix()
        for room in _ROOMS
        for path in (ROOT / room).rglob("*.py")
        if _SQL.search(path.read_text())
    }
    assert holding == said
