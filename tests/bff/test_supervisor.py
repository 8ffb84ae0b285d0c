"""The parent of `chorus serve`, run as a process of its own over a stand-in for the worker.

The stand-in keeps the real contract (its environment, the inherited socket, the ready pipe, dying with its parent)
and answers every connection with its pid; what it is told in a file makes it fail in the ways a worker can.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bff.supervisor import bind, run
from core.settings import OperatorError, Settings

WORKER = """
import json, os, signal, socket, sys, time
from pathlib import Path

orders = Path(os.environ["CHORUS_DATA_DIR"]).parent / "orders"
order = orders.read_text() if orders.exists() else ""
if order == "fail":
    sys.exit(3)

from bff import supervisor
from core.processes import die_with_parent
from core.settings import Settings

die_with_parent(int(os.environ[supervisor.PARENT_PID]))
settings = Settings.from_env(os.environ)
if order == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
about = {
    "pid": os.getpid(),
    "number": os.environ[supervisor.WORKER_NUMBER],
    "roles": os.environ[supervisor.ROLES],
    "url": settings.public_url,
    "role": settings.database_url.split("//")[1].split(":")[0],
    "owner": settings.owner_url == settings.database_url and "CHORUS_OWNER_URL" not in os.environ,
    "token": bool(settings.nats_token),
}
os.write(int(os.environ[supervisor.READY_FD]), b"1")
os.close(int(os.environ[supervisor.READY_FD]))
with socket.socket(fileno=int(os.environ[supervisor.LISTEN_FD])) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(json.dumps(about).encode())
        time.sleep(0.02)  # so that the other workers take their turn
"""

PARENT = """
import sys
from pathlib import Path
from bff.supervisor import run
from core.settings import OperatorError, Settings

folder, worker, port, workers = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
settings = Settings(data_dir=folder / "data", secret="s" * 32, port=port, public_url=f"http://127.0.0.1:{port}")

def migrate(owner_url, app_role):
    print("migrate", owner_url.split("//")[1].split(":")[0], app_role, flush=True)
    if (folder / "slow").exists():
        print("ready slowly", flush=True)
        sys.stdin.read()

try:
    sys.exit(
        run(
            settings,
            workers,
            ready=lambda url: print("ready", url, flush=True),
            worker_command=[sys.executable, worker],
            migrate=migrate,
        )
    )
except OperatorError as error:
    print(f"chorus: {error}", file=sys.stderr)
    sys.exit(1)
"""


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


class Chorus:
    """One `chorus serve` on a folder of its own, and everything below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worker = folder / "worker.py"
        self.worker.write_text(WORKER)
        self.port = 0
        self.said: list[str] = []

    def order(self, what: str) -> None:
        (self.folder / "orders").write_text(what)

    def launch(self, workers: int = 2, port: int = 0) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(self.folder), str(self.worker), str(port), str(workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, word: str) -> str:
        assert self.parent.stdout is not None
        for line in self.parent.stdout:
            self.said.append(line)
            if line.startswith(word):
                return line
        raise AssertionError(f"it said: {''.join(self.said)} {self.parent.communicate()[1]}")

    def start(self, workers: int = 2) -> None:
        self.launch(workers)
        self.port = int(self.wait_for("ready http").strip().rpartition(":")[2])

    def ask(self) -> dict[str, object]:
        """What one of the workers says about itself."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            told: dict[str, object] = json.loads(connection.makefile("rb").read())
            return told

    def worker_pids(self) -> set[int]:
        children = psutil.Process(self.parent.pid).children()
        return {child.pid for child in children if str(self.worker) in child.cmdline()}

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.parent.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.parent.send_signal(number)
        return self.finish()

    def finish(self) -> int:
        out, self.errors = self.parent.communicate(timeout=40)
        self.said.append(out)
        return self.parent.returncode


@pytest.fixture
def chorus(tmp_path: Path) -> Iterator[Chorus]:
    chorus = Chorus(tmp_path)
    yield chorus
    if chorus.parent.poll() is None:
        chorus.parent.kill()
        chorus.finish()


def gone(processes: list[psutil.Process]) -> bool:
    return not [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_by_the_contract_and_stops_in_order(chorus: Chorus, number: signal.Signals) -> None:
    chorus.start(workers=2)
    told: dict[object, dict[str, object]] = {}

    def heard_both() -> bool:
        about = chorus.ask()
        told[about["number"]] = about
        return len(told) == 2

    until(heard_both)
    for about in told.values():
        assert about["roles"] == "serve,work"
        assert about["url"] == f"http://127.0.0.1:{chorus.port}"
        assert (about["role"], about["owner"], about["token"]) == ("chorus_app", True, True)
    assert {about["pid"] for about in told.values()} == chorus.worker_pids()
    assert [line for line in chorus.said if line.startswith("migrate")] == ["migrate chorus_owner chorus_app\n"]
    secret = (chorus.folder / "data" / "nats" / "token").read_text()
    family = chorus.family()
    assert not [process for process in family if secret in " ".join(process.cmdline())]
    assert chorus.end(number) == 0
    assert gone(family)
    with pytest.raises(ConnectionRefusedError):
        chorus.ask()


def test_a_dead_worker_is_replaced_and_the_port_never_refuses(chorus: Chorus) -> None:
    chorus.start(workers=2)
    before = chorus.worker_pids()
    dying = [psutil.Process(pid) for pid in before]
    for process in dying:
        process.kill()
    until(lambda: gone(dying))
    assert chorus.ask()["pid"] not in before  # it waited in the backlog for the next worker
    until(lambda: len(chorus.worker_pids() - before) == 2)
    assert chorus.end() == 0
    assert sum("worker_died" in line for line in "".join(chorus.said).splitlines()) == 2


def test_a_killed_parent_leaves_no_worker_on_the_port_and_can_be_started_again(chorus: Chorus) -> None:
    chorus.start(workers=1)
    family = chorus.family()
    assert chorus.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: gone(family))
    chorus.launch(workers=1, port=chorus.port)
    chorus.wait_for("ready http")
    assert chorus.ask()["number"] == "1"
    assert chorus.end() == 0


def test_a_worker_that_never_starts_ends_it_with_one_line(chorus: Chorus) -> None:
    chorus.order("fail")
    chorus.launch(workers=1)
    assert chorus.finish() == 1
    assert chorus.errors == (
        "chorus: worker 1 could not start 5 times within 30 seconds (last exit code 3): read its messages above\n"
    )
    assert not (chorus.folder / "data" / "runtime.json").exists()
    assert not [process for process in psutil.process_iter() if str(chorus.folder) in " ".join(_cmdline(process))]


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_second_request_hastens_a_worker_that_does_not_listen(chorus: Chorus) -> None:
    chorus.order("deaf")
    chorus.start(workers=1)
    family = chorus.family()
    asked = time.monotonic()
    chorus.parent.send_signal(signal.SIGINT)
    chorus.parent.send_signal(signal.SIGTERM)  # as a wrapper passes it on: still the first request
    until(lambda: time.monotonic() - asked > 1.2)
    assert chorus.worker_pids()
    assert chorus.end(signal.SIGINT) == 0
    assert time.monotonic() - asked < 10, "it waited for the deaf worker"
    assert gone(family)


def test_a_request_during_the_start_is_heard(chorus: Chorus) -> None:
    (chorus.folder / "slow").write_text("")
    chorus.launch()
    chorus.wait_for("ready slowly")
    family = chorus.family()
    assert family
    assert chorus.end(signal.SIGTERM) == 0
    assert gone(family)


def test_a_taken_port_and_a_taken_folder_are_told_in_one_line(chorus: Chorus) -> None:
    chorus.start(workers=1)
    other = Chorus(chorus.folder)
    other.launch(port=chorus.port)
    assert other.finish() == 1
    assert f"is in use by process {chorus.parent.pid}: stop that one first" in other.errors
    assert other.errors.count("\n") == 1
    with pytest.raises(OperatorError, match=f"port {chorus.port} on 127.0.0.1 is in use: .* set CHORUS_PORT"):
        bind("127.0.0.1", chorus.port)
    assert chorus.ask()["number"] == "1"
    assert chorus.end() == 0


def test_what_cannot_be_served_is_refused_before_anything_starts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", secret="s" * 32)
    with pytest.raises(OperatorError, match="there is no role 'serf': choose from serve, work"):
        run(settings, 1, "serf")
    with pytest.raises(OperatorError, match=r"'203\.0\.113\.7'|cannot listen on 203\.0\.113\.7"):
        bind("203.0.113.7", 0)
    assert not (tmp_path / "data").exists()
