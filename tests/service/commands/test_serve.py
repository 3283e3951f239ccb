import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from service.commands import main, serve
from service.kit.database import Database
from service.settings import Settings
from service.worker.tables import WorkerRow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@dataclass
class Service:
    """A running `python -m service serve`."""

    process: "subprocess.Popen[str]"
    url: str

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, timeout=30)


def command(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(*arguments: str, **variables: str) -> tuple[int, str, str]:
    process = command(*arguments, **variables)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@contextmanager
def serving(database_url: str, workers: int) -> Iterator[Service]:
    process = command(
        "serve",
        "--port",
        "0",
        "--workers",
        str(workers),
        BACKPROP_DATABASE_URL=database_url,
        BACKPROP_LOG_LEVEL="error",
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Backprop Service: http://127.0.0.1:"), line
        yield Service(process, line.split()[2])
    finally:
        process.kill()
        process.communicate()


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "It has not happened."
        time.sleep(0.05)


def is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def workers(database: Database) -> list[int]:
    with database.reading() as session:
        return [pid for pid in session.scalars(select(WorkerRow.pid)) if is_alive(pid)]


def test_it_migrates_serves_and_is_ready_as_soon_as_a_worker_lives(empty_database_url: str) -> None:
    with serving(empty_database_url, workers=1) as service:
        assert service.get("/v1").json()["name"] == "Backprop Service"
        eventually(lambda: service.get("/health/ready").status_code == 200)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_though_clients_hold_on_to_it(
    database_url: str, database: Database, stop: signal.Signals
) -> None:
    with serving(database_url, workers=1) as service:
        eventually(lambda: workers(database) != [])
        address = ("127.0.0.1", int(service.url.rsplit(":", 1)[1]))
        idle, slow = socket.create_connection(address), socket.create_connection(address)
        idle.sendall(b"GET /v1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        slow.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        service.process.send_signal(stop)
        assert service.process.wait(timeout=10) == 0
        assert workers(database) == []
        idle.close()
        slow.close()


def test_workers_that_die_are_started_again(database_url: str, database: Database) -> None:
    with serving(database_url, workers=1):
        eventually(lambda: workers(database) != [])
        (first,) = workers(database)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: workers(database) not in ([], [first]))


def test_workers_do_not_outlive_a_killed_server(database_url: str, database: Database) -> None:
    with serving(database_url, workers=1) as service:
        eventually(lambda: workers(database) != [])
        service.process.kill()
        eventually(lambda: workers(database) == [])


def test_a_port_that_is_taken_is_said_in_one_line(sqlite_url: str) -> None:
    with serving(sqlite_url, workers=0) as service:
        port = service.url.rsplit(":", 1)[1]
        status, output, errors = outcome("serve", "--port", port, "--workers", "0", BACKPROP_DATABASE_URL=sqlite_url)
    assert (status, output) == (1, "")
    assert errors == f"backprop: cannot listen on 127.0.0.1, port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BACKPROP_PORT", "x"),
        ("BACKPROP_PORT", "70000"),
        ("BACKPROP_WORKERS", "-1"),
        ("BACKPROP_DATABASE_URL", "mysql://x"),
    ],
)
def test_a_wrong_setting_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["serve"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"backprop: {variable}: ")
    assert errors.count("\n") == 1


def test_a_database_that_cannot_be_reached_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    unreachable = Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing", port=0, workers=0)
    assert serve.main(unreachable) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("backprop: cannot open the database: ")
    assert errors.count("\n") == 1
