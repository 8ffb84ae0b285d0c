"""`chorus deliveries` against a real database: what is shown, and what is sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bff import cli
from core.database import connect, transaction
from core.delivery import store
from core.delivery.carrier import Planned
from core.delivery.store import Settled
from core.embedded import Endpoints
from tests.databases import Database

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
Chorus = Callable[..., str]


@pytest.fixture
def chorus(
    database: Database,
    endpoints: Endpoints,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
) -> Chorus:
    """The command, in the test's own process, on the test's database; returns what it printed."""
    monkeypatch.setenv("CHORUS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CHORUS_DATABASE_URL", database.url)
    monkeypatch.setenv("CHORUS_OWNER_URL", database.owner_url)
    monkeypatch.setenv("CHORUS_NATS_URL", endpoints.nats_url)
    monkeypatch.setenv("CHORUS_NATS_TOKEN", endpoints.nats_token or "")

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["chorus", *arguments])
        cli.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def letters(database: Database) -> None:
    """Three deliveries: one delivered, one given up, one that may have been sent."""

    async def make() -> None:
        engine = connect(database.url, pool_size=1)
        planned = [
            Planned(n, 1042, n, "purchase", channel, n) for n, channel in ((1, "apns"), (2, "fcm"), (3, "email"))
        ]
        async with transaction(engine) as connection:
            await store.add(connection, 1, planned, (), AT)
            room = {"apns": 9, "fcm": 9, "email": 9}
            taken = {one.delivery.version: one.delivery for one in await store.take(connection, room, (), "w", AT)}
            outcomes = [("delivered", ""), ("failed", "503 of the provider"), ("unknown", "ReadTimeout")]
            settled = [
                Settled(taken[n].id, taken[n].attempt, state, reason)  # type: ignore[arg-type]
                for n, (state, reason) in enumerate(outcomes, start=1)
            ]
            await store.settle(connection, settled, (), "w", AT)
        await engine.dispose()

    asyncio.run(make())


@pytest.mark.usefixtures("letters")
def test_dead_letters_are_listed_with_their_reason(chorus: Chorus) -> None:
    failed, unknown = chorus("deliveries", "list").splitlines()
    assert unknown.split("\t")[1:] == [
        "unknown", "2026-03-14T09:26:53Z", "purchase of member 1042, version 3, to email 3", "attempts 1", "ReadTimeout",
    ]  # fmt: skip
    assert failed.split("\t")[-1] == "503 of the provider"
    [one] = json.loads(chorus("deliveries", "list", "--state", "delivered", "--json"))
    assert (one["channel"], one["member"], one["attempts"]) == ("apns", 1042, 1)
    assert chorus("deliveries", "list", "--member", "1") == ""
    assert chorus("deliveries", "count").splitlines() == ["apns\tdelivered\t1", "email\tunknown\t1", "fcm\tfailed\t1"]


@pytest.mark.usefixtures("letters")
def test_dead_letters_are_sent_again_when_somebody_says_so(chorus: Chorus) -> None:
    delivered = json.loads(chorus("deliveries", "list", "--state", "delivered", "--json"))[0]["id"]
    dead = [one["id"] for one in json.loads(chorus("deliveries", "list", "--json"))]
    with pytest.raises(SystemExit) as ended:
        chorus("deliveries", "replay", str(dead[0]), str(delivered))
    assert str(ended.value.code) == f"chorus: delivery {delivered} is no dead letter"
    assert len(json.loads(chorus("deliveries", "list", "--json"))) == 2, "one wrong, none sent"
    assert chorus("deliveries", "replay", str(dead[0])) == "1 will be sent again\n"
    assert chorus("deliveries", "replay", "--all") == "1 will be sent again\n"
    again = json.loads(chorus("deliveries", "list", "--state", "pending", "--json"))
    assert sorted((one["id"], one["attempts"]) for one in again) == sorted((id, 0) for id in dead)


def test_nothing_to_tell_is_no_error(chorus: Chorus) -> None:
    assert chorus("deliveries", "list") == chorus("passes", "logs") == chorus("deliveries", "count") == ""
