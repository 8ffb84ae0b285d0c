"""The embedded servers under what befalls them: kills, orphans, lies in files, and others who want the same folder.

Real servers and real processes throughout. `mark` writes one row and one JetStream message, `marks` counts both, so
"nothing lost" is counted and not believed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import nats
import psutil
import pytest

from core.embedded import Embedded, Endpoints, FolderInUse, ServersError, find_running, servers
from core.settings import Settings

# Starts the pair as told, says where it is, and keeps it until its standard input ends.
HOLDER = """
import msgspec, sys, threading
from pathlib import Path
from core.embedded import Embedded, servers
from core.settings import OperatorError, Settings

settings = Settings(data_dir=Path(sys.argv[1]), secret="s" * 32)

def say(endpoints):
    print(msgspec.json.encode(endpoints).decode(), flush=True)

def hold(start):
    say(start())
    sys.stdin.read()

try:
    match sys.argv[2]:
        case "own":
            with Embedded(settings) as embedded:
                hold(embedded.start)
        case "from another thread":
            with Embedded(settings) as embedded:
                thread = threading.Thread(target=embedded.start)
                thread.start()
                thread.join()
                hold(embedded.endpoints)
        case "share":
            with servers(settings) as endpoints:
                hold(lambda: endpoints)
except OperatorError as error:
    sys.exit(str(error))
"""


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=folder, secret="s" * 32)


def plain(url: str) -> str:
    return url.replace("+asyncpg", "")


async def _mark(endpoints: Endpoints, count: bool) -> tuple[int, int]:
    database = await asyncpg.connect(plain(endpoints.owner_url), timeout=5)
    bus = await nats.connect(endpoints.nats_url, token=endpoints.nats_token, allow_reconnect=False)
    try:
        stream = bus.jetstream()
        if not count:
            await database.execute("CREATE TABLE IF NOT EXISTS mark (at timestamptz); INSERT INTO mark VALUES (now())")
            await stream.add_stream(name="mark", subjects=["mark"])
            await stream.publish("mark", b"")
        rows: int = await database.fetchval("SELECT count(*) FROM mark")
        return rows, (await stream.stream_info("mark")).state.messages
    finally:
        await bus.close()
        await database.close()


def mark(endpoints: Endpoints) -> None:
    asyncio.run(_mark(endpoints, count=False))


def marks(endpoints: Endpoints) -> tuple[int, int]:
    return asyncio.run(_mark(endpoints, count=True))


def pids_of(folder: Path) -> list[int]:
    """PostgreSQL's and NATS's, as a running parent announced them."""
    runtime = msgspec.json.decode((folder / "runtime.json").read_bytes())
    return [runtime["postgres_pid"], runtime["nats_pid"]]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class Holders:
    """Other processes that hold or share a data folder; none is left at the end of the test."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []

    def launch(self, folder: Path, how: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    @staticmethod
    def endpoints(process: subprocess.Popen[str]) -> Endpoints:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):  # the others are its log
                return msgspec.json.decode(line, type=Endpoints)
        _, errors = process.communicate(timeout=10)
        raise AssertionError(f"it said: {errors}")

    def close(self) -> None:
        for process in self.processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self.processes:
            process.wait(timeout=30)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def holders() -> Iterator[Holders]:
    holders = Holders()
    yield holders
    holders.close()


def test_a_folder_with_a_long_and_odd_name_serves_two_roles_privately(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "folder" with $odd #names' / ("x" * 120)
    with servers(settings_of(folder)) as endpoints:
        postgres, nats_server = pids_of(folder)
        assert find_running(folder) == endpoints
        assert endpoints.app_role == "chorus_app"
        mark(endpoints)

        async def as_application() -> None:
            database = await asyncpg.connect(plain(endpoints.database_url))
            try:
                assert await database.fetchval("SHOW fsync") == "on"
                assert await database.fetchval("SHOW timezone") == "UTC"
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await database.execute("CREATE TABLE own (a int)")
            finally:
                await database.close()
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):  # no line for it in pg_hba.conf
                await asyncpg.connect(plain(endpoints.database_url).replace("chorus_app", "postgres"))

        asyncio.run(as_application())
        assert greet_nats(endpoints.nats_url, str(endpoints.nats_token)) == "PONG"
        assert greet_nats(endpoints.nats_url, "wrong") == "-ERR 'Authorization Violation'"
        for pid in (postgres, nats_server):
            line = " ".join(psutil.Process(pid).cmdline())
            assert str(endpoints.nats_token) not in line
        for name in ("secret", "postgres.passwords", "nats/nats.conf", "nats/token", "runtime.json", "postgres.log"):
            if (folder / name).exists():
                assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    assert not is_alive(postgres)
    assert not is_alive(nats_server)
    assert find_running(folder) is None
    with servers(settings_of(folder)) as again:
        assert again == endpoints
        assert marks(again) == (1, 1)


def greet_nats(url: str, token: str) -> str:
    """What NATS answers to a client with `token`: `PONG`, or `-ERR` and why."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection, connection.makefile() as said:
        assert said.readline().startswith("INFO ")
        connection.sendall(b'CONNECT {"auth_token": "%s", "verbose": false}\r\nPING\r\n' % token.encode())
        return said.readline().strip()


def test_a_second_owner_is_refused_by_name_and_a_short_command_shares(tmp_path: Path, holders: Holders) -> None:
    with Embedded(settings_of(tmp_path)) as embedded:
        endpoints = embedded.start()
        second = holders.launch(tmp_path, "own")
        _, errors = second.communicate(timeout=10)
        assert second.returncode == 1
        assert f"is in use by process {os.getpid()}: stop that one first" in errors
        assert errors.count("\n") == 1
        with pytest.raises(FolderInUse, match=str(os.getpid())):
            Embedded(settings_of(tmp_path)).start()  # nor twice in one process
        assert holders.endpoints(holders.launch(tmp_path, "share")) == endpoints
        holders.close()
        assert embedded.pids == dict(zip(("PostgreSQL", "NATS"), pids_of(tmp_path), strict=True))
        mark(endpoints)  # and what it shared is still up when it left


def test_killed_servers_come_back_on_their_ports_with_their_data(tmp_path: Path) -> None:
    with Embedded(settings_of(tmp_path)) as embedded:
        endpoints = embedded.start()
        mark(endpoints)
        before = embedded.pids
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)

        def is_back() -> bool:
            embedded.poll()
            return embedded.healthy and not set(embedded.pids.values()) & set(before.values())

        until(is_back)
        assert embedded.endpoints() == endpoints == find_running(tmp_path)
        assert pids_of(tmp_path) == list(embedded.pids.values())
        assert marks(endpoints) == (1, 1)


@pytest.mark.parametrize("how", ["own", "from another thread"])
def test_after_a_killed_parent_a_plain_start_has_everything(tmp_path: Path, holders: Holders, how: str) -> None:
    parent = holders.launch(tmp_path, how)
    endpoints = holders.endpoints(parent)
    mark(endpoints)
    orphans = pids_of(tmp_path)
    parent.kill()
    parent.wait()
    if how == "own":
        until(lambda: not any(is_alive(pid) for pid in orphans))  # the kernel told them
    else:
        assert all(is_alive(pid) for pid in orphans)  # true orphans: the thread that started them ended before
    assert find_running(tmp_path) is None
    with servers(settings_of(tmp_path)) as again:
        assert not any(is_alive(pid) for pid in orphans)
        assert again == endpoints
        assert marks(again) == (1, 1)


def test_a_stale_pid_file_is_not_believed_and_its_process_not_harmed(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with servers(settings_of(ours)) as endpoints:
        mark(endpoints)
    with servers(settings_of(theirs)) as other:
        mark(other)
        # As after a container's restart: the pid exists, and is even a PostgreSQL, but not of this folder.
        pid_file = (theirs / "postgres" / "postmaster.pid").read_text()
        (ours / "postgres" / "postmaster.pid").write_text(pid_file.replace(str(theirs), str(ours)))
        with servers(settings_of(ours)) as again:
            assert again == endpoints
            assert marks(again) == (1, 1)
        assert marks(other) == (1, 1)


def test_commands_that_start_at_once_share_one_pair(tmp_path: Path, holders: Holders) -> None:
    launched = [holders.launch(tmp_path, "share") for _ in range(4)]
    said = [holders.endpoints(process) for process in launched]
    assert len(set(map(repr, map(msgspec.json.encode, said)))) == 1
    mark(said[0])
    assert marks(said[-1]) == (1, 1)
    holders.close()
    assert [process.returncode for process in launched] == [0] * 4


def test_a_port_that_somebody_took_meanwhile_is_given_up(tmp_path: Path) -> None:
    with servers(settings_of(tmp_path)) as endpoints:
        mark(endpoints)
    kept = [int((tmp_path / name).read_text()) for name in ("postgres.port", "nats.port")]
    takers = [socket.create_server(("127.0.0.1", port)) for port in kept]
    try:
        with servers(settings_of(tmp_path)) as moved:
            assert not {moved.owner_url, moved.nats_url} & {endpoints.owner_url, endpoints.nats_url}
            assert marks(moved) == (1, 1)
    finally:
        for taker in takers:
            taker.close()


def test_lost_passwords_are_made_anew_in_the_same_cluster(tmp_path: Path) -> None:
    with servers(settings_of(tmp_path)) as endpoints:
        mark(endpoints)
    (tmp_path / "postgres.passwords").unlink()
    (tmp_path / "postgres.draft").mkdir()  # what a start that was killed in the middle leaves
    with servers(settings_of(tmp_path)) as again:
        assert again.owner_url != endpoints.owner_url
        assert marks(again) == (1, 1)


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path, holders: Holders) -> None:
    with servers(settings_of(tmp_path)):
        nats_config = str(tmp_path / "nats" / "nats.conf")
    version = tmp_path / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(ServersError, match=r"was made by PostgreSQL 17, but .* is 18: dump it with 17"):
        Embedded(settings_of(tmp_path)).start()
    version.write_text("18\n")
    (tmp_path / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(ServersError, match=r"PostgreSQL did not start \(could not find .*: read .*postgres\.log"):
        Embedded(settings_of(tmp_path)).start()
    assert not [process for process in psutil.process_iter() if nats_config in _cmdline(process)]
    Embedded(settings_of(tmp_path)).lock()  # it was let go


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_servers_of_the_operator_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    settings = Settings(
        data_dir=folder,
        secret="s" * 32,
        database_url="postgresql+asyncpg://app:a@127.0.0.1:1/chorus",
        owner_url="postgresql+asyncpg://app:a@127.0.0.1:1/chorus",
        nats_url="nats://127.0.0.1:2",
    )
    with servers(settings) as endpoints, Embedded(settings) as embedded:
        assert embedded.start() == endpoints
        embedded.poll()
        assert embedded.healthy
        assert embedded.pids == {}
    assert (endpoints.database_url, endpoints.nats_url) == (settings.database_url, settings.nats_url)
    assert endpoints.app_role is None
    assert not folder.exists()


def test_with_the_operators_database_only_nats_is_started(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://app:a@127.0.0.1:1/chorus"
    settings = Settings(data_dir=tmp_path, secret="s" * 32, database_url=url, owner_url=url)
    with Embedded(settings) as embedded:
        endpoints = embedded.start()
        assert list(embedded.pids) == ["NATS"]
        assert endpoints.database_url == url
        assert endpoints.nats_token
    assert not (tmp_path / "postgres").exists()
