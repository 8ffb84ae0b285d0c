"""`chorus programme` against a real database: what an owner does, from a draft to going back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bff import cli
from bff.auth import Tokens
from bff.cli_programme import instant_of
from core.clock import system_clock
from core.database import connect
from core.embedded import Endpoints
from core.engine.engine import Engine
from core.errors import InvalidInput
from core.programme.book import ProgrammeBook
from core.programme.validation import default_document
from tests.core.door import bought, enrol, send
from tests.core.programmes import programme
from tests.databases import Database

HARBOUR = default_document()
DOUBLED = HARBOUR.replace('points_per_unit = "10"', 'points_per_unit = "20"')
Chorus = Callable[..., str]


@pytest.fixture
def chorus(
    database: Database,
    endpoints: Endpoints,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Chorus:
    """The command, in the test's own process, on the test's database; returns what it printed. `draft.toml` doubles."""
    monkeypatch.setenv("CHORUS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CHORUS_SECRET", "s" * 32)
    monkeypatch.setenv("CHORUS_DATABASE_URL", database.url)
    monkeypatch.setenv("CHORUS_OWNER_URL", database.owner_url)
    monkeypatch.setenv("CHORUS_NATS_URL", endpoints.nats_url)
    monkeypatch.setenv("CHORUS_NATS_TOKEN", endpoints.nats_token or "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "draft.toml").write_text(DOUBLED, encoding="utf-8")

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["chorus", *arguments])
        cli.main()
        return capsys.readouterr().out

    return run


def test_from_a_draft_to_going_back(chorus: Chorus) -> None:
    december = (datetime.now(ZoneInfo("Asia/Hong_Kong")) + timedelta(days=90)).replace(microsecond=0, tzinfo=None)
    instant = december.replace(tzinfo=ZoneInfo("Asia/Hong_Kong")).astimezone(UTC)
    assert "a valid programme (harbour-records, 3 tiers, " in chorus("programme", "check", "draft.toml")
    assert chorus("programme", "diff", "draft.toml") == 'changed /earn/points_per_unit: "10" -> "20"\n'
    told = chorus("programme", "publish", "draft.toml", "--at", december.isoformat(), "--by", "ada")
    assert told == f"revision 2 comes into force at {instant.isoformat().replace('+00:00', 'Z')}\n"
    assert chorus("programme", "show") == HARBOUR
    assert chorus("programme", "show", "2") == DOUBLED
    assert chorus("programme", "diff", "1", "2") == 'changed /earn/points_per_unit: "20" -> "10"\n'
    assert chorus("programme", "publish", "draft.toml") == "revision 3 is in force\n"
    assert chorus("programme", "diff", "draft.toml") == "no difference\n"
    assert json.loads(chorus("programme", "diff", "1", "current", "--json")) == [
        {"kind": "changed", "pointer": "/earn/points_per_unit", "before": "20", "after": "10"}
    ]
    assert chorus("programme", "rollback", "1") == "revision 4 is in force\n"
    listed = json.loads(chorus("programme", "list", "--json"))
    assert [(one["revision"], one["state"], one["published_by"]) for one in listed] == [
        (4, "in_force", "chorus programme"),
        (3, "past", "chorus programme"),
        (2, "withdrawn", "ada"),
        (1, "past", "chorus"),
    ]
    lines = chorus("programme", "list").splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["4", "in force"],
        ["3", "past"],
        ["2", "withdrawn"],
        ["1", "past"],
    ]


REFUSED = [
    (["show", "9"], "there is no revision 9"),
    (["rollback", "9"], "there is no revision 9"),
    (["diff", "draft.toml", "newest"], "'newest' is no revision: a number, or current"),
    (["diff", "missing.toml"], "missing.toml"),
    (["publish", "draft.toml", "--at", "2020-01-01T00:00"], "chorus: /at: is in the past"),
    (["publish", "draft.toml", "--at", "2020-01-01T00:00Z"], "chorus: /at: is in the past"),
    (["publish", "draft.toml", "--at", "0001-01-01T00:00"], "chorus: --at 0001-01-01T00:00: is in no calendar"),
    (["rollback", "1", "--at", "9999-12-31T23:59:59-12:00"], "-12:00: is in no calendar"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED, ids=[" ".join(row[0]) for row in REFUSED])
def test_a_refusal_is_one_line(
    chorus: Chorus, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        chorus("programme", *arguments)
    written = capsys.readouterr().err + (ended.value.code if isinstance(ended.value.code, str) else "")
    assert line in written
    assert len(written.strip().splitlines()) == 1


@pytest.fixture
def sold(database: Database) -> None:
    """Two members of today: 10 and 30 dollars."""

    async def sell() -> None:
        pool = connect(database.url, pool_size=2)
        engine = Engine(pool, ProgrammeBook(), lambda committed, seconds: None, lanes=1)
        await engine.open()
        for amount in (1_000, 3_000):
            await send(engine, bought(system_clock(), amount), await enrol(engine))
        await engine.close()
        await pool.dispose()

    asyncio.run(sell())


@pytest.mark.usefixtures("sold")
def test_a_simulation_says_before_and_after(chorus: Chorus) -> None:
    report = json.loads(chorus("programme", "simulate", "draft.toml", "--days", "1", "--json"))
    assert (report["type"], report["before"]["by_reason"], report["after"]["by_reason"]) == (
        "report",
        {"base": 400},
        {"base": 800},
    )
    words = chorus("programme", "simulate", "draft.toml")
    rows = {line[:32].strip(): line[32:].split() for line in words.splitlines()[2:]}
    assert rows["points"] == ["400", "800", "+400"]
    assert rows["members listener"] == ["2", "2", "+0"]
    assert words.startswith("2 purchases of 2 members, ")


@pytest.mark.usefixtures("sold")
def test_what_could_not_be_published_is_not_simulated(
    chorus: Chorus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "draft.toml").write_text(HARBOUR.replace('money = "USD"', 'money = "EUR"'), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        chorus("programme", "simulate", "draft.toml")
    written = capsys.readouterr().err + (ended.value.code if isinstance(ended.value.code, str) else "")
    assert written.strip() == "chorus: /money: must stay USD: purchases are recorded in it"


def test_a_persons_token_opens_the_owners_surface(chorus: Chorus) -> None:
    made = chorus("token", "admin", "--name", "Ada", "--scope", "programme").strip()
    principal = Tokens("s" * 32, system_clock).verify(made, "admin")
    assert (principal.source, principal.may("programme")) == ("admin:Ada", True)


INSTANTS = [
    ("Asia/Hong_Kong", "2026-12-01T00:00", "2026-11-30T16:00:00+00:00"),
    ("Asia/Hong_Kong", "2026-12-01", "2026-11-30T16:00:00+00:00"),
    ("Asia/Hong_Kong", "2026-12-01T00:00+01:00", "2026-11-30T23:00:00+00:00"),
    ("Asia/Hong_Kong", "2026-12-01T00:00Z", "2026-12-01T00:00:00+00:00"),
    ("Europe/Berlin", "2026-07-01T12:00", "2026-07-01T10:00:00+00:00"),
    ("Europe/Berlin", "2026-03-29T02:30", None),
    ("Europe/Berlin", "2026-10-25T02:30", None),
    ("Europe/Berlin", "2026-10-25T02:30+02:00", "2026-10-25T00:30:00+00:00"),
    ("UTC", "9999-12-31T23:59:59-12:00", None),
    ("America/New_York", "9999-12-31T23:59:59", None),
    ("Asia/Tokyo", "0001-01-01T00:00", None),
    ("UTC", "tomorrow", None),
    ("UTC", "", None),
]


@pytest.mark.parametrize(("zone", "text", "expected"), INSTANTS)
def test_a_local_time_is_the_programmes(zone: str, text: str, expected: str | None) -> None:
    """One that the clocks skip or show twice has to say which it is."""
    if expected is None:
        with pytest.raises(InvalidInput):
            instant_of(text, programme(zone=zone))
    else:
        assert instant_of(text, programme(zone=zone)) == datetime.fromisoformat(expected)
